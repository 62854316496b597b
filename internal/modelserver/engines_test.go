package modelserver_test

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"bartizan/internal/modelserver"
)

// TestPostSampling compares llama.cpp's probabilities of the draw with what they are
// made of: the model's, sharpened and cut.
func TestPostSampling(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	v := document(t, ts, "/completion", `{"prompt":"`+opening+`","n_predict":1,"n_probs":10,"post_sampling_probs":true,"temperature":0.5,"top_k":4,"top_p":1}`)
	want := map[int]float64{}
	logprobs := modelserver.Next(model(t), opening, model(t).Encode(opening))
	order := make([]int, len(logprobs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case logprobs[a] > logprobs[b]:
			return -1
		case logprobs[a] < logprobs[b]:
			return 1
		default:
			return 0
		}
	})
	total := 0.0
	for _, id := range order[:4] {
		want[id] = math.Exp(logprobs[id] / 0.5)
		total += want[id]
	}
	tops := list(t, v, "completion_probabilities.0.top_probs")
	if len(tops) != 4 {
		t.Fatalf("%d alternatives; want the 4 that could be drawn: %v", len(tops), tops)
	}
	for _, a := range tops {
		if got := number(t, a, "prob"); math.Abs(got-want[int(number(t, a, "id"))]/total) > 1e-9 {
			t.Errorf("token %v has probability %v; want %v", at(t, a, "id"), got, want[int(number(t, a, "id"))]/total)
		}
	}
}

func TestLlamaBiasAndTokens(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	m := model(t)
	id := m.Encode(" gateway")[0]
	for _, bias := range []string{fmt.Sprintf(`[[%d,100]]`, id), `{" gateway":100}`} {
		v := document(t, ts, "/completion", `{"prompt":"`+opening+`","n_predict":1,"return_tokens":true,"logit_bias":`+bias+`}`)
		if got := list(t, v, "tokens"); len(got) != 1 || number(t, got[0], "") != float64(id) || text(t, v, "content") != " gateway" {
			t.Errorf("with bias %s the answer is %v %q; want token %d", bias, got, text(t, v, "content"), id)
		}
	}
	free := document(t, ts, "/completion", `{"prompt":"`+opening+`","n_predict":1,"return_tokens":true,"temperature":0}`)
	first := number(t, free, "tokens.0")
	never := document(t, ts, "/completion", fmt.Sprintf(`{"prompt":"%s","n_predict":1,"return_tokens":true,"temperature":0,"logit_bias":[[%v,false]]}`, opening, first))
	if number(t, never, "tokens.0") == first {
		t.Errorf("token %v was drawn although its bias is false", first)
	}
	for _, p := range parts(t, ts, "/completion", `{"prompt":"`+opening+`","n_predict":3,"stream":true,"ignore_eos":true}`) {
		if at(t, p, "stop") == false && len(list(t, p, "tokens")) == 0 {
			t.Errorf("a part has no ids: %v", p)
		}
	}
}

// TestTargetedIDs asks SGLang's and vLLM's channels for tokens of the caller's choice.
func TestTargetedIDs(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{Habits: modelserver.Habits{EngineFields: true}})
	m := model(t)
	v := document(t, ts, "/generate", `{"text":"`+opening+`","return_logprob":true,"logprob_start_len":0,"token_ids_logprob":[300,301],"top_logprobs_num":2,"sampling_params":{"max_new_tokens":1}}`)
	want := modelserver.Next(m, opening, m.Encode(opening))
	for i, entry := range list(t, v, "meta_info.output_token_ids_logprobs.0") {
		if got := number(t, entry, "0"); got != want[300+i] {
			t.Errorf("token %d has log-probability %v; want %v", 300+i, got, want[300+i])
		}
	}
	prompt := m.Encode(opening)
	input := list(t, v, "meta_info.input_token_logprobs")
	if len(input) != len(prompt) || at(t, input[0], "0") != nil {
		t.Fatalf("%d input tokens, first %v; want %d, the first without a number", len(input), input[0], len(prompt))
	}
	for i := 1; i < len(prompt); i++ {
		if got, want := number(t, input[i], "0"), modelserver.Next(m, opening, prompt[:i])[prompt[i]]; got != want {
			t.Errorf("prompt token %d has log-probability %v; want %v", i, got, want)
		}
		if got, want := number(t, v, fmt.Sprintf("meta_info.input_token_ids_logprobs.%d.0.0", i)), modelserver.Next(m, opening, prompt[:i])[300]; got != want {
			t.Errorf("after prompt token %d: token 300 has log-probability %v; want %v", i, got, want)
		}
	}
	chat := document(t, ts, "/v1/chat/completions", `{`+hello+`,"max_tokens":1,"logprob_token_ids":[300,301],"return_tokens_as_token_ids":true}`)
	asked := modelserver.Next(m, "Why are limits so low?", nil)
	for i, a := range list(t, chat, "choices.0.logprobs.content.0.top_logprobs") {
		if got := number(t, a, "logprob"); got != asked[300+i] || text(t, a, "token") != fmt.Sprintf("token_id:%d", 300+i) {
			t.Errorf("targeted token %d is %v; want log-probability %v", 300+i, a, asked[300+i])
		}
	}
}

