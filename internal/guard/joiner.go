package guard

import (
	"bytes"

	"bartizan/internal/coarsen"
	"bartizan/internal/wire"
)

// Joiner makes the events of one stream less telling: it joins the text of neighbours and
// fills events up, so that neither their number nor their sizes give away tokens and
// speculation (see 2411.01076 and 2410.17175). What it holds back has to be flushed.
type Joiner struct {
	route   *wire.Route
	rules   coarsen.Stream
	framing wire.Framing

	held     []byte // an event
	from, to int    // of the text in it
	count    int    // of the events that are joined in it
}

// NewJoiner returns a joiner for a stream of the route's events; nil when the rules leave
// events as they are.
func NewJoiner(r *wire.Route, rules coarsen.Stream, f wire.Framing) *Joiner {
	if rules == (coarsen.Stream{}) {
		return nil
	}
	return &Joiner{route: r, rules: rules, framing: f}
}

// Add appends to dst what is to be sent now that the event has come.
func (j *Joiner) Add(dst, event []byte) []byte {
	if len(event) == 0 {
		return dst
	}
	from, to, ok := j.text(event)
	if ok && len(j.held) > 0 && j.sameAround(event, from, to) {
		j.held = append(append(append([]byte(nil), j.held[:j.to]...), event[from:to]...), j.held[j.to:]...)
		j.to += to - from
		j.count++
		if j.full() {
			return j.Flush(dst)
		}
		return dst
	}
	dst = j.Flush(dst)
	if !ok || (j.rules.Wait == 0 && j.rules.Join <= 1) {
		return append(dst, j.pad(event)...)
	}
	j.held, j.from, j.to, j.count = append(j.held[:0], event...), from, to, 1
	return dst
}

// Holds reports whether something waits to be flushed.
func (j *Joiner) Holds() bool { return len(j.held) > 0 }

// Flush appends what was held back.
func (j *Joiner) Flush(dst []byte) []byte {
	if len(j.held) == 0 {
		return dst
	}
	dst = append(dst, j.pad(j.held)...)
	j.held, j.count = j.held[:0], 0
	return dst
}

// full reports whether no more is to be joined. Without a number, only time ends it.
func (j *Joiner) full() bool { return j.rules.Join > 1 && j.count >= j.rules.Join }

// text finds the one text of an event.
func (j *Joiner) text(event []byte) (from, to int, ok bool) {
	at := bytes.IndexByte(event, '{')
	end := bytes.LastIndexByte(event, '}')
	if at < 0 || end < at {
		return 0, 0, false
	}
	from, to, ok = j.route.TextSpan(event[at : end+1])
	return at + from, at + to, ok
}

// sameAround reports whether an event differs from the one held in its text only.
func (j *Joiner) sameAround(event []byte, from, to int) bool {
	return bytes.Equal(event[:from], j.held[:j.from]) && bytes.Equal(event[to:], j.held[j.to:])
}

// padding is what the size of an event is filled up to a multiple of.
const padding = 256

// pad fills an event up: with a comment where events may have one, else with white space
// outside of its document.
func (j *Joiner) pad(event []byte) []byte {
	if !j.rules.Pad {
		return event
	}
	const comment = ": \n" // the least that can be added to a server-sent event
	least := 1
	if j.framing == wire.FramingSSE {
		least = len(comment)
	}
	size := (len(event) + least + padding - 1) / padding * padding
	fill := size - len(event)
	switch j.framing {
	case wire.FramingSSE:
		line := append([]byte(": "), bytes.Repeat([]byte{'.'}, fill-len(comment))...)
		return append(append(line, '\n'), event...)
	default:
		end := len(bytes.TrimRight(event, "\r\n"))
		padded := append([]byte(nil), event[:end]...)
		return append(append(padded, bytes.Repeat([]byte{' '}, fill)...), event[end:]...)
	}
}
