package review

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"maps"
	"sync"
	"time"

	"bartizan"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
	"bartizan/internal/store"
)

// UsageStore keeps usage.
type UsageStore interface {
	SaveUsage(ctx context.Context, days []bartizan.UsageDay) error
	SaveUsageParts(ctx context.Context, parts []store.UsagePart) error
	SaveSightings(ctx context.Context, list []store.Sighting) error
}

const (
	meterShards = 64
	// FlushEvery is how often usage goes to the store.
	FlushEvery = 10 * time.Second
	flushBatch = 500
)

// MeterOptions say what a meter goes on from and what it looks at; the zero value is
// ready to use.
type MeterOptions struct {
	// Days and Parts are what a run before this one had stored of today.
	Days  []bartizan.UsageDay
	Parts []store.UsagePart
	// Model returns the pattern by which the policy knows the exchange's model, or "";
	// nil tells models not apart.
	Model func(x *bartizan.Exchange) string
	// Network returns the keyed hash of a network; nil remembers no networks.
	Network func(network string) [16]byte
}

// Meter adds up what each account uses and is refused on each day, in all and by key and
// model, and remembers from which networks it was seen. It is safe for use by several
// goroutines; Observe locks one of its shards and waits for nothing else.
type Meter struct {
	options MeterOptions
	seed    maphash.Seed
	shards  [meterShards]meterShard
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

	parts    map[partKey]*meterPart
	networks []string // those seen first; they are hashed on their way to the store
	stored   int      // of them
}

// NewMeter returns a meter that goes on from the usage in its options.
func NewMeter(o MeterOptions) *Meter {
	m := &Meter{options: o, seed: maphash.MakeSeed()}
	for i := range m.shards {
		m.shards[i].days = make(map[meterKey]*meterDay)
	}
	for _, u := range o.Days {
		m.shard(u.Account).day(u.Account, u.Day).usage = u
	}
	for _, p := range o.Parts {
		d := m.shard(p.Account).day(p.Account, p.Day)
		d.part(p.Kind, p.Name).UsagePart = p
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
	pattern := ""
	if m.options.Model != nil && x.Decision.Action == bartizan.ActionAllow {
		pattern = m.options.Model(x)
	}
	s := m.shard(x.Account)
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.day(x.Account, x.At)
	d.dirty = true
	d.add(x, costMicroUSD)
	for i := range standing {
		d.peak(&standing[i])
	}
	d.split(x, costMicroUSD, pattern, standing)
	if m.options.Network != nil {
		d.seen(x.Peer.Network)
	}
}

// day returns what the shard knows of an account on the day of a time.
func (s *meterShard) day(account string, at time.Time) *meterDay {
	key := meterKey{account, dayOf(at)}
	d := s.days[key]
	if d == nil {
		d = &meterDay{
			usage: bartizan.UsageDay{Account: account, Day: at.UTC().Truncate(24 * time.Hour)}, parts: make(map[partKey]*meterPart),
		}
		s.days[key] = d
	}
	return d
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

// meterBatch is what is on its way to the store. Rows take the place of those before, so
// that any part of it may be stored again.
type meterBatch struct {
	days  []bartizan.UsageDay
	parts []store.UsagePart
	seen  []sighting
}

func (b *meterBatch) len() int { return len(b.days) + len(b.parts) + len(b.seen) }

// Flush stores what changed since the last flush, and forgets days before yesterday. What
// could not be stored is tried again by the next one.
func (m *Meter) Flush(ctx context.Context, to UsageStore, now time.Time) error {
	var batch meterBatch
	oldest := dayOf(now) - 1
	for i := range m.shards {
		m.shards[i].take(&batch, oldest)
		if batch.len() >= flushBatch || i == len(m.shards)-1 && batch.len() > 0 {
			if err := m.save(ctx, to, &batch); err != nil {
				m.again(&batch)
				return fmt.Errorf("store usage: %w", err)
			}
			batch = meterBatch{}
		}
	}
	return nil
}

func (m *Meter) save(ctx context.Context, to UsageStore, b *meterBatch) error {
	sightings := make([]store.Sighting, len(b.seen))
	for i, s := range b.seen {
		sightings[i] = store.Sighting{Account: s.account, Day: s.day, Network: m.options.Network(s.network)}
	}
	return errors.Join(to.SaveUsage(ctx, b.days), to.SaveUsageParts(ctx, b.parts), to.SaveSightings(ctx, sightings))
}

// take adds what changed in the shard to the batch.
func (s *meterShard) take(b *meterBatch, oldest int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, d := range s.days {
		if !d.dirty { // then no part of it is
			if key.day < oldest {
				delete(s.days, key)
			}
			continue
		}
		d.dirty = false
		u := d.usage
		u.PeakShare = maps.Clone(d.usage.PeakShare)
		b.days = append(b.days, u)
		d.takeParts(b)
	}
}

// again marks what is in the batch as not stored.
func (m *Meter) again(b *meterBatch) {
	mark := func(account string, day time.Time, fn func(d *meterDay)) {
		s := m.shard(account)
		s.mu.Lock()
		defer s.mu.Unlock()
		if d := s.days[meterKey{account, dayOf(day)}]; d != nil {
			d.dirty = true
			fn(d)
		}
	}
	for _, u := range b.days {
		mark(u.Account, u.Day, func(d *meterDay) { d.stored = 0 })
	}
	for _, p := range b.parts {
		mark(p.Account, p.Day, func(d *meterDay) { d.part(p.Kind, p.Name).dirty = true })
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
