package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Reader cuts a stream into events, in whichever framing. Its methods are as those of
// [EventReader].
type Reader interface {
	Next() (Event, error)
	Buffered() bool
	Reset(r io.Reader)
}

var (
	_ Reader = (*EventReader)(nil)
	_ Reader = (*DocumentReader)(nil)
)

// NewReader returns a reader of the framing's events.
func NewReader(f Framing, r io.Reader) Reader { //nolint:ireturn // framings are read alike
	if f == FramingSSE {
		return NewEventReader(r)
	}
	d := &DocumentReader{framing: f}
	d.Reset(r)
	return d
}

// ContentType is the media type of streams in the framing.
func (f Framing) ContentType() string {
	switch f {
	case FramingLines:
		return "application/x-ndjson"
	case FramingArray:
		return "application/json"
	default:
		return "text/event-stream; charset=utf-8"
	}
}

// FramingOf returns the framing of an answer by its media type, as the route's engines use
// it; ok is false for an answer that is no stream.
func (r *Route) FramingOf(media string, asked bool) (f Framing, ok bool) {
	switch media {
	case "text/event-stream":
		return FramingSSE, asked
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/stream+json":
		return FramingLines, asked
	case "application/json":
		return FramingArray, asked && r.framing == FramingArray
	default:
		return 0, false
	}
}

// DocumentReader cuts a stream of JSON documents into events, one for each: lines, or the
// elements of one array. The Raw of an event holds what stands around its document, so that
// the Raws of a stream, joined, are the stream. Make one with [NewReader].
type DocumentReader struct {
	r       io.Reader
	framing Framing
	buf     []byte
	start   int // buf[start:] is not yet returned
	seen    int // buf[start:seen] is known to hold no whole event
	begun   bool
	closed  bool // the array has ended
	err     error
}

// Reset makes the reader start anew on r. It keeps its buffer unless it grew large.
func (d *DocumentReader) Reset(r io.Reader) {
	buf := d.buf[:0]
	if cap(buf) > keptBufSize {
		buf = nil
	}
	*d = DocumentReader{r: r, framing: d.framing, buf: buf}
}

// Next returns the next event; io.EOF after the last one, [ErrEventTooLarge],
// [ErrNotUnderstood] for what is no such stream, [io.ErrUnexpectedEOF] for one that breaks
// off, or the error of the underlying reader.
func (d *DocumentReader) Next() (Event, error) {
	for {
		ev, found, err := d.cut()
		if err != nil || found {
			return ev, err
		}
		if len(d.buf)-d.start > MaxEvent {
			return Event{}, fmt.Errorf("read stream: %w", ErrEventTooLarge)
		}
		if d.err != nil {
			return d.last()
		}
		d.fill()
	}
}

// Buffered reports whether a whole further event is already in memory.
func (d *DocumentReader) Buffered() bool {
	probe := *d
	_, found, err := probe.cut()
	return found && err == nil
}

// cut cuts the next event off, if it is whole.
func (d *DocumentReader) cut() (ev Event, found bool, err error) {
	if d.framing == FramingArray {
		return d.element()
	}
	at := bytes.IndexByte(d.buf[max(d.start, d.seen):], '\n')
	if at < 0 {
		d.seen = len(d.buf)
		return Event{}, false, nil
	}
	at += max(d.start, d.seen)
	return d.take(at + 1), true, nil
}

// element finds the next element of the array, with the bracket or comma before it.
func (d *DocumentReader) element() (ev Event, found bool, err error) {
	b := d.buf
	i := skipSpace(b, d.start)
	if i == len(b) {
		return Event{}, false, nil
	}
	if d.closed {
		return Event{}, false, fmt.Errorf("read stream: %w: more after the array", ErrNotUnderstood)
	}
	first := !d.begun
	switch c := b[i]; {
	case c == ']' && d.begun:
		d.closed = true
		return d.take(i + 1), true, nil
	case c == '[' && first, c == ',' && d.begun:
		i = skipSpace(b, i+1)
	default:
		return Event{}, false, fmt.Errorf("read stream: %w: not an array", ErrNotUnderstood)
	}
	if i == len(b) {
		return Event{}, false, nil
	}
	if b[i] == ']' && first {
		d.begun, d.closed = true, true
		return d.take(i + 1), true, nil
	}
	if b[i] != '{' {
		return Event{}, false, fmt.Errorf("read stream: %w: an element is no object", ErrNotUnderstood)
	}
	end := skipValue(b, i)
	if end < 0 {
		return Event{}, false, nil
	}
	d.begun = true
	return d.take(end), true, nil
}

// take cuts the event off that ends at end.
func (d *DocumentReader) take(end int) Event {
	ev := Event{Raw: d.buf[d.start:end:end], Framing: d.framing}
	at := bytes.IndexByte(ev.Raw, '{')
	if d.framing == FramingLines {
		at = skipSpace(ev.Raw, 0)
	}
	if at >= 0 && at < len(ev.Raw) {
		ev.Data = bytes.TrimRight(ev.Raw[at:], " \t\r\n")
		ev.dataAt, ev.dataLines = at, 1
	}
	d.start, d.seen = end, end
	return ev
}

// last returns what is left at the end of the stream.
func (d *DocumentReader) last() (Event, error) {
	if !errors.Is(d.err, io.EOF) {
		return Event{}, d.err
	}
	rest := bytes.TrimSpace(d.buf[d.start:])
	switch {
	case d.framing == FramingArray && !d.closed:
		return Event{}, fmt.Errorf("read stream: %w", io.ErrUnexpectedEOF)
	case len(rest) == 0:
		return Event{}, io.EOF
	case checkValue(rest, 0, 0) != len(rest):
		return Event{}, fmt.Errorf("read stream: %w", io.ErrUnexpectedEOF)
	default:
		return d.take(len(d.buf)), nil
	}
}

// fill reads once. It makes room first by moving what is left to the front.
func (d *DocumentReader) fill() {
	if d.start > 0 && cap(d.buf)-len(d.buf) < readSize {
		n := copy(d.buf, d.buf[d.start:])
		d.buf = d.buf[:n]
		d.seen = max(0, d.seen-d.start)
		d.start = 0
	}
	if cap(d.buf)-len(d.buf) < readSize {
		grown := make([]byte, len(d.buf), 2*cap(d.buf)+readSize)
		copy(grown, d.buf)
		d.buf = grown
	}
	for range maxEmptyReads {
		n, err := d.r.Read(d.buf[len(d.buf):cap(d.buf)])
		d.buf = d.buf[:len(d.buf)+n]
		d.err = err
		if n > 0 || err != nil {
			return
		}
	}
	d.err = io.ErrNoProgress
}
