package ratelimit

// promptSet is the set of prompts that an account sent in the longest calendar window
// that is being counted, by their hashes. A limit bounds it: once the limit is reached
// nothing new is let in. It is an open-addressing table of 8 bytes a slot.
//
// Each hash carries marks for the windows in which it has been counted, in place of its
// low bits: three windows and one mark for a prompt that a settled request confirmed.
type promptSet struct {
	slots []uint64
	n     int
}

const (
	markConfirmed = 1 << calendar
	markAll       = 1<<(calendar+1) - 1
)

// find returns the slot of the prompt, or the free one where it belongs.
func (p *promptSet) find(hash uint64) *uint64 {
	want := canonicalHash(hash)
	mask := uint64(len(p.slots) - 1) //nolint:gosec // a power of two
	for i := hash >> 32 & mask; ; i = (i + 1) & mask {
		if s := &p.slots[i]; *s == 0 || *s&^markAll == want {
			return s
		}
	}
}

// marks returns the windows in which the prompt has been counted, as bits.
func (p *promptSet) marks(hash uint64) uint8 {
	if p == nil || len(p.slots) == 0 {
		return 0
	}
	return uint8(*p.find(hash) & markAll)
}

// mark adds marks to a prompt.
func (p *promptSet) mark(hash uint64, marks uint8) {
	if 4*(p.n+1) > 3*len(p.slots) {
		p.grow()
	}
	s := p.find(hash)
	if *s == 0 {
		*s = canonicalHash(hash)
		p.n++
	}
	*s |= uint64(marks)
}

// clear takes marks away from every prompt, and forgets those without any.
func (p *promptSet) clear(marks uint8) {
	old := p.slots
	*p = promptSet{}
	for _, s := range old {
		if left := uint8(s&markAll) &^ marks; left&^markConfirmed != 0 {
			p.mark(s, left)
		}
	}
}

// unmark takes all marks of one prompt away.
func (p *promptSet) unmark(hash uint64) {
	if p == nil || len(p.slots) == 0 {
		return
	}
	if s := p.find(hash); *s != 0 {
		*s &^= markAll // the slot stays, so that others are still found
	}
}

func (p *promptSet) grow() {
	old := p.slots
	p.slots, p.n = make([]uint64, max(8, 2*len(old))), 0
	for _, s := range old {
		if s&markAll != 0 {
			*p.find(s) = s
			p.n++
		}
	}
}

// canonicalHash is the hash without marks, never 0.
func canonicalHash(hash uint64) uint64 { return hash&^markAll | 1<<63 }
