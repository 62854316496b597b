// Package sketch holds small summaries of text and of streams: similarity hashes of
// a prompt, and sets of a fixed size that forget their oldest members.
//
// Hashes are seeded by their user. Everything here is a plain value of a fixed size
// that its owner encodes; two sketches can be compared or merged only when they
// were made under one seed.
package sketch

import (
	"math/bits"

	"github.com/zeebo/xxh3"
)

// Hash is the seeded 64-bit hash on which the sketches of this package are built.
func Hash(b []byte, seed uint64) uint64 { return xxh3.HashSeed(b, seed) }

// Mix folds the hash of a next element into that of a sequence; order matters.
func Mix(sequence, next uint64) uint64 {
	hi, lo := bits.Mul64(sequence^0x9e3779b97f4a7c15, next^0xd1b54a32d192ed03)
	return hi ^ lo ^ bits.RotateLeft64(sequence, 23)
}

// SimHash sums features into 64 signed counters; its sign bits are close in Hamming
// distance for bags of features that overlap much (Charikar 2002). The zero value
// is empty.
type SimHash struct {
	counts [64]int32
	n      int
}

// Add counts one feature, given by its hash.
func (s *SimHash) Add(feature uint64) {
	for i := range s.counts {
		s.counts[i] += int32(feature>>i&1)<<1 - 1
	}
	s.n++
}

// Sum returns the signature; an empty bag has 0.
func (s *SimHash) Sum() uint64 {
	if s.n == 0 {
		return 0
	}
	var sum uint64
	for i, c := range s.counts {
		if c > 0 {
			sum |= 1 << i
		}
	}
	return sum
}

// Distance is the number of bits in which two signatures differ.
func Distance(a, b uint64) int { return bits.OnesCount64(a ^ b) }
