package modelserver_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"bartizan/internal/modelserver"
)

// TestClientGone hangs up in the middle of a paced answer and waits for the server
// to notice.
func TestClientGone(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	server := modelserver.NewServer(model(t), modelserver.Options{TokensPerSecond: 20})
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server.ServeHTTP(w, r)
		close(done)
	}))
	t.Cleanup(ts.Close)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, ts.URL+"/v1/chat/completions",
		strings.NewReader(`{`+hello+`,"stream":true,"max_tokens":4000,"logit_bias":{"256":-100}}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := ts.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	left := time.Now()
	cancel()
	<-done
	if took := time.Since(left); took > 2*time.Second {
		t.Errorf("the server went on for %v after the client left", took)
	}
}

// fuzzed are the routes that take a body.
var fuzzed = []string{
	"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages",
	"/v1beta/models/bartizan-small:generateContent", "/v1beta/models/bartizan-small:streamGenerateContent",
	"/v2/chat", "/api/generate", "/api/chat", "/api/embed", "/api/embeddings", "/api/show", "/completion", "/generate", "/generate_stream",
	"/classify", "/", "/predict", "/v2/models/bartizan-small/infer", "/v1/models/bartizan-small:predict", "/v1/models/bartizan-small:classify",
	"/v1/moderations", "/v1/classifications", "/v1/rerank", "/v2/rerank", "/rerank", "/score", "/pooling", "/tokenize", "/detokenize",
}

// FuzzBody sends any body to every route that takes one: the answer is JSON or
// events with a status of the API, and nothing panics.
func FuzzBody(f *testing.F) {
	server := modelserver.NewServer(model(f), modelserver.Options{Seed: 1, Engine: modelserver.EngineEvery, Habits: modelserver.Habits{EngineFields: true}})
	f.Add(uint8(0), `{`+hello+`,"max_tokens":3,"stream":true,"logprobs":true,"n":2,"stop":["a"]}`)
	f.Add(uint8(0), `{`+hello+`,"tool_choice":"required","tools":[{"type":"function","function":{"name":"f","parameters":`+weather+`}}]}`)
	f.Add(uint8(1), `{"model":"bartizan-small","prompt":[[70,71]],"max_tokens":3,"echo":true,"logprobs":2,"best_of":2}`)
	f.Add(uint8(2), `{"model":"bartizan-small","input":["a key","another"],"dimensions":3}`)
	for i := range fuzzed {
		for _, body := range []string{`{}`, `null`, `[]`, `{"model":"bartizan-small","max_tokens":4,"messages":[{"role":"user","content":"a key"}],"thinking":{"type":"enabled"},"logprobs":true}`} {
			f.Add(uint8(i), body)
		}
	}
	for _, g := range generators {
		f.Add(uint8(slices.Index(fuzzed, g.path)), fmt.Sprintf(g.body, g.on))
	}
	f.Add(uint8(19), `{"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["x"]}],"outputs":[{"name":"logits","parameters":{"classification":-3}}]}`)
	f.Add(uint8(14), `{"text":["a","b"],"sampling_params":{"n":2,"max_new_tokens":2},"return_logprob":true,"logprob_start_len":-5,"token_ids_logprob":[-1]}`)
	f.Fuzz(func(t *testing.T, route uint8, body string) {
		path := fuzzed[int(route)%len(fuzzed)]
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond) // long answers are cut off
		defer cancel()
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(body)))
		out := w.Body.String()
		if w.Header().Get("Content-Type") == "application/json" && !json.Valid([]byte(out)) {
			t.Errorf("POST %s %q answers %q", path, body, out)
		}
		if ctx.Err() == nil && w.Code != http.StatusOK && w.Code != http.StatusBadRequest && w.Code != http.StatusNotFound {
			t.Errorf("POST %s %q = %d %s", path, body, w.Code, out)
		}
	})
}
