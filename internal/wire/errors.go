package wire

import (
	"cmp"
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
	// Message is the text; empty means the kind's own sentence, which names the
	// limit if one is given.
	Message string
	// Param names the request field at fault, or is empty.
	Param string
	// Code is the provider's code; empty means the kind's own. Not every dialect
	// has one.
	Code string
	// Status is the HTTP status, for dialects that tell it in the body; 0 is the kind's own.
	Status int
	// RequestID is the name of the exchange, for dialects that tell it in the body.
	RequestID string

	// Dimension, Window and Limit are the limit that refused the request, in the
	// words of a [RateStanding]. A limit with [ErrorBadRequest] is one that is
	// smaller than the request and so will never let it pass.
	Dimension, Window string
	Limit             int64
	// RetryAfter is when to try again; 0 means later.
	RetryAfter time.Duration
	// More tells how to ask for a higher limit; it stands behind the kind's own
	// sentence.
	More string
}

// phrases are the kinds' own sentences.
var phrases = [...]string{ //nolint:gochecknoglobals // a static table
	ErrorBadRequest:       "The request is not valid.",
	ErrorUnauthorized:     "A valid API key is required.",
	ErrorForbidden:        "This key has no access.",
	ErrorUnknownRoute:     "There is no such endpoint.",
	ErrorMethod:           "This endpoint does not take that method.",
	ErrorTooLarge:         "The request body is too large.",
	ErrorUnsupportedMedia: "Send the request body as application/json without a content encoding.",
	ErrorRateLimited:      "Rate limit reached. Try again later.",
	ErrorInternal:         "The server had an error.",
	ErrorUpstream:         "The model server had an error.",
	ErrorWithheld:         "The model server's answer cannot be delivered.",
	ErrorUnavailable:      "The service is not available now. Try again later.",
	ErrorUpstreamTimeout:  "The model server did not answer in time.",
}

// errorRow is what a dialect makes of a kind. A kind without a row is
// [ErrorInternal].
type errorRow struct {
	status     int
	kind, code string
}

var openAIErrors = [...]errorRow{ //nolint:gochecknoglobals // a static table
	ErrorBadRequest:       {400, "invalid_request_error", ""},
	ErrorUnauthorized:     {401, "invalid_request_error", "invalid_api_key"},
	ErrorForbidden:        {403, "invalid_request_error", "access_denied"},
	ErrorUnknownRoute:     {404, "invalid_request_error", "unknown_url"},
	ErrorMethod:           {405, "invalid_request_error", "method_not_allowed"},
	ErrorTooLarge:         {413, "invalid_request_error", "request_too_large"},
	ErrorUnsupportedMedia: {415, "invalid_request_error", "unsupported_media_type"},
	ErrorRateLimited:      {429, "requests", "rate_limit_exceeded"},
	ErrorInternal:         {500, "server_error", "internal_error"},
	ErrorUpstream:         {502, "server_error", "upstream_error"},
	ErrorWithheld:         {502, "server_error", "upstream_error"},
	ErrorUnavailable:      {503, "server_error", "unavailable"},
	ErrorUpstreamTimeout:  {504, "server_error", "upstream_timeout"},
}

var anthropicErrors = [...]errorRow{ //nolint:gochecknoglobals // a static table
	ErrorBadRequest:       {400, "invalid_request_error", ""},
	ErrorUnauthorized:     {401, "authentication_error", ""},
	ErrorForbidden:        {403, "permission_error", ""},
	ErrorUnknownRoute:     {404, "not_found_error", ""},
	ErrorMethod:           {405, "invalid_request_error", ""},
	ErrorTooLarge:         {413, "request_too_large", ""},
	ErrorUnsupportedMedia: {415, "invalid_request_error", ""},
	ErrorRateLimited:      {429, "rate_limit_error", ""},
	ErrorInternal:         {500, "api_error", ""},
	ErrorUpstream:         {502, "api_error", ""},
	ErrorWithheld:         {502, "api_error", ""},
	ErrorUnavailable:      {529, "overloaded_error", ""},
	ErrorUpstreamTimeout:  {504, "timeout_error", ""},
}

