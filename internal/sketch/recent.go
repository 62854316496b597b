package sketch

import (
	"encoding/binary"
	"math/bits"
)

const (
	recentWords = 64
	recentBits  = recentWords * 64
)

// Recent is a set of hashes that forgets: two Bloom filters of 4096 bits, of which
// the older is dropped whenever the younger has a given number of bits set. It never
// denies a member of the younger generation; it may take a stranger for a member.
// The zero value is empty.
type Recent struct {
	young, old [recentWords]uint64
	set        uint16
}

// RecentSize is the length of a Recent's encoding.
const RecentSize = 2*recentWords*8 + 2

// Has reports whether h is known, as far as probes bits can tell.
func (r *Recent) Has(h uint64, probes int) bool {
	return has(&r.young, h, probes) || has(&r.old, h, probes)
}

// Add makes h known. A member of the older generation is renewed. When more than
// limit bits of the younger generation are set, the generations turn.
func (r *Recent) Add(h uint64, probes, limit int) {
	for range probes {
		word, bit := h/64%recentWords, uint64(1)<<(h%64)
		if r.young[word]&bit == 0 {
			r.young[word] |= bit
			r.set++
		}
		h = bits.RotateLeft64(h, 16)
	}
	if int(r.set) > limit {
		r.old, r.young, r.set = r.young, [recentWords]uint64{}, 0
	}
}

func has(words *[recentWords]uint64, h uint64, probes int) bool {
	for range probes {
		if words[h/64%recentWords]&(1<<(h%64)) == 0 {
			return false
		}
		h = bits.RotateLeft64(h, 16)
	}
	return true
}

// Merge makes everything that o knows known to r, generation by generation. The
// result may hold more bits than the limit until the next Add.
func (r *Recent) Merge(o *Recent) {
	set := 0
	for i := range r.young {
		r.young[i] |= o.young[i]
		r.old[i] |= o.old[i]
		set += bits.OnesCount64(r.young[i])
	}
	r.set = uint16(set)
}

// Append appends the encoding of r, which is [RecentSize] bytes long.
func (r *Recent) Append(dst []byte) []byte {
	for _, generation := range [...]*[recentWords]uint64{&r.young, &r.old} {
		for _, w := range generation {
			dst = binary.LittleEndian.AppendUint64(dst, w)
		}
	}
	return binary.LittleEndian.AppendUint16(dst, r.set)
}

// Decode reads what [Recent.Append] wrote from the front of src, which must hold at
// least [RecentSize] bytes, and reports whether the encoding is sound.
func (r *Recent) Decode(src []byte) bool {
	if len(src) < RecentSize {
		return false
	}
	set := 0
	for _, generation := range [...]*[recentWords]uint64{&r.young, &r.old} {
		for i := range generation {
			generation[i], src = binary.LittleEndian.Uint64(src), src[8:]
		}
	}
	for _, w := range r.young {
		set += bits.OnesCount64(w)
	}
	r.set = binary.LittleEndian.Uint16(src)
	return int(r.set) == set
}
