package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing that is wrong with a file.
type Fault struct { //nolint:errname // a list of faults is read as a list; each is an error besides
	File string
	// Line and Column are where to look, counted from 1; 0 when the fault has no place.
	Line, Column int
	// Path names the key, such as "tiers.public.limits.requests.per_minute"; empty when
	// the file as a whole is meant.
	Path string
	// Says is what is wrong and what to do. It never repeats what may be a secret.
	Says string
}

// Error returns "file:line:column: path: what is wrong", without what is not known.
func (f *Fault) Error() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
		}
		b.WriteString(": ")
	}
	if f.Path != "" {
		b.WriteString(f.Path)
		b.WriteString(": ")
	}
	b.WriteString(f.Says)
	return b.String()
}

// maxFaults bounds a report; nobody reads more, and a hostile file could have a million.
const maxFaults = 100

// joinFaults returns the faults in the order of the file, or nil.
func joinFaults(faults []*Fault, more int) error {
	if len(faults) == 0 {
		return nil
	}
	slices.SortStableFunc(faults, func(a, b *Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	list := make([]error, 0, len(faults)+1)
	for _, f := range faults {
		list = append(list, f)
	}
	if more > 0 {
		list = append(list, &Fault{File: faults[0].File, Says: fmt.Sprintf("and %d more faults", more)})
	}
	return errors.Join(list...)
}

// nearest returns the candidate that was probably meant by word, or "".
func nearest(word string, candidates []string) string {
	if len(word) > 64 {
		return ""
	}
	word = plainKey(word)
	best, least := "", max(1, (len(word)+1)/3)+1
	for _, c := range candidates {
		if d := distance(word, plainKey(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

// plainKey makes keys that differ in letter case and separators alike.
func plainKey(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }

// distance counts the insertions, deletions, substitutions and swaps of neighbours that
// turn a into b (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// orList writes words as "a, b or c".
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// didYouMean is the end of a message about a word that is not known.
func didYouMean(word string, candidates []string) string {
	if near := nearest(word, candidates); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}
