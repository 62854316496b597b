package modelserver_test

import (
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"bartizan/internal/modelserver"
	"bartizan/internal/stat"

	"github.com/google/go-cmp/cmp"
)

const (
	neuralSeed  = 7
	neuralWidth = 8
)

// heldOut is the tests' page in two parts: nine paragraphs of ten, and the tenth.
func heldOut() (train, held string, err error) {
	text, err := page()
	var parts [2][]string
	for i, p := range strings.Split(text, "\n\n") {
		last := 0
		if i%10 == 9 {
			last = 1
		}
		parts[last] = append(parts[last], p)
	}
	return strings.Join(parts[0], "\n\n"), strings.Join(parts[1], "\n\n"), err
}

var neural = sync.OnceValues(func() (*modelserver.Model, error) {
	train, _, err := heldOut()
	if err != nil {
		return nil, err
	}
	return modelserver.TrainNeural(train, modelserver.Neural{Hidden: neuralWidth, Vocabulary: 400, Epochs: 3, Seed: neuralSeed})
})

func neuralModel(tb testing.TB) *modelserver.Model {
	tb.Helper()
	m, err := neural()
	if err != nil {
		tb.Fatalf("train the tests' neural model: %v", err)
	}
	return m
}

// TestNeuralHeldOut holds that the model learned more than which tokens are frequent,
// from the tokens before and not by heart.
func TestNeuralHeldOut(t *testing.T) {
	t.Parallel()
	train, held, err := heldOut()
	if err != nil {
		t.Fatal(err)
	}
	m := neuralModel(t)
	got, unigram := m.Perplexity(held), modelserver.UnigramPerplexity(m, train, held)
	t.Logf("seed %d, hidden %d: perplexity on held-out text %.1f, unigram %.1f, on its own text %.1f",
		neuralSeed, neuralWidth, got, unigram, m.Perplexity(train))
	if got > 0.75*unigram {
		t.Errorf("perplexity on held-out text is %.1f; the unigram model has %.1f, want at most three quarters", got, unigram)
	}
}

// TestNeuralRank holds the promise that attacks rest on: over many contexts the
// logits have the rank of the hidden layer, and the n-gram model has no such rank.
func TestNeuralRank(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		model *modelserver.Model
		low   bool
	}{
		"neural": {neuralModel(t), true},
		"n-gram": {model(t), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values := stat.SingularValues(logits(test.model))
			ratio := values[neuralWidth-1] / values[neuralWidth]
			t.Logf("singular values %d to %d: %.3g; fall %.3g", neuralWidth-1, neuralWidth+1, values[neuralWidth-2:neuralWidth+1], ratio)
			if got := ratio > 1e6; got != test.low {
				t.Errorf("the fall after value %d is %.3g; want a fall: %v", neuralWidth, ratio, test.low)
			}
		})
	}
}

// logits are log-probabilities of thirty tokens after forty texts, less the mean of
// each row.
func logits(m *modelserver.Model) [][]float64 {
	words := strings.Fields("the limit of an account is what it may ask in a minute and a case goes to a person who reads why the request was refused before the level of this key changes again")
	var rows [][]float64
	for i := range 40 {
		all := m.Logprobs(words[i%7], strings.Join(words[i%len(words):], " ")+strings.Join(words[:i/2], " "))
		row, mean := all[290:320], 0.0
		for _, v := range row {
			mean += v / float64(len(row))
		}
		for j := range row {
			row[j] -= mean
		}
		rows = append(rows, row)
	}
	return rows
}

