package cost_test

import (
	"testing"

	. "bartizan/internal/cost"
)

// BenchmarkCollect walks through most of a cycle of the calendar, the longest there is.
func BenchmarkCollect(b *testing.B) {
	tier := Tier{Limits: []Limit{
		per(Requests, Minute, 5), per(Tokens, Minute, 1000), per(Requests, Day, 500), per(Requests, Month, 2000),
	}}
	a := Attacker{PromptTokens: 100, AnswerTokens: 100}
	b.ReportAllocs()
	for b.Loop() {
		Collect(tier, a, 9_000_000)
	}
}
