package modelserver_test

import (
	"math"
	"os"
	"strings"
	"sync"
	"testing"

	"bartizan/docs"
	"bartizan/internal/modelserver"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// trained is the model that most tests share; it is read-only. It knows one page
// only, so that a new page does not change what the tests find.
var trained = sync.OnceValues(func() (*modelserver.Model, error) {
	text, err := page()
	if err != nil {
		return nil, err
	}
	return modelserver.Train(text)
})

func page() (string, error) {
	text, err := os.ReadFile("../../docs/concepts.md")
	return strings.Join(docs.Prose(string(text)), "\n\n"), err
}

func model(tb testing.TB) *modelserver.Model {
	tb.Helper()
	m, err := trained()
	if err != nil {
		tb.Fatalf("train the tests' model: %v", err)
	}
	return m
}

func TestTrainRefusesTooLittle(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", " \n\n ", "Only one paragraph."} {
		if _, err := modelserver.Train(text); err == nil {
			t.Errorf("Train(%q) = nil error; want one", text)
		}
	}
}

func TestTrainIsRepeatable(t *testing.T) {
	t.Parallel()
	text, err := page()
	if err != nil {
		t.Fatal(err)
	}
	again, err := modelserver.Train(text)
	if err != nil {
		t.Fatal(err)
	}
	prompt, start := "What is a limit?", " The gateway"
	if diff := cmp.Diff(model(t).Logprobs(prompt, start), again.Logprobs(prompt, start)); diff != "" {
		t.Errorf("two models of one text differ (-first +second):\n%s", diff)
	}
}

func TestEncodeRoundTrip(t *testing.T) {
	t.Parallel()
	m := model(t)
	texts := []string{
		"", " ", "   ", "\n\n \t x", "The gateway's limits.", "don’t", "naïve café — déjà vu", "日本語のテキスト", "👩‍👩‍👧 and \x00",
		"<|end|>", "12345 67", "a  b   c ", strings.Repeat("word", 100), strings.Repeat("é", 200), "bad \xff\xfe utf8 \xe2\x82",
	}
	for _, text := range texts {
		if got := m.Decode(m.Encode(text)); got != text {
			t.Errorf("Decode(Encode(%q)) = %q", text, got)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.String().Draw(rt, "text")
		if got := m.Decode(m.Encode(text)); got != text {
			rt.Errorf("Decode(Encode(%q)) = %q", text, got)
		}
	})
}

func FuzzEncodeRoundTrip(f *testing.F) {
	f.Add("The watchman sees two sides.")
	f.Add("\xf0\x9f \n\n   ’s")
	m := model(f)
	f.Fuzz(func(t *testing.T, text string) {
		if got := m.Decode(m.Encode(text)); got != text {
			t.Errorf("Decode(Encode(%q)) = %q", text, got)
		}
	})
}

func TestFrequentWordsAreOneToken(t *testing.T) {
	t.Parallel()
	m := model(t)
	for _, word := range []string{" the", " gateway", " customer", " model", " limits"} {
		if ids := m.Encode(word); len(ids) != 1 {
			t.Errorf("Encode(%q) = %v; want one token", word, ids)
		}
	}
}

func TestProbabilitiesSumToOne(t *testing.T) {
	t.Parallel()
	m := model(t)
	rapid.Check(t, func(rt *rapid.T) {
		prompt := rapid.SampledFrom([]string{"", "What is a watermark?", "xyzzy", "日本"}).Draw(rt, "prompt")
		words := strings.Fields(docs.Corpus())
		from := rapid.IntRange(0, len(words)-8).Draw(rt, "from")
		text := " " + strings.Join(words[from:from+rapid.IntRange(0, 8).Draw(rt, "words")], " ")
		sum := 0.0
		for _, lp := range m.Logprobs(prompt, text) {
			if lp > 0 || math.IsInf(lp, 0) || math.IsNaN(lp) {
				rt.Fatalf("a log-probability is %v", lp)
			}
			sum += math.Exp(lp)
		}
		if math.Abs(sum-1) > 1e-9 {
			rt.Errorf("probabilities after %q, asked %q, sum to %v", text, prompt, sum)
		}
	})
}

// TestHeldOutPerplexity guards the claim that this is a language model: on
// paragraphs that it has not seen it must be far less surprised than word counts are.
func TestHeldOutPerplexity(t *testing.T) {
	t.Parallel()
	var train, held []string
	for i, p := range strings.Split(strings.TrimSpace(docs.Corpus()), "\n\n") {
		if i%10 == 5 {
			held = append(held, p)
		} else {
			train = append(train, p)
		}
	}
	training, text := strings.Join(train, "\n\n"), strings.Join(held, "\n\n")
	m, err := modelserver.Train(training)
	if err != nil {
		t.Fatal(err)
	}
	got, unigram := m.Perplexity(text), modelserver.UnigramPerplexity(m, training, text)
	t.Logf("perplexity on held-out text %.1f, of a unigram model %.1f; vocabulary %d", got, unigram, m.VocabularySize())
	if got > unigram/2 {
		t.Errorf("perplexity on held-out text is %.1f; want at most half of the unigram model's %.1f", got, unigram)
	}
}

