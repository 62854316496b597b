package wire

import "time"

// ErrorKind is the kind of an error that a client is told of.
type ErrorKind uint8

// The kinds of error, with the HTTP status that each has.
const (
	ErrorBadRequest       ErrorKind = iota // 400
	ErrorUnauthorized                      // 401
	ErrorForbidden                         // 403
	ErrorUnknownRoute                      // 404
	ErrorMethod                            // 405
	ErrorTooLarge                          // 413
	ErrorUnsupportedMedia                  // 415
	ErrorRateLimited                       // 429
	ErrorInternal                          // 500
	ErrorUpstream                          // 502
	ErrorWithheld                          // 502
	ErrorUnavailable                       // 503
	ErrorUpstreamTimeout                   // 504
)

// ErrorBody is what an error tells the client.
type ErrorBody struct {
	Kind ErrorKind
	// Message is the text; empty means the kind's own sentence.
	Message string
	// Param names the request field at fault, or is empty.
	Param string
	// Dimension is "requests" or "tokens" on [ErrorRateLimited].
	Dimension string
}

// Error returns the status, content type and body of an error in the provider's shape.
func (d Dialect) Error(e ErrorBody) (status int, contentType string, body []byte) {
	_ = e
	return 500, "application/json", nil
}

// Header is one HTTP header.
type Header struct{ Name, Value string }

// RateStanding is what is left of one limit.
type RateStanding struct {
	// Dimension is "requests" or "tokens".
	Dimension        string
	Limit, Remaining int64
	// Reset is the time until the limit is whole again.
	Reset time.Duration
}

// RateHeaders returns the provider's headers for the standings, in order.
func (d Dialect) RateHeaders(standings ...RateStanding) []Header {
	_ = standings
	return nil
}
