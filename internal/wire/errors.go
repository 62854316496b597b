package wire

import (
	"strconv"
	"time"
)

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
	// Code is the provider's code; empty means the kind's own.
	Code string
	// Dimension is "requests" or "tokens" on [ErrorRateLimited].
	Dimension string
}

// openAIErrors gives each kind its status, type, code and sentence.
var openAIErrors = [...]struct { //nolint:gochecknoglobals // a static table
	status             int
	kind, code, phrase string
}{
	ErrorBadRequest:   {400, "invalid_request_error", "", "The request is not valid."},
	ErrorUnauthorized: {401, "invalid_request_error", "invalid_api_key", "A valid API key is required."},
	ErrorForbidden:    {403, "invalid_request_error", "access_denied", "This key has no access."},
	ErrorUnknownRoute: {404, "invalid_request_error", "unknown_url", "There is no such endpoint."},
	ErrorMethod:       {405, "invalid_request_error", "method_not_allowed", "This endpoint does not take that method."},
	ErrorTooLarge:     {413, "invalid_request_error", "request_too_large", "The request body is too large."},
	ErrorUnsupportedMedia: {
		415, "invalid_request_error", "unsupported_media_type",
		"Send the request body as application/json without a content encoding.",
	},
	ErrorRateLimited: {429, "requests", "rate_limit_exceeded", "Rate limit reached. Try again later."},
	ErrorInternal:    {500, "server_error", "internal_error", "The server had an error."},
	ErrorUpstream:    {502, "server_error", "upstream_error", "The model server had an error."},
	ErrorWithheld:    {502, "server_error", "upstream_error", "The model server's answer cannot be delivered."},
	ErrorUnavailable: {503, "server_error", "unavailable", "The service is not available now. Try again later."},
	ErrorUpstreamTimeout: {
		504, "server_error", "upstream_timeout",
		"The model server did not answer in time.",
	},
}

// Error returns the status, content type and body of an error in the provider's shape.
func (d Dialect) Error(e ErrorBody) (status int, contentType string, body []byte) {
	row := openAIErrors[ErrorInternal]
	if int(e.Kind) < len(openAIErrors) {
		row = openAIErrors[e.Kind]
	}
	if e.Kind == ErrorRateLimited && e.Dimension != "" {
		row.kind = e.Dimension
	}
	if e.Message != "" {
		row.phrase = e.Message
	}
	if e.Code != "" {
		row.code = e.Code
	}
	body = append(body, `{"error":{"message":`...)
	body = appendQuoted(body, row.phrase)
	body = append(body, `,"type":`...)
	body = appendQuoted(body, row.kind)
	body = append(body, `,"param":`...)
	body = appendQuotedOrNull(body, e.Param)
	body = append(body, `,"code":`...)
	body = appendQuotedOrNull(body, row.code)
	body = append(body, '}', '}')
	return row.status, "application/json", body
}

func appendQuotedOrNull(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return appendQuoted(dst, s)
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

// RateHeaders returns the provider's headers for the standings, in order. Their names
// are in the canonical form of HTTP.
func (d Dialect) RateHeaders(standings ...RateStanding) []Header {
	headers := make([]Header, 0, 3*len(standings))
	for _, s := range standings {
		limit, remaining, reset := rateNames(s.Dimension)
		headers = append(headers,
			Header{limit, strconv.FormatInt(s.Limit, 10)},
			Header{remaining, strconv.FormatInt(max(s.Remaining, 0), 10)},
			Header{reset, resetText(s.Reset)})
	}
	return headers
}

func rateNames(dimension string) (limit, remaining, reset string) {
	if dimension == "tokens" {
		return "X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens"
	}
	return "X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests"
}

// resetText writes a duration as the provider does: "0s", "17ms", "6m0s". It rounds
// up to milliseconds below a second and to seconds above, so that a client which
// waits this long does not come too early.
func resetText(d time.Duration) string {
	if d <= 0 {
		return "0s"
	}
	unit := time.Second
	if d < time.Second {
		unit = time.Millisecond
	}
	return (d + unit - 1).Truncate(unit).String()
}
