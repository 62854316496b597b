package gateway_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"bartizan"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
)

// TestParallelCallsPassNoLimit is the complaint that five parallel calls took 663 tokens
// through a limit of 100 (BerriAI/litellm #18730): a thousand calls at once over real HTTP
// get exactly what the limits allow, whichever of organisation, account, key and model
// has the least.
func TestParallelCallsPassNoLimit(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIP: a thousand connections; run without -short")
	}
	const calls, allowed = 1_000, 37
	tight := ratelimit.Limits{{Dimension: ratelimit.Requests, Window: ratelimit.Hour, Amount: allowed}}
	wide := ratelimit.Limits{{Dimension: ratelimit.Requests, Window: ratelimit.Day, Amount: 1 << 40}}
	for name, change := range map[string]func(*policy.Spec, *policy.TierSpec){
		"account": func(_ *policy.Spec, t *policy.TierSpec) { t.Limits = tight },
		"key":     func(_ *policy.Spec, t *policy.TierSpec) { t.Key = tight },
		"model":   func(_ *policy.Spec, t *policy.TierSpec) { t.Models = []policy.ModelSpec{{Match: "m", Limits: tight}} },
		"tokens": func(_ *policy.Spec, t *policy.TierSpec) {
			// 111 prompt tokens at most and 20 of the answer are reserved, and 7 are used.
			t.Limits = ratelimit.Limits{{Dimension: ratelimit.Tokens, Window: ratelimit.Day, Amount: 7 * allowed}}
			t.MaxOutput, t.DefaultOutput = 20, 20
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := policy.Default()
			tier := spec.Tiers[bartizan.TierPartner]
			tier.Limits = wide
			change(&spec, &tier)
			spec.Tiers[bartizan.TierPartner] = tier
			f := deploy(t, start(t, answer(completion)), deployment{spec: &spec})
			var passed atomic.Int64
			var group sync.WaitGroup
			begin := make(chan struct{})
			for range calls {
				group.Go(func() {
					<-begin
					if response, _ := f.post(t, "/v1/chat/completions", "key-partner", chat); response.StatusCode == http.StatusOK {
						passed.Add(1)
					}
				})
			}
			close(begin)
			group.Wait()
			switch got := passed.Load(); {
			case got > allowed:
				t.Errorf("%d of %d passed; want at most %d", got, calls, allowed)
			case got < allowed && name != "tokens":
				t.Errorf("%d of %d passed; want exactly %d", got, calls, allowed)
			case got == 0:
				t.Error("none passed")
			}
		})
	}
}