// googleStatus are the names that the Google dialect has for kinds of error.
var googleStatus = [...]errorRow{ //nolint:gochecknoglobals // a static table
	ErrorBadRequest:       {400, "INVALID_ARGUMENT", ""},
	ErrorUnauthorized:     {401, "UNAUTHENTICATED", ""},
	ErrorForbidden:        {403, "PERMISSION_DENIED", ""},
	ErrorUnknownRoute:     {404, "NOT_FOUND", ""},
	ErrorMethod:           {405, "UNIMPLEMENTED", ""},
	ErrorTooLarge:         {413, "INVALID_ARGUMENT", ""},
	ErrorUnsupportedMedia: {415, "INVALID_ARGUMENT", ""},
	ErrorRateLimited:      {429, "RESOURCE_EXHAUSTED", ""},
	ErrorInternal:         {500, "INTERNAL", ""},
	ErrorUpstream:         {502, "INTERNAL", ""},
	ErrorWithheld:         {502, "INTERNAL", ""},
	ErrorUnavailable:      {503, "UNAVAILABLE", ""},
	ErrorUpstreamTimeout:  {504, "DEADLINE_EXCEEDED", ""},
}

// typedKinds are the names that TGI has for kinds of error.
var typedKinds = [...]errorRow{ //nolint:gochecknoglobals // a static table
	ErrorBadRequest:       {422, "validation", ""},
	ErrorUnauthorized:     {401, "unauthorized", ""},
	ErrorForbidden:        {403, "forbidden", ""},
	ErrorUnknownRoute:     {404, "not_found", ""},
	ErrorMethod:           {405, "validation", ""},
	ErrorTooLarge:         {413, "validation", ""},
	ErrorUnsupportedMedia: {415, "validation", ""},
	ErrorRateLimited:      {429, "overloaded", ""},
	ErrorInternal:         {500, "unhandled_error", ""},
	ErrorUpstream:         {502, "generation", ""},
	ErrorWithheld:         {502, "generation", ""},
	ErrorUnavailable:      {503, "overloaded", ""},
	ErrorUpstreamTimeout:  {504, "generation", ""},
}

// Error returns the status, content type and body of an error in the provider's shape.
func (d Dialect) Error(e ErrorBody) (status int, contentType string, body []byte) {
	if int(e.Kind) >= len(phrases) {
		e.Kind = ErrorInternal
	}
	row := openAIErrors[e.Kind]
	switch d {
	case DialectAnthropic:
		row = anthropicErrors[e.Kind]
		body = appendAnthropicError(nil, row, e)
	case DialectGoogle:
		row = googleStatus[e.Kind]
		body = strconv.AppendInt([]byte(`{"error":{"code":`), int64(cmp.Or(e.Status, row.status)), 10)
		body = appendQuoted(append(body, `,"message":`...), e.message())
		body = append(appendQuoted(append(body, `,"status":`...), row.kind), '}', '}')
	case DialectPlain:
		body = append(appendQuoted([]byte(`{"error":`), e.message()), '}')
	case DialectTyped:
		row = typedKinds[e.Kind]
		body = appendQuoted([]byte(`{"error":`), e.message())
		body = append(appendQuoted(append(body, `,"error_type":`...), row.kind), '}')
	case DialectMessage:
		body = append(appendQuoted([]byte(`{"message":`), e.message()), '}')
	default:
		body = appendOpenAIError(nil, row, e)
	}
	return row.status, "application/json", body
}

// ErrorEvent returns an error as the event that tells it in a stream of the framing that
// has begun. It is the last one: an array ends with it.
func (d Dialect) ErrorEvent(f Framing, e ErrorBody) []byte {
	_, _, body := d.Error(e)
	switch f {
	case FramingLines:
		return append(body, '\n')
	case FramingArray:
		return append(append([]byte{','}, body...), ']')
	default:
	}
	var event []byte
	if d == DialectAnthropic {
		event = append(event, "event: error\n"...)
	}
	event = append(append(event, "data: "...), body...)
	return append(event, "\n\n"...)
}

