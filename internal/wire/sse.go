package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ErrEventTooLarge says that a stream event was longer than [MaxEvent].
var ErrEventTooLarge = errors.New("stream event too large")

// MaxEvent is the greatest length of one event, its ending included.
const MaxEvent = 1 << 20

var byteOrderMark = []byte("\ufeff") //nolint:gochecknoglobals // a constant in spirit

// Event is one server-sent event. Its slices are good until the next call of
// [EventReader.Next].
type Event struct {
	// Raw are the exact bytes, the ending blank line included. The last event of a
	// stream may lack its ending. The Raws of a stream, joined, are the stream.
	Raw []byte
	// Data is the value of the data lines, joined by line feeds.
	Data []byte
	// Name is the event's name, from its last event line; most have none.
	Name []byte
	// Done is set when the data is "[DONE]".
	Done bool
	// Framing is that of the stream.
	Framing Framing

	dataAt    int // where Data lies in Raw, when one line holds it
	dataLines int
	fields    int // how many lines other than data lines are there
}

// HasData reports whether the event has a data line.
func (ev Event) HasData() bool { return ev.dataLines > 0 || len(ev.Data) > 0 }

// ends reports whether the event is whole and the last of its stream.
func (ev Event) ends() bool {
	return ev.Done || (string(ev.Name) == "message_stop" && len(ev.Data) > 0 && checkValue(ev.Data, 0, 0) == len(ev.Data))
}

// AppendWith appends the event with other data in place of its own. Data must hold
// no line ends. Lines that are not data lines stay when keepFields is set.
func (ev Event) AppendWith(dst, data []byte, keepFields bool) []byte {
	if ev.dataLines == 1 && (keepFields || ev.fields == 0) {
		dst = append(dst, ev.Raw[:ev.dataAt]...)
		dst = append(dst, data...)
		return append(dst, ev.Raw[ev.dataAt+len(ev.Data):]...)
	}
	if keepFields {
		for rest := ev.Raw; len(rest) > 0; {
			line, next := cutLine(rest)
			if name, _ := cutField(line); len(line) > 0 && string(name) != "data" {
				dst = append(append(dst, line...), '\n')
			}
			rest = rest[next:]
		}
	}
	dst = append(dst, "data: "...)
	dst = append(dst, data...)
	return append(dst, "\n\n"...)
}

// EventReader cuts a byte stream into events. Lines may end with CR, LF or CRLF, and
// however the stream is cut into reads, the events are the same. Make one with
// [NewEventReader].
type EventReader struct {
	r   io.Reader
	buf []byte
	// buf[start:] is not yet returned; buf[start:pos] is scanned.
	start, pos int
	scanned    Event // of the scanned lines; its slices are not set
	dataEnd    int
	name       [2]int // where the scanned event's name lies in buf
	lines      bool   // a field or comment line of this event was scanned
	cr         bool   // the last line ended with a lone CR
	found      bool   // the event ends at pos
	begun      bool   // the stream's first line was scanned
	err        error
	joined     []byte
}

const (
	readSize    = 16 << 10
	keptBufSize = 64 << 10

	maxEmptyReads = 100
)

// NewEventReader returns a reader of the events of r.
func NewEventReader(r io.Reader) *EventReader { return &EventReader{r: r} }

// Reset makes the reader start anew on r. It keeps its buffers unless they grew large.
func (e *EventReader) Reset(r io.Reader) {
	buf, joined := e.buf[:0], e.joined[:0]
	if cap(buf) > keptBufSize {
		buf = nil
	}
	if cap(joined) > keptBufSize {
		joined = nil
	}
	*e = EventReader{r: r, buf: buf, joined: joined}
}

// Next returns the next event; io.EOF after the last one, [ErrEventTooLarge], or the
// error of the underlying reader. At the end of the stream an event may lack its blank
// line; one that ends within a line, if it is not a whole end mark, comes with
// [io.ErrUnexpectedEOF] and must not be taken for a whole one.
func (e *EventReader) Next() (Event, error) {
	for {
		found := e.found || e.scan()
		size := len(e.buf) - e.start
		if found {
			size = e.pos - e.start
		}
		if size > MaxEvent {
			return Event{}, fmt.Errorf("read stream: %w", ErrEventTooLarge)
		}
		if found {
			return e.take(e.pos), nil
		}
		if e.err != nil {
			return e.last()
		}
		e.fill()
	}
}

// Buffered reports whether a whole further event is already in memory, so that the
// caller can wait with a flush.
func (e *EventReader) Buffered() bool { return e.found || e.scan() }

