package tokens_test

import (
	"testing"

	"bartizan/internal/tokens"
)

func TestCount(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]int{
		"": {0, 0}, "hello world": {2, 2}, "tiktoken is great!": {6, 6},
		"\n \n \n x": {3, 3}, "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.": {18, 17},
	} {
		for i, name := range []string{tokens.CL100kBase, tokens.O200kBase} {
			c, err := tokens.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Count(text); got != want[i] {
				t.Errorf("%s: Count(%q) = %d; want %d", name, text, got, want[i])
			}
		}
	}
}
