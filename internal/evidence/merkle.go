package evidence

import (
	"crypto/sha256"
	"math/bits"
)

// Hash is a SHA-256 value: a leaf, an inner node or a root.
type Hash = [sha256.Size]byte

// LeafHash hashes one leaf of a segment's tree.
func LeafHash(k Kind, payload []byte) Hash {
	h := sha256.New()
	h.Write([]byte{0, byte(k)})
	h.Write(payload)
	var leaf Hash
	h.Sum(leaf[:0])
	return leaf
}

func nodeHash(left, right Hash) Hash {
	var b [1 + 2*sha256.Size]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+sha256.Size:], right[:])
	return sha256.Sum256(b[:])
}

// Tree is the running hash of a Merkle tree in the shape of RFC 6962, section 2.1. It
// keeps only the roots of the complete subtrees, one for each bit that is set in the
// number of leaves. The zero value is the empty tree; a copy is independent.
type Tree struct {
	leaves uint64
	peaks  [40]Hash // peaks[i] is the root of 2^i leaves, when that bit is set
}

// Add appends a leaf. A tree holds at most 2^40-1 leaves.
func (t *Tree) Add(leaf Hash) {
	level := bits.TrailingZeros64(^t.leaves)
	for i := range level {
		leaf = nodeHash(t.peaks[i], leaf)
	}
	t.peaks[level] = leaf
	t.leaves++
}

// Leaves is the number of leaves.
func (t *Tree) Leaves() uint64 { return t.leaves }

// Root is the tree hash over all leaves; that of no leaf is the hash of nothing.
func (t *Tree) Root() Hash {
	if t.leaves == 0 {
		return sha256.Sum256(nil)
	}
	level := bits.TrailingZeros64(t.leaves)
	root := t.peaks[level]
	for rest := t.leaves >> (level + 1) << (level + 1); rest != 0; rest &= rest - 1 {
		root = nodeHash(t.peaks[bits.TrailingZeros64(rest)], root)
	}
	return root
}
