package wire

import (
	"bytes"
	"math"
	"strconv"

	"bartizan"
)

// ScoreKind says how the scores of one answer belong together.
type ScoreKind uint8

// The kinds of scores.
const (
	// ScoresExclusive are those of classes of which one holds: the greatest is the label.
	ScoresExclusive ScoreKind = iota
	// ScoresIndependent are those of classes of which any number may hold.
	ScoresIndependent
	// ScoresScalar is a score alone: a relevance, a similarity, a likelihood.
	ScoresScalar
)

// scoreKeys are the keys of an entry under which its score stands.
var scoreKeys = [...]string{"score", "confidence", "probability", "relevance_score", "value", "prob"} //nolint:gochecknoglobals // a static table

// scores appends what is told of the scores in a value that is checked JSON. It knows them
// as lists of numbers, as objects of class to number or of class to an entry with a number,
// as lists of entries with a label and a number, as lists of pairs of label and number, and
// as lists of "value:index:label". Where several such things lie in lists or objects, each
// is told for itself. Text stays, and numbers that none of this explains go.
func (w *Rewriter) scores(dst, span []byte, kind ScoreKind) []byte {
	switch span[0] {
	case '[':
		return w.scoreList(dst, span, kind)
	case '{':
		return w.scoreObject(dst, span, kind)
	case '"':
		return w.scoreText(dst, span)
	case 't', 'f', 'n':
		return append(dst, span...)
	default:
		w.values = append(w.values[:0], number(span))
		w.told(w.values, ScoresScalar)
		return appendScore(dst, w.values[0], "null")
	}
}

// scoreText tells text that stands where scores do: a name, or a number in quotes.
func (w *Rewriter) scoreText(dst, span []byte) []byte {
	text, _ := plain(span)
	value, rest, classified := classification(text)
	if !classified {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || f == math.Trunc(f) {
			return append(dst, span...)
		}
		value = f
	}
	w.values = append(w.values[:0], value)
	w.told(w.values, ScoresScalar)
	told := w.values[0]
	switch {
	case math.IsNaN(told) || math.IsInf(told, 0):
		return append(dst, "null"...)
	case classified:
		return appendQuoted(dst, string(appendNumber(nil, told))+":"+rest)
	default:
		return appendQuoted(dst, string(appendNumber(nil, told)))
	}
}

// rowNumber counts the inputs whose scores are told.
type rowNumber struct {
	next   int
	holder int // one more than where the object lies whose index was read last
	named  int // one more than the index, or 0
}

// enter begins the scores that the object at src[holder] has. They are of the input that
// its index names, or else of the next one.
func (r *rowNumber) enter(src []byte, holder int) {
	if r.holder == holder+1 {
		return
	}
	r.holder, r.named = holder+1, 0
	if holder < 0 || src[holder] != '{' {
		return
	}
	if end := skipValue(src, holder); end > 0 {
		if index, ok := wholeNumber(valueOf(src[holder:end], "index")); ok && index >= 0 {
			r.named = index + 1
		}
	}
}

// told has scores shaped. A class alone excludes no other.
func (w *Rewriter) told(v []float64, kind ScoreKind) {
	row := w.row.next
	w.row.next++
	if w.row.named > 0 {
		row = w.row.named - 1
	}
	if len(v) == 1 && kind == ScoresExclusive {
		kind = ScoresScalar
	}
	w.plan.Shaper.Scores(v, kind, row)
}

// number is the value of a JSON number; what is none is not a number.
func number(span []byte) float64 {
	f, err := strconv.ParseFloat(string(span), 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

// appendScore appends a score, or what stands for one that is withheld.
func appendScore(dst []byte, f float64, withheld string) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, withheld...)
	}
	return appendNumber(dst, f)
}

// listForm is what the elements of a list of scores are.
type listForm uint8

const (
	listEmpty listForm = iota
	listNumbers
	listEntries
	listPairs
	listStrings
	listOther
)

// listFormOf returns what all elements are, and the values in them.
func (w *Rewriter) listFormOf(span []byte) listForm {
	form := listEmpty
	w.values = w.values[:0]
	items(span, func(item []byte) {
		f, value := elementForm(item)
		if form == listEmpty {
			form = f
		}
		if f != form {
			form = listOther
		}
		w.values = append(w.values, value)
	})
	return form
}

