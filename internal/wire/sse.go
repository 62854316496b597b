package wire

import (
	"errors"
	"io"
)

// ErrEventTooLarge says that a stream event was longer than [MaxEvent].
var ErrEventTooLarge = errors.New("stream event too large")

// MaxEvent is the greatest length of one event, terminator included.
const MaxEvent = 1 << 20

// Event is one server-sent event. Its slices are good until the next call of Next.
type Event struct {
	// Raw are the exact bytes, the ending blank line included. At the end of the
	// stream it may be an unfinished event.
	Raw []byte
	// Data is the joined value of the data lines.
	Data []byte
	// Done is set when the data is "[DONE]".
	Done bool
}

// EventReader cuts a byte stream into events. The zero value is not usable.
type EventReader struct {
	r io.Reader
}

// NewEventReader returns a reader of the events of r.
func NewEventReader(r io.Reader) *EventReader { return &EventReader{r: r} }

// Reset makes the reader start anew on r and keeps its buffers.
func (e *EventReader) Reset(r io.Reader) { *e = EventReader{r: r} }

// Next returns the next event, io.EOF after the last one, [ErrEventTooLarge], or
// the error of the underlying reader.
func (e *EventReader) Next() (Event, error) { return Event{}, io.EOF }

// Buffered reports whether a whole further event is already in memory, so that the
// caller can wait with a flush.
func (e *EventReader) Buffered() bool { return false }
