package replay

import (
	"context"

	"bartizan"
	"bartizan/internal/wire"
)

// batch is how many events go from one goroutine to another at once.
const batch = 256

// stream reads one source and puts it into order.
type stream struct {
	routes  map[string]*wire.Route
	reorder int64 // negative: hold everything
	out     chan []*event

	waiting queue[*event]
	ready   []*event
	newest  int64
	last    int64 // the time of the newest that was let go
	counts  Counts
}

// Counts say what became of the records of a log.
type Counts struct {
	// Records counts all that were read.
	Records int64 `json:"records"`
	// Untimed have no time, Nameless no account, Late came too late to be put into order,
	// and Other were refused for reasons that limits have no part in. They are left out.
	Untimed  int64 `json:"untimed"`
	Nameless int64 `json:"nameless"`
	Late     int64 `json:"late"`
	Other    int64 `json:"other_refusals"`
}

func newStream(o *Options, routes map[string]*wire.Route) *stream {
	return &stream{routes: routes, reorder: int64(o.Reorder), out: make(chan []*event, 4), waiting: queue[*event]{less: (*event).before}}
}

func (s *stream) run(ctx context.Context, source Source) error {
	defer close(s.out)
	if err := source(ctx, func(x *bartizan.Exchange) error { return s.take(ctx, x) }); err != nil {
		return err
	}
	for len(s.waiting.items) > 0 {
		if err := s.release(ctx); err != nil {
			return err
		}
	}
	return s.flush(ctx)
}

// take holds one exchange and lets go of those that nothing earlier can follow.
func (s *stream) take(ctx context.Context, x *bartizan.Exchange) error {
	s.counts.Records++
	e, what := newEvent(x, s.routes)
	switch what {
	case replayed:
	case untimed:
		s.counts.Untimed++
		return nil
	case nameless:
		s.counts.Nameless++
		return nil
	case other:
		s.counts.Other++
		return nil
	}
	if e.at < s.last {
		s.counts.Late++
		return nil
	}
	e.n = s.counts.Records
	s.waiting.push(e)
	s.newest = max(s.newest, e.at)
	for s.reorder >= 0 && len(s.waiting.items) > 0 && s.waiting.items[0].at < s.newest-s.reorder {
		if err := s.release(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *stream) release(ctx context.Context) error {
	e := s.waiting.pop()
	s.last = e.at
	s.ready = append(s.ready, e)
	if len(s.ready) < batch {
		return nil
	}
	return s.flush(ctx)
}

func (s *stream) flush(ctx context.Context) error {
	if len(s.ready) == 0 {
		return nil
	}
	select {
	case s.out <- s.ready:
		s.ready = make([]*event, 0, batch)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// cursor is a stream with its next event at hand.
type cursor struct {
	stream *stream
	n      int // the number of the source
	list   []*event
}

// next makes the next event the head of the list; false at the end.
func (c *cursor) next(ctx context.Context) (bool, error) {
	if len(c.list) > 1 {
		c.list = c.list[1:]
		return true, nil
	}
	select {
	case list, ok := <-c.stream.out:
		c.list = list
		return ok, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// before orders cursors by the time of their next events.
func (c *cursor) before(o *cursor) bool {
	a, b := c.list[0], o.list[0]
	return a.at < b.at || a.at == b.at && c.n < o.n
}