func TestEngineFields(t *testing.T) {
	t.Parallel()
	body := `{` + hello + `,"seed":1,"max_tokens":6,"prompt_logprobs":2,"return_token_ids":true,"ignore_eos":true%s}`
	on := start(t, modelserver.Options{Habits: modelserver.Habits{EngineFields: true}})
	m := model(t)
	v := document(t, on, "/v1/chat/completions", fmt.Sprintf(body, ""))
	var ids, prompt []int
	for _, id := range list(t, v, "choices.0.token_ids") {
		ids = append(ids, int(number(t, id, "")))
	}
	for _, id := range list(t, v, "prompt_token_ids") {
		prompt = append(prompt, int(number(t, id, "")))
	}
	if m.Decode(ids) != text(t, v, "choices.0.message.content") || len(ids) != 6 || !strings.Contains(m.Decode(prompt), "Why are limits so low?") {
		t.Errorf("ids say %q, answer %q, prompt %q", m.Decode(ids), text(t, v, "choices.0.message.content"), m.Decode(prompt))
	}
	scores := list(t, v, "prompt_logprobs")
	if len(scores) != len(prompt) || scores[0] != nil {
		t.Fatalf("%d scores for %d tokens of the prompt, first %v", len(scores), len(prompt), scores[0])
	}
	for i := 1; i < len(prompt); i++ {
		want := modelserver.Next(m, "Why are limits so low?", prompt[:i])[prompt[i]]
		if got := number(t, scores[i], fmt.Sprintf("%d.logprob", prompt[i])); got != want {
			t.Errorf("prompt token %d has log-probability %v; want %v", i, got, want)
		}
	}
	stopped := document(t, on, "/v1/chat/completions", fmt.Sprintf(body, fmt.Sprintf(`,"stop_token_ids":[%d]`, ids[3])))
	at3 := slices.Index(ids, ids[3])
	if text(t, stopped, "choices.0.message.content") != m.Decode(ids[:at3]) || number(t, stopped, "choices.0.stop_reason") != float64(ids[3]) {
		t.Errorf("stopped by a token: %v", at(t, stopped, "choices.0"))
	}
	if status, out := post(t, on, "/v1/chat/completions", fmt.Sprintf(body, `,"stream":true`)); status != http.StatusBadRequest {
		t.Errorf("prompt scores of a stream: %d %s; want 400", status, out)
	}
	off := start(t, modelserver.Options{})
	_, out := post(t, off, "/v1/chat/completions", fmt.Sprintf(body, ""))
	for _, key := range []string{"prompt_logprobs", "token_ids", "prompt_token_ids", "stop_reason"} {
		if hasKey(out, key) {
			t.Errorf("without the habit the answer has %q: %s", key, out)
		}
	}
}

