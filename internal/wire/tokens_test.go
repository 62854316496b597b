package wire_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"bartizan"
	"bartizan/internal/wire"
)

// alt is an alternative in short.
type alt struct {
	token   string
	logprob float64
}

func alts(list []alt) []bartizan.TokenAlternative {
	tops := make([]bartizan.TokenAlternative, len(list))
	for i, a := range list {
		tops[i] = bartizan.TokenAlternative{Token: a.token, Logprob: a.logprob}
	}
	return tops
}

func TestParseTokens(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		span string
		want [2][]bartizan.TokenScore
		back string // what Append writes; empty for the span itself
	}{
		"chat": {
			`{"content":[{"token":"h\u00e9","logprob":-0.5,"bytes":[104,195,169],"top_logprobs":[{"token":"h\u00e9","logprob":-0.5,"bytes":[104,195,169]},{"token":"\n","logprob":-1,"bytes":null}]}],"refusal":null}`,
			[2][]bartizan.TokenScore{{{Token: "hé", Logprob: -0.5, Top: alts([]alt{{"hé", -0.5}, {"\n", -1}})}}},
			`{"content":[{"token":"hé","logprob":-0.5,"bytes":[104,195,169],"top_logprobs":[{"token":"hé","logprob":-0.5,"bytes":[104,195,169]},{"token":"\n","logprob":-1,"bytes":null}]}],"refusal":null}`,
		},
		"refusal": {
			`{"content":null,"refusal":[{"token":"no","logprob":-9999.0,"bytes":null,"top_logprobs":[]}]}`,
			[2][]bartizan.TokenScore{1: {{Token: "no", Logprob: bartizan.LogprobWithheld}}},
			"",
		},
		"null and minus infinity": {
			`{"content":[{"token":"a","logprob":null},{"token":"b","logprob":-1e999,"extra":[1]}]}`,
			[2][]bartizan.TokenScore{{{Token: "a", Logprob: math.NaN()}, {Token: "b", Logprob: math.Inf(-1)}}},
			`{"content":[{"token":"a","logprob":-9999.0,"bytes":null,"top_logprobs":[]},{"token":"b","logprob":-9999.0,"bytes":null,"top_logprobs":[]}],"refusal":null}`,
		},
		"bytes that are no bytes": {
			`{"content":[{"token":"a","logprob":-1,"bytes":[-0.123456]}]}`,
			[2][]bartizan.TokenScore{{{Token: "a", Logprob: -1}}},
			`{"content":[{"token":"a","logprob":-1,"bytes":null,"top_logprobs":[]}],"refusal":null}`,
		},
		"tokens as ids": {
			`{"content":[{"token":"token_id:42","logprob":-1}]}`,
			[2][]bartizan.TokenScore{{{Token: "token_id:42", Logprob: -1}}},
			`{"content":[{"token":"","logprob":-1,"bytes":null,"top_logprobs":[]}],"refusal":null}`,
		},
		"completion": {
			`{"tokens":["a","b"],"token_logprobs":[null,-2],"top_logprobs":[null,{"b":-2,"c":-3}],"text_offset":[0,1]}`,
			[2][]bartizan.TokenScore{{
				{Token: "a", Logprob: math.NaN()},
				{Token: "b", Logprob: -2, Top: alts([]alt{{"b", -2}, {"c", -3}})},
			}},
			`{"tokens":["a","b"],"token_logprobs":[-9999.0,-2],"top_logprobs":[{},{"b":-2,"c":-3}],"text_offset":[0,1]}`,
		},
		"completion without alternatives": {
			`{"text_offset":[0.5],"top_logprobs":null,"token_logprobs":[-1],"tokens":["a"]}`,
			[2][]bartizan.TokenScore{{{Token: "a", Logprob: -1}}},
			`{"tokens":["a"],"token_logprobs":[-1],"top_logprobs":null,"text_offset":[]}`,
		},
		"empty": {`{}`, [2][]bartizan.TokenScore{}, `{"content":null,"refusal":null}`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lists, err := wire.ParseTokens([]byte(c.span))
			if err != nil {
				t.Fatalf("ParseTokens: %v", err)
			}
			if diff := cmp.Diff(c.want, lists.Lists, cmpopts.EquateNaNs(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("ParseTokens (-want +got):\n%s", diff)
			}
			want := c.back
			if want == "" {
				want = c.span
			}
			if got := string(lists.Append(nil, lists.Lists, false)); got != want {
				t.Errorf("Append = %s\nwant %s", got, want)
			}
		})
	}
	for _, span := range []string{
		``, `null`, `[]`, `{"content":5}`, `{"content":[5]}`, `{"content":[{"logprob":"x"}]}`, `{"content":[{"token":5}]}`,
		`{"tokens":["a"],"token_logprobs":[-1,-2]}`, `{"tokens":["a"],"content":[]}`, `{"tokens":5}`, `{"tokens":["a"],"top_logprobs":[[1]]}`,
		`{"tokens":["a","b"],"token_logprobs":[-1]}`, `{"content":[{"top_logprobs":[5]}]}`, `{"content":[`, `{"content":[{"bytes":[}]}]}`,
	} {
		if _, err := wire.ParseTokens([]byte(span)); !errors.Is(err, wire.ErrNotUnderstood) {
			t.Errorf("ParseTokens(%s) = %v; want ErrNotUnderstood", span, err)
		}
	}
}

func TestVector(t *testing.T) {
	t.Parallel()
	raw := binary.LittleEndian.AppendUint32(nil, math.Float32bits(0.1))
	raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(-2))
	encoded := `"` + base64.StdEncoding.EncodeToString(raw) + `"`
	var v wire.Vector
	for _, span := range []string{`[0.1, -2.0]`, encoded} {
		if err := v.Parse([]byte(span)); err != nil {
			t.Fatalf("Parse(%s): %v", span, err)
		}
		want := `[0.1,-2]`
		if v.Base64 {
			want = encoded
		}
		if got := string(v.Append(nil)); got != want {
			t.Errorf("Append of %s = %s; want %s", span, got, want)
		}
	}
	v = wire.Vector{Values: []float64{math.Copysign(0, -1), -1e-60}}
	if got := string(v.Append(nil)); got != "[0,0]" {
		t.Errorf("Append of minus zeros = %s; want [0,0]", got)
	}
	nan := `"` + base64.StdEncoding.EncodeToString(binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(math.NaN())))) + `"`
	for _, span := range []string{``, `null`, `{}`, `[[1]]`, `["1"]`, `[1e999]`, `[1`, `"@@"`, `"AAA="`, nan} {
		if err := v.Parse([]byte(span)); !errors.Is(err, wire.ErrNotUnderstood) {
			t.Errorf("Parse(%s) = %v; want ErrNotUnderstood", span, err)
		}
	}
}

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
		{"x-ratelimit-limit-requests", "60"},
		{"x-ratelimit-remaining-requests", "59"},
		{"x-ratelimit-reset-requests", "1s"},
		{"x-ratelimit-limit-tokens", "1000"},
		{"x-ratelimit-remaining-tokens", "0"},
		{"x-ratelimit-reset-tokens", "6m0s"},
		{"x-ratelimit-limit-tokens", "1"},
		{"x-ratelimit-remaining-tokens", "1"},
		{"x-ratelimit-reset-tokens", "2ms"},
		{"x-ratelimit-limit-tokens", "1"},
		{"x-ratelimit-remaining-tokens", "1"},
		{"x-ratelimit-reset-tokens", "0s"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("RateHeaders (-want +got):\n%s", diff)
	}
}
