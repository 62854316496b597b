// Package counters holds what every account has spent of its limits.
//
// [Memory] keeps it in this process: exact under any concurrency, without a wait,
// and gone with the process except for the counters of the day, which
// [Memory.Seed] restores. The arithmetic is that of package ratelimit; this package
// adds accounts and locks. Package counterstest says what every implementation has
// to promise.
package counters

import (
	"context"
	"hash/maphash"
	"maps"
	"sync"
	"time"

	"bartizan/internal/ratelimit"
)

// shards is the number of locks; a power of two.
const shards = 256

// Memory keeps every account's state in this process. It is safe for concurrent
// use; each call locks one of 256 shards, and none waits for anything else. Its
// methods never return an error.
type Memory struct {
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu       sync.Mutex
	accounts map[string]*ratelimit.State
	_        [48]byte // a cache line of its own
}

// NewMemory returns counters in which nobody has spent anything.
func NewMemory() *Memory {
	m := &Memory{seed: maphash.MakeSeed()}
	for i := range m.shards {
		m.shards[i].accounts = make(map[string]*ratelimit.State)
	}
	return m
}

// shard returns the shard that holds the account. The hash is seeded, so that nobody
// can choose account names that share a lock.
func (m *Memory) shard(account string) *shard {
	return &m.shards[maphash.String(m.seed, account)%shards]
}

// state returns the account's state, made if it is new. The shard is locked.
func (s *shard) state(account string) *ratelimit.State {
	st := s.accounts[account]
	if st == nil {
		st = new(ratelimit.State)
		s.accounts[account] = st
	}
	return st
}

// Reserve checks d against all of ls and charges all of them or none. What it
// reserves is to be settled by [Memory.Settle], and settles itself at the deadline:
// see [ratelimit.State.Reserve]. The standing is that after the reservation, or of
// the refusal.
func (m *Memory) Reserve(
	_ context.Context, now time.Time, account string, ls ratelimit.Limits, d ratelimit.Demand, deadline time.Time,
) (ratelimit.Outcome, error) {
	standing := make([]ratelimit.Standing, 0, len(ls))
	sh := m.shard(account)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	st := sh.state(account)
	id, denial := st.Reserve(now, ls, d, deadline)
	outcome := ratelimit.Outcome{Denial: denial, Standing: st.Standing(now, ls, standing)}
	if denial == nil {
		outcome.Grant = ratelimit.Grant{Account: account, ID: id}
	}
	return outcome, nil
}

// Settle replaces what the grant reserved by what was spent. Settling a grant that
// is settled, expired, zero or unknown does nothing.
func (m *Memory) Settle(_ context.Context, now time.Time, g ratelimit.Grant, actual ratelimit.Demand) error {
	sh := m.shard(g.Account)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if st := sh.accounts[g.Account]; st != nil {
		st.Settle(now, g.ID, actual)
	}
	return nil
}

// Progress notes the tokens that an open grant has cost so far, prompt included: the
// least that it is charged if nobody settles it.
func (m *Memory) Progress(_ context.Context, g ratelimit.Grant, soFar ratelimit.Demand) error {
	sh := m.shard(g.Account)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if st := sh.accounts[g.Account]; st != nil {
		st.Progress(g.ID, soFar)
	}
	return nil
}

// Peek returns how much of every limit is left, in the order of ls, without charging.
func (m *Memory) Peek(_ context.Context, now time.Time, account string, ls ratelimit.Limits) ([]ratelimit.Standing, error) {
	standing := make([]ratelimit.Standing, 0, len(ls))
	sh := m.shard(account)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if st := sh.accounts[account]; st != nil {
		return st.Standing(now, ls, standing), nil
	}
	return new(ratelimit.State).Standing(now, ls, standing), nil
}

// Seed sets the account's counters of now's day to at least used, as after a restart.
// It never adds.
func (m *Memory) Seed(account string, now time.Time, used ratelimit.Demand) {
	sh := m.shard(account)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.state(account).Seed(now, used)
}

// Sweep settles overdue grants, forgets accounts that are as good as new and returns
// how many it forgot. It locks one shard at a time; call it every minute or so.
func (m *Memory) Sweep(now time.Time) int {
	forgotten := 0
	for i := range m.shards {
		forgotten += m.shards[i].sweep(now)
	}
	return forgotten
}

func (s *shard) sweep(now time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.accounts)
	for account, st := range s.accounts {
		if st.Idle(now) {
			delete(s.accounts, account)
		}
	}
	left := len(s.accounts)
	if before-left > left+64 { // a map never shrinks by itself
		kept := make(map[string]*ratelimit.State, left)
		maps.Copy(kept, s.accounts)
		s.accounts = kept
	}
	return before - left
}
