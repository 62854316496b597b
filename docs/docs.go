// Package docs holds the project's own documentation: the English prose that
// operators read, and the text that the built-in model is trained on.
//
// Only prose passes: headings, code, tables, quotes of commands and Markdown marks
// are left out, because a model that learned them would write them.
package docs

import (
	"embed"
	"io/fs"
	"regexp"
	"strings"
)

//go:embed *.md design/*.md
var files embed.FS

var (
	image    = regexp.MustCompile(`!\[[^\]]*\]\([^)]*\)`)
	link     = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	comment  = regexp.MustCompile(`(?s)<!--.*?-->`)
	listMark = regexp.MustCompile(`^(?:[-*+]|\d+[.)])\s+(?:\[[ xX]\]\s+)?`)
	marks    = regexp.MustCompile("\\*+|__|`+")
)

// Corpus returns the prose of every document in the order of their paths, as
// paragraphs with blank lines between them. It is the same text in every run of one
// build.
func Corpus() string {
	var paragraphs []string
	// The walk is in lexical order and reads memory, so it cannot fail.
	_ = fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := files.ReadFile(path)
		if err != nil {
			return err
		}
		paragraphs = append(paragraphs, Prose(string(text))...)
		return nil
	})
	return strings.Join(paragraphs, "\n\n") + "\n"
}

// Prose returns the paragraphs of a Markdown text, each on one line and without
// marks. An item of a list is a paragraph when it is a sentence.
func Prose(markdown string) []string {
	var r reader
	markdown = comment.ReplaceAllString(strings.ReplaceAll(markdown, "\r\n", "\n"), "")
	for line := range strings.SplitSeq(markdown, "\n") {
		r.read(line)
	}
	r.end()
	return r.paragraphs
}

// reader collects lines into paragraphs.
type reader struct {
	paragraphs []string
	lines      []string
	fence      string // what closes the code block that the reader is in
}

func (r *reader) read(line string) {
	trimmed := strings.TrimSpace(line)
	if r.fence != "" {
		if strings.HasPrefix(trimmed, r.fence) {
			r.fence = ""
		}
		return
	}
	for _, fence := range []string{"```", "~~~"} {
		if strings.HasPrefix(trimmed, fence) {
			r.end()
			r.fence = fence
			return
		}
	}
	indented := strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "\t")
	switch {
	case trimmed == "", strings.HasPrefix(trimmed, "#"), strings.HasPrefix(trimmed, "|"), strings.HasPrefix(trimmed, "<"),
		strings.Trim(trimmed, "-=*_ ") == "", indented && len(r.lines) == 0:
		r.end()
	case listMark.MatchString(trimmed):
		r.end()
		r.lines = append(r.lines, listMark.ReplaceAllString(trimmed, ""))
	default:
		r.lines = append(r.lines, strings.TrimSpace(strings.TrimLeft(trimmed, ">")))
	}
}

// end closes the paragraph; what does not end as a sentence does is no prose.
func (r *reader) end() {
	text := strings.Join(r.lines, " ")
	r.lines = nil
	text = image.ReplaceAllString(text, "")
	text = link.ReplaceAllString(text, "$1")
	text = strings.Join(strings.Fields(marks.ReplaceAllString(text, "")), " ")
	if text == "" || !strings.ContainsAny(text[len(text)-1:], ".!?:\")") {
		return
	}
	r.paragraphs = append(r.paragraphs, text)
}
