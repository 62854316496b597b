package gateway

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"bartizan"
	"bartizan/internal/guard"
	"bartizan/internal/ratelimit"
	"bartizan/internal/upstream"
	"bartizan/internal/wire"
)

// call is one request on its way through the gateway.
type call struct {
	gateway *Gateway
	writer  http.ResponseWriter
	request *http.Request
	control *http.ResponseController

	rawID    [16]byte
	exchange bartizan.Exchange
	route    *wire.Route
	dialect  wire.Dialect
	body     *buffer // as the client sent it
	narrowed []byte  // as the upstream gets it; never reused, since it may read late
	peeked   wire.Request
	known    bool // body was understood

	account   bartizan.Account
	admission guard.Admission
	standing  [16]ratelimit.Standing
	admitted  bool
	reached   bool // the upstream may have seen the request
	fruitless bool // the upstream gave nothing that the client could have
	shaper    *guard.Shaper
	answer    answer
	wrote     bool // the status line went out
	unlisted  bool // not a use of a model: it leaves no record
	cut       bool // the client must not take what it got for a whole answer
}

// begin gives the exchange its id and its time.
func (c *call) begin(now time.Time) {
	raw, id := newID(now)
	c.rawID = raw
	c.exchange = bartizan.Exchange{
		Schema: bartizan.ExchangeSchema, ID: id, At: now.UTC(),
		Peer: bartizan.Peer{Network: network(c.request.RemoteAddr), UserAgent: c.request.UserAgent()},
	}
	c.writer.Header().Set("X-Request-Id", id)
}

// serve is the straight line. Each step either goes on or has answered the client.
func (c *call) serve() {
	defer c.recoverPanic()
	if !c.identify() || c.customer() || !c.readBody() || !c.admit() || !c.shape() {
		return
	}
	if response, ok := c.forward(); ok {
		defer response.Body.Close()
		c.respond(response)
	}
}

// identify finds the account first, so that a stranger learns nothing of the
// routes, and then the route.
func (c *call) identify() bool {
	r := c.request
	route, pathKnown := wire.Find(r.Method, r.URL.EscapedPath())
	if route != nil {
		c.dialect, c.route, c.exchange.Route = route.Dialect, route, route.Name
	}
	account, key, err := c.gateway.directory.Lookup(credential(r))
	if err != nil {
		kind := kindOf(err)
		if kind == wire.ErrorUnauthorized {
			c.gateway.stats.Unauthorized.Add(1)
		}
		return c.refuse(kind, "")
	}
	x := &c.exchange
	x.Account, x.Key, x.Tier, x.Level = account.ID, key.ID, account.Tier, account.Level
	c.account = account
	switch {
	case route != nil, c.isCustomer():
		return true
	case pathKnown:
		c.writer.Header().Set("Allow", allowed(r.URL.EscapedPath()))
		return c.refuse(wire.ErrorMethod, "route_closed")
	default:
		return c.refuse(wire.ErrorUnknownRoute, "route_closed")
	}
}

// allowed returns the methods that a known path takes.
func allowed(path string) string {
	var methods []string
	for _, method := range [...]string{http.MethodGet, http.MethodPost} {
		if route, _ := wire.Find(method, path); route != nil {
			methods = append(methods, method)
		}
	}
	return strings.Join(methods, ", ")
}

// readBody reads and understands the request.
func (c *call) readBody() bool {
	if c.request.Method == http.MethodGet {
		return true
	}
	if e := c.request.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return c.refuseWith(wire.ErrorBody{
			Kind: wire.ErrorUnsupportedMedia, Message: "Send the request body without Content-Encoding.",
		}, "bad_request")
	}
	if t := c.request.Header.Get("Content-Type"); t != "" && !isMedia(t, "application/json") {
		return c.refuseWith(wire.ErrorBody{
			Kind: wire.ErrorUnsupportedMedia, Message: "Send the request body as application/json.",
		}, "bad_request")
	}
	limit := c.gateway.options.MaxBody
	c.body = c.gateway.buffer()
	_ = c.control.SetReadDeadline(time.Now().Add(c.gateway.options.BodyTimeout))
	switch err := c.body.readAll(c.request.Body, c.request.ContentLength, limit); {
	case errors.Is(err, errTooLarge):
		return c.refuseWith(wire.ErrorBody{
			Kind: wire.ErrorTooLarge, Message: fmt.Sprintf("The request body is larger than the limit of %d bytes.", limit),
		}, "too_large")
	case err != nil:
		return c.refuseWith(wire.ErrorBody{
			Kind: wire.ErrorBadRequest, Message: "The request body could not be read to its end.",
		}, "bad_request")
	}
	_ = c.control.SetReadDeadline(time.Time{})
	peeked, err := c.route.Peek(c.body.bytes)
	if err != nil {
		return c.refuseRequest(err)
	}
	c.peeked, c.known = peeked, true
	c.exchange.Model, c.exchange.Asked = peeked.Model, peeked.Asked
	return true
}

