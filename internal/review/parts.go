package review

import (
	"slices"
	"time"

	"bartizan"
	"bartizan/internal/ratelimit"
	"bartizan/internal/store"
)

// partKey names a part of an account's day.
type partKey struct {
	kind store.PartKind
	name string
}

type meterPart struct {
	store.UsagePart
	dirty bool
}

// sighting is an account in a network whose name stays in memory.
type sighting struct {
	account, network string
	day              time.Time
}

// part returns a part of the day, made if it is new. There are as many as the account has
// keys and the policy has patterns of models.
func (d *meterDay) part(kind store.PartKind, name string) *meterPart {
	key := partKey{kind, name}
	p := d.parts[key]
	if p == nil {
		p = &meterPart{UsagePart: store.UsagePart{
			PartID: store.PartID{Day: d.usage.Day, Account: d.usage.Account, Kind: kind, Name: name},
		}}
		d.parts[key] = p
	}
	return p
}

// split adds an exchange that was served to the parts of the day by its key and model.
func (d *meterDay) split(x *bartizan.Exchange, cost int64, pattern string, standing []ratelimit.Standing) {
	if x.Decision.Action != bartizan.ActionAllow {
		return
	}
	for _, part := range []struct {
		kind store.PartKind
		name string
		nest ratelimit.Nest
	}{{store.PartKey, x.Key, ratelimit.OfKey}, {store.PartModel, pattern, ratelimit.OfModel}} {
		if part.name == "" {
			continue
		}
		p := d.part(part.kind, part.name)
		p.dirty = true
		p.add(x, cost)
		for i := range standing {
			if standing[i].Nest == part.nest {
				p.prompts(&standing[i])
			}
		}
	}
}

func (p *meterPart) add(x *bartizan.Exchange, cost int64) {
	if hour := x.At.UTC().Truncate(time.Hour); !hour.Equal(p.Hour) {
		p.Hour, p.InHour = hour, store.Spent{}
	}
	for _, s := range []*store.Spent{&p.Spent, &p.InHour} {
		s.Requests++
		s.InputTokens += x.Usage.InputTokens
		s.OutputTokens += x.Usage.OutputTokens
		s.CostMicroUSD += cost
		s.Values += x.Disclosure.Values
	}
}

// prompts notes how many distinct prompts a limit has counted.
func (p *meterPart) prompts(s *ratelimit.Standing) {
	if s.Limit.Dimension != ratelimit.Prompts {
		return
	}
	switch used := s.Limit.Amount - s.Remaining; s.Limit.Window {
	case ratelimit.Hour:
		p.InHour.Prompts = max(p.InHour.Prompts, used)
	case ratelimit.Day:
		p.Prompts = max(p.Prompts, used)
	case ratelimit.Minute, ratelimit.Month, ratelimit.Concurrent:
	}
}

// seen remembers from which networks the account came, the first few of the day.
func (d *meterDay) seen(network string) {
	if network != "" && len(d.networks) < store.NetworksPerDay && !slices.Contains(d.networks, network) {
		d.networks = append(d.networks, network)
	}
}

// takeParts adds to the batch what changed in the day beside its sum.
func (d *meterDay) takeParts(b *meterBatch) {
	for _, p := range d.parts {
		if p.dirty {
			p.dirty = false
			b.parts = append(b.parts, p.UsagePart)
		}
	}
	for _, network := range d.networks[d.stored:] {
		b.seen = append(b.seen, sighting{account: d.usage.Account, network: network, day: d.usage.Day})
	}
	d.stored = len(d.networks)
}
