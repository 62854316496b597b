package review

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"maps"
	"sync"
	"time"

	"bartizan"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
)

// UsageStore keeps usage.
type UsageStore interface {
	SaveUsage(ctx context.Context, days []bartizan.UsageDay) error
}

const (
	meterShards = 64
	// FlushEvery is how often usage goes to the store.
	FlushEvery = 10 * time.Second
	flushBatch = 500
)

// Meter adds up what each account uses and is refused on each day. It is safe for use by
// several goroutines; Observe locks one of its shards and waits for nothing else.
type Meter struct {
	seed   maphash.Seed
	shards [meterShards]meterShard
}

type meterShard struct {
	mu   sync.Mutex
	days map[meterKey]*meterDay
}

type meterKey struct {
	account string
	day     int64 // since 1970
}

type meterDay struct {
	usage bartizan.UsageDay
	dirty bool
	// hour counts what the present hour used, by dimension, for limits per minute.
	hour int64
	used [int(ratelimit.Values) + 1]int64
}

// NewMeter returns a meter that continues the days it is given: those that a run before
// this one had stored of today.
func NewMeter(known []bartizan.UsageDay) *Meter {
	m := &Meter{seed: maphash.MakeSeed()}
	for i := range m.shards {
		m.shards[i].days = make(map[meterKey]*meterDay)
	}
	for _, u := range known {
		key := meterKey{u.Account, dayOf(u.Day)}
		m.shard(u.Account).days[key] = &meterDay{usage: u}
	}
	return m
}

func dayOf(t time.Time) int64 { return t.Unix() / int64(24*time.Hour/time.Second) }

func (m *Meter) shard(account string) *meterShard {
	return &m.shards[maphash.String(m.seed, account)%meterShards]
}

// Observe adds a finished exchange with what it cost and what was left of each limit once
// it was admitted or refused. What was refused adds to the refusals alone.
func (m *Meter) Observe(x *bartizan.Exchange, costMicroUSD int64, standing []ratelimit.Standing) {
	s := m.shard(x.Account)
	s.mu.Lock()
	defer s.mu.Unlock()
	key := meterKey{x.Account, dayOf(x.At)}
	d := s.days[key]
	if d == nil {
		d = &meterDay{usage: bartizan.UsageDay{Account: x.Account, Day: x.At.UTC().Truncate(24 * time.Hour)}}
		s.days[key] = d
	}
	d.dirty = true
	d.add(x, costMicroUSD)
	for i := range standing {
		d.peak(&standing[i])
	}
}

func (d *meterDay) add(x *bartizan.Exchange, cost int64) {
	u := &d.usage
	for _, r := range x.Decision.Reasons {
		if r.Code == "shadow_limit" || r.Code == "shadow_suspended" {
			u.Shadowed++
			break
		}
	}
	switch x.Decision.Action {
	case bartizan.ActionThrottle:
		u.Throttled++
		return
	case bartizan.ActionDeny, bartizan.ActionHold:
		u.Denied++
		return
	case bartizan.ActionAllow:
	default:
		return // it never came to a decision
	}
	u.Requests++
	u.InputTokens += x.Usage.InputTokens
	u.OutputTokens += x.Usage.OutputTokens
	u.CostMicroUSD += cost
	u.Values += x.Disclosure.Values
	if hour := x.At.Unix() / int64(time.Hour/time.Second); hour != d.hour {
		d.hour, d.used = hour, [len(d.used)]int64{}
	}
	d.used[ratelimit.Requests]++
	d.used[ratelimit.Tokens] += x.Usage.InputTokens + x.Usage.OutputTokens
	d.used[ratelimit.Input] += x.Usage.InputTokens
	d.used[ratelimit.Output] += x.Usage.OutputTokens
	d.used[ratelimit.Cost] += cost
	d.used[ratelimit.Values] += x.Disclosure.Values
}

// peak notes how much of a limit of the account is used.
func (d *meterDay) peak(s *ratelimit.Standing) {
	if s.Nest != ratelimit.OfAccount || s.Limit.Amount <= 0 {
		return
	}
	var share float64
	switch s.Limit.Window {
	case ratelimit.Minute:
		const minutes = 60
		share = float64(d.used[int(s.Limit.Dimension)%len(d.used)]) / (minutes * float64(s.Limit.Amount))
	case ratelimit.Hour, ratelimit.Day, ratelimit.Month:
		share = 1 - float64(s.Remaining)/float64(s.Limit.Amount)
		if s.Limit.Dimension == ratelimit.Prompts && s.Limit.Window == ratelimit.Day {
			d.usage.Prompts = max(d.usage.Prompts, s.Limit.Amount-s.Remaining)
		}
	case ratelimit.Concurrent:
		return // a moment says nothing of a day
	}
	path := policy.Path(s.Limit)
	if share > d.usage.PeakShare[path] {
		if d.usage.PeakShare == nil {
			d.usage.PeakShare = make(map[string]float64)
		}
		d.usage.PeakShare[path] = share
	}
}

// Flush stores the days that changed since the last flush, and forgets those before
// yesterday. What could not be stored is tried again by the next one.
func (m *Meter) Flush(ctx context.Context, to UsageStore, now time.Time) error {
	var batch []bartizan.UsageDay
	store := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := to.SaveUsage(ctx, batch); err != nil {
			m.again(batch)
			return fmt.Errorf("store usage: %w", err)
		}
		batch = batch[:0]
		return nil
	}
	oldest := dayOf(now) - 1
	for i := range m.shards {
		batch = m.shards[i].take(batch, oldest)
		if len(batch) >= flushBatch {
			if err := store(); err != nil {
				return err
			}
		}
	}
	return store()
}

// take appends the shard's changed days.
func (s *meterShard) take(batch []bartizan.UsageDay, oldest int64) []bartizan.UsageDay {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, d := range s.days {
		if d.dirty {
			d.dirty = false
			u := d.usage
			u.PeakShare = maps.Clone(d.usage.PeakShare)
			batch = append(batch, u)
		} else if key.day < oldest {
			delete(s.days, key)
		}
	}
	return batch
}

// again marks days as not stored.
func (m *Meter) again(days []bartizan.UsageDay) {
	for _, u := range days {
		s := m.shard(u.Account)
		s.mu.Lock()
		if d := s.days[meterKey{u.Account, dayOf(u.Day)}]; d != nil {
			d.dirty = true
		}
		s.mu.Unlock()
	}
}

// Run flushes again and again until ctx ends, and once more then.
func (m *Meter) Run(ctx context.Context, to UsageStore, now func() time.Time, log *slog.Logger) {
	tick := time.NewTicker(FlushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), FlushEvery)
			defer cancel()
			if err := m.Flush(last, to, now()); err != nil {
				log.LogAttrs(last, slog.LevelError, "usage of the last seconds is lost", slog.Any("error", err))
			}
			return
		case <-tick.C:
			if err := m.Flush(ctx, to, now()); err != nil && ctx.Err() == nil {
				log.LogAttrs(ctx, slog.LevelWarn, "store usage", slog.Any("error", err))
			}
		}
	}
}
