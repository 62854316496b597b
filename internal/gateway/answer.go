package gateway

import (
	"bytes"
	"errors"
	"hash"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"bartizan"
	"bartizan/internal/guard"
	"bartizan/internal/upstream"
	"bartizan/internal/wire"
)

// answer is what an answer leaves for the record.
type answer struct {
	mac hash.Hash // over the bytes that the client got
}

// maxErrorBody bounds how much of an upstream's error is read.
const maxErrorBody = 64 << 10

// respond passes the upstream's answer on.
func (c *call) respond(response *http.Response) {
	idle := newIdleReader(response.Body, c.gateway.options.IdleTimeout)
	defer idle.stop()
	response.Body = idle
	upstream.ClientHeader(c.writer.Header(), response.Header, response.StatusCode)
	if response.StatusCode < 200 || response.StatusCode > 299 {
		c.respondError(response)
		return
	}
	framing, stream := c.route.FramingOf(media(response.Header.Get("Content-Type")), c.peeked.Asked.Stream)
	limit := c.gateway.options.MaxAnswer
	if stream {
		limit = 0 // it is never whole in memory: each event has its own bound
	}
	body, err := upstream.Decode(response, limit)
	if err != nil {
		c.fail(err)
		return
	}
	defer body.Close()
	c.answer.mac = c.gateway.keys.NewOutput(c.exchange.Account)
	if stream {
		c.stream(body, framing)
		return
	}
	c.whole(body, response.StatusCode, response.ContentLength)
}

// respondError tells the client of an upstream's refusal without its words. What
// is the operator's fault, such as a bad upstream key, is never the client's.
func (c *call) respondError(response *http.Response) {
	status := response.StatusCode
	switch {
	case status < 400, status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		status = http.StatusBadGateway
	case status == http.StatusTooManyRequests:
		status = http.StatusServiceUnavailable
	}
	c.fruitless = true
	c.exchange.Outcome = bartizan.OutcomeFailed
	if status < 500 {
		c.exchange.Outcome = bartizan.OutcomeAnswered
	}
	c.gateway.log.LogAttrs(c.request.Context(), slog.LevelInfo, "upstream refused",
		slog.String("exchange", c.exchange.ID), slog.Int("status", response.StatusCode))
	src, _ := io.ReadAll(io.LimitReader(response.Body, maxErrorBody)) // what there is of it
	c.write(status, "application/json", c.shaper.ErrorBody(nil, status, src))
}

// whole passes an answer on that is one document.
func (c *call) whole(body io.Reader, status int, hint int64) {
	in, out := c.gateway.buffer(), c.gateway.buffer()
	defer func() { c.gateway.release(in); c.gateway.release(out) }()
	if err := in.readAll(body, hint, c.gateway.options.MaxAnswer); err != nil {
		c.fail(err)
		return
	}
	shaped, err := c.shaper.Body(out.bytes, in.bytes)
	if err != nil {
		c.fail(err)
		return
	}
	out.bytes = shaped
	c.takeAdjusted()
	c.exchange.Outcome = bartizan.OutcomeAnswered
	_, _ = c.answer.mac.Write(shaped)
	c.write(status, c.typeOf(shaped, in.bytes), shaped)
}

// typeOf is the content type of an answer. It is JSON, but for what passes as it came from
// a route of which nothing is known, such as counters in text.
func (c *call) typeOf(shaped, came []byte) string {
	if given := c.writer.Header().Get("Content-Type"); c.route.Closed() && given != "" && bytes.Equal(shaped, came) {
		return given
	}
	return "application/json"
}

// takeAdjusted adds what was narrowed in the answer.
func (c *call) takeAdjusted() {
	for _, a := range c.shaper.Adjusted() {
		if !slices.Contains(c.exchange.Adjusted, a) {
			c.exchange.Adjusted = append(c.exchange.Adjusted, a)
		}
	}
}

// fail ends an exchange whose answer broke off or cannot be passed on, before any of
// it went to the client.
func (c *call) fail(err error) {
	if c.request.Context().Err() != nil {
		c.abort()
		return
	}
	c.fruitless = true
	kind := c.fault(err)
	c.logError(slog.LevelWarn, "no answer to pass on", err)
	if kind == wire.ErrorWithheld {
		c.exchange.Outcome = bartizan.OutcomeRefused
		c.refuse(kind, "withheld")
		return
	}
	c.exchange.Outcome = bartizan.OutcomeFailed
	c.refuse(kind, "")
}

// fault returns what the client is told of a broken answer, and counts those that
// came but were not passed on.
func (c *call) fault(err error) wire.ErrorKind {
	for _, cause := range [...]error{guard.ErrWithheld, wire.ErrEventTooLarge, upstream.ErrEncoding, upstream.ErrTooLarge, errTooLarge} {
		if errors.Is(err, cause) {
			c.gateway.stats.Withheld.Add(1)
			return wire.ErrorWithheld
		}
	}
	if errors.Is(err, errIdle) {
		return wire.ErrorUpstreamTimeout
	}
	return wire.ErrorUpstream
}

// pieceSize is how much of an answer one write deadline covers.
const pieceSize = 256 << 10

// write sends a whole answer.
func (c *call) write(status int, contentType string, body []byte) {
	if c.wrote {
		return
	}
	c.wrote = true
	c.exchange.Status = status
	h := c.writer.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.adjustedHeader()
	c.writer.WriteHeader(status)
	for len(body) > 0 {
		piece := body[:min(len(body), pieceSize)]
		body = body[len(piece):]
		c.extendWrite(time.Now())
		if _, err := c.writer.Write(piece); err != nil {
			c.abort()
			return
		}
	}
}

// extendWrite gives the client time for the next write.
func (c *call) extendWrite(now time.Time) {
	_ = c.control.SetWriteDeadline(now.Add(c.gateway.options.WriteTimeout))
}

// abort notes that the client is gone or does not read. An exchange that was already
// refused or failed stays so.
func (c *call) abort() {
	if x := &c.exchange; x.Outcome == "" || x.Outcome == bartizan.OutcomeAnswered {
		x.Outcome = bartizan.OutcomeAborted
	}
	c.cut = true
}

// adjustedHeader tells the client in what it gets less than it asked for.
func (c *call) adjustedHeader() {
	if a := c.exchange.Adjusted; len(a) > 0 {
		c.writer.Header().Set("X-Bartizan-Adjusted", strings.Join(a, ", "))
	}
}
