package rank

import (
	"cmp"
	"maps"
	"math"
	"math/bits"
	"slices"
)

// Row is what was seen of one context: log-probabilities by token.
type Row map[string]float64

const (
	leastRows    = 12
	leastColumns = 4
	mostColumns  = 128
	mostTokens   = 512 // that are looked at, the most frequent ones
)

// blocks returns tables without a hole, the widest first, each at least twice as high
// as wide. They come from taking tokens one by one, each time the one that leaves most
// rows: the greedy way to a large complete bipartite subgraph. Rows that are equal
// count once.
func blocks(rows []Row) [][][]float64 {
	tokens := frequent(rows)
	sets := make([]bitset, len(tokens))
	for i, t := range tokens {
		sets[i] = make(bitset, (len(rows)+63)/64)
		for at, row := range rows {
			if _, ok := row[t]; ok {
				sets[i].add(at)
			}
		}
	}
	var chosen []string
	var found [][][]float64
	left := fullBitset(len(rows))
	for len(chosen) < mostColumns && len(tokens) > 0 {
		best, most := 0, -1
		for i := range tokens {
			if n := left.common(sets[i]); n > most {
				best, most = i, n
			}
		}
		chosen = append(chosen, tokens[best])
		if most < max(leastRows, 2*len(chosen)) {
			break
		}
		left.keep(sets[best])
		tokens, sets = slices.Delete(tokens, best, best+1), slices.Delete(sets, best, best+1)
		if len(chosen) < leastColumns {
			continue
		}
		if block := distinct(rows, left, chosen); len(block) >= max(leastRows, 2*len(chosen)) {
			found = append(found, block)
		}
	}
	return thinned(found)
}

// thinned puts the widest block first and leaves out widths that are within a tenth of
// the one before.
func thinned(found [][][]float64) [][][]float64 {
	var out [][][]float64
	for _, block := range slices.Backward(found) {
		if n := len(out); n == 0 || 10*len(block[0]) <= 9*len(out[n-1][0]) || len(block[0]) < 20 {
			out = append(out, block)
		}
	}
	return out
}

// frequent returns the tokens that stand in enough rows, the most frequent first.
func frequent(rows []Row) []string {
	counts := map[string]int{}
	for _, row := range rows {
		for t := range row {
			counts[t]++
		}
	}
	maps.DeleteFunc(counts, func(_ string, n int) bool { return n < leastRows })
	tokens := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	return tokens[:min(len(tokens), mostTokens)]
}

// distinct reads a block out of the rows in set.
func distinct(rows []Row, set bitset, tokens []string) [][]float64 {
	var block [][]float64
	for at, row := range rows {
		if !set.has(at) {
			continue
		}
		line := make([]float64, len(tokens))
		for j, t := range tokens {
			line[j] = row[t]
		}
		block = append(block, line)
	}
	slices.SortFunc(block, slices.Compare)
	return slices.CompactFunc(block, slices.Equal)
}

// bitset is a set of rows.
type bitset []uint64

func fullBitset(n int) bitset {
	b := make(bitset, (n+63)/64)
	for i := range n {
		b.add(i)
	}
	return b
}

func (b bitset) add(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bitset) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }

func (b bitset) keep(c bitset) {
	for i := range b {
		b[i] &= c[i]
	}
}

func (b bitset) common(c bitset) int {
	n := 0
	for i := range b {
		n += bits.OnesCount64(b[i] & c[i])
	}
	return n
}

// stepOf finds the grid on which all values lie: the largest number of nats of which
// each is a multiple. 0 means that there is none down to a millionth.
func stepOf(rows []Row) float64 {
	const finest = 1e6
	scale := 1.0
	for !onGrid(rows, scale) {
		if scale *= 10; scale > finest {
			return 0
		}
	}
	common := int64(0)
	for _, row := range rows {
		for _, v := range row {
			for a := int64(math.Round(math.Abs(v) * scale)); a != 0; {
				common, a = a, common%a
			}
		}
	}
	return float64(common) / scale
}

// onGrid reports whether all values times scale are whole numbers.
func onGrid(rows []Row, scale float64) bool {
	for _, row := range rows {
		for _, v := range row {
			if scaled := v * scale; math.Abs(scaled-math.Round(scaled)) > 1e-9*max(1, math.Abs(scaled)) {
				return false
			}
		}
	}
	return true
}
