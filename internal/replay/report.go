package replay

import (
	"cmp"
	"encoding/hex"
	"slices"
	"time"

	"bartizan"
	"bartizan/internal/cost"
)

// Schema names the JSON contract of [Report].
const Schema = "bartizan.replay/1"

// Report is what a policy would have done to recorded traffic.
type Report struct {
	Schema string `json:"schema"`
	// Policy is the new one, Against the one that it is compared with.
	Policy  PolicyName  `json:"policy"`
	Against *PolicyName `json:"against,omitempty"`
	// Counts say what was read, Skipped how many lines could not be; Replayed is the rest.
	Counts

	Skipped  int64     `json:"skipped"`
	Replayed int64     `json:"replayed"`
	From     time.Time `json:"from,omitzero"`
	To       time.Time `json:"to,omitzero"`
	// Weight is what the worst hit are ordered by: "usd", or "tokens" where the price
	// table prices nothing of the traffic.
	Weight string `json:"weight"`
	Total  Group  `json:"total"`
	Tiers  []Tier `json:"tiers"`
	// Limits say which limits bind, under the new policy and the old one.
	Limits       []Limit `json:"limits"`
	LimitsBefore []Limit `json:"limits_before,omitempty"`
	// Worst names the accounts that are hit worst, at most [MaxWorst] of each kind.
	Worst  Worst  `json:"worst"`
	Series Series `json:"series"`
	Bill   Bill   `json:"bill"`
	// Accounts lists all, those hit worst first.
	Accounts []Account `json:"accounts"`
}

// PolicyName names a policy.
type PolicyName struct {
	Name string `json:"name"`
	Hash string `json:"hash"`
	// Shadow says that it refuses nothing.
	Shadow bool `json:"shadow,omitempty"`
}

// Group is what becomes of the requests of a group of accounts.
type Group struct {
	Accounts int64  `json:"accounts"`
	All      Weight `json:"all"`
	// Recorded is what was refused when it was recorded.
	Recorded Weight `json:"recorded_refusals"`
	Before   *Tally `json:"before,omitempty"`
	After    Tally  `json:"after"`
	// HitBefore and Hit count the accounts that are refused something, or would be.
	HitBefore int64 `json:"accounts_hit_before,omitempty"`
	Hit       int64 `json:"accounts_hit"`
}

// Tier is what becomes of a tier.
type Tier struct {
	Tier bartizan.Tier `json:"tier"`
	Group
}

// Account is what becomes of an account.
type Account struct {
	Account      string `json:"account"`
	Organisation string `json:"organisation,omitempty"`
	// Tier and Level are those of its newest record.
	Tier     bartizan.Tier  `json:"tier"`
	Level    bartizan.Level `json:"level"`
	All      Weight         `json:"all"`
	Recorded Weight         `json:"recorded_refusals"`
	Before   *Tally         `json:"before,omitempty"`
	After    Tally          `json:"after"`
	// Share is the share of its requests that are refused, or would be.
	Share float64 `json:"share"`
}

// Limit is how much one cause stops.
type Limit struct {
	Blame

	Accounts int64 `json:"accounts"`
}

// MaxWorst is the greatest length of the lists in [Worst].
const MaxWorst = 20

// Worst are the accounts that are hit worst.
type Worst struct {
	// ByValue is by the dollars, or tokens, that are refused; ByShare by the share of
	// requests.
	ByValue []string `json:"by_value"`
	ByShare []string `json:"by_share"`
}

// Series is the traffic over time.
type Series struct {
	StepSeconds int64   `json:"step_seconds"`
	Points      []Point `json:"points"`
}

// Bill is what copying the model takes.
type Bill struct {
	// Model is the one whose prices and limits count.
	Model string     `json:"model"`
	After cost.Table `json:"after"`
	// Changes compare with the old policy, tier by tier.
	Changes []cost.Shift `json:"changes,omitempty"`
}

func newReport(o *Options, streams []*stream, d *dealer, workers []*worker) (*Report, error) {
	r := &Report{Schema: Schema, Policy: nameOf(&o.New), Replayed: d.replayed, Weight: weightTokens}
	if o.Against != nil {
		name := nameOf(o.Against)
		r.Against = &name
	}
	if d.replayed > 0 {
		r.From, r.To = at(d.from), at(d.to)
	}
	for _, s := range streams {
		r.count(&s.counts)
	}
	all := newWorker(o)
	for _, w := range workers {
		all.merge(w)
	}
	if all.priced {
		r.Weight = weightUSD
	}
	r.groups(all)
	r.Limits = limitsOf(all.limits[len(all.limits)-1], r.worth)
	if o.Against != nil {
		r.LimitsBefore = limitsOf(all.limits[0], r.worth)
	}
	r.accounts(d.accounts)
	step, points := all.series.list()
	r.Series = Series{int64(step / time.Second), points}
	var err error
	r.Bill, err = newBill(o, all.models)
	return r, err
}

func nameOf(p *Policy) PolicyName {
	hash := p.Rules.Hash()
	return PolicyName{p.Name, hex.EncodeToString(hash[:8]), p.Rules.Shadow()}
}

