package wire_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

func TestRateHeaders(t *testing.T) {
	t.Parallel()
	got := wire.DialectOpenAI.RateHeaders(
		wire.RateStanding{Dimension: "requests", Limit: 60, Remaining: 59, Reset: time.Second},
		wire.RateStanding{Dimension: "tokens", Limit: 1000, Remaining: -1, Reset: 6*time.Minute - time.Nanosecond},
		wire.RateStanding{Dimension: "tokens", Limit: 1, Remaining: 1, Reset: 1500 * time.Microsecond},
		wire.RateStanding{Dimension: "tokens", Limit: 1, Remaining: 1, Reset: -time.Second},
	)
	want := []wire.Header{
		{"X-Ratelimit-Limit-Requests", "60"},
		{"X-Ratelimit-Remaining-Requests", "59"},
		{"X-Ratelimit-Reset-Requests", "1s"},
		{"X-Ratelimit-Limit-Tokens", "1000"},
		{"X-Ratelimit-Remaining-Tokens", "0"},
		{"X-Ratelimit-Reset-Tokens", "6m0s"},
		{"X-Ratelimit-Limit-Tokens", "1"},
		{"X-Ratelimit-Remaining-Tokens", "1"},
		{"X-Ratelimit-Reset-Tokens", "2ms"},
		{"X-Ratelimit-Limit-Tokens", "1"},
		{"X-Ratelimit-Remaining-Tokens", "1"},
		{"X-Ratelimit-Reset-Tokens", "0s"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("RateHeaders (-want +got):\n%s", diff)
	}
}
