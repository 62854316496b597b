package replay

import (
	"context"

	"bartizan"
	"bartizan/internal/policy"
)

// worker replays the accounts that are dealt to it. Nothing of them is shared.
type worker struct {
	in     chan []*event
	lanes  []*lane
	price  *policy.Policy
	tier   bartizan.Tier
	tiers  map[bartizan.Tier]*sums
	limits []map[Cause]*hits // of each lane
	series series
	models map[string]int64
	priced bool
}

func newWorker(o *Options) *worker {
	w := &worker{
		in: make(chan []*event, 4), price: o.New.Rules, tier: o.Tier,
		tiers: make(map[bartizan.Tier]*sums), models: make(map[string]int64),
	}
	for _, p := range o.policies() {
		w.lanes = append(w.lanes, newLane(p))
		w.limits = append(w.limits, make(map[Cause]*hits))
	}
	return w
}

func (w *worker) run(ctx context.Context) error {
	for {
		select {
		case list, ok := <-w.in:
			if !ok {
				return nil
			}
			for _, e := range list {
				if err := w.take(ctx, e); err != nil {
					return err
				}
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// hits counts the requests that one limit refused, and whose they were.
type hits struct {
	Weight

	accounts int64
}

// take replays one event under every policy and notes what came of it.
func (w *worker) take(ctx context.Context, e *event) error {
	a := e.account
	if e.tier == "" {
		e.tier = a.sold
	}
	if e.tier == "" {
		e.tier = w.tier
	}
	g := a.guess(e)
	var rulings [2]ruling // at most two policies
	for i, l := range w.lanes {
		r, err := l.take(ctx, e, &g)
		if err != nil {
			return err
		}
		rulings[i] = r
	}
	worth := Weight{Requests: 1, Tokens: g.usage.InputTokens + g.usage.OutputTokens, MicroUSD: w.price.Cost(e.model, g.usage)}
	w.priced = w.priced || worth.MicroUSD > 0
	w.models[e.model]++
	now := rulings[:len(w.lanes)]
	w.note(a, e, worth, now)
	a.learn(e)
	return nil
}

func (w *worker) note(a *account, e *event, worth Weight, now []ruling) {
	tier := w.tiers[e.tier]
	if tier == nil {
		tier = newSums(len(w.lanes))
		w.tiers[e.tier] = tier
	}
	if a.sums == nil {
		a.sums = newSums(len(w.lanes))
	}
	a.tier, a.level = e.tier, e.level
	tier.accounts += a.firstIn(e.tier)
	tier.add(e.refused, worth, now)
	a.sums.add(e.refused, worth, now)
	for i := range now {
		run := a.sums.follow(i, now[i].refused)
		tier.lanes[i].LongestRun = max(tier.lanes[i].LongestRun, run)
		tier.hit[i] += a.firstHit(i, e.tier, &now[i])
		w.blame(i, a, tier, worth, &now[i])
	}
	w.series.add(e.at, e.refused, now)
}

// blame counts a request against the limit that stopped it, or would have.
func (w *worker) blame(lane int, a *account, tier *sums, worth Weight, r *ruling) {
	if !r.refused && !r.would {
		return
	}
	h := w.limits[lane][r.cause]
	if h == nil {
		h = &hits{}
		w.limits[lane][r.cause] = h
	}
	h.add(worth)
	tier.lanes[lane].blame(r.cause, worth)
	if a.sums.lanes[lane].blame(r.cause, worth) {
		h.accounts++
	}
}