func (c *Counts) count(o *Counts) {
	c.Records += o.Records
	c.Untimed += o.Untimed
	c.Nameless += o.Nameless
	c.Late += o.Late
	c.Other += o.Other
}

// merge adds what another worker has counted.
func (w *worker) merge(o *worker) {
	w.priced = w.priced || o.priced
	for name, s := range o.tiers {
		if w.tiers[name] == nil {
			w.tiers[name] = newSums(len(w.lanes))
		}
		w.tiers[name].merge(s)
	}
	for i := range o.limits {
		for c, h := range o.limits[i] {
			if w.limits[i][c] == nil {
				w.limits[i][c] = &hits{}
			}
			w.limits[i][c].add(h.Weight)
			w.limits[i][c].accounts += h.accounts
		}
	}
	for model, n := range o.models {
		w.models[model] += n
	}
	w.series.merge(&o.series)
}

// What accounts may be compared by.
const (
	weightUSD    = "usd"
	weightTokens = "tokens"
)

// worth is what requests are compared by.
func (r *Report) worth(w Weight) int64 {
	if r.Weight == weightUSD {
		return w.MicroUSD
	}
	return w.Tokens
}

func (r *Report) groups(all *worker) {
	total := newSums(len(all.lanes))
	r.Tiers = []Tier{}
	for name, s := range all.tiers {
		total.merge(s)
		r.Tiers = append(r.Tiers, Tier{name, group(s, r.worth)})
	}
	slices.SortFunc(r.Tiers, func(a, b Tier) int {
		return cmp.Or(cmp.Compare(b.After.stopped().Requests, a.After.stopped().Requests), cmp.Compare(a.Tier, b.Tier))
	})
	r.Total = group(total, r.worth)
}

func group(s *sums, worth func(Weight) int64) Group {
	before, after := tallies(s, worth)
	g := Group{Accounts: s.accounts, All: s.all, Recorded: s.recorded, Before: before, After: *after, Hit: s.hit[len(s.hit)-1]}
	if before != nil {
		g.HitBefore = s.hit[0]
	}
	return g
}

// tallies returns those of the old policy, if there is one, and of the new one.
func tallies(s *sums, worth func(Weight) int64) (before, after *Tally) {
	for i := range s.lanes {
		t := &s.lanes[i]
		if t.By == nil {
			t.By = []Blame{}
		}
		slices.SortFunc(t.By, func(a, b Blame) int { return compareBlame(&a, &b, worth) })
	}
	if len(s.lanes) > 1 {
		before = &s.lanes[0]
	}
	return before, &s.lanes[len(s.lanes)-1]
}

func compareBlame(a, b *Blame, worth func(Weight) int64) int {
	return cmp.Or(
		cmp.Compare(b.Requests, a.Requests), cmp.Compare(worth(b.Weight), worth(a.Weight)), cmp.Compare(a.Code, b.Code),
		cmp.Compare(a.Dimension, b.Dimension), cmp.Compare(a.Window, b.Window), cmp.Compare(a.Of, b.Of),
	)
}

func limitsOf(all map[Cause]*hits, worth func(Weight) int64) []Limit {
	out := []Limit{}
	for c, h := range all {
		out = append(out, Limit{Blame{c, h.Weight}, h.accounts})
	}
	slices.SortFunc(out, func(a, b Limit) int { return compareBlame(&a.Blame, &b.Blame, worth) })
	return out
}

// accounts lists all accounts and finds those that are hit worst.
func (r *Report) accounts(all map[string]*account) {
	r.Accounts = make([]Account, 0, len(all))
	for id, a := range all {
		before, after := tallies(a.sums, r.worth)
		x := Account{
			Account: id, Organisation: a.who.Organisation, Tier: a.tier, Level: a.level, All: a.sums.all,
			Recorded: a.sums.recorded, Before: before, After: *after,
		}
		x.Share = float64(after.stopped().Requests) / float64(x.All.Requests)
		r.Accounts = append(r.Accounts, x)
	}
	byShare := func(a, b *Account) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share), cmp.Compare(r.worth(b.All), r.worth(a.All)), cmp.Compare(a.Account, b.Account))
	}
	slices.SortFunc(r.Accounts, func(a, b Account) int { return byShare(&a, &b) })
	r.Worst.ByShare = r.worst()
	slices.SortFunc(r.Accounts, func(a, b Account) int {
		return cmp.Or(cmp.Compare(r.worth(b.After.stopped()), r.worth(a.After.stopped())), byShare(&a, &b))
	})
	r.Worst.ByValue = r.worst()
}

// worst names the first accounts that are hit at all.
func (r *Report) worst() []string {
	names := []string{}
	for i := range r.Accounts[:min(len(r.Accounts), MaxWorst)] {
		if r.Accounts[i].Share > 0 {
			names = append(names, r.Accounts[i].Account)
		}
	}
	return names
}

// Worse reports whether the new policy refuses something that was let pass before.
func (r *Report) Worse() bool { return r.Total.After.NewlyRefused > 0 }