func TestTextGenerationDetails(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	m := model(t)
	v := document(t, ts, "/generate", `{"inputs":"`+opening+`","parameters":{"max_new_tokens":4,"details":true,"decoder_input_details":true,"best_of":2,"do_sample":true,"seed":2}}`)
	prompt := m.Encode(opening)
	prefill := list(t, v, "details.prefill")
	if len(prefill) != len(prompt) || at(t, prefill[0], "logprob") != nil {
		t.Fatalf("prefill %v", prefill)
	}
	for i := 1; i < len(prompt); i++ {
		if got, want := number(t, prefill[i], "logprob"), modelserver.Next(m, opening, prompt[:i])[prompt[i]]; got != want {
			t.Errorf("prompt token %d has log-probability %v; want %v", i, got, want)
		}
	}
	mean := func(details any) float64 {
		sum, tokens := 0.0, list(t, details, "tokens")
		for _, token := range tokens {
			sum += number(t, token, "logprob")
		}
		return sum / float64(len(tokens))
	}
	others := list(t, v, "details.best_of_sequences")
	if len(others) != 1 || mean(others[0]) > mean(at(t, v, "details")) {
		t.Errorf("of two candidates the less likely one is the answer: %v", v)
	}
	// Greedy without options, and the stop sequence stays.
	greedy := text(t, document(t, ts, "/generate", `{"inputs":"`+opening+`","parameters":{"max_new_tokens":8}}`), "generated_text")
	word := strings.Fields(greedy)[1]
	cut := document(t, ts, "/generate", `{"inputs":"`+opening+`","parameters":{"max_new_tokens":8,"details":true,"stop":["`+word+`"]}}`)
	if got := text(t, cut, "generated_text"); !strings.HasSuffix(got, word) || !strings.HasPrefix(greedy, got) || text(t, cut, "details.finish_reason") != "stop_sequence" {
		t.Errorf("stopped at %q: %q (%s); greedy %q", word, got, text(t, cut, "details.finish_reason"), greedy)
	}
}

func TestOllamaContext(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	m := model(t)
	all := parts(t, ts, "/api/generate", `{"model":"bartizan-small:latest","prompt":"`+question+`","options":{"num_predict":8,"seed":3}}`)
	said := ""
	var saidSb194 strings.Builder
	for _, p := range all {
		saidSb194.WriteString(text(t, p, "response"))
	}
	said += saidSb194.String()
	last := all[len(all)-1]
	var ids []int
	for _, id := range list(t, last, "context") {
		ids = append(ids, int(number(t, id, "")))
	}
	if got := m.Decode(ids); said == "" || !strings.Contains(got, question) || !strings.HasSuffix(got, said) {
		t.Errorf("the context says %q; want the question and %q", got, said)
	}
	if number(t, last, "eval_count") < 1 || number(t, last, "total_duration") < number(t, last, "eval_duration") || text(t, last, "done_reason") == "" {
		t.Errorf("the last line is %v", last)
	}
	v := document(t, ts, "/api/embed", `{"model":"bartizan-small","input":["a key","a limit"],"dimensions":8}`)
	for i, input := range []string{"a key", "a limit"} {
		for d, want := range m.Embed(input, 8) {
			if got := number(t, v, fmt.Sprintf("embeddings.%d.%d", i, d)); float32(got) != want {
				t.Errorf("number %d of %q is %v; want %v", d, input, got, want)
			}
		}
	}
}

// TestExtremeSampling asks for what no distribution can bear: there is an answer all
// the same, drawn from what is left.
func TestExtremeSampling(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	m := model(t)
	for name, extra := range map[string]string{
		"rewards without end": `"frequency_penalty":-100,"presence_penalty":-100,"temperature":2,"top_p":0.5`,
		"fines without end":   `"frequency_penalty":100,"presence_penalty":100,"temperature":100`,
		"almost cold":         `"temperature":1e-300,"top_p":0.01`,
	} {
		v := document(t, ts, "/completion", `{"prompt":"`+opening+`","n_predict":40,"n_probs":1,"post_sampling_probs":true,"ignore_eos":true,`+extra+`}`)
		tokens := list(t, v, "completion_probabilities")
		if len(tokens) != 40 {
			t.Errorf("%s: %d tokens; want 40", name, len(tokens))
		}
		for _, token := range tokens {
			if p := number(t, token, "prob"); p <= 0 || p > 1 {
				t.Errorf("%s: a token was drawn with probability %v", name, p)
			}
		}
	}
	ruled := make([]string, 0, m.VocabularySize())
	for id := range min(m.VocabularySize(), 1000) {
		ruled = append(ruled, fmt.Sprintf("[%d,false]", id))
	}
	v := document(t, ts, "/completion", `{"prompt":"`+opening+`","n_predict":20,"return_tokens":true,"logit_bias":[`+strings.Join(ruled, ",")+`]}`)
	for _, id := range list(t, v, "tokens") {
		if int(number(t, id, "")) < len(ruled) {
			t.Errorf("token %v was drawn although it is ruled out", id)
		}
	}
}
