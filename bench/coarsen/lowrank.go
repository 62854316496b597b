package main

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"bartizan"
	"bartizan/internal/coarsen"
	"bartizan/internal/lab/rank"
	"bartizan/internal/stat"
)

// languageModel is the last layer of one: logits are a linear image of a hidden state.
type languageModel struct {
	vocabulary, hidden int
	layer              []float64 // vocabulary × hidden
	tokens             []string
}

func newLanguageModel(r *rand.Rand, vocabulary, hidden int, deviation float64) *languageModel {
	m := &languageModel{
		vocabulary: vocabulary, hidden: hidden,
		layer: normal(r, vocabulary*hidden, deviation/math.Sqrt(float64(hidden))), tokens: make([]string, vocabulary),
	}
	for i := range m.tokens {
		m.tokens[i] = strconv.Itoa(i)
	}
	return m
}

// logprobs are those of the next token in one context, and their entropy in nats.
func (m *languageModel) logprobs(r *rand.Rand) (lp []float64, entropy float64) {
	state := normal(r, m.hidden, 1)
	lp = make([]float64, m.vocabulary)
	most, sum := math.Inf(-1), 0.0
	for i := range lp {
		lp[i] = dot(state, m.layer[i*m.hidden:(i+1)*m.hidden])
		most = max(most, lp[i])
	}
	for _, z := range lp {
		sum += math.Exp(z - most)
	}
	for i := range lp {
		lp[i] -= most + math.Log(sum)
		entropy -= lp[i] * math.Exp(lp[i])
	}
	return lp, entropy
}

// tell returns what the engine tells of the log-probabilities of one context; NaN is
// what it withholds. A profile without a step and a floor is no defence.
func (m *languageModel) tell(p *coarsen.Profile, lp []float64) []float64 {
	told := make([]float64, len(lp))
	if p.Logprobs.Step == 0 && p.Logprobs.Floor == 0 && p.Logprobs.TopK >= len(lp) {
		copy(told, lp)
		return told
	}
	own := *p
	if own.Logprobs.Step == 0 {
		own.Logprobs.Step = 1e-9
	}
	top := make([]bartizan.TokenAlternative, len(lp))
	for i, v := range lp {
		told[i], top[i] = math.NaN(), bartizan.TokenAlternative{Token: m.tokens[i], Logprob: v}
	}
	at := make(map[string]int, len(lp))
	for i, t := range m.tokens {
		at[t] = i
	}
	slices.SortFunc(top, func(a, b bartizan.TokenAlternative) int { return cmp.Compare(b.Logprob, a.Logprob) })
	if own.Logprobs.TopK < len(top) {
		top = top[:20] // as many as an upstream gives
	}
	asked := bartizan.Asked{Logprobs: true, TopLogprobs: own.Logprobs.TopK}
	out, _ := own.TokensOf(asked, []bartizan.TokenScore{{Token: top[0].Token, Logprob: top[0].Logprob, Top: top}}, len(top))
	for _, a := range out[0].Top {
		told[at[a.Token]] = a.Logprob
	}
	return told
}

// spectrum returns the singular values of a table of contexts by tokens, each row less
// its mean. Holes stand for the least told number of the row.
func spectrum(told [][]float64) []float64 {
	vocabulary := len(told[0])
	columns := make([][]float64, len(told)) // of the transposed table
	for i, row := range told {
		least := math.Inf(1)
		for _, v := range row {
			if v < least {
				least = v
			}
		}
		if math.IsInf(least, 1) {
			least = 0
		}
		filled, mean := make([]float64, vocabulary), 0.0
		for j, v := range row {
			if math.IsNaN(v) {
				v = least
			}
			filled[j] = v
			mean += v / float64(vocabulary)
		}
		for j := range filled {
			filled[j] -= mean
		}
		columns[i] = filled
	}
	return stat.SingularValues(triangle(columns))
}

// steepest returns after how many values the ratio of one to the next is the greatest,
// and that ratio. The last values, at the edge of the table, do not count.
func steepest(values []float64) (k int, gap float64) {
	if len(values) == 0 || values[0] == 0 {
		return 0, 0
	}
	for i := 1; i < len(values)-2; i++ {
		least := values[0] * 1e-15
		if g := max(values[i-1], least) / max(values[i], least); g > gap {
			k, gap = i, g
		}
	}
	return k, gap
}

// aboveNoise counts the values above what rounding to a step explains: the largest
// singular value of independent errors (Geman 1980) and a twentieth.
func aboveNoise(values []float64, step float64, rows, columns int) int {
	edge := 1.05 * step / math.Sqrt(12) * (math.Sqrt(float64(rows)) + math.Sqrt(float64(columns)))
	k := 0
	for k < len(values) && values[k] > edge {
		k++
	}
	return k
}

// rowsOf turns what was told into the rows that the attack of the lab reads.
func (m *languageModel) rowsOf(told [][]float64) []rank.Row {
	rows := make([]rank.Row, len(told))
	for i, line := range told {
		rows[i] = rank.Row{}
		for j, v := range line {
			if !math.IsNaN(v) {
				rows[i][m.tokens[j]] = v
			}
		}
	}
	return rows
}
