package wire

import (
	"bartizan"
)

// Request is what the guard needs to know of a request body.
type Request struct {
	Model string
	Asked bartizan.Asked
	// IncludeUsage is set when the client asked for a usage event in its stream.
	IncludeUsage bool
	// TextBytes counts the bytes of text that the model will read.
	TextBytes int
	// MaxCompletion is the key that carried the cap on the answer:
	// "max_tokens", "max_completion_tokens" or "".
	MaxCompletion string
	// Unknown lists the top-level keys that the route's table does not know.
	Unknown []string
}

// RequestError says what is wrong with a request, in words that the client may read.
type RequestError struct {
	// Message names the thing, the place and the fix.
	Message string
	// Param is the field at fault, or empty.
	Param string
}

// Error returns the message.
func (e *RequestError) Error() string { return e.Message }

// Peek reads a request body. The error is always a [*RequestError].
func (r *Route) Peek(body []byte) (Request, error) {
	_ = body
	return Request{}, &RequestError{Message: "not built"}
}

// Text returns what was said in a request. It never fails: a body that cannot be
// read has no text.
func (r *Route) Text(body []byte) bartizan.Text {
	_ = body
	return bartizan.Text{}
}
