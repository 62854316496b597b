package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"bartizan/internal/detect"
	"bartizan/internal/ledger"
	"bartizan/internal/logread"
)

// entry is an exchange that waits to be judged.
type entry struct {
	key      int64  // nanoseconds since 1970; of one without a time, that before it
	id       string // empty without a time: then the place in the file decides
	seq      int64  // place in the file
	account  string
	features *detect.Features
}

// before orders entries of sources of the given ranks.
func (e *entry) before(o *entry, rank, other int) bool {
	switch {
	case e.key != o.key:
		return e.key < o.key
	case e.id != o.id:
		return e.id < o.id
	case rank != other:
		return rank < other
	default:
		return e.seq < o.seq
	}
}

// source is one input on its way through a scan.
type source struct {
	input   Input
	rank    int // among the inputs by name
	reorder int64
	most    int

	first          int64 // where it begins, in nanoseconds since 1970; 0 when not known
	peeked, opened bool
	at             logread.Position
	stats          logread.Stats
	late, seq      int64
	newest, last   int64 // of the keys that were read, and released
	waiting        queue[entry]
	done           bool
	fault          string

	parts  chan chan part // nil while nothing runs
	cancel context.CancelFunc
	bytes  atomic.Int64
}

// part is what a block comes to.
type part struct {
	entries []entry
	stats   logread.Stats
	end     logread.Position
	fault   string // why the rest cannot be read
	fatal   error
}

// start begins to read from the place that the source has come to.
func (s *source) start(ctx context.Context, p *pool, o logread.Options) {
	if s.done {
		return
	}
	ctx, s.cancel = context.WithCancel(ctx)
	out := outlet{ctx, make(chan chan part, 2)}
	s.parts = out.parts
	o.Name = s.input.Path
	at := s.at
	p.group.Go(func() {
		defer close(out.parts)
		var err error
		if s.input.Node != "" {
			err = s.readLedger(out, at.Offset)
		} else {
			err = s.readFile(out, p, o, at)
		}
		if err != nil && ctx.Err() == nil {
			last := make(chan part, 1)
			last <- part{fault: err.Error()}
			out.send(last)
		}
	})
}

// stop ends the reading; it can be started again.
func (s *source) stop() {
	if s.cancel != nil {
		s.cancel()
		s.cancel, s.parts = nil, nil
	}
}

// outlet is where the goroutine that reads a source leaves parts, in order and before
// they are worked out.
type outlet struct {
	ctx   context.Context //nolint:containedctx // of the one goroutine that has it
	parts chan chan part
}

// send is false when the context has ended.
func (o outlet) send(c chan part) bool {
	select {
	case o.parts <- c:
		return true
	case <-o.ctx.Done():
		return false
	}
}

func (s *source) readFile(out outlet, p *pool, o logread.Options, at logread.Position) error {
	in, err := logread.OpenSource(s.input.Path, o, at)
	if err != nil {
		return err //nolint:wrapcheck // it names the file
	}
	defer in.Close()
	for {
		b, err := in.Next(out.ctx)
		s.bytes.Store(in.Consumed())
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err //nolint:wrapcheck // it names the file
		}
		c := make(chan part, 1)
		if !p.submit(out.ctx, job{b, c}) || !out.send(c) {
			return nil
		}
	}
}

// ledgerBatch is how many records of a ledger go into a part.
const ledgerBatch = 1024

// readLedger reads the records of one node after the first skip of them.
func (s *source) readLedger(out outlet, skip int64) error {
	var batch part
	seen := int64(0)
	flush := func() bool {
		c := make(chan part, 1)
		batch.end = logread.Position{Offset: seen}
		c <- batch
		batch = part{}
		s.bytes.Store(s.input.Size * min(seen, s.input.records) / max(1, s.input.records))
		return out.send(c)
	}
	stop := errors.New("interrupted")
	err := ledger.Scan(s.input.Path, func(node string, it ledger.Item) error {
		if node != s.input.Node || it.Features == nil {
			return nil
		}
		if seen++; seen <= skip {
			return nil
		}
		f, err := detect.DecodeFeatures(it.Features)
		if err != nil {
			return fmt.Errorf("record %d: %w", it.Seq, err)
		}
		account := s.input.Account(it.Record.Account)
		if account == "" {
			account = Unknown
		}
		batch.entries = append(batch.entries, entry{id: fmt.Sprintf("%016x", it.Seq), account: account, features: f})
		batch.stats.Exchanges++
		batch.stats.Lines++
		if len(batch.entries) >= ledgerBatch && !flush() {
			return stop
		}
		return nil
	}, nil)
	if errors.Is(err, stop) {
		return nil
	}
	if len(batch.entries) > 0 {
		flush()
	}
	if err != nil {
		return fmt.Errorf("scan ledger %s: %w", s.input.Path, err)
	}
	return nil
}

// ready reports whether it is known which exchange comes next.
func (s *source) ready() bool {
	if s.done {
		return true
	}
	if len(s.waiting.items) == 0 {
		return false
	}
	return s.waiting.items[0].key < s.newest-s.reorder || len(s.waiting.items) > s.most
}

// pull takes the next part in.
func (s *source) pull(ctx context.Context) error {
	var c chan part
	var ok bool
	select {
	case c, ok = <-s.parts:
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // Run wraps it
	}
	if err := ctx.Err(); err != nil {
		return err //nolint:wrapcheck // Run wraps it
	}
	if !ok {
		s.done = true
		return nil
	}
	var got part
	select {
	case got = <-c:
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // Run wraps it
	}
	if got.fatal != nil {
		return got.fatal
	}
	s.fault = got.fault
	s.stats.Add(&got.stats, maxFaults)
	if s.fault == "" {
		s.at = got.end
	}
	for _, e := range got.entries {
		s.hold(e)
	}
	return nil
}

// hold puts an exchange among those that wait.
func (s *source) hold(e entry) {
	s.seq++
	e.seq = s.seq
	if at := e.features.At; at.IsZero() {
		e.id, e.key = "", s.newest
	} else {
		e.key = at.UnixNano()
	}
	if e.key < s.last {
		s.late++
		e.key = s.last
	}
	s.newest = max(s.newest, e.key)
	s.waiting.push(e)
}

// release returns the exchange that comes next.
func (s *source) release() entry {
	e := s.waiting.pop()
	s.last = e.key
	return e
}

// consumed returns how many bytes of the input have been read.
func (s *source) consumed() int64 {
	if s.done {
		return s.input.Size
	}
	return min(s.bytes.Load(), s.input.Size)
}