// last returns what is left at the end of the stream.
func (e *EventReader) last() (Event, error) {
	if !errors.Is(e.err, io.EOF) || e.start == len(e.buf) {
		return Event{}, e.err
	}
	cut := false
	if e.pos < len(e.buf) { // a line without an end, or with a CR whose LF did not come
		line, ended := bytes.CutSuffix(e.buf[e.pos:], []byte{'\r'})
		e.line(line, e.pos)
		cut = !ended
	}
	ev := e.take(len(e.buf))
	if cut && !ev.ends() {
		e.err = io.ErrUnexpectedEOF
		return ev, fmt.Errorf("read stream: %w", e.err)
	}
	return ev, nil
}

// take cuts the event off that ends at end.
func (e *EventReader) take(end int) Event {
	ev := e.scanned
	ev.Raw = e.buf[e.start:end:end]
	switch {
	case ev.dataLines == 1:
		ev.Data = e.buf[ev.dataAt:e.dataEnd:e.dataEnd]
		ev.dataAt -= e.start
	case ev.dataLines > 1:
		e.joined = appendData(e.joined[:0], ev.Raw)
		ev.Data = e.joined
	}
	ev.Name = e.buf[e.name[0]:e.name[1]:e.name[1]]
	ev.Done = string(ev.Data) == "[DONE]"
	e.start, e.pos = end, end
	e.scanned, e.name, e.found, e.lines = Event{}, [2]int{}, false, false
	return ev
}

// appendData appends the joined data lines of an event.
func appendData(dst, raw []byte) []byte {
	raw = bytes.TrimPrefix(raw, byteOrderMark)
	for first := true; len(raw) > 0; {
		line, next := cutLine(raw)
		raw = raw[next:]
		name, value := cutField(line)
		if string(name) != "data" {
			continue
		}
		if !first {
			dst = append(dst, '\n')
		}
		first = false
		dst = append(dst, value...)
	}
	return dst
}

// scan goes on over whole lines and reports whether an event's end was found.
func (e *EventReader) scan() bool {
	for e.pos < len(e.buf) {
		rest := e.buf[e.pos:]
		size := bytes.IndexByte(rest, '\n')
		if size < 0 {
			size = len(rest)
		}
		next := size + 1
		if at := bytes.IndexByte(rest[:size], '\r'); at >= 0 {
			size, next = at, at+1
			// A blank line that follows a lone CR ends with a lone CR: it need not
			// wait for the byte after it. Others do.
			switch alone := at == 0 && e.lines && e.cr; {
			case alone:
			case at+1 == len(rest):
				return false
			case rest[at+1] == '\n':
				next++
			}
			e.cr = next == at+1
		} else {
			e.cr = false
		}
		if next > len(rest) {
			return false
		}
		at := e.pos
		e.pos += next
		if size == 0 && e.lines {
			e.found = true
			return true
		}
		e.line(rest[:size], at)
	}
	return false
}

// line notes a line, its end left out, that begins at buf[at].
func (e *EventReader) line(line []byte, at int) {
	if !e.begun {
		e.begun = true
		trimmed := bytes.TrimPrefix(line, byteOrderMark)
		at += len(line) - len(trimmed)
		line = trimmed
	}
	if len(line) == 0 {
		return
	}
	e.lines = true
	name, value := cutField(line)
	if string(name) != "data" {
		e.scanned.fields++
		if string(name) == "event" {
			e.name = [2]int{at + len(line) - len(value), at + len(line)}
		}
		return
	}
	e.scanned.dataLines++
	e.scanned.dataAt = at + len(line) - len(value)
	e.dataEnd = at + len(line)
}

// fill reads once. It makes room first by moving what is left to the front.
func (e *EventReader) fill() {
	if e.start > 0 && cap(e.buf)-len(e.buf) < readSize {
		n := copy(e.buf, e.buf[e.start:])
		e.buf = e.buf[:n]
		e.pos -= e.start
		e.scanned.dataAt -= e.start
		e.dataEnd -= e.start
		if e.name[1] > 0 {
			e.name[0] -= e.start
			e.name[1] -= e.start
		}
		e.start = 0
	}
	if cap(e.buf)-len(e.buf) < readSize {
		grown := make([]byte, len(e.buf), 2*cap(e.buf)+readSize)
		copy(grown, e.buf)
		e.buf = grown
	}
	for range maxEmptyReads {
		n, err := e.r.Read(e.buf[len(e.buf):cap(e.buf)])
		e.buf = e.buf[:len(e.buf)+n]
		e.err = err
		if n > 0 || err != nil {
			return
		}
	}
	e.err = io.ErrNoProgress
}

// cutLine returns the first line without its end, and the index after its end.
func cutLine(b []byte) (line []byte, next int) {
	at := bytes.IndexAny(b, "\r\n")
	switch {
	case at < 0:
		return b, len(b)
	case b[at] == '\r' && at+1 < len(b) && b[at+1] == '\n':
		return b[:at], at + 2
	default:
		return b[:at], at + 1
	}
}

// cutField splits a line at its colon and drops one space after it.
func cutField(line []byte) (name, value []byte) {
	name, value, _ = bytes.Cut(line, []byte{':'})
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	return name, value
}
