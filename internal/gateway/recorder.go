package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bartizan/internal/detect"
	"bartizan/internal/evidence"
	"bartizan/internal/ledger"
)

// Overload says what happens to a record when the queue is full or the ledger
// cannot write.
type Overload string

// The policies of [Overload].
const (
	// OverloadShed drops the record, counts it, and writes a gap when writing works again.
	OverloadShed Overload = "shed"
	// OverloadBlock lets the request wait up to [BlockLimit], then sheds.
	OverloadBlock Overload = "block"
	// OverloadFailClosed refuses new requests while records cannot be kept.
	OverloadFailClosed Overload = "fail_closed"
)

// BlockLimit is how long a request waits for the queue under [OverloadBlock].
const BlockLimit = 250 * time.Millisecond

// Group commit: a batch is synced when it has this many records or is this old.
const (
	groupSize = 256
	groupWait = 5 * time.Millisecond
)

// DefaultQueue is the default length of the queue.
const DefaultQueue = 8192

// Ledger is where records become durable. A nil error of Append acknowledges them.
type Ledger interface {
	Append(now time.Time, entries []ledger.Entry) (firstSeq uint64, err error)
	Gap(now time.Time, g evidence.Gap) error
	Roll(now time.Time) error
}

// RecorderOptions are the recorder's settings.
type RecorderOptions struct {
	Queue    int // default [DefaultQueue]
	Overload Overload
	// Now is the clock of segments and gaps; default [time.Now].
	Now func() time.Time
}

// Recorder is the bounded queue between requests and the ledger. Behind it text
// becomes features and is dropped, and one sync makes a group of records durable.
type Recorder struct {
	options   RecorderOptions
	queue     chan Record
	closing   chan struct{}
	ledger    Ledger
	extractor *detect.Extractor
	keys      *evidence.Keys
	routes    map[string]uint16
	log       *slog.Logger

	failing atomic.Bool
	written atomic.Int64
	lost    atomic.Int64

	// closed is guarded by gate; putting counts who is about to put into the queue.
	// After Close nobody begins to, and whoever has begun is waited for, so that what
	// is in the queue gets written.
	gate    sync.RWMutex
	closed  bool
	putting sync.WaitGroup

	mu  sync.Mutex
	gap evidence.Gap // what was dropped since the last gap frame

	// Of Run alone.
	entries  []ledger.Entry
	features []byte
}

// NewRecorder returns a recorder; [Recorder.Run] must run for it to do anything.
func NewRecorder(o RecorderOptions, l Ledger, e *detect.Extractor, k *evidence.Keys, log *slog.Logger) *Recorder {
	if o.Queue == 0 {
		o.Queue = DefaultQueue
	}
	if o.Overload == "" {
		o.Overload = OverloadShed
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Recorder{
		options: o, queue: make(chan Record, o.Queue), closing: make(chan struct{}),
		ledger: l, extractor: e, keys: k, log: log, routes: routeNumbers(),
	}
}

// Written counts the records that became durable since the start.
func (r *Recorder) Written() int64 { return r.written.Load() }

// Lost counts the records that were dropped since the start.
func (r *Recorder) Lost() int64 { return r.lost.Load() }

// Waiting is the number of records in the queue.
func (r *Recorder) Waiting() int { return len(r.queue) }

// Failing reports whether the ledger could not write when last tried.
func (r *Recorder) Failing() bool { return r.failing.Load() }

// Admit reports whether a new request may start. Under [OverloadFailClosed] it may
// not while the ledger cannot write or little room is left in the queue; requests
// under way may then still find the queue full, and are counted as a gap.
func (r *Recorder) Admit() bool {
	if r.options.Overload != OverloadFailClosed {
		return true
	}
	return !r.failing.Load() && len(r.queue) <= cap(r.queue)*9/10
}

// Record queues a finished exchange, or drops and counts it as the policy says.
func (r *Recorder) Record(ctx context.Context, rec Record) {
	if r.enter() {
		defer r.putting.Done()
		if r.put(ctx, rec) {
			return
		}
	}
	r.drop([]Record{rec}, evidence.GapQueueFull)
}

// enter lets the caller put into the queue, unless the recorder is closed.
func (r *Recorder) enter() bool {
	r.gate.RLock()
	defer r.gate.RUnlock()
	if !r.closed {
		r.putting.Add(1)
	}
	return !r.closed
}

// put queues a record; it reports false when there is no room for it.
func (r *Recorder) put(ctx context.Context, rec Record) bool {
	select {
	case r.queue <- rec:
		return true
	default:
	}
	if r.options.Overload != OverloadBlock {
		return false
	}
	wait := time.NewTimer(BlockLimit)
	defer wait.Stop()
	select {
	case r.queue <- rec:
		return true
	case <-wait.C:
	case <-ctx.Done():
	}
	return false
}

// Close makes Run write what is queued and return. Records that come later are
// dropped and counted, but no gap frame tells of them: stop the server first.
func (r *Recorder) Close() {
	r.gate.Lock()
	defer r.gate.Unlock()
	if !r.closed {
		r.closed = true
		close(r.closing)
	}
}

// Run writes records until Close is called and the queue is empty. It returns an
// error when the ledger could not write to the end. It may be called once.
func (r *Recorder) Run() error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	group := make([]Record, 0, groupSize)
	for {
		select {
		case rec := <-r.queue:
			group = r.gather(append(group[:0], rec))
			r.commit(group)
			clear(group)
		case <-tick.C:
			r.chores()
		case <-r.closing:
			return r.drain(group)
		}
	}
}