func TestNeuralIsRepeatable(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("A limit is what an account may ask. The gateway holds it.\n\nA case goes to a person. The person reads it and decides.\n\n", 3)
	train := func(seed uint64) []float64 {
		m, err := modelserver.TrainNeural(text, modelserver.Neural{Hidden: 5, Context: 2, Epochs: 2, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		return m.Logprobs("What is a limit?", "A limit")
	}
	first := train(1)
	if diff := cmp.Diff(first, train(1)); diff != "" {
		t.Errorf("two models of one seed differ (-first +second):\n%s", diff)
	}
	if cmp.Equal(first, train(2)) {
		t.Error("models of two seeds are equal")
	}
	sum := 0.0
	for _, lp := range first {
		sum += math.Exp(lp)
	}
	if math.Abs(sum-1) > 1e-9 {
		t.Errorf("the probabilities sum to %v", sum)
	}
}

func TestNeuralRefusesOptions(t *testing.T) {
	t.Parallel()
	text := "One paragraph here.\n\nAnother one there."
	tests := map[string]struct {
		text string
		o    modelserver.Neural
		want string
	}{
		"little text": {"One.", modelserver.Neural{}, "two paragraphs"},
		"hidden":      {text, modelserver.Neural{Hidden: -1}, "hidden is -1"},
		"context":     {text, modelserver.Neural{Context: 17}, "context is 17"},
		"vocabulary":  {text, modelserver.Neural{Vocabulary: 256}, "vocabulary is 256"},
		"epochs":      {text, modelserver.Neural{Epochs: -2}, "epochs is -2"},
		"all at once": {text, modelserver.Neural{Epochs: -2, Hidden: 5000}, "hidden is 5000, want 1 to 1024\nepochs"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := modelserver.TrainNeural(test.text, test.o); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("TrainNeural(%+v) = %v; want an error about %q", test.o, err, test.want)
			}
		})
	}
}

// TestNeuralServes holds that the API is the same with this model behind it: prompts
// matter, log-probabilities are those of the model before a bias, chosen ids are told.
func TestNeuralServes(t *testing.T) {
	t.Parallel()
	m := neuralModel(t)
	server := httptest.NewServer(modelserver.NewServer(m, modelserver.Options{Habits: modelserver.Habits{UnboundedLogprobs: true}}))
	t.Cleanup(server.Close)
	type scores struct {
		Model   string `json:"model"`
		Choices []struct {
			Logprobs struct {
				Content []struct {
					Token   string  `json:"token"`
					Logprob float64 `json:"logprob"`
					Top     []struct {
						Logprob float64 `json:"logprob"`
					} `json:"top_logprobs"`
				} `json:"content"`
			} `json:"logprobs"`
		} `json:"choices"`
	}
	ask := func(more string) scores {
		t.Helper()
		status, body := post(t, server, "/v1/chat/completions",
			`{"model":"`+modelserver.NeuralName+`","max_tokens":1,"logprobs":true,"messages":[{"role":"user","content":"What is a limit?"}]`+more+`}`)
		var a scores
		if err := json.Unmarshal(body, &a); err != nil || status != http.StatusOK || len(a.Choices) != 1 || len(a.Choices[0].Logprobs.Content) != 1 {
			t.Fatalf("%s = %d %s", more, status, body)
		}
		return a
	}
	want := m.Logprobs("What is a limit?", "")
	if cmp.Equal(want, m.Logprobs("Who reads a case?", "")) {
		t.Error("two prompts give one distribution")
	}
	forced := ask(`,"logit_bias":{"300":100}`)
	if got := forced.Choices[0].Logprobs.Content[0]; got.Token != m.Decode([]int{300}) || math.Abs(got.Logprob-want[300]) > 1e-12 {
		t.Errorf("biased token %q has %v; want %q with %v", got.Token, got.Logprob, m.Decode([]int{300}), want[300])
	}
	chosen := ask(`,"logprob_token_ids":[300,301]`).Choices[0].Logprobs.Content[0].Top
	if len(chosen) != 2 || math.Abs(chosen[0].Logprob-want[300]) > 1e-12 || math.Abs(chosen[1].Logprob-want[301]) > 1e-12 {
		t.Errorf("chosen ids have %v; want %v", chosen, want[300:302])
	}
	if forced.Model != modelserver.NeuralName {
		t.Errorf("model = %q", forced.Model)
	}
}
