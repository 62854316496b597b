package replay

import (
	"context"
	"hash/maphash"
	"time"

	"bartizan"
)

// dealer merges the streams and deals events out to workers, all of an organisation to
// the same one.
type dealer struct {
	workers  []*worker
	lookup   func(id string) (bartizan.Account, bool)
	progress func(int64, time.Time)
	seed     maphash.Seed
	accounts map[string]*account
	hands    [][]*event
	replayed int64
	from, to int64
}

func newDealer(o *Options, workers []*worker) *dealer {
	return &dealer{
		workers: workers, lookup: o.Account, progress: o.Progress, seed: maphash.MakeSeed(),
		accounts: make(map[string]*account), hands: make([][]*event, len(workers)),
	}
}

func (d *dealer) run(ctx context.Context, streams []*stream) error {
	defer func() {
		for _, w := range d.workers {
			close(w.in)
		}
	}()
	merged := queue[*cursor]{less: (*cursor).before}
	for i, s := range streams {
		c := &cursor{stream: s, n: i}
		more, err := c.next(ctx)
		if err != nil {
			return err
		}
		if more {
			merged.push(c)
		}
	}
	for len(merged.items) > 0 {
		if err := d.deal(ctx, merged.items[0].list[0]); err != nil {
			return err
		}
		more, err := merged.items[0].next(ctx)
		switch {
		case err != nil:
			return err
		case more:
			merged.sink()
		default:
			merged.pop()
		}
	}
	for i := range d.hands {
		if err := d.send(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (d *dealer) deal(ctx context.Context, e *event) error {
	if d.replayed == 0 {
		d.from = e.at
	}
	d.to = e.at
	d.replayed++
	if d.progress != nil && d.replayed%4096 == 0 {
		d.progress(d.replayed, at(e.at))
	}
	a := d.accounts[e.id]
	if a == nil {
		a = d.account(e.id)
		d.accounts[e.id] = a
	}
	e.account = a
	d.hands[a.worker] = append(d.hands[a.worker], e)
	if len(d.hands[a.worker]) < batch {
		return nil
	}
	return d.send(ctx, a.worker)
}

// account makes the entry of an account that is seen for the first time.
func (d *dealer) account(id string) *account {
	a := &account{who: bartizan.Account{ID: id}}
	if d.lookup != nil {
		if known, ok := d.lookup(id); ok {
			known.ID = id
			a.who, a.sold = known, known.Tier
		}
	}
	shared := "a" + id
	if a.who.Organisation != "" {
		shared = "o" + a.who.Organisation
	}
	a.worker = int(maphash.String(d.seed, shared) % uint64(len(d.workers))) //nolint:gosec // a small number
	return a
}

func (d *dealer) send(ctx context.Context, i int) error {
	if len(d.hands[i]) == 0 {
		return nil
	}
	select {
	case d.workers[i].in <- d.hands[i]:
		d.hands[i] = make([]*event, 0, batch)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
