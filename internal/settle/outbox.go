package settle

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"bartizan/internal/bus"
	"bartizan/internal/ledger"
)

// Source is the ledger as the outbox reads it.
type Source interface {
	// Wait returns when something after the given sequence number is durable.
	Wait(ctx context.Context, after uint64) (durable uint64, err error)
	// Tail returns a cursor on the records from the given sequence number on.
	Tail(from uint64) *ledger.Tail
}

// Publisher sends batches and returns when the bus has them.
type Publisher interface {
	Publish(ctx context.Context, partition int, batch bus.Batch) error
	WatchRewinds(ctx context.Context, fn func(bus.Rewind)) error
}

const (
	batchEvents = 100
	batchBytes  = 256 << 10
	readAhead   = 2000
	// beatEvery is how often partitions without traffic are told how far the ledger
	// has been sent, so that a restart need not read it all again.
	beatEvery = 30 * time.Second
)

// Outbox sends what the ledger holds to the bus. The ledger is the only copy: the
// outbox keeps one sequence number per partition and goes back when asked.
type Outbox struct {
	node   string
	source Source
	bus    Publisher
	log    *slog.Logger

	position atomic.Uint64 // everything up to it was sent
	records  atomic.Int64
	epoch    uint64
	sent     [bus.Partitions]uint64 // last seq sent per partition

	mu      sync.Mutex
	rewinds map[int]uint64
}

// NewOutbox returns an outbox of node that goes on after the given cursors: per
// partition, the last sequence number that is inside a stored snapshot.
func NewOutbox(node string, s Source, p Publisher, cursors [bus.Partitions]uint64, log *slog.Logger) *Outbox {
	o := &Outbox{
		node: node, source: s, bus: p, log: log, sent: cursors,
		rewinds: make(map[int]uint64),
	}
	first := cursors[0]
	for _, c := range cursors {
		first = min(first, c)
	}
	o.position.Store(first)
	return o
}

// Position is the newest sequence number up to which everything was sent.
func (o *Outbox) Position() uint64 { return o.position.Load() }

// Sent counts the records sent since the start, those sent again too.
func (o *Outbox) Sent() int64 { return o.records.Load() }

// Run sends until ctx ends or the bus is closed.
func (o *Outbox) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() {
		err := o.bus.WatchRewinds(ctx, func(r bus.Rewind) {
			if r.Node == o.node {
				o.rewind(r.Partition, r.Seq)
			}
		})
		if err != nil && ctx.Err() == nil && !errors.Is(err, bus.ErrClosed) {
			o.log.LogAttrs(ctx, slog.LevelError, "watch for rewinds ended", slog.Any("error", err))
		}
	})
	tail := o.source.Tail(o.Position() + 1)
	defer func() { _ = tail.Close() }() // a read-only cursor
	lastBeat := time.Now()
	for {
		if o.takeRewinds(ctx) {
			_ = tail.Close()
			tail = o.source.Tail(o.Position() + 1)
		}
		n, err := o.pump(ctx, tail)
		if err != nil {
			return err
		}
		if time.Since(lastBeat) > beatEvery {
			lastBeat = time.Now()
			if err := o.Beat(ctx); err != nil {
				return err
			}
		}
		if n == 0 {
			o.idle(ctx)
		}
		if ctx.Err() != nil {
			return ctx.Err() //nolint:wrapcheck // the caller ended it
		}
	}
}

// idle waits for new records, at most long enough that a rewind is taken soon.
func (o *Outbox) idle(ctx context.Context) {
	wait, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, _ = o.source.Wait(wait, o.Position())
}

// pump reads what is there and sends it, partition by partition.
func (o *Outbox) pump(ctx context.Context, tail *ledger.Tail) (int, error) {
	var pending [bus.Partitions][]ledger.Item
	items, err := tail.Next(readAhead)
	if err != nil {
		return 0, fmt.Errorf("read the ledger after %d: %w", o.Position(), err)
	}
	if len(items) == 0 {
		return 0, nil
	}
	for _, it := range items {
		if p := bus.Partition(it.Record.Account); it.Seq > o.sent[p] {
			pending[p] = append(pending[p], it)
		}
	}
	for p := range pending {
		if err := o.send(ctx, p, pending[p]); err != nil {
			return 0, err
		}
	}
	o.position.Store(items[len(items)-1].Seq)
	return len(items), nil
}

func (o *Outbox) send(ctx context.Context, p int, items []ledger.Item) error {
	for len(items) > 0 {
		var payload []byte
		n := 0
		for n < len(items) && n < batchEvents && len(payload) < batchBytes {
			payload = appendEvent(payload, &items[n])
			n++
		}
		if err := o.publish(ctx, p, items[0].Seq, items[n-1].Seq, payload); err != nil {
			return err
		}
		o.records.Add(int64(n))
		items = items[n:]
	}
	return nil
}

func (o *Outbox) publish(ctx context.Context, p int, first, last uint64, payload []byte) error {
	batch := bus.Batch{Node: o.node, First: first, Last: last, Prev: o.sent[p], Epoch: o.epoch, Payload: payload}
	if err := o.bus.Publish(ctx, p, batch); err != nil {
		return fmt.Errorf("send records %d to %d: %w", first, last, err)
	}
	o.sent[p] = last
	return nil
}

// Beat tells every partition how far the ledger has been sent. Only Run's goroutine,
// or the owner after Run has returned, may call it.
func (o *Outbox) Beat(ctx context.Context) error {
	position := o.Position()
	for p := range o.sent {
		if o.sent[p] < position {
			if err := o.publish(ctx, p, position, position, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *Outbox) rewind(partition int, seq uint64) {
	if partition < 0 || partition >= bus.Partitions {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rewinds[partition] = seq
}

// takeRewinds goes back where a receiver has asked for it; every rewind is a new
// epoch, so that the bus does not take repeats for duplicates.
func (o *Outbox) takeRewinds(ctx context.Context) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	back := false
	for p, seq := range o.rewinds {
		if seq < o.sent[p] {
			o.log.LogAttrs(ctx, slog.LevelWarn, "bus lost records: sending again",
				slog.Int("partition", p), slog.Uint64("after", seq))
			o.sent[p] = seq
			o.position.Store(min(o.Position(), seq))
			back = true
		}
	}
	clear(o.rewinds)
	if back {
		o.epoch++
	}
	return back
}

// event is one record as it travels: what the detectors need, and nothing else.
type event struct {
	seq      uint64
	account  [16]byte
	features []byte
}

var errEvent = errors.New("batch is cut short")

func appendEvent(dst []byte, it *ledger.Item) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, it.Seq)
	dst = append(dst, it.Record.Account[:]...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(it.Features))) //nolint:gosec // a frame is far smaller
	return append(dst, it.Features...)
}

// nextEvent cuts the first event off a payload; its features alias p.
func nextEvent(p []byte) (e event, rest []byte, err error) {
	const head = 8 + 16 + 4
	if len(p) < head {
		return event{}, nil, errEvent
	}
	e.seq = binary.LittleEndian.Uint64(p)
	copy(e.account[:], p[8:])
	n := int(binary.LittleEndian.Uint32(p[24:]))
	if len(p)-head < n {
		return event{}, nil, errEvent
	}
	e.features = p[head : head+n]
	return e, p[head+n:], nil
}

// events counts the events of a payload.
func events(payload []byte) (n int) {
	for len(payload) > 0 {
		_, rest, err := nextEvent(payload)
		if err != nil {
			return n
		}
		payload, n = rest, n+1
	}
	return n
}
