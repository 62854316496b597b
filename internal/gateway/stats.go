package gateway

import (
	"sync"
	"sync/atomic"
	"time"

	"bartizan"
)

// Stats are the gateway's counters. Each may be read at any time.
type Stats struct {
	InFlight atomic.Int64
	Answered atomic.Int64
	Refused  atomic.Int64
	Failed   atomic.Int64
	Aborted  atomic.Int64
	// Unauthorized counts requests without a good key; they belong to no account
	// and are not recorded.
	Unauthorized atomic.Int64
	// Withheld counts answers that could not be understood and were not passed on.
	Withheld atomic.Int64
	// Adjusted counts exchanges in which something was narrowed.
	Adjusted atomic.Int64
	Panics   atomic.Int64
	Events   atomic.Int64

	mu       sync.Mutex
	accounts map[string]*AccountCount
}

// AccountCount counts one account's requests since the start.
type AccountCount struct {
	Account  string
	Answered int64
	Refused  int64
	// Other counts requests that failed or were aborted.
	Other  int64
	LastAt time.Time
}

// Accounts returns the counts of every account that has sent something, in no order.
func (s *Stats) Accounts() []AccountCount {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]AccountCount, 0, len(s.accounts))
	for _, c := range s.accounts {
		out = append(out, *c)
	}
	return out
}

// count takes a finished exchange of an account into the counters.
func (s *Stats) count(x *bartizan.Exchange) {
	if len(x.Adjusted) > 0 {
		s.Adjusted.Add(1)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[x.Account]
	if a == nil {
		if s.accounts == nil {
			s.accounts = make(map[string]*AccountCount)
		}
		a = &AccountCount{Account: x.Account}
		s.accounts[x.Account] = a
	}
	a.LastAt = x.EndAt
	switch x.Outcome {
	case bartizan.OutcomeAnswered:
		s.Answered.Add(1)
		a.Answered++
	case bartizan.OutcomeRefused:
		s.Refused.Add(1)
		a.Refused++
	case bartizan.OutcomeAborted:
		s.Aborted.Add(1)
		a.Other++
	case bartizan.OutcomeFailed:
		s.Failed.Add(1)
		a.Other++
	}
}
