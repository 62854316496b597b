package tokens

import "unicode/utf8"

// maxPiece bounds what is merged at once, in bytes: it bounds the heap, and so makes
// the cost of a byte constant. Prose has no pieces of this size.
const maxPiece = 4096

// count returns how many tokens piece makes.
func (v *vocabulary) count(piece string) int {
	if len(piece) == 1 || v.rank(piece) != noRank {
		return 1
	}
	s, _ := v.scratch.Get().(*scratch)
	defer v.scratch.Put(s)
	n := 0
	for len(piece) > maxPiece {
		cut := maxPiece
		for cut > maxPiece-utf8.UTFMax && !utf8.RuneStart(piece[cut]) {
			cut--
		}
		n += v.merge(s, piece[:cut])
		piece = piece[cut:]
	}
	return n + v.merge(s, piece)
}

// scratch is the working memory of a merge.
type scratch struct {
	parts [maxPiece]part
	heap  []uint64 // of rank<<32 | start, lowest first
}

// part is a token so far. Parts are known by their first byte.
type part struct {
	prev, end int32
	// rank is that of this part and the next as one token.
	rank uint32
}

// merge returns how many tokens are left of piece when, again and again, the two
// neighbours that make the token of the lowest rank have become one, the leftmost
// first among equals.
func (v *vocabulary) merge(s *scratch, piece string) int {
	n := len(piece)
	parts := s.parts[:n]
	s.heap = s.heap[:0]
	for i := range parts {
		rank := uint32(noRank)
		if i+2 <= n {
			rank = v.rank(piece[i : i+2])
		}
		parts[i] = part{prev: int32(i) - 1, end: int32(i) + 1, rank: rank}
		if rank != noRank {
			s.push(uint64(rank)<<32 | uint64(i))
		}
	}
	left := n
	for len(s.heap) > 0 {
		top := s.pop()
		i := int(top & 0xffff)
		if uint64(parts[i].rank) != top>>32 {
			continue // has been merged into something since
		}
		gone := parts[i].end
		end := parts[gone].end
		parts[gone].rank = noRank
		parts[i].end = end
		if int(end) < n {
			parts[end].prev = int32(i)
		}
		left--
		v.rerank(s, piece, i)
		if p := parts[i].prev; p >= 0 {
			v.rerank(s, piece, int(p))
		}
	}
	return left
}

// rerank looks up what the part at i and its neighbour make, now that one has grown.
func (v *vocabulary) rerank(s *scratch, piece string, i int) {
	p := &s.parts[i]
	p.rank = noRank
	if int(p.end) == len(piece) {
		return
	}
	if p.rank = v.rank(piece[i:s.parts[p.end].end]); p.rank != noRank {
		s.push(uint64(p.rank)<<32 | uint64(i)) //nolint:gosec // i is not negative
	}
}

func (s *scratch) push(x uint64) {
	s.heap = append(s.heap, x)
	i := len(s.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if s.heap[parent] <= x {
			break
		}
		s.heap[i] = s.heap[parent]
		i = parent
	}
	s.heap[i] = x
}

func (s *scratch) pop() uint64 {
	top := s.heap[0]
	last := len(s.heap) - 1
	x := s.heap[last]
	h := s.heap[:last]
	s.heap = h
	if last == 0 {
		return top
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && h[child+1] < h[child] {
			child++
		}
		if h[child] >= x {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = x
	return top
}
