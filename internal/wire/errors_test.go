package wire_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"bartizan/internal/wire"
)

func TestDialectError(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		in         wire.ErrorBody
		status     int
		kind, code string
	}{
		"bad request":  {wire.ErrorBody{Kind: wire.ErrorBadRequest, Message: "n: \"x\"\n", Param: "n"}, 400, "invalid_request_error", ""},
		"unauthorized": {wire.ErrorBody{Kind: wire.ErrorUnauthorized}, 401, "invalid_request_error", "invalid_api_key"},
		"forbidden":    {wire.ErrorBody{Kind: wire.ErrorForbidden}, 403, "invalid_request_error", "access_denied"},
		"unknown":      {wire.ErrorBody{Kind: wire.ErrorUnknownRoute}, 404, "invalid_request_error", "unknown_url"},
		"method":       {wire.ErrorBody{Kind: wire.ErrorMethod}, 405, "invalid_request_error", "method_not_allowed"},
		"large":        {wire.ErrorBody{Kind: wire.ErrorTooLarge}, 413, "invalid_request_error", "request_too_large"},
		"media":        {wire.ErrorBody{Kind: wire.ErrorUnsupportedMedia}, 415, "invalid_request_error", "unsupported_media_type"},
		"requests":     {wire.ErrorBody{Kind: wire.ErrorRateLimited, Dimension: "requests"}, 429, "requests", "rate_limit_exceeded"},
		"tokens":       {wire.ErrorBody{Kind: wire.ErrorRateLimited, Dimension: "tokens"}, 429, "tokens", "rate_limit_exceeded"},
		"internal":     {wire.ErrorBody{Kind: wire.ErrorInternal}, 500, "server_error", "internal_error"},
		"upstream":     {wire.ErrorBody{Kind: wire.ErrorUpstream}, 502, "server_error", "upstream_error"},
		"withheld":     {wire.ErrorBody{Kind: wire.ErrorWithheld}, 502, "server_error", "upstream_error"},
		"unavailable":  {wire.ErrorBody{Kind: wire.ErrorUnavailable}, 503, "server_error", "unavailable"},
		"timeout":      {wire.ErrorBody{Kind: wire.ErrorUpstreamTimeout}, 504, "server_error", "upstream_timeout"},
		"no such kind": {wire.ErrorBody{Kind: 99}, 500, "server_error", "internal_error"},
		"own code":     {wire.ErrorBody{Kind: wire.ErrorBadRequest, Code: "c"}, 400, "invalid_request_error", "c"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, contentType, body := wire.DialectOpenAI.Error(c.in)
			var got struct {
				Error struct {
					Message, Type string
					Param, Code   *string
				}
			}
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			code := ""
			if got.Error.Code != nil {
				code = *got.Error.Code
			}
			if status != c.status || contentType != "application/json" || got.Error.Type != c.kind || code != c.code {
				t.Errorf("Error(%+v) = %d %s %s; want %d, type %q, code %q", c.in, status, contentType, body, c.status, c.kind, c.code)
			}
			if got.Error.Message == "" || (c.in.Message != "" && got.Error.Message != c.in.Message) {
				t.Errorf("message = %q; want %q or the kind's own", got.Error.Message, c.in.Message)
			}
			if (c.in.Param == "") != (got.Error.Param == nil) {
				t.Errorf("param = %v; want %q or null", got.Error.Param, c.in.Param)
			}
		})
	}
}

// The shapes of all errors, and the sentences of limits, as clients read them.
func TestErrorGolden(t *testing.T) {
	t.Parallel()
	const more = "Ask for a higher limit: POST /v1/limit-requests."
	limit := func(dimension, window string, amount int64, after time.Duration) wire.ErrorBody {
		return wire.ErrorBody{
			Kind: wire.ErrorRateLimited, Dimension: dimension, Window: window, Limit: amount, RetryAfter: after, More: more,
		}
	}
	never := limit("tokens", "minute", 1000, 0)
	never.Kind = wire.ErrorBadRequest
	bodies := []wire.ErrorBody{
		limit("requests", "minute", 60, 500*time.Millisecond),
		limit("tokens", "day", 3_000_000, time.Hour+time.Nanosecond),
		limit("input_tokens", "minute", 100_000, 12*time.Second),
		limit("output_tokens", "hour", 20_000, 0),
		limit("tokens", "month", 9_000_000, time.Hour),
		limit("cost", "minute", 1, time.Second),
		limit("cost", "day", 12_500_000, time.Hour),
		limit("cost", "month", 5_000_000, time.Hour),
		limit("numeric_values", "day", 50_000, time.Hour),
		limit("prompts", "hour", 40, time.Minute),
		limit("streams", "concurrent", 10, time.Second),
		limit("concurrent", "concurrent", 4, time.Second),
		limit("tokens", "", 4, 0),
		never,
		{Kind: wire.ErrorRateLimited, Message: "The model server is busy.", Limit: 3, Dimension: "requests", More: more},
		{Kind: wire.ErrorForbidden, More: more},
	}
	for kind := wire.ErrorBadRequest; kind <= wire.ErrorUpstreamTimeout; kind++ {
		bodies = append(bodies, wire.ErrorBody{Kind: kind, RequestID: "x1", Param: "n", Code: "c"}, wire.ErrorBody{Kind: kind})
	}
	var got strings.Builder
	for name, d := range dialects() {
		fmt.Fprintf(&got, "## %s\n", name)
		for _, e := range bodies {
			status, _, body := d.Error(e)
			if !json.Valid(body) {
				t.Errorf("%s: Error(%+v) = %s; want JSON", name, e, body)
			}
			fmt.Fprintf(&got, "%d %s\n", status, body)
		}
	}
	golden(t, "errors", got.String())
}
