package docs_test

import (
	"strings"
	"testing"

	"bartizan/docs"

	"github.com/google/go-cmp/cmp"
)

func TestProse(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		markdown string
		want     []string
	}{
		"headings and code leave no trace": {
			"# A title\n\nOne *plain* sentence with `code`\nover two lines.\n\n```sh\nmake it.\n```\nAfter it.\n",
			[]string{"One plain sentence with code over two lines.", "After it."},
		},
		"links keep their words":   {"See [the page](page.md) and ![x](y.png) this.", []string{"See the page and this."}},
		"tables and rules go":      {"| a | b |\n|---|---|\n| c. | d. |\n\n---\n\nText.", []string{"Text."}},
		"list items are sentences": {"- **First** one.\n- no sentence\n2. Second one,\n   which goes on.", []string{"First one.", "Second one, which goes on."}},
		"indented code":            {"Text.\n\n    rm -rf .\n", []string{"Text."}},
		"comments":                 {"<!-- hidden.\n\nstill. -->\nSeen.", []string{"Seen."}},
		"unclosed fence":           {"Seen.\n```\nhidden.\n", []string{"Seen."}},
		"nothing":                  {"", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, docs.Prose(tt.markdown)); diff != "" {
				t.Errorf("Prose(%q) (-want +got):\n%s", tt.markdown, diff)
			}
		})
	}
}

func TestCorpus(t *testing.T) {
	t.Parallel()
	corpus := docs.Corpus()
	if words := len(strings.Fields(corpus)); words < 6000 {
		t.Errorf("Corpus() has %d words; want at least 6000", words)
	}
	if corpus != docs.Corpus() {
		t.Error("Corpus() differs between two calls")
	}
	for _, mark := range []string{"```", "](", "**", "\n#", "\n|", "`"} {
		if strings.Contains(corpus, mark) {
			t.Errorf("Corpus() holds the Markdown mark %q", mark)
		}
	}
}
