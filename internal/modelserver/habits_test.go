package modelserver_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"bartizan/internal/modelserver"
)

// talkative are the keys that only a server with the extra-fields habit sends.
var talkative = []string{"token_ids", "prompt_token_ids", "prompt_logprobs", "timings", "system_fingerprint", "metrics", "kv_transfer_params", "prompt_tokens_details"}

func hasKey(body []byte, key string) bool {
	return strings.Contains(string(body), strconv.Quote(key)+":")
}

func TestHabitsAreOffByDefault(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	for path, body := range map[string]string{
		"/v1/chat/completions": `{` + hello + `,"max_tokens":5%s}`,
		"/v1/completions":      `{"model":"bartizan-small","prompt":"x","max_tokens":5%s}`,
	} {
		for _, extra := range []string{"", `,"stream":true`} {
			status, out := post(t, ts, path, fmt.Sprintf(body, extra))
			if status != http.StatusOK || !hasKey(out, "choices") {
				t.Fatalf("POST %s = %d %s", path, status, out)
			}
			for _, key := range talkative {
				if hasKey(out, key) {
					t.Errorf("POST %s%s answers with %q: %s", path, extra, key, out)
				}
			}
			if !strings.Contains(string(out), `"logprobs":null`) {
				t.Errorf("POST %s%s answers with log-probabilities: %s", path, extra, out)
			}
		}
	}
}

func TestExtraFields(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{Habits: modelserver.Habits{ExtraFields: true}})
	for path, body := range map[string]string{
		"/v1/chat/completions": `{` + hello + `,"max_tokens":5%s}`,
		"/v1/completions":      `{"model":"bartizan-small","prompt":"A gateway","max_tokens":5%s}`,
	} {
		_, out := post(t, ts, path, fmt.Sprintf(body, ""))
		for _, key := range talkative {
			if !hasKey(out, key) {
				t.Errorf("POST %s has no %q: %s", path, key, out)
			}
		}
		_, out = post(t, ts, path, fmt.Sprintf(body, `,"stream":true`))
		for _, key := range []string{"token_ids", "timings", "system_fingerprint", "metrics", "kv_transfer_params"} {
			if !hasKey(out, key) {
				t.Errorf("POST %s streamed has no %q: %s", path, key, out)
			}
		}
	}
}

// TestTokenIDsAreTrue decodes what the habit gives away.
func TestTokenIDsAreTrue(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{Habits: modelserver.Habits{ExtraFields: true}})
	_, out := post(t, ts, "/v1/completions", `{"model":"bartizan-small","prompt":"A gateway is","max_tokens":20,"seed":4}`)
	var got struct {
		PromptIDs []int `json:"prompt_token_ids"`
		Choices   []struct {
			Text string `json:"text"`
			IDs  []int  `json:"token_ids"`
		} `json:"choices"`
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	m := model(t)
	if text := m.Decode(got.PromptIDs); text != "A gateway is" {
		t.Errorf("the prompt's ids say %q", text)
	}
	if text := m.Decode(got.Choices[0].IDs); text != got.Choices[0].Text {
		t.Errorf("the answer's ids say %q, its text %q", text, got.Choices[0].Text)
	}
}

func TestUnrequestedLogprobs(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{Habits: modelserver.Habits{UnrequestedLogprobs: true}})
	c := ask(t, ts, "/v1/chat/completions", `{`+hello+`,"max_tokens":5,"seed":1}`).Choices[0]
	if c.Logprobs == nil || len(c.Logprobs.Content) == 0 || len(c.Logprobs.Content[0].Top) != 5 {
		t.Errorf("chat answers with %+v; want log-probabilities nobody asked for", c.Logprobs)
	}
	c = ask(t, ts, "/v1/completions", `{"model":"bartizan-small","prompt":"The","max_tokens":5,"seed":1}`).Choices[0]
	if c.Logprobs == nil || len(c.Logprobs.Scores) == 0 {
		t.Errorf("completions answers with %+v; want log-probabilities nobody asked for", c.Logprobs)
	}
}

func TestUnboundedLogprobs(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{Habits: modelserver.Habits{UnboundedLogprobs: true}})
	m := model(t)
	body := `{` + hello + `,"max_tokens":1,"seed":1,"logprobs":true%s}`
	for k, want := range map[int]int{25: 25, -1: m.VocabularySize(), 1000: 1000} {
		c := ask(t, ts, "/v1/chat/completions", fmt.Sprintf(body, fmt.Sprintf(`,"top_logprobs":%d`, k))).Choices[0]
		if got := len(c.Logprobs.Content[0].Top); got != want {
			t.Errorf("top_logprobs %d gave %d alternatives; want %d", k, got, want)
		}
	}
	ids := []int{300, 301, 1000}
	c := ask(t, ts, "/v1/chat/completions", fmt.Sprintf(body, `,"logprob_token_ids":[300,301,1000]`)).Choices[0]
	want := m.Logprobs("Why are limits so low?", "")
	for i, alternative := range c.Logprobs.Content[0].Top {
		if alternative.Logprob != want[ids[i]] {
			t.Errorf("token %d has log-probability %v; want %v", ids[i], alternative.Logprob, want[ids[i]])
		}
	}
	if n := len(c.Logprobs.Content[0].Top); n != len(ids) {
		t.Errorf("%d targeted ids came back; want %d", n, len(ids))
	}
}

func TestVerboseErrors(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{Habits: modelserver.Habits{VerboseErrors: true}})
	status, out := post(t, ts, "/v1/chat/completions", `{`+hello+`,"logit_bias":{"999999":1}}`)
	for _, leak := range []string{strconv.Itoa(model(t).VocabularySize()), "/srv/models/", ".py:"} {
		if status != http.StatusBadRequest || !strings.Contains(string(out), leak) {
			t.Errorf("the error is %d %s; want 400 with %q in it", status, out, leak)
		}
	}
}
