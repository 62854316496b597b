package gateway

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"bartizan"
	"bartizan/internal/wire"
)

// streamer passes one answer on as events.
type streamer struct {
	*call
	framing wire.Framing
	// The rare chores of a long stream were last done then.
	deadlineAt, progressAt time.Time
}

// progressEvery is how often a stream's cost so far is noted, for the case that it
// is never settled.
const progressEvery = 5 * time.Second

// stream passes events on, each as soon as it is complete. When more
// events are already in memory they leave together. The status line waits for the
// first event: until then a fault can still be told properly.
func (c *call) stream(body io.Reader, framing wire.Framing) {
	pool := &c.gateway.readers[framing]
	reader, ok := pool.Get().(wire.Reader)
	if !ok {
		reader = wire.NewReader(framing, nil)
	}
	reader.Reset(body)
	out := c.gateway.buffer()
	defer func() {
		reader.Reset(nil)
		pool.Put(reader)
		c.gateway.release(out)
	}()
	s := streamer{call: c, framing: framing}
	for {
		event, err := reader.Next()
		if err != nil {
			s.end(err)
			return
		}
		c.gateway.stats.Events.Add(1)
		out.bytes, err = c.shaper.Event(out.bytes[:0], event)
		if err != nil {
			s.end(err)
			return
		}
		if !s.send(out.bytes, !reader.Buffered()) {
			c.abort()
			return
		}
	}
}

// start sends the status line with the first event's bytes.
func (s *streamer) start() {
	s.wrote = true
	s.exchange.Status = http.StatusOK
	s.exchange.FirstAt = s.gateway.options.Now().UTC()
	h := s.writer.Header()
	h.Set("Content-Type", s.framing.ContentType())
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
	h.Del("Content-Length")
	s.adjustedHeader()
	s.writer.WriteHeader(http.StatusOK)
}

// send writes one event's bytes; it returns false when the client is gone.
func (s *streamer) send(p []byte, flush bool) bool {
	s.chores(time.Now())
	if len(p) > 0 {
		if !s.wrote {
			s.start()
		}
		_, _ = s.answer.mac.Write(p)
		if _, err := s.writer.Write(p); err != nil {
			return false
		}
	}
	return !flush || !s.wrote || s.control.Flush() == nil
}

// chores renews the write deadline and notes the cost so far, both now and then.
func (s *streamer) chores(now time.Time) {
	if now.Sub(s.deadlineAt) <= s.gateway.options.WriteTimeout/8 {
		return
	}
	s.deadlineAt = now
	s.extendWrite(now)
	if now.Sub(s.progressAt) < progressEvery {
		return
	}
	s.progressAt = now
	if err := s.gateway.guard.Progress(s.request.Context(), &s.admission, s.shaper.OutputBytes()); err != nil {
		s.logError(slog.LevelWarn, "note progress", err)
	}
}

// end closes a stream. After a fault the client gets an error event and a broken
// connection, so that it cannot take a cut answer for a whole one.
func (s *streamer) end(err error) {
	s.takeAdjusted()
	if errors.Is(err, io.EOF) {
		s.exchange.Outcome = bartizan.OutcomeAnswered
		if !s.wrote {
			s.start()
		}
		return
	}
	if !s.wrote {
		s.fail(err)
		return
	}
	if s.request.Context().Err() != nil {
		s.abort()
		return
	}
	s.cut = true
	s.exchange.Outcome = bartizan.OutcomeFailed
	s.logError(slog.LevelWarn, "stream broken", err)
	event := s.dialect.ErrorEvent(s.framing, wire.ErrorBody{Kind: s.fault(err), RequestID: s.exchange.ID})
	s.extendWrite(time.Now())
	if _, err := s.writer.Write(event); err == nil {
		_ = s.control.Flush() // the connection is closed either way
	}
}

// errIdle says that the upstream was silent for too long within an answer.
var errIdle = errors.New("upstream fell silent")

// idleReader fails with errIdle when a read takes too long. It closes the body to
// wake a blocked read.
type idleReader struct {
	body    io.ReadCloser
	timer   *time.Timer
	timeout time.Duration
	expired atomic.Bool
}

func newIdleReader(body io.ReadCloser, timeout time.Duration) *idleReader {
	i := &idleReader{body: body, timeout: timeout}
	i.timer = time.AfterFunc(timeout, func() {
		i.expired.Store(true)
		_ = body.Close() // only to wake the reader
	})
	return i
}

// Read reads from the upstream and restarts the clock.
func (i *idleReader) Read(p []byte) (int, error) {
	n, err := i.body.Read(p)
	if i.expired.Load() {
		return n, errIdle
	}
	i.timer.Reset(i.timeout)
	return n, err //nolint:wrapcheck // whoever reads names the answer
}

// Close closes the body.
func (i *idleReader) Close() error {
	i.stop()
	return i.body.Close() //nolint:wrapcheck // as above
}

func (i *idleReader) stop() { i.timer.Stop() }
