package tokens_test

import (
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"

	"bartizan/internal/tokens"
)

var vocabularies = []string{tokens.CL100kBase, tokens.O200kBase}

const prose = `The committee met on 14 March 2023 and didn't reach a decision; its chair, Dr. Łukasz Żeleński,
said that they'd "look again" at the €2,450 estimate.  Nobody objected.
  - first, the costs (see §4.2)
  - then: who'll pay?

Es war schon später als 17:30 Uhr, und die Straße lag im Dunkeln. 会议于三月十四日举行，没有作出决定。 Привет, мир!
`

func open(tb testing.TB, name string) *tokens.Counter {
	tb.Helper()
	c, err := tokens.Open(name)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// Counts that OpenAI's own tokenizer gave: its cookbook's examples, and those of
// Azure-Samples/openai-messages-token-helper less the overhead of one message.
func TestCount(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct{ cl100k, o200k int }{
		"":                             {0, 0},
		"hello world":                  {2, 2},
		"tiktoken is great!":           {6, 6},
		"antidisestablishmentarianism": {6, 6},
		"2 + 2 = 4":                    {7, 7},
		"お誕生日おめでとう":                    {9, 8},
		"á":                            {1, 1},
		"Hello, how are you?":          {6, 6},
		"You are a bot.":               {5, 5},
		"You are a helpful, pattern-following assistant that translates corporate jargon into plain English.": {18, 17},
	} {
		for vocabulary, want := range map[string]int{
			tokens.CL100kBase: want.cl100k, tokens.O200kBase: want.o200k,
		} {
			if got := open(t, vocabulary).Count(text); got != want {
				t.Errorf("%s: Count(%q) = %d; want %d", vocabulary, text, got, want)
			}
		}
	}
}

// The example of OpenAI's cookbook, "How to count tokens with tiktoken", section 6,
// and the counts that the API answered for it.
func TestChatOverhead(t *testing.T) {
	t.Parallel()
	messages := []struct{ name, content string }{
		{"", "You are a helpful, pattern-following assistant that translates corporate jargon into plain English."},
		{"example_user", "New synergies will help drive top-line growth."},
		{"example_assistant", "Things working well together will increase revenue."},
		{
			"example_user",
			"Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
		},
		{"example_assistant", "Let's talk later when we're less busy about how to do better."},
		{"", "This late pivot means we don't have time to boil the ocean for the client deliverable."},
	}
	for vocabulary, want := range map[string]int{tokens.CL100kBase: 129, tokens.O200kBase: 124} {
		c := open(t, vocabulary)
		got := tokens.ChatOverhead(len(messages))
		for _, m := range messages {
			got += c.Count(m.content)
			if m.name != "" {
				got += c.Count(m.name) + 1
			}
		}
		if got != want {
			t.Errorf("%s: the cookbook's conversation is %d tokens; want %d", vocabulary, got, want)
		}
	}
	if got := tokens.ChatOverhead(0); got != 0 {
		t.Errorf("ChatOverhead(0) = %d; want 0", got)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	for _, name := range tokens.Names() {
		c, err := tokens.Open(name)
		if err != nil {
			t.Errorf("Open(%q) = %v; want no error", name, err)
		}
		if (c == nil) != (name == tokens.Estimate) {
			t.Errorf("Open(%q) = %v; want a counter unless estimating", name, c)
		}
		if c != nil && c.Name() != name {
			t.Errorf("Open(%q).Name() = %q", name, c.Name())
		}
	}
	if c, err := tokens.Open(""); c != nil || err != nil {
		t.Errorf(`Open("") = %v, %v; want nil, nil`, c, err)
	}
	_, err := tokens.Open("o200k")
	if err == nil {
		t.Fatal(`Open("o200k") = no error; want one`)
	}
	for _, name := range tokens.Names() {
		if !strings.Contains(err.Error(), name) {
			t.Errorf(`Open("o200k") = %v; want %s named`, err, name)
		}
	}
}

// Every character belongs to some piece, or Count would not end.
func TestCountEveryCharacter(t *testing.T) {
	t.Parallel()
	for _, vocabulary := range vocabularies {
		c := open(t, vocabulary)
		for r := range rune(unicode.MaxRune + 1) {
			text := string(r)
			if got := c.Count(text); got < 1 || got > len(text) {
				t.Errorf("%s: Count(%q) = %d; want 1 to %d", vocabulary, text, got, len(text))
			}
		}
	}
}

func TestCountConcurrently(t *testing.T) {
	t.Parallel()
	for _, vocabulary := range vocabularies {
		want := open(t, vocabulary).Count(prose)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				c, err := tokens.Open(vocabulary)
				if err != nil {
					t.Error(err)
					return
				}
				for range 50 {
					if got := c.Count(prose); got != want {
						t.Errorf("%s: Count = %d beside others; want %d", vocabulary, got, want)
					}
				}
			})
		}
		wg.Wait()
	}
}

// A quadratic splitter or merge takes a minute over these.
func TestCountHostile(t *testing.T) {
	t.Parallel()
	const size, slow = 1 << 18, time.Minute
	for name, unit := range hostile() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Repeat(unit, size/len(unit))
			for _, vocabulary := range vocabularies {
				c := open(t, vocabulary)
				begin := time.Now()
				got := c.Count(text)
				if took := time.Since(begin); took > slow {
					t.Errorf("%s: 256 KiB took %v; want less than %v", vocabulary, took, slow)
				}
				if got < size/128 || got > size {
					t.Errorf("%s: Count = %d; want one token for 1 to 128 bytes", vocabulary, got)
				}
			}
		})
	}
}

func TestCountProperties(t *testing.T) {
	t.Parallel()
	text := rapid.StringOfN(rapid.RuneFrom([]rune("aeinrstAEST  \n\t.,'/-{}0123456789éß中文の😀")), 0, 60, -1)
	for _, vocabulary := range vocabularies {
		c := open(t, vocabulary)
		t.Run(vocabulary, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				a, b := text.Draw(t, "a"), text.Draw(t, "b")
				na, nb, both := c.Count(a), c.Count(b), c.Count(a+b)
				if both > na+nb+2 {
					t.Errorf("Count(%q + %q) = %d; want at most %d + %d + 2", a, b, both, na, nb)
				}
				if both > len(a+b) {
					t.Errorf("Count(%q) = %d; want at most its %d bytes", a+b, both, len(a+b))
				}
			})
		})
	}
}
