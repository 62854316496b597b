package cost

import "fmt"

// Change is what a change of limits does to one bill.
type Change struct {
	Before Bill `json:"before"`
	After  Bill `json:"after"`
	// Speedup is how many times faster the attacker becomes: Before.Days over
	// After.Days. It is under 1 for one who becomes slower, and 0 when there is no
	// such number: a bill is never paid, or takes no time.
	Speedup float64 `json:"speedup,omitempty"`
	// MicroUSD is how much more it costs, in millionths of a dollar; 0 when a bill is
	// never paid.
	MicroUSD int64 `json:"micro_usd"`
}

// Compare sets two bills for the same thing side by side.
func Compare(before, after Bill) Change {
	c := Change{Before: before, After: after}
	if before.Never || after.Never {
		return c
	}
	if before.Days > 0 && after.Days > 0 {
		c.Speedup = before.Days / after.Days
	}
	c.MicroUSD = after.MicroUSD - before.MicroUSD // both are 0 or more
	return c
}

// String says it in a line, such as "11 months -> 3.2 days, 104.9 times faster".
func (c Change) String() string {
	text := c.Before.Duration() + " -> " + c.After.Duration()
	switch {
	case c.Speedup >= 1.05:
		text += fmt.Sprintf(", %.1f times faster", c.Speedup)
	case c.Speedup > 0 && c.Speedup <= 1/1.05:
		text += fmt.Sprintf(", %.1f times slower", 1/c.Speedup)
	}
	switch {
	case c.MicroUSD > 0:
		text += ", " + dollars(c.MicroUSD) + " more"
	case c.MicroUSD < 0:
		text += ", " + dollars(-c.MicroUSD) + " less"
	}
	return text
}

// Duration says how long the bill takes: the words of [Duration], or "never".
func (b Bill) Duration() string {
	if b.Never {
		return "never"
	}
	return Duration(b.Days)
}