// elementForm returns the form of one element and the value in it.
func elementForm(item []byte) (listForm, float64) {
	switch item[0] {
	case '{':
		if v := scoreOf(item); v != nil {
			return listEntries, number(v)
		}
	case '[':
		if value := pairOf(item); !math.IsNaN(value) {
			return listPairs, value
		}
	case '"':
		if text, ok := plain(item); ok {
			if value, _, ok := classification(text); ok {
				return listStrings, value
			}
		}
	case 't', 'f', 'n':
	default:
		return listNumbers, number(item)
	}
	return listOther, math.NaN()
}

// pairOf returns the number of a pair of label and number; NaN for what is none.
func pairOf(item []byte) float64 {
	const pair = 2
	count, label, value := 0, false, math.NaN()
	items(item, func(part []byte) {
		count++
		switch {
		case part[0] == '"':
			label = label || count == 1
		case count == pair && checkNumber(part, 0) == len(part):
			value = number(part)
		}
	})
	if count != pair || !label {
		return math.NaN()
	}
	return value
}

// scoreOf returns the number of an entry, or nil.
func scoreOf(entry []byte) []byte {
	for _, key := range scoreKeys {
		if v := valueOf(entry, key); len(v) > 0 && checkNumber(v, 0) == len(v) {
			return v
		}
	}
	return nil
}

// classification reads "value:index" or "value:index:label", the form of the
// classification extension of the Open Inference Protocol.
func classification(text string) (value float64, rest string, ok bool) {
	head, rest, found := cutColon(text)
	if !found {
		return 0, "", false
	}
	value, err := strconv.ParseFloat(head, 64)
	if err != nil {
		return 0, "", false
	}
	index, _, _ := cutColon(rest)
	if _, err := strconv.ParseUint(index, 10, 32); err != nil {
		return 0, "", false
	}
	return value, rest, true
}

