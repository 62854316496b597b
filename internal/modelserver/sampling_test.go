package modelserver_test

import (
	"fmt"
	"math"
	"net/http/httptest"
	"strings"
	"testing"

	"bartizan/internal/modelserver"
)

func TestSeed(t *testing.T) {
	t.Parallel()
	ts, fixed := start(t, modelserver.Options{}), start(t, modelserver.Options{Seed: 7})
	text := func(ts *httptest.Server, extra string) string {
		return ask(t, ts, "/v1/chat/completions", `{`+hello+`,"max_tokens":40`+extra+`}`).Choices[0].Message.Content
	}
	if a, b := text(ts, `,"seed":11`), text(ts, `,"seed":11`); a != b {
		t.Errorf("one seed gave %q and %q", a, b)
	}
	if a, b := text(ts, `,"seed":11`), text(ts, `,"seed":12`); a == b {
		t.Errorf("two seeds gave the same answer %q", a)
	}
	if a, b := text(ts, ``), text(ts, ``); a == b {
		t.Errorf("two answers without a seed are the same: %q", a)
	}
	if a, b := text(fixed, ``), text(fixed, ``); a != b {
		t.Errorf("a server with a seed gave %q and %q for one request", a, b)
	}
	if a, b := text(ts, `,"temperature":0`), text(ts, `,"temperature":0`); a != b {
		t.Errorf("temperature 0 gave %q and %q", a, b)
	}
}

func TestDifferentPromptsDifferentAnswers(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	seen := map[string]string{}
	for _, prompt := range []string{"Why are limits so low?", "What is a watermark?", "Who is Marta?", "How do I rotate keys?"} {
		body := fmt.Sprintf(`{"model":"bartizan-small","temperature":0,"max_tokens":40,"messages":[{"role":"user","content":%q}]}`, prompt)
		got := ask(t, ts, "/v1/chat/completions", body).Choices[0].Message.Content
		if other, ok := seen[got]; ok {
			t.Errorf("%q and %q get the same answer %q", prompt, other, got)
		}
		seen[got] = prompt
	}
}

func TestLogitBias(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	id := model(t).Encode(" gateway")[0]
	body := func(value int) string {
		return fmt.Sprintf(`{%s,"max_tokens":200,"n":4,"seed":1,"logit_bias":{"%d":%d}}`, hello, id, value)
	}
	for _, c := range ask(t, ts, "/v1/chat/completions", body(100)).Choices {
		if want := strings.Repeat(" gateway", 200); c.Message.Content != want {
			t.Errorf("with bias 100 the answer is %q; want only the forced token", c.Message.Content)
		}
	}
	free := ask(t, ts, "/v1/chat/completions", body(5))
	banned := ask(t, ts, "/v1/chat/completions", body(-100))
	if !strings.Contains(fmt.Sprint(free), " gateway") {
		t.Error("with bias 5 the token does not occur at all")
	}
	for _, c := range banned.Choices {
		if strings.Contains(c.Message.Content, " gateway") {
			t.Errorf("with bias -100 the answer still has the token: %q", c.Message.Content)
		}
	}
}

// TestLogprobsAreRaw forces a token and finds its log-probability unmoved.
func TestLogprobsAreRaw(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	m := model(t)
	id := m.Encode(" gateway")[0]
	want := m.Logprobs("Why are limits so low?", "")[id]
	got := ask(t, ts, "/v1/chat/completions", fmt.Sprintf(`{%s,"max_tokens":1,"temperature":0.3,"logprobs":true,"top_logprobs":3,"logit_bias":{"%d":100}}`, hello, id)).Choices[0].Logprobs.Content[0]
	if got.Token != " gateway" || math.Abs(got.Logprob-want) > 1e-12 {
		t.Errorf("forced token %q has log-probability %v; want %v, that of the model", got.Token, got.Logprob, want)
	}
	if len(got.Top) != 3 || got.Top[0].Logprob < got.Top[1].Logprob || got.Top[1].Logprob < got.Top[2].Logprob {
		t.Errorf("alternatives = %v; want three, most likely first", got.Top)
	}
}

// TestSamplingAgreesWithLogprobs draws first tokens and compares their counts with
// the log-probabilities that the server reports, by a G-test at 1e-4 (the seed is
// fixed, so the test cannot flicker).
func TestSamplingAgreesWithLogprobs(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{Habits: modelserver.Habits{UnboundedLogprobs: true}})
	base := `{"model":"bartizan-small","prompt":"A gateway is","max_tokens":1,"seed":%d,"n":%d%s}`
	all := ask(t, ts, "/v1/completions", fmt.Sprintf(base, 1, 1, `,"logprobs":-1`)).Choices[0].Logprobs.Top[0]
	sum := 0.0
	for _, lp := range all {
		sum += math.Exp(lp)
	}
	if math.Abs(sum-1) > 1e-9 {
		t.Errorf("the full list of alternatives sums to %v; want 1", sum)
	}
	const rounds, perRound = 160, 128
	counts := map[string]float64{}
	for seed := range rounds {
		for _, c := range ask(t, ts, "/v1/completions", fmt.Sprintf(base, seed, perRound, `,"logprobs":0`)).Choices {
			if len(c.Logprobs.Tokens) == 0 { // the passage ended at once
				counts["<|end|>"]++
				continue
			}
			counts[c.Logprobs.Tokens[0]]++
		}
	}
	n := float64(rounds * perRound)
	g, bins, restSeen, restMass := 0.0, 0, n, 1.0
	for shown, lp := range all {
		want := n * math.Exp(lp)
		if want < 5 {
			continue
		}
		if seen := counts[shown]; seen > 0 {
			g += 2 * seen * math.Log(seen/want)
		}
		restSeen -= counts[shown]
		restMass -= math.Exp(lp)
		bins++
	}
	if restSeen > 0 {
		g += 2 * restSeen * math.Log(restSeen/(n*restMass))
	}
	// Wilson and Hilferty's approximation of the chi-square quantile; 3.719 is the
	// normal quantile at 1e-4.
	df := float64(bins)
	limit := df * math.Pow(1-2/(9*df)+3.719*math.Sqrt(2/(9*df)), 3)
	t.Logf("G = %.1f over %d bins, limit %.1f", g, bins, limit)
	if bins < 10 || g > limit {
		t.Errorf("G = %.1f over %d bins; want at most %.1f over at least 10", g, bins, limit)
	}
}

func TestTopPKeepsTheNucleus(t *testing.T) {
	t.Parallel()
	ts := start(t, modelserver.Options{})
	greedy := ask(t, ts, "/v1/completions", `{"model":"bartizan-small","prompt":"The","max_tokens":20,"temperature":0}`).Choices[0].Text
	for seed := range 5 {
		got := ask(t, ts, "/v1/completions", fmt.Sprintf(`{"model":"bartizan-small","prompt":"The","max_tokens":20,"top_p":0,"seed":%d}`, seed)).Choices[0].Text
		if got != greedy {
			t.Errorf("top_p 0 gave %q; want the most probable tokens %q", got, greedy)
		}
	}
}
