package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bartizan"
	"bartizan/internal/wire"
)

// denyList keeps everything but what the tables know not to be content.
func denyList() wire.Plan { return wire.Plan{Unknown: wire.Keep, Usage: wire.Keep} }

// allowList keeps only what the tables name as content.
func allowList() wire.Plan { return wire.Plan{Usage: wire.Keep} }

func TestRewrite(t *testing.T) {
	t.Parallel()
	keepAll := denyList()
	for i := range keepAll.Verbs {
		keepAll.Verbs[i] = wire.Keep
	}
	noUsage := allowList()
	noUsage.Usage = wire.Drop
	cases := map[string]struct {
		route     string
		plan      wire.Plan
		src, want string
	}{
		"nothing to do": {
			"openai.chat", allowList(),
			`{"id":"1","choices":[{"index":0,"message":{"role":"assistant","content":"x"},"logprobs":null}]}`, "",
		},
		"logprobs keep their key": {
			"openai.chat", allowList(),
			`{"choices":[{"logprobs": {"content":[{"logprob":-1}]} ,"index":0}]}`,
			`{"choices":[{"logprobs": null ,"index":0}]}`,
		},
		"unknown first, in the middle, last": {
			"openai.chat", allowList(),
			`{ "a":1, "b":{"c":"}"}, "id":"1", "d":[1], "model":"m", "e":"\"" }`,
			`{ "id":"1", "model":"m" }`,
		},
		"only unknown": {
			"openai.chat", allowList(), `{"a":1,"b":2}`, `{}`,
		},
		"unknown passes": {
			"openai.chat", denyList(), `{"a":1,"b":{"c":[2]}}`, "",
		},
		"hidden at any depth": {
			"openai.chat", denyList(),
			`{"a":{"b":[{"logprobs":1,"x":2},{"Top_Logprobs":3}]},"meta_info":{"x":1}}`,
			`{"a":{"b":[{"x":2},{}]}}`,
		},
		"escaped and twin keys": {
			"openai.chat", denyList(),
			`{"x":{"log\u0070robs":1,"topLogprobs":2,"logprobſ":3,"ok":4},"choices":[{"Logprobs":{"a":1}}]}`,
			`{"x":{"ok":4},"choices":[{"Logprobs":null}]}`,
		},
		"duplicates": {
			"openai.chat", denyList(),
			`{"choices":[{"logprobs":1,"logprobs":2}]}`, `{"choices":[{"logprobs":null,"logprobs":null}]}`,
		},
		"wrong types": {
			"openai.chat", allowList(),
			`{"id":{"logprobs":[-1]},"model":[0.5],"choices":[{"index":0,"message":{"content":{"x":1}}},7]}`,
			`{"id":null,"model":null,"choices":[{"index":0,"message":{"content":null}},null]}`,
		},
		"wrong types in a deny list": {
			"openai.chat", denyList(),
			`{"id":{"logprobs":[-1],"y":1},"choices":{"logprobs":1}}`,
			`{"id":{"y":1},"choices":{}}`,
		},
		"stop reason": {
			"openai.completions", allowList(),
			`{"choices":[{"stop_reason":128001},{"stop_reason":"END"},{"stop_reason":null}]}`,
			`{"choices":[{"stop_reason":null},{"stop_reason":"END"},{"stop_reason":null}]}`,
		},
		"usage detail": {
			"openai.chat", allowList(),
			`{"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":4}}}`,
			`{"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}`,
		},
		"no usage": {
			"openai.chat", noUsage, `{"choices":[{"delta":{"content":"x"}}],"usage":null}`,
			`{"choices":[{"delta":{"content":"x"}}]}`,
		},
		"reasoning": {
			"openai.chat", allowList(),
			`{"choices":[{"delta":{"reasoning_content":"hm","content":"x"}}]}`,
			`{"choices":[{"delta":{"content":"x"}}]}`,
		},
		"vector without a shaper": {
			"openai.embeddings",
			wire.Plan{Verbs: [12]wire.Verb{bartizan.FieldEmbedding: wire.Shape}},
			`{"data":[{"embedding":[1,2],"index":0}]}`, `{"data":[{"embedding":null,"index":0}]}`,
		},
		"thinking keeps its place": {
			"anthropic.messages", allowList(),
			`{"type":"message","content":[{"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"redacted_thinking","data":"eA=="},{"type":"text","text":"a","citations":null}]}`,
			`{"type":"message","content":[{"type":"thinking","thinking":"","signature":""},{"type":"redacted_thinking","data":""},{"type":"text","text":"a","citations":null}]}`,
		},
		"empty thinking is no change": {
			"anthropic.messages", allowList(), `{"content_block":{"type":"thinking","thinking":"","signature":""},"delta":{"signature":null}}`, "",
		},
		"what a tool is called with stays": {
			"anthropic.messages", allowList(),
			`{"content":[{"type":"tool_use","id":"t","name":"f","input":{"logprobs":[1],"reasoning":{"cost":2},"zz":"\u00e4"},"zz":1}]}`,
			`{"content":[{"type":"tool_use","id":"t","name":"f","input":{"logprobs":[1],"reasoning":{"cost":2},"zz":"\u00e4"}}]}`,
		},
		"counts of a message": {
			"anthropic.messages", allowList(),
			`{"message":{"usage":{"input_tokens":1,"output_tokens":2,"cache_read_input_tokens":3,"output_tokens_details":{"thinking_tokens":4},"service_tier":"standard","zz":5}}}`,
			`{"message":{"usage":{"input_tokens":1,"output_tokens":2,"service_tier":"standard"}}}`,
		},
		"model files": {
			"openai.models", allowList(),
			`{"object":"list","data":[{"id":"m","root":"/srv/m","permission":[{}],"meta":{"n_embd":64},"owned_by":"us"}]}`,
			`{"object":"list","data":[{"id":"m","owned_by":"us"}]}`,
		},
		"everything": {
			"openai.chat", keepAll,
			`{"system_fingerprint":"f","timings":{"a":1},"choices":[{"token_ids":[1],"message":{"reasoning":"r"}}],"prompt_logprobs":[{"1":{"logprob":-1}}]}`, "",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, changed, err := route(t, c.route).Rewriter(c.plan).Rewrite([]byte("kept:"), []byte(c.src))
			if err != nil {
				t.Fatalf("Rewrite: %v", err)
			}
			want := "kept:" + c.want
			if string(got) != want || changed != (c.want != "") {
				t.Errorf("Rewrite = %s, changed %v\nwant %s", got, changed, want)
			}
		})
	}
}

