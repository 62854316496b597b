package counters_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bartizan/internal/counters"
	"bartizan/internal/ratelimit"
)

// TestSaturation lets callers ask for all they can get at once, with refunds, aborts and a
// clock that steps: what was truly spent stays within burst and rate, and reaches at least
// 95 % of it. The seed is fixed.
func TestSaturation(t *testing.T) {
	t.Parallel()
	const amount, burst, callers, steps = 6_000, 600, 8, 600
	m := counters.NewMemory()
	scopes := []ratelimit.Scope{
		{Nest: ratelimit.OfOrganisation, Name: "o", Limits: ratelimit.Limits{{Dimension: ratelimit.Tokens, Window: ratelimit.Minute, Amount: amount, Burst: burst}}},
		{Nest: ratelimit.OfAccount, Name: "a", Limits: ratelimit.Limits{{Dimension: ratelimit.Tokens, Window: ratelimit.Day, Amount: 1 << 40}}},
	}
	var spent atomic.Int64
	now := noon
	rng := rand.New(rand.NewPCG(3, 4))
	for range steps {
		// Up to two seconds, and sometimes a little back: as a late arrival comes.
		now = now.Add(time.Duration(rng.IntN(2_000)) * time.Millisecond)
		at := now.Add(-time.Duration(rng.IntN(2)*rng.IntN(300)) * time.Millisecond)
		var group sync.WaitGroup
		for caller := range callers {
			seed := rng.Uint64()
			group.Go(func() {
				r := rand.New(rand.NewPCG(seed, uint64(caller)))
				for {
					n := 1 + r.Int64N(20)
					out, err := m.Reserve(t.Context(), at, scopes, ratelimit.Demand{Tokens: n}, at.Add(time.Hour), nil)
					if err != nil {
						t.Error(err)
						return
					}
					if out.Refused {
						return
					}
					actual := n
					switch r.IntN(10) {
					case 0:
						actual = 0 // the upstream was not reached
					case 1:
						actual = r.Int64N(n + 1) // the client left
					}
					spent.Add(actual)
					if err := m.Settle(t.Context(), at, &out.Grant, ratelimit.Demand{Tokens: actual}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
	}
	most := burst + int64(now.Sub(noon).Seconds()*amount/60)
	if got := spent.Load(); got > most || float64(got) < 0.95*float64(most) {
		t.Errorf("%d tokens spent; want at most %d and at least 95 %% of it", got, most)
	}
}
