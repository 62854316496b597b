package wire

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"

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

// tensor edits the data of a tensor of the Open Inference Protocol at src[i]. What it is
// follows from the type and the name that stand beside it in its holder.
func (w *Rewriter) tensor(i, depth int) int {
	end := checkValue(w.src, i, depth)
	if end < 0 {
		return -1
	}
	holderEnd := checkValue(w.src, w.holder, 0)
	if holderEnd < 0 {
		return -1
	}
	holder := w.src[w.holder:holderEnd]
	span := w.src[i:end]
	kind := tensorKind(holder, span)
	if kind == bartizan.FieldScores && w.plan.Vectors {
		kind = bartizan.FieldEmbedding
	}
	if kind == bartizan.FieldContent {
		w.countTensorText(span)
		return end
	}
	if w.plan.Verbs[kind] == Keep || string(span) == "[]" {
		return end
	}
	shaped := kind == bartizan.FieldScores || kind == bartizan.FieldEmbedding
	w.flush(i)
	w.touched[kind] = true
	w.from = end
	if !shaped || w.plan.Verbs[kind] != Shape || w.plan.Shaper == nil {
		w.dst = append(w.dst, '[', ']')
		return end
	}
	w.row.enter(w.src, w.holder)
	dst, err := w.rows(w.dst, span, rowLength(holder), kind)
	if err != nil {
		w.err = err
		return -1
	}
	w.dst = dst
	return end
}

// tensorKind says what a tensor holds. Names are the operator's choice, so what a name does
// not explain is taken for scores, which every tier bounds; whole numbers for labels.
func tensorKind(holder, data []byte) bartizan.Field {
	datatype, _ := plain(valueOf(holder, "datatype"))
	name, _ := plain(valueOf(holder, "name"))
	folded := string(fold(nil, []byte(name)))
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(folded, part) })
	}
	if datatype == "BYTES" {
		if allText(data) && !anyClassified(data) {
			return bartizan.FieldContent
		}
		return bartizan.FieldScores
	}
	whole := allWhole(data)
	switch {
	case has("logprob"):
		return bartizan.FieldLogprobs
	case has("logit", "hidden", "penultimate", "activation", "attention"):
		return bartizan.FieldInternal
	case whole && has("tokenid", "inputids", "outputids"):
		return bartizan.FieldTokenIDs
	case has("embed", "vector"):
		return bartizan.FieldEmbedding
	case whole && wholeTypes[datatype]:
		return bartizan.FieldContent
	case has("feature", "raw"):
		return bartizan.FieldInternal
	default:
		return bartizan.FieldScores
	}
}

// wholeTypes are the types of tensors of whole numbers or truths.
var wholeTypes = map[string]bool{ //nolint:gochecknoglobals // a static table
	"BOOL": true, "INT8": true, "INT16": true, "INT32": true, "INT64": true, "UINT8": true, "UINT16": true, "UINT32": true, "UINT64": true,
}

// allWhole reports whether a value holds nothing but whole numbers and truths, in lists.
func allWhole(value []byte) bool {
	switch value[0] {
	case '[':
		all := true
		items(value, func(item []byte) { all = all && allWhole(item) })
		return all
	case 't', 'f', 'n':
		return true
	case '-':
		return digits(value, 1) == len(value)
	default:
		return digits(value, 0) == len(value)
	}
}

// allText reports whether a value holds nothing but texts, in lists.
func allText(value []byte) bool {
	if value[0] != '[' {
		return value[0] == '"' || value[0] == 'n'
	}
	all := true
	items(value, func(item []byte) { all = all && allText(item) })
	return all
}

// anyClassified reports whether a text in the lists is of the classification extension.
func anyClassified(value []byte) bool {
	if value[0] != '[' {
		text, _ := plain(value)
		_, _, ok := classification(text)
		return ok
	}
	found := false
	items(value, func(item []byte) { found = found || anyClassified(item) })
	return found
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

// rowLength returns the last dimension of a tensor, or 0.
func rowLength(holder []byte) int {
	last := 0
	items(valueOf(holder, "shape"), func(item []byte) {
		last, _ = wholeNumber(item)
	})
	return last
}

// rows shapes data row by row: a nested list by its innermost lists, a flat one by the
// length of rows.
func (w *Rewriter) rows(dst, span []byte, length int, kind bartizan.Field) ([]byte, error) {
	if span[0] != '[' {
		return append(dst, "null"...), nil
	}
	count, nested := 0, false
	items(span, func(item []byte) {
		count++
		nested = nested || item[0] == '['
	})
	if !nested {
		if length <= 0 || count%length != 0 {
			length = count
		}
		return w.flatRows(dst, span, length, kind)
	}
	dst = append(dst, '[')
	var failed error
	k := 0
	items(span, func(item []byte) {
		if k++; k > 1 {
			dst = append(dst, ',')
		}
		if failed == nil {
			dst, failed = w.rows(dst, item, length, kind)
		}
	})
	return append(dst, ']'), failed
}

// flatRows shapes a flat list row by row.
func (w *Rewriter) flatRows(dst, span []byte, length int, kind bartizan.Field) ([]byte, error) {
	dst = append(dst, '[')
	var failed error
	row, k := []byte{'['}, 0
	items(span, func(item []byte) {
		if k%length > 0 {
			row = append(row, ',')
		}
		row = append(row, item...)
		if k++; k%length > 0 || failed != nil {
			return
		}
		var told []byte
		if row = append(row, ']'); kind == bartizan.FieldEmbedding {
			told, failed = w.vectors(nil, row)
		} else {
			told = w.scores(nil, row, ScoresExclusive)
		}
		row = row[:1]
		if failed != nil || len(told) <= 2 { //nolint:mnd // an empty list
			return
		}
		if dst[len(dst)-1] != '[' {
			dst = append(dst, ',')
		}
		dst = append(dst, told[1:len(told)-1]...)
	})
	return append(dst, ']'), failed
}

// countTensorText counts text that a tensor carries.
func (w *Rewriter) countTensorText(span []byte) {
	switch span[0] {
	case '"':
		w.Facts.TextBytes += decodedLen(span)
		if w.plan.Text != nil {
			w.text = appendDecoded(w.text[:0], span)
			w.plan.Text(w.text)
		}
	case '[':
		items(span, w.countTensorText)
	}
}
