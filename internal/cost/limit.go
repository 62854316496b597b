package cost

import (
	"errors"
	"fmt"
	"strings"
)

// Unit is what a limit counts.
type Unit uint8

// The units.
const (
	Requests     Unit = iota
	InputTokens       // of prompts
	OutputTokens      // of answers
	Tokens            // of prompts and answers together
	Dollars           // spent at the tier's price, in millionths of a US dollar
	// Values are numbers released with answers, such as log-probs. A caller over this
	// limit still gets answers, without numbers: it slows [Reach] and never [Collect].
	Values
	Prompts  // distinct prompts: the attacker never asks the same twice
	InFlight // requests under way at once
	Streams  // streamed answers under way at once; every answer is taken for one
)

func unitNames() []string {
	return []string{
		"requests", "input tokens", "output tokens", "tokens", "micro-USD", "values", "prompts",
		"requests in flight", "streams",
	}
}

// String returns the unit's name in the plural.
func (u Unit) String() string { return name(uint8(u), unitNames(), "unit") }

// MarshalText returns the unit's name in small letters and underscores.
func (u Unit) MarshalText() ([]byte, error) { return marshal(uint8(u), unitNames(), "unit") }

// UnmarshalText accepts the names that MarshalText gives, and no others.
func (u *Unit) UnmarshalText(text []byte) error {
	i, err := unmarshal(text, unitNames(), "unit")
	*u = Unit(i)
	return err
}

// concurrent tells units that count what is under way from those that add up.
func (u Unit) concurrent() bool { return u == InFlight || u == Streams }

// Span is the time over which a limit counts.
type Span uint8

// The spans.
const (
	Minute Span = iota // refills steadily
	Hour               // starts afresh at every full hour
	Day                // starts afresh at midnight UTC
	Month              // starts afresh on the first of the month, midnight UTC
	AtOnce             // counts what is under way; only InFlight and Streams have it
)

func spanNames() []string { return []string{"minute", "hour", "day", "month", "at once"} }

// String returns the span's name.
func (s Span) String() string { return name(uint8(s), spanNames(), "span") }

// MarshalText returns the span's name in small letters and underscores.
func (s Span) MarshalText() ([]byte, error) { return marshal(uint8(s), spanNames(), "span") }

// UnmarshalText accepts the names that MarshalText gives, and no others.
func (s *Span) UnmarshalText(text []byte) error {
	i, err := unmarshal(text, spanNames(), "span")
	*s = Span(i)
	return err
}

// Scope is who shares a limit.
type Scope uint8

// The scopes.
const (
	PerAccount Scope = iota
	PerKey
	PerOrganisation
)

func scopeNames() []string { return []string{"account", "key", "organisation"} }

// String returns the scope's name.
func (s Scope) String() string { return name(uint8(s), scopeNames(), "scope") }

// MarshalText returns the scope's name.
func (s Scope) MarshalText() ([]byte, error) { return marshal(uint8(s), scopeNames(), "scope") }

// UnmarshalText accepts the names that MarshalText gives, and no others.
func (s *Scope) UnmarshalText(text []byte) error {
	i, err := unmarshal(text, scopeNames(), "scope")
	*s = Scope(i)
	return err
}

// Limit is one bound on each key, account or organisation. An Amount of 0 is no limit
// at all, the same as leaving the limit out. Of several limits on the same unit, span
// and scope the tightest counts.
type Limit struct {
	Unit  Unit  `json:"unit"`
	Span  Span  `json:"span"`
	Scope Scope `json:"scope"`
	// Amount is how much a span allows, in the unit.
	Amount int64 `json:"amount"`
	// Burst is how much may be spent at one instant after a rest. Only a Minute has
	// one; 0 means Amount.
	Burst int64 `json:"burst,omitempty"`
}

// String describes the limit for people, such as "20 requests per minute and account".
func (l Limit) String() string {
	amount, unit := grouped(l.Amount), l.Unit.String()
	if l.Unit == Dollars {
		amount, unit = dollars(l.Amount), "spent"
	}
	switch {
	case l.Amount <= 0:
		return fmt.Sprintf("unlimited %s (%s)", l.Unit, l.Span)
	case l.Span == AtOnce:
		return fmt.Sprintf("%s %s at once per %s", amount, unit, l.Scope)
	default:
		return fmt.Sprintf("%s %s per %s and %s", amount, unit, l.Span, l.Scope)
	}
}

// Validate reports every fault at once.
func (l Limit) Validate() error {
	if int(l.Unit) >= len(unitNames()) || l.Span > AtOnce || l.Scope > PerOrganisation {
		return fmt.Errorf("limit on %s per %s and %s: no such limit", l.Unit, l.Span, l.Scope)
	}
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("limit on %s per %s and %s: %s", l.Unit, l.Span, l.Scope, fmt.Sprintf(format, args...)))
	}
	if l.Unit.concurrent() != (l.Span == AtOnce) {
		fault("requests in flight and streams are counted at once, everything else per span")
	}
	if l.Amount < 0 {
		fault("amount %d is negative; 0 means no limit", l.Amount)
	}
	switch {
	case l.Burst < 0:
		fault("burst %d is negative; 0 means the amount", l.Burst)
	case l.Burst > 0 && l.Span != Minute:
		fault("only a limit per minute has a burst")
	}
	return errors.Join(faults...)
}

func name(i uint8, names []string, kind string) string {
	if int(i) < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%s(%d)", kind, i)
}

func marshal(i uint8, names []string, kind string) ([]byte, error) {
	if int(i) < len(names) {
		return []byte(code(names[i])), nil
	}
	return nil, fmt.Errorf("%s %d has no name", kind, i)
}

func unmarshal(text []byte, names []string, kind string) (uint8, error) {
	for i, known := range names {
		if code(known) == string(text) {
			return uint8(i), nil
		}
	}
	return 0, fmt.Errorf("%q is no %s", text, kind)
}

// code is a name as it stands in JSON: "at once" is at_once.
func code(name string) string {
	return strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(name))
}