func appendOpenAIError(body []byte, row errorRow, e ErrorBody) []byte {
	if e.Kind == ErrorRateLimited {
		switch {
		case e.exhausted():
			row.kind, row.code = "insufficient_quota", "insufficient_quota"
		case countsTokens(e.Dimension):
			row.kind = "tokens"
		}
	}
	if e.Code != "" {
		row.code = e.Code
	}
	body = append(body, `{"error":{"message":`...)
	body = appendQuoted(body, e.message())
	body = append(body, `,"type":`...)
	body = appendQuoted(body, row.kind)
	body = append(body, `,"param":`...)
	body = appendQuotedOrNull(body, e.Param)
	body = append(body, `,"code":`...)
	body = appendQuotedOrNull(body, row.code)
	return append(body, '}', '}')
}

func appendAnthropicError(body []byte, row errorRow, e ErrorBody) []byte {
	body = append(body, `{"type":"error","error":{"type":`...)
	body = appendQuoted(body, row.kind)
	body = append(body, `,"message":`...)
	body = appendQuoted(body, e.message())
	body = append(body, '}')
	if e.RequestID != "" {
		body = append(body, `,"request_id":`...)
		body = appendQuoted(body, e.RequestID)
	}
	return append(body, '}')
}

func appendQuotedOrNull(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return appendQuoted(dst, s)
}

// countsTokens reports whether a dimension counts tokens of text. What else is
// limited is told as requests.
func countsTokens(dimension string) bool {
	return dimension == "tokens" || dimension == "input_tokens" || dimension == "output_tokens"
}

// exhausted reports whether what is used up is a quota and not a rate: the money of a
// day, or anything of a month. Waiting a little does not help then, and the OpenAI
// dialect says insufficient_quota; a day's requests and tokens are rates there.
func (e ErrorBody) exhausted() bool {
	return e.Window == "month" || (e.Window == "day" && e.Dimension == "cost")
}

// message is the error's text in every dialect.
func (e ErrorBody) message() string {
	if e.Message != "" {
		return e.Message
	}
	var text string
	switch limited := e.Limit > 0 && e.Dimension != ""; {
	case limited && e.Kind == ErrorBadRequest:
		text = "This request asks for more " + dimensionWords(e.Dimension) + " than your limit of " + e.amount() +
			" can ever allow. Ask for fewer."
	case limited && e.Kind == ErrorRateLimited && e.exhausted():
		text = "You exceeded your current quota for " + dimensionWords(e.Dimension) + ": limit " + e.amount() + "." + e.retry()
	case limited && e.Kind == ErrorRateLimited:
		text = "Rate limit reached for " + dimensionWords(e.Dimension) + ": limit " + e.amount() + "." + e.retry()
	default:
		text = phrases[e.Kind]
	}
	if e.More != "" {
		text += " " + e.More
	}
	return text
}

// amount writes the limit, such as "60 per minute", "3 at once" or "$5.00 per day".
func (e ErrorBody) amount() string {
	text := strconv.FormatInt(e.Limit, 10)
	if e.Dimension == "cost" {
		text = dollars(e.Limit)
	}
	switch e.Window {
	case "":
		return text
	case "concurrent":
		return text + " at once"
	default:
		return text + " per " + e.Window
	}
}

// dollars writes millionths of a dollar: to the cent, or exactly where cents do not do.
func dollars(micro int64) string {
	const million, digits = 1_000_000, 6
	fraction := strconv.FormatInt(million+micro%million, 10)[1:]
	if end := digits - 4; fraction[end:] == "0000" {
		fraction = fraction[:end]
	}
	return "$" + strconv.FormatInt(micro/million, 10) + "." + fraction
}

func (e ErrorBody) retry() string {
	if e.RetryAfter <= 0 {
		return " Try again later."
	}
	return " Try again in " + strconv.FormatInt(wholeSeconds(e.RetryAfter), 10) + " s."
}

// dimensionWords is a dimension as people call it.
func dimensionWords(dimension string) string {
	switch dimension {
	case "input_tokens":
		return "input tokens"
	case "output_tokens":
		return "output tokens"
	case "cost":
		return "cost"
	case "numeric_values":
		return "numeric values"
	case "concurrent":
		return "requests in flight"
	default:
		return dimension
	}
}