func TestRewriteNotUnderstood(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		src  string
		want error
	}{
		"empty":         {"", wire.ErrNotUnderstood},
		"text":          {"Internal Server Error", wire.ErrNotUnderstood},
		"array":         {"[]", wire.ErrNotUnderstood},
		"cut":           {`{"id":"1"`, wire.ErrNotUnderstood},
		"two":           {`{}{}`, wire.ErrNotUnderstood},
		"no comma":      {`{"id":"1" "model":"m"}`, wire.ErrNotUnderstood},
		"last comma":    {`{"id":"1",}`, wire.ErrNotUnderstood},
		"bad number":    {`{"id":01}`, wire.ErrNotUnderstood},
		"bad literal":   {`{"id":nil}`, wire.ErrNotUnderstood},
		"minus inf":     {`{"id":-Infinity}`, wire.ErrNotUnderstood},
		"bad string":    {"{\"id\":\"\n\"}", wire.ErrNotUnderstood},
		"bad key":       {`{id:1}`, wire.ErrNotUnderstood},
		"after drop":    {`{"logprobs":[1}`, wire.ErrNotUnderstood},
		"cut in drop":   {`{"zz":[1`, wire.ErrNotUnderstood},
		"much too deep": {`{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, wire.ErrTooDeep},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _, err := route(t, "openai.chat").Rewriter(denyList()).Rewrite([]byte("kept"), []byte(c.src))
			if !errors.Is(err, c.want) || string(got) != "kept" {
				t.Errorf("Rewrite = %q, %v; want nothing appended and %v", got, err, c.want)
			}
		})
	}
}

func TestRewriteFacts(t *testing.T) {
	t.Parallel()
	rw := route(t, "openai.chat").Rewriter(wire.Plan{Usage: wire.Drop})
	for _, event := range []string{
		`{"choices":[{"delta":{"role":"assistant","content":"h\u00e9l\n"}}],"usage":null}`,
		`{"choices":[{"delta":{"reasoning":"hm","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}},{"delta":{"content":"lo"}}]}`,
		`{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":3},"completion_tokens_details":{"reasoning_tokens":2}}}`,
	} {
		if _, _, err := rw.Rewrite(nil, []byte(event)); err != nil {
			t.Fatal(err)
		}
	}
	want := wire.Facts{
		Usage: bartizan.Usage{InputTokens: 7, OutputTokens: 5, CachedTokens: 3, ReasoningTokens: 2}, HasUsage: true,
		TextBytes: len("hél\n") + len("hm") + len("f{}") + len("lo"),
	}
	if diff := cmp.Diff(want, rw.Facts); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wire.DocumentFacts{HasUsage: true}, rw.Document); diff != "" {
		t.Errorf("facts of the last document (-want +got):\n%s", diff)
	}
	if !rw.Touched(bartizan.FieldReasoning) || rw.Touched(bartizan.FieldTimings) {
		t.Error("Touched does not tell what was dropped")
	}
	if _, _, err := rw.Rewrite(nil, []byte(`{"error":{"message":"x"}}`)); err != nil || !rw.Document.HasError {
		t.Errorf("an error document: %v, HasError %v", err, rw.Document.HasError)
	}
	if _, _, err := rw.Rewrite(nil, []byte(`{"choices":[{}],"error":null,"usage":{"prompt_tokens":-5,"completion_tokens":1e99}}`)); err != nil || rw.Document.HasError {
		t.Errorf("an error of null: %v, HasError %v", err, rw.Document.HasError)
	}
	if rw.Facts.Usage.InputTokens != 7 {
		t.Errorf("an absurd usage was believed: %+v", rw.Facts.Usage)
	}
}

// The counts of a message that begins are not yet what it costs; those beside the
// prompt's belong to it.
func TestRewriteFactsOfMessages(t *testing.T) {
	t.Parallel()
	rw := route(t, "anthropic.messages").Rewriter(allowList())
	steps := []struct {
		event string
		want  wire.Facts
	}{
		{
			`{"type":"message_start","message":{"content":[],"usage":{"input_tokens":10,"cache_creation_input_tokens":100,"cache_read_input_tokens":1000,"output_tokens":1}}}`,
			wire.Facts{Usage: bartizan.Usage{InputTokens: 1110, CachedTokens: 1000}},
		},
		{
			`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`,
			wire.Facts{Usage: bartizan.Usage{InputTokens: 1110, CachedTokens: 1000}, TextBytes: 2},
		},
		{
			`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}`,
			wire.Facts{Usage: bartizan.Usage{InputTokens: 1110, CachedTokens: 1000}, TextBytes: 7},
		},
		{
			`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15,"input_tokens":null,"output_tokens_details":{"thinking_tokens":5}}}`,
			wire.Facts{Usage: bartizan.Usage{InputTokens: 1110, CachedTokens: 1000, OutputTokens: 15, ReasoningTokens: 5}, HasUsage: true, TextBytes: 7},
		},
		{
			`{"type":"message_delta","usage":{"output_tokens":16,"input_tokens":11,"cache_creation_input_tokens":0,"cache_read_input_tokens":2}}`,
			wire.Facts{Usage: bartizan.Usage{InputTokens: 13, CachedTokens: 2, OutputTokens: 16, ReasoningTokens: 5}, HasUsage: true, TextBytes: 7},
		},
	}
	for _, s := range steps {
		if _, _, err := rw.Rewrite(nil, []byte(s.event)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s.want, rw.Facts); diff != "" {
			t.Errorf("facts after %s (-want +got):\n%s", s.event, diff)
		}
	}
	whole := route(t, "anthropic.messages").Rewriter(allowList())
	if _, _, err := whole.Rewrite(nil, []byte(`{"type":"message","content":[{"type":"text","text":"hello"},{"type":"tool_use","name":"f","input":{"a":1}}],"usage":{"input_tokens":3,"output_tokens":4}}`)); err != nil {
		t.Fatal(err)
	}
	want := wire.Facts{Usage: bartizan.Usage{InputTokens: 3, OutputTokens: 4}, HasUsage: true, TextBytes: len(`hellof{"a":1}`)}
	if diff := cmp.Diff(want, whole.Facts); diff != "" {
		t.Errorf("facts of a whole message (-want +got):\n%s", diff)
	}
}

// forbidden are keys that a default plan never lets through with a value.
var forbidden = []string{
	"logprobs", "logprob", "toplogprobs", "tokenlogprobs", "completionprobabilities", "promptlogprobs", "tokenids",
	"prompttokenids", "outputids", "hiddenstates", "routedexperts", "kvtransferparams", "ectransferparams", "prompttext",
	"sglext", "metainfo", "reasoning", "reasoningcontent", "thinking", "systemfingerprint", "timings", "metrics",
	"prompttokensdetails", "completiontokensdetails", "cachedtokens", "moderation", "categoryscores",
}

// leaks returns the first forbidden key with a value other than null and "", at any
// depth, however it is written and how often. What stands under input is the model's.
func leaks(t testing.TB, doc []byte, input, echoed string) string {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var value func() string
	value = func() string {
		token, err := dec.Token()
		if err != nil {
			t.Fatalf("%q: %v", doc, err)
		}
		delim, nested := token.(json.Delim)
		if !nested {
			return ""
		}
		found := ""
		for dec.More() {
			key, own := "", false
			if delim == '{' {
				name, err := dec.Token()
				if err != nil {
					t.Fatalf("%q: %v", doc, err)
				}
				key = fmt.Sprint(name)
				own = key == input
				folded := strings.NewReplacer("_", "", "-", "", "ſ", "s", "\u212a", "k").Replace(strings.ToLower(key))
				if !slices.Contains(forbidden, folded) || folded == echoed {
					key = ""
				}
			}
			start := dec.InputOffset()
			if inner := value(); inner != "" && !own {
				found = inner
			}
			text := strings.Trim(string(doc[start:dec.InputOffset()]), ": \t\r\n,")
			if key != "" && text != "null" && text != `""` && text != "[]" {
				found = key + "=" + text
			}
		}
		if _, err := dec.Token(); err != nil {
			t.Fatalf("%q: %v", doc, err)
		}
		return found
	}
	return value()
}

// FuzzRewrite: what comes out is JSON if what went in was, holds no forbidden key with
// a value, and rewriting it again changes nothing.
func FuzzRewrite(f *testing.F) {
	f.Add([]byte(`{"id":"x","choices":[{"index":0,"message":{"content":"a","reasoning":"b"},"logprobs":{"content":[{"token":"a","logprob":-1,"bytes":[97]}]},"token_ids":[1]}],"prompt_logprobs":[null],"timings":{"a":1.5}}`))
	f.Add([]byte(`{"x":{"log\u0070robs":1,"topLogprobs":2,"logprobſ":3,"ok":4},"choices":[{"Logprobs":{"a":1}}],"x":1}`))
	f.Add([]byte(`{"data":[{"embedding":[0.1,-0.2],"index":0},{"embedding":"AAAAAA=="}],"usage":{"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":4}}}`))
	f.Add([]byte(`{"a":[[[{"b":{"logprob":1e999}}]]],"error":{"message":"m","metrics":{}}}`))
	f.Add([]byte(string(big(3))))
	for line := range strings.SplitSeq(messageStream+messageWhole, "\n") {
		f.Add([]byte(strings.TrimPrefix(line, "data: ")))
	}
	paths, err := filepath.Glob(filepath.Join("testdata", "routes", "*", "answer*.json"))
	if err != nil || len(paths) == 0 {
		f.Fatal("no answers are shown: ", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, r := range wire.Routes() {
			input, echoed := "", ""
			switch r.Name {
			case "anthropic.messages":
				input = "input"
			case "openai.responses": // an answer says how much was to be thought
				echoed = "reasoning"
			case "sglang.generate", "vllm.classify", "vllm.score", "vllm.score.v1": // the usage is there
				echoed = "metainfo"
			case "gemini.models", "gemini.model": // a model says that it can
				echoed = "thinking"
			}
			for _, plan := range []wire.Plan{allowList(), denyList()} {
				got, changed, err := r.Rewriter(plan).Rewrite(nil, src)
				if err != nil {
					continue
				}
				if !changed {
					got = src
				}
				if !json.Valid(got) {
					// Only what was dropped may have been broken.
					t.Fatalf("%s: Rewrite(%q) = %q is not JSON", r.Name, src, got)
				}
				if leak := leaks(t, got, input, echoed); leak != "" {
					t.Fatalf("%s, plan %+v: Rewrite(%q) = %q leaks %s", r.Name, plan, src, got, leak)
				}
				if strings.TrimSpace(string(got)) == "null" { // nothing of it is told
					continue
				}
				if again, changed, err := r.Rewriter(plan).Rewrite(nil, got); err != nil || changed {
					t.Fatalf("%s: Rewrite(%q) again = %q, %v", r.Name, got, again, err)
				}
			}
		}
	})
}

// TestSteadyStateAllocatesNothing covers what runs for every request and event.
func TestSteadyStateAllocatesNothing(t *testing.T) { //nolint:paralleltest // allocations of other tests would count
	rw := route(t, "openai.chat").Rewriter(allowList())
	dst := make([]byte, 0, 4096)
	for name, doc := range map[string][]byte{"small": []byte(small), "chunk": []byte(chunk), "big": big(10)} {
		allocs := testing.AllocsPerRun(100, func() {
			if _, _, err := rw.Rewrite(dst[:0], doc); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("rewriting %s allocates %v times; want 0", name, allocs)
		}
	}
	stream := bytes.Repeat([]byte("data: "+chunk+"\n\n"), 50)
	source := bytes.NewReader(nil)
	reader := wire.NewEventReader(source)
	allocs := testing.AllocsPerRun(100, func() {
		source.Reset(stream)
		reader.Reset(source)
		for {
			if _, err := reader.Next(); err != nil {
				return
			}
		}
	})
	if allocs != 0 {
		t.Errorf("reading events allocates %v times; want 0", allocs)
	}
}