// gather adds what arrives within the group's time.
func (r *Recorder) gather(group []Record) []Record {
	wait := time.NewTimer(groupWait)
	defer wait.Stop()
	for len(group) < groupSize {
		select {
		case rec := <-r.queue:
			group = append(group, rec)
		case <-wait.C:
			return group
		case <-r.closing:
			return group
		}
	}
	return group
}

// drain writes what is queued and what is still being put into the queue.
func (r *Recorder) drain(group []Record) error {
	quiet := make(chan struct{}) // nobody puts or will put
	go func() {
		r.putting.Wait()
		close(quiet)
	}()
	for open := true; open || len(r.queue) > 0; {
		group = group[:0]
		select {
		case rec := <-r.queue:
			group = append(group, rec)
		case <-quiet:
			open, quiet = false, nil
		}
		for len(group) < groupSize && len(r.queue) > 0 {
			group = append(group, <-r.queue)
		}
		if len(group) > 0 {
			r.commit(group)
		}
	}
	r.chores()
	if r.failing.Load() {
		return fmt.Errorf("write the last records: the ledger cannot write, %d lost since the start", r.lost.Load())
	}
	return nil
}

// chores writes an owed gap and lets an old segment close. They are also how a
// ledger that writes again is noticed when no records come.
func (r *Recorder) chores() {
	if !r.payGap() {
		return
	}
	r.note(r.ledger.Roll(r.options.Now()))
}

// commit makes a group durable or counts it as lost.
func (r *Recorder) commit(group []Record) {
	if !r.payGap() {
		r.drop(group, evidence.GapWriteError)
		return
	}
	// In the order of arrival, as far as a group goes: a scan of a log judges in it too.
	slices.SortStableFunc(group, func(a, b Record) int { return a.Exchange.At.Compare(b.Exchange.At) })
	r.entries, r.features = r.entries[:0], r.features[:0]
	for i := range group {
		r.entries = append(r.entries, r.entry(&group[i]))
	}
	_, err := r.ledger.Append(r.options.Now(), r.entries)
	clear(r.entries)
	r.note(err)
	if err != nil {
		r.drop(group, ledger.GapReason(err))
		return
	}
	r.written.Add(int64(len(group)))
}

// note keeps whether the ledger can write, and logs each change for the worse.
func (r *Recorder) note(err error) {
	if !r.failing.Swap(err != nil) && err != nil {
		r.log.LogAttrs(context.Background(), slog.LevelError, "ledger cannot write: records are being lost",
			slog.String("policy", string(r.options.Overload)), slog.Any("error", err))
	}
}

// drop counts records that will never be written.
func (r *Recorder) drop(group []Record, why evidence.GapReason) {
	r.lost.Add(int64(len(group)))
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range group {
		x := group[i].Exchange
		x.Text = nil
		r.owe(evidence.Gap{
			First: x.EndAt, Last: x.EndAt, Count: 1, Reason: why,
			TokensIn: uint64(max(x.Usage.InputTokens, 0)), TokensOut: uint64(max(x.Usage.OutputTokens, 0)),
		})
	}
}

// owe adds g to the gap that is to be written; mu is held. The reason is that of the
// first loss.
func (r *Recorder) owe(g evidence.Gap) {
	if r.gap.Count == 0 {
		r.gap = g
		return
	}
	if g.First.Before(r.gap.First) {
		r.gap.First = g.First
	}
	if g.Last.After(r.gap.Last) {
		r.gap.Last = g.Last
	}
	r.gap.Count += g.Count
	r.gap.TokensIn += g.TokensIn
	r.gap.TokensOut += g.TokensOut
}

// payGap writes the owed gap frame; it reports whether none is owed any more. It
// does not hold the lock while it writes, so that requests can count their losses.
func (r *Recorder) payGap() bool {
	r.mu.Lock()
	owed := r.gap
	r.gap = evidence.Gap{}
	r.mu.Unlock()
	if owed.Count == 0 {
		return true
	}
	err := r.ledger.Gap(r.options.Now(), owed)
	r.note(err)
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		newer := r.gap
		r.gap = owed
		if newer.Count > 0 {
			r.owe(newer)
		}
		return false
	}
	return true
}