func cutColon(s string) (before, after string, found bool) {
	for i := range len(s) {
		if s[i] == ':' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

func (w *Rewriter) scoreList(dst, span []byte, kind ScoreKind) []byte {
	form := w.listFormOf(span)
	told := w.values
	if form != listOther && form != listEmpty {
		if kind == ScoresScalar && form == listNumbers {
			for i := range told {
				w.told(told[i:i+1], ScoresScalar)
			}
		} else {
			w.told(told, kind)
		}
		told = append([]float64(nil), told...) // inner values use the same memory
	}
	dst = append(dst, '[')
	k, kept := 0, 0
	items(span, func(item []byte) {
		at := k
		k++
		if form != listNumbers && form != listOther && math.IsNaN(told[at]) {
			return
		}
		if kept++; kept > 1 {
			dst = append(dst, ',')
		}
		switch form {
		case listNumbers:
			dst = appendScore(dst, told[at], "0")
		case listEntries:
			dst = w.entryScore(dst, item, told[at])
		case listPairs:
			label := firstOf(item)
			dst = append(append(append(dst, '['), label...), ',')
			dst = append(appendNumber(dst, told[at]), ']')
		case listStrings:
			text, _ := plain(item)
			_, rest, _ := classification(text)
			dst = appendQuoted(dst, string(appendNumber(nil, told[at]))+":"+rest)
		default:
			dst = w.scores(dst, item, kind)
		}
	})
	return append(dst, ']')
}

// firstOf returns the first element of a list.
func firstOf(list []byte) (first []byte) {
	items(list, func(item []byte) {
		if first == nil {
			first = item
		}
	})
	return first
}

// entryScore appends an entry with another score. Of its other members only names and
// places stay: a whole number under "index", text and truth.
func (w *Rewriter) entryScore(dst, entry []byte, score float64) []byte {
	dst = append(dst, '{')
	kept, done := 0, false
	for m := (members{b: entry}); m.next(); {
		end := checkValue(entry, m.value, 0)
		m.end(end)
		if end < 0 {
			break
		}
		value := entry[m.value:end]
		name := string(m.name())
		isScore := isScoreKey(name) && checkNumber(value, 0) == len(value)
		if isScore && done || !isScore && !w.keepsBeside(name, value) {
			continue
		}
		if kept++; kept > 1 {
			dst = append(dst, ',')
		}
		dst = append(append(dst, entry[m.key:m.keyEnd]...), ':')
		if isScore {
			dst, done = appendNumber(dst, score), true
			continue
		}
		dst = append(dst, value...)
	}
	return append(dst, '}')
}

// keepsBeside reports whether a member stays beside a score.
func (w *Rewriter) keepsBeside(name string, value []byte) bool {
	switch value[0] {
	case '"', 't', 'f':
		return !w.hides([]byte(name))
	default:
		place := name == "index" || name == "class_id" || name == "token" && w.plan.Verbs[bartizan.FieldTokenIDs] == Keep
		return place && digits(value, 0) == len(value)
	}
}

// hides reports whether a key is never plain content and no score, and is withheld.
func (w *Rewriter) hides(name []byte) bool {
	var scratch [64]byte
	kind := hidden(fold(scratch[:0], name))
	return kind != bartizan.FieldContent && kind != bartizan.FieldScores && w.plan.Verbs[kind] != Keep
}

// hidesKey is hides of a key as it is written.
func (w *Rewriter) hidesKey(key []byte) bool {
	name, _ := plain(key)
	return w.hides([]byte(name))
}

func isScoreKey(name string) bool {
	for _, key := range scoreKeys {
		if name == key {
			return true
		}
	}
	return false
}

// scoreObject tells an object of class to score; of any other, each member for itself.
func (w *Rewriter) scoreObject(dst, span []byte, kind ScoreKind) []byte {
	var told []float64
	classes := w.classesOf(span)
	if classes {
		w.told(w.values, kind)
		told = append(told, w.values...)
	}
	dst = append(dst, '{')
	k, kept := 0, 0
	eachPair(span, func(key, value []byte) {
		at := k
		k++
		if classes && math.IsNaN(told[at]) || !classes && w.hidesKey(key) {
			return
		}
		if kept++; kept > 1 {
			dst = append(dst, ',')
		}
		dst = append(append(dst, key...), ':')
		switch {
		case classes && value[0] == '{':
			dst = w.entryScore(dst, value, told[at])
		case classes:
			dst = appendNumber(dst, told[at])
		case value[0] == '[' && isClassKey(key) && allWhole(value):
			dst = append(dst, value...)
		default:
			dst = w.scores(dst, value, kind)
		}
	})
	return append(dst, '}')
}

// classesOf reports whether an object's members are classes, all with a number or all with
// an entry, and the values of them.
func (w *Rewriter) classesOf(span []byte) bool {
	w.values = w.values[:0]
	numbers, entries, others := 0, 0, 0
	eachPair(span, func(_, value []byte) {
		switch {
		case checkNumber(value, 0) == len(value):
			numbers++
			w.values = append(w.values, number(value))
		case value[0] == '{' && scoreOf(value) != nil:
			entries++
			w.values = append(w.values, number(scoreOf(value)))
		default:
			others++
		}
	})
	return others == 0 && (numbers == 0) != (entries == 0)
}

// scoresPerInput appends what is told of scores where the elements of a list, or those of
// each list in an object, are of one input each. A whole number for each input is a label.
func (w *Rewriter) scoresPerInput(dst, span []byte, kind ScoreKind) []byte {
	switch {
	case span[0] == '{':
		dst = append(dst, '{')
		kept := 0
		eachPair(span, func(key, value []byte) {
			if kept++; kept > 1 {
				dst = append(dst, ',')
			}
			dst = append(append(dst, key...), ':')
			if value[0] == '[' {
				dst = w.scoresPerInput(dst, value, kind)
			} else {
				dst = w.scores(dst, value, kind)
			}
		})
		return append(dst, '}')
	case w.listFormOf(span) != listNumbers:
		return w.scores(dst, span, kind)
	case allWhole(span):
		return append(dst, span...)
	default:
		return w.scores(dst, span, ScoresScalar)
	}
}

// isClassKey reports whether a key, its quotes included, is of what classes are called.
func isClassKey(key []byte) bool {
	folded := fold(nil, key)
	return bytes.Contains(folded, []byte("class")) || bytes.Contains(folded, []byte("label"))
}