// isMedia reports whether a Content-Type is the media type, whatever its parameters.
func isMedia(contentType, media string) bool {
	name, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(name), media)
}

// admit asks the guard and tells the client what is left.
func (c *call) admit() bool {
	x := &c.exchange
	if !c.gateway.sink.Admit() {
		return c.refuse(wire.ErrorUnavailable, "evidence_unavailable")
	}
	adm, err := c.gateway.guard.Admit(c.request.Context(), x.At, &guard.Ask{
		Account: c.account, Key: x.Key, Route: c.route, Request: c.peeked, Prompt: c.promptHash, Standing: c.standing[:0],
	})
	if err != nil {
		c.logError(slog.LevelError, "counters unavailable", err)
		return c.refuse(wire.ErrorUnavailable, "unavailable")
	}
	c.admission, x.Decision = adm, adm.Decision
	c.rateHeaders()
	if adm.Decision.Allowed() {
		c.admitted = true
		return true
	}
	if reason := adm.Decision.Reasons[0]; reason.Code != "limit" {
		return c.refuse(wire.ErrorForbidden, reason.Code)
	}
	return c.refuseLimit()
}

// promptHash names the prompt of this account, under the installation's key.
func (c *call) promptHash() uint64 {
	if !c.known {
		return 0
	}
	mac := c.gateway.keys.Prompt(c.exchange.Account, c.route.Text(c.body.bytes).Prompt)
	return binary.LittleEndian.Uint64(mac[:])
}

// narrowingRoom is how much longer a request may get by what is added to it.
const narrowingRoom = 128

// shape narrows the request and makes the shaper of its answer.
func (c *call) shape() bool {
	profile := c.admission.Profile
	if c.known {
		room := make([]byte, 0, len(c.body.bytes)+narrowingRoom)
		n, _, err := guard.NarrowRequest(c.route, profile, c.peeked, c.admission.Cap(), room, c.body.bytes)
		if err != nil {
			return c.refuseRequest(err)
		}
		c.narrowed, c.exchange.Adjusted = n.Body, n.Adjusted
	}
	c.shaper = guard.NewShaper(c.route, profile, c.peeked)
	if c.gateway.guard.Counts(c.peeked.Model) != nil {
		c.shaper.KeepText()
	}
	return true
}

// forward sends the request to its upstream. No route takes a query, so none is
// passed on: what stands there, a key perhaps, is not the upstream's concern.
func (c *call) forward() (*http.Response, bool) {
	ctx := c.request.Context()
	target := c.gateway.target(c.peeked.Model)
	response, err := c.gateway.client.Do(ctx, target, c.request.Method, c.request.URL.EscapedPath(), "",
		c.request.Header, c.narrowed)
	if err == nil {
		c.reached = true
		return response, true
	}
	c.reached = !errors.Is(err, upstream.ErrConnect)
	if ctx.Err() != nil {
		c.abort()
		return nil, false
	}
	kind := wire.ErrorUpstream
	if errors.Is(err, upstream.ErrTimeout) {
		kind = wire.ErrorUpstreamTimeout
	}
	c.logError(slog.LevelWarn, "upstream unavailable", err, slog.String("upstream", target.Name))
	c.exchange.Outcome, c.fruitless = bartizan.OutcomeFailed, true
	return nil, c.refuse(kind, "")
}

// logError logs what went wrong with the exchange.
func (c *call) logError(level slog.Level, message string, err error, more ...slog.Attr) {
	attrs := append([]slog.Attr{slog.String("exchange", c.exchange.ID), slog.Any("error", err)}, more...)
	c.gateway.log.LogAttrs(c.request.Context(), level, message, attrs...) //nolint:sloglint // every caller gives a constant
}
