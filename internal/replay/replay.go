// Package replay says what a policy would have done to recorded traffic: who would
// have been refused, how often and by which limit, and what the attacker's bill
// becomes.
//
// [Run] sends every recorded exchange through [guard.Guard] and the limits' own
// arithmetic at the time at which it arrived, reserves its worst case, and settles it
// at the time at which it ended with what it used. No clock is read: a day of traffic
// takes seconds.
//
// # What a replay assumes
//
// Callers behave as recorded: nobody sends less because he is refused, and nobody tries
// again. Levels are those of the record; findings are not worked out anew.
//
// A request that was refused when it was recorded has no usage. It is taken for one
// like those that the account had answered before, in tokens, numbers and time; the
// first ones, with nothing before them, for what they reserve. Prompts that the record
// does not hold count as distinct. A failed request costs itself, as if it had reached
// the upstream. Requests that were refused for reasons other than limits, suspension or
// tier, such as bad ones, cost nothing and are left out.
//
// # Order and memory
//
// A log may be out of order by [Options.Reorder]: gateways write an exchange when it
// ends. What is later still is left out and counted. Several sources are merged by
// time. Memory holds what arrived within that time, what is under way, and one entry
// for each account; with a negative Reorder it holds all exchanges, without their text.
//
// The result does not depend on the number of workers: accounts are split between them
// such that no limit is shared, whole organisations at a time.
package replay

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"bartizan"
	"bartizan/internal/cost"
	"bartizan/internal/policy"
)

// Source hands on exchanges in about the order of their arrival until there are no
// more, and returns the error of yield at once. What it hands on is no longer its own.
type Source func(ctx context.Context, yield func(*bartizan.Exchange) error) error

// Policy is a policy with a name for people, such as its file's.
type Policy struct {
	Name  string
	Rules *policy.Policy
}

// Options say what is replayed. New is needed; the zero value of the rest is useful.
type Options struct {
	New Policy
	// Against is the policy to compare with; nil compares with what the log says.
	Against *Policy
	// Tier is that of records that name none and whose account is not known.
	Tier bartizan.Tier
	// Account looks an account up for its organisation, its grants and, where the record
	// names none, its tier. It is called once for each account; nil knows none.
	Account func(id string) (bartizan.Account, bool)
	// Reorder is how far records may be out of order; 0 means [DefaultReorder], and a
	// negative one any order.
	Reorder time.Duration
	// Workers is how many goroutines replay besides those that read; 0 means one for
	// each processor.
	Workers int
	// Model is the one whose price and limits the bill is made of; empty means the model
	// of most requests.
	Model string
	// Attacker is who is billed; the zero value means [DefaultAttacker].
	Attacker cost.Attacker
	// Progress, when not nil, is called now and then with the number of exchanges so far
	// and the time that the replay has come to.
	Progress func(exchanges int64, at time.Time)
}

// DefaultReorder is longer than any answer takes.
const DefaultReorder = 20 * time.Minute

// DefaultAttacker asks short questions and wants answers of a paragraph or two.
func DefaultAttacker() cost.Attacker {
	return cost.Attacker{PromptTokens: 300, AnswerTokens: 500, Latency: 10 * time.Second}
}

// Run replays the exchanges of all sources. An error of a source, and the end of ctx,
// end it.
func Run(ctx context.Context, o Options, sources ...Source) (*Report, error) {
	if err := o.fill(); err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	routes := routesByName()
	streams := make([]*stream, len(sources))
	for i, source := range sources {
		streams[i] = newStream(&o, routes)
		g.Go(func() error { return streams[i].run(ctx, source) })
	}
	workers := make([]*worker, o.Workers)
	for i := range workers {
		workers[i] = newWorker(&o)
		g.Go(func() error { return workers[i].run(ctx) })
	}
	d := newDealer(&o, workers)
	g.Go(func() error { return d.run(ctx, streams) })
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	return newReport(&o, streams, d, workers)
}

// fill puts defaults in place of what is not set.
func (o *Options) fill() error {
	if o.New.Rules == nil || o.Against != nil && o.Against.Rules == nil {
		return errors.New("there is no policy")
	}
	if o.Reorder == 0 {
		o.Reorder = DefaultReorder
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Attacker == (cost.Attacker{}) {
		o.Attacker = DefaultAttacker()
	}
	return o.Attacker.Validate() //nolint:wrapcheck // it says what it is
}

// policies are those that run side by side: the new one last.
func (o *Options) policies() []*policy.Policy {
	if o.Against == nil {
		return []*policy.Policy{o.New.Rules}
	}
	return []*policy.Policy{o.Against.Rules, o.New.Rules}
}
