package guard

import (
	"errors"

	"bartizan"
	"bartizan/internal/coarsen"
	"bartizan/internal/wire"
)

// ErrWithheld says that an answer could not be understood and the profile lets
// nothing pass that is not.
var ErrWithheld = errors.New("answer withheld")

// Narrowed is a request as the upstream may see it.
type Narrowed struct {
	Body []byte
	// Adjusted names what was clamped or removed.
	Adjusted []string
}

// NarrowRequest edits a request to what the profile allows and appends it to dst.
// A reason is returned, with the error that the client may read, when the profile
// refuses the request.
func NarrowRequest(r *wire.Route, p *coarsen.Profile, req wire.Request, maxOutput int, dst, body []byte) (Narrowed, *bartizan.Reason, error) {
	_, _, _, _ = r, p, req, maxOutput
	return Narrowed{Body: append(dst, body...)}, nil, nil
}

// Shaper edits the answer to one request: its whole body, or event by event.
type Shaper struct {
	rw wire.Rewriter
}

// NewShaper returns a shaper for one answer.
func NewShaper(r *wire.Route, p *coarsen.Profile, req wire.Request) *Shaper {
	_, _, _ = r, p, req
	return &Shaper{}
}

// Body appends the shaped answer to dst. It returns [ErrWithheld] when the answer
// cannot be understood and the profile fails closed.
func (s *Shaper) Body(dst, src []byte) ([]byte, error) { return append(dst, src...), nil }

// Event appends what the client gets for an event: the event as it came, an edited
// one, or nothing.
func (s *Shaper) Event(dst []byte, ev wire.Event) ([]byte, error) { return append(dst, ev.Raw...), nil }

// ErrorBody appends the upstream's error in the route's dialect, without words that
// tell about the upstream.
func (s *Shaper) ErrorBody(dst []byte, status int, src []byte) []byte {
	_, _ = status, src
	return dst
}

// Usage returns the tokens that the upstream counted; ok is false when it told none.
func (s *Shaper) Usage() (u bartizan.Usage, ok bool) { return s.rw.Facts.Usage, s.rw.Facts.HasUsage }

// Disclosure returns what the answer gave away so far.
func (s *Shaper) Disclosure() bartizan.Disclosure { return bartizan.Disclosure{} }

// Adjusted names the kinds of content that were removed or coarsened.
func (s *Shaper) Adjusted() []string { return nil }

// OutputBytes counts the bytes of generated text seen so far.
func (s *Shaper) OutputBytes() int { return s.rw.Facts.TextBytes }