func TestPromptsConditionTheModel(t *testing.T) {
	t.Parallel()
	m := model(t)
	tests := map[string]struct{ asked, other, context, word string }{
		"watermark": {"What is a watermark?", "How do I rotate keys?", " a", " watermark"},
		"museum":    {"What did the museum ask Marta?", "What is a watermark?", " a large", " museum"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := m.Encode(tt.word)[0]
			about, elsewhere := m.Logprobs(tt.asked, tt.context)[id], m.Logprobs(tt.other, tt.context)[id]
			if about <= elsewhere+0.5 {
				t.Errorf("log-probability of %q after %q is %.2f when asked %q and %.2f when asked %q; want it clearly greater",
					tt.word, tt.context, about, tt.asked, elsewhere, tt.other)
			}
		})
	}
}

func cosine(a, b []float32) float64 {
	sum := 0.0
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func TestEmbedSimilarTextsAreNearer(t *testing.T) {
	t.Parallel()
	m := model(t)
	embed := func(text string) []float32 { return m.Embed(text, modelserver.EmbeddingDimensions) }
	tests := map[string]struct{ anchor, near, far string }{
		"keys":   {"How do I revoke a key?", "rotate the keys of a program", "a painting in the museum"},
		"museum": {"letters from visitors of the museum", "Marta answers letters for museums", "numbers per minute and per day"},
		"marks":  {"watermark keys and decoys", "a watermark in marked answers", "the disk was full"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near, far := cosine(embed(tt.anchor), embed(tt.near)), cosine(embed(tt.anchor), embed(tt.far))
			if near <= far+0.05 {
				t.Errorf("cosine of %q to %q is %.3f, to %q %.3f; want the first clearly greater", tt.anchor, tt.near, near, tt.far, far)
			}
		})
	}
}

// TestEmbedFindsTheOtherHalf asks, for paragraphs that training has not seen, which
// second half is nearest to a first half.
func TestEmbedFindsTheOtherHalf(t *testing.T) {
	t.Parallel()
	const folds = 5
	paragraphs := strings.Split(strings.TrimSpace(docs.Corpus()), "\n\n")
	hits, asked, guessed := 0, 0, 0.0
	for fold := range folds {
		var train, held []string
		for i, p := range paragraphs {
			if i%folds == fold {
				held = append(held, p)
			} else {
				train = append(train, p)
			}
		}
		m, err := modelserver.Train(strings.Join(train, "\n\n"))
		if err != nil {
			t.Fatal(err)
		}
		first, second := modelserver.Halves(strings.Join(held, "\n\n"))
		for i := range first {
			if nearest(m, first[i], second) == i {
				hits++
			}
		}
		asked += len(first)
		guessed++
	}
	t.Logf("%d of %d halves found their other half first; guessing would find %.0f", hits, asked, guessed)
	if hits*4 < asked {
		t.Errorf("%d of %d halves found their other half first; want at least a quarter", hits, asked)
	}
}

// nearest returns which of texts lies nearest to text.
func nearest(m *modelserver.Model, text string, texts []string) int {
	v, best, most := m.Embed(text, modelserver.EmbeddingDimensions), -1, -2.0
	for i, other := range texts {
		if c := cosine(v, m.Embed(other, modelserver.EmbeddingDimensions)); c > most {
			best, most = i, c
		}
	}
	return best
}

func TestEmbedIsAUnitVector(t *testing.T) {
	t.Parallel()
	m := model(t)
	for _, text := range []string{"", "x", "the", "日本", "The gateway's limits."} {
		for _, dimensions := range []int{1, 8, 256} {
			v := m.Embed(text, dimensions)
			if size := cosine(v, v); len(v) != dimensions || math.Abs(size-1) > 1e-5 {
				t.Errorf("Embed(%q, %d) has length %d and squared norm %v", text, dimensions, len(v), size)
			}
		}
	}
}

func TestParseHabits(t *testing.T) {
	t.Parallel()
	all := modelserver.Habits{UnrequestedLogprobs: true, ExtraFields: true, UnboundedLogprobs: true, EngineFields: true, VerboseErrors: true}
	tests := map[string]struct {
		text string
		want modelserver.Habits
		bad  bool
	}{
		"nothing": {"", modelserver.Habits{}, false},
		"none":    {"none", modelserver.Habits{}, false},
		"all":     {"all", all, false},
		"two":     {"logprobs, unbounded", modelserver.Habits{UnrequestedLogprobs: true, UnboundedLogprobs: true}, false},
		"unknown": {"logprobs,smoking", modelserver.Habits{}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := modelserver.ParseHabits(tt.text)
			if got != tt.want || (err != nil) != tt.bad {
				t.Errorf("ParseHabits(%q) = %v, %v; want %v, error %v", tt.text, got, err, tt.want, tt.bad)
			}
			if back, err := modelserver.ParseHabits(got.String()); err != nil || back != got {
				t.Errorf("ParseHabits(%q) = %v, %v; want %v", got.String(), back, err, got)
			}
		})
	}
}

func BenchmarkTrain(b *testing.B) {
	text := docs.Corpus()
	for b.Loop() {
		if _, err := modelserver.Train(text); err != nil {
			b.Fatal(err)
		}
	}
}
