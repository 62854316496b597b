package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/gateway"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
)

// talker is a server whose model never ends by itself: it writes until the cap, or until
// its own end where there is none. It counts what it wrote and who gave no cap.
type talker struct {
	own               int64
	written, uncapped atomic.Int64
}

func (s *talker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var request struct {
		MaxTokens int64 `json:"max_tokens"`
		N         int64 `json:"n"`
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, &request) != nil {
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	n := request.MaxTokens
	if n == 0 {
		s.uncapped.Add(1)
		n = s.own
	}
	n *= max(1, request.N)
	s.written.Add(n)
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"on and on"},"finish_reason":"length"}],"usage":{"prompt_tokens":5,"completion_tokens":%d,"total_tokens":%d}}`, n, n+5)
}

// TestWorstCaseOwesNothing is the debt that a default reservation leaves: two hundred
// calls at once, none with a cap, to a model that never ends. At worst the limit on output
// tokens is never passed; by the default it is.
func TestWorstCaseOwesNothing(t *testing.T) {
	t.Parallel()
	const calls, limit, longest = 200, 10_000, 300
	for _, window := range []ratelimit.Window{ratelimit.Minute, ratelimit.Day} {
		for _, worst := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, worst %t", window, worst), func(t *testing.T) {
				t.Parallel()
				spec := policy.Default()
				tier := spec.Tiers[bartizan.TierPartner]
				tier.Limits = ratelimit.Limits{{Dimension: ratelimit.Output, Window: window, Amount: limit}}
				tier.MaxOutput, tier.DefaultOutput, tier.ReserveWorst = longest, 20, worst
				spec.Tiers[bartizan.TierPartner] = tier
				server := &talker{own: 5 * longest}
				still := func(o *gateway.Options) { // nothing is refilled meanwhile
					at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
					o.Now = func() time.Time { return at }
				}
				f := deploy(t, start(t, server), deployment{spec: &spec, change: []func(*gateway.Options){still}})
				var group sync.WaitGroup
				begin := make(chan struct{})
				for i := range calls {
					group.Go(func() {
						<-begin
						body := `{"model":"m","messages":[{"role":"user","content":"hello"}]}`
						if i%4 == 0 {
							body = `{"model":"m","n":3,"max_tokens":null,"messages":[{"role":"user","content":"hello"}]}`
						}
						f.post(t, "/v1/chat/completions", "key-partner", body)
					})
				}
				close(begin)
				group.Wait()
				var recorded int64
				for _, r := range f.waitRecords(t, calls) {
					recorded += r.Exchange.Usage.OutputTokens
				}
				written := server.written.Load()
				switch {
				case recorded != written:
					t.Errorf("recorded %d output tokens of %d", recorded, written)
				case worst && (written > limit || server.uncapped.Load() > 0):
					t.Errorf("%d output tokens passed a limit of %d; %d requests went without a cap", written, limit, server.uncapped.Load())
				case worst && written < limit-3*longest:
					t.Errorf("%d output tokens of %d were given; want nearly all", written, limit)
				case !worst && written <= limit:
					t.Errorf("%d output tokens by the default reservation; want more than %d, or the test proves nothing", written, limit)
				}
			})
		}
	}
}
