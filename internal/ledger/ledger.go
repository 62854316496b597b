package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"bartizan/internal/evidence"
)

// The errors of this package.
var (
	// ErrWrite says that nothing of what was to be appended is in the ledger. The
	// ledger stays usable, and a later Append may succeed.
	ErrWrite = errors.New("ledger cannot write")
	// ErrFull says that a write failed because the disk is full; it comes with [ErrWrite].
	ErrFull = errors.New("disk is full")
	// ErrLocked says that another process, or another Ledger, has the folder.
	ErrLocked = errors.New("ledger is in use")
	// ErrClosed says that the ledger was closed.
	ErrClosed = errors.New("ledger is closed")
	// ErrDamaged says that a segment is not as it was written.
	ErrDamaged = errors.New("ledger is damaged")
)

// The defaults of [Options].
const (
	DefaultNode       = "local"
	DefaultMaxAge     = 10 * time.Second
	DefaultMaxRecords = 10_000
)

// Options are the settings of a ledger. The zero value is useful.
type Options struct {
	// Node names this writer among those of a fleet; see [evidence.NodeID].
	Node string
	// ID marks the segments of one installation. When it is zero, that of the
	// segments in the folder is kept.
	ID [16]byte
	// Config is the hash of the policy and detector configuration in force; see
	// [Ledger.SetConfig].
	Config evidence.Hash
	// A segment closes at this age or with this many records.
	MaxAge     time.Duration
	MaxRecords int
	// KeepFree is how many bytes of the disk stay free: writes fail with [ErrFull]
	// before less is left. 0 means to write until the disk refuses.
	KeepFree int64
	// Salt makes the salt of a record, usually [evidence.Keys.Salt]; nil leaves
	// Record.Salt as the caller set it.
	Salt func(account [16]byte, seq uint64) [16]byte
}

func (o *Options) setDefaults() {
	if o.Node == "" {
		o.Node = DefaultNode
	}
	if o.MaxAge <= 0 {
		o.MaxAge = DefaultMaxAge
	}
	if o.MaxRecords <= 0 {
		o.MaxRecords = DefaultMaxRecords
	}
}

// Entry is one exchange to append. The ledger numbers and salts the record.
type Entry struct {
	Record evidence.Record
	// Features is the encoding of the detectors' input, its version first. Empty
	// means that the record has none.
	Features   []byte
	ExchangeID [16]byte
}

// Item is one exchange as read.
type Item struct {
	// Seq is the record's number.
	Seq    uint64
	Record evidence.Record
	// Features is nil, and ExchangeID zero, when the record has no features.
	Features   []byte
	ExchangeID [16]byte
}

// Ledger is the writer's end. Its methods may be called by many goroutines; appends
// follow one another.
type Ledger struct {
	dir       string
	options   Options
	node      [16]byte
	unlock    func() error
	recovered Recovery

	write sync.Mutex // held while writing; before mu
	w     writer

	mu       sync.Mutex
	durable  uint64        // newest durable record
	segments []uint64      // first sequence numbers, ascending
	end      int64         // durable bytes of the last segment
	changed  chan struct{} // closed at each append
	closed   bool
}

// Recovery says what Open found and mended.
type Recovery struct {
	// Closed is the segment that the last writer left open; empty when there was none.
	Closed string
	// Cut is how many bytes were cut from its end, and Saved the file that keeps them.
	Cut   int64
	Saved string
	// Damage is a fault of a finished segment, which was left as it is.
	Damage error
}

// Open takes the folder for the one writer, and makes it when it is missing. A segment
// that the last writer left open is cut at its first bad frame and closed; no
// acknowledged record is after that. The bytes cut off are kept in a file beside it.
func Open(dir string, o Options) (*Ledger, error) {
	o.setDefaults()
	node, err := evidence.NodeID(o.Node)
	if err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	if err := syncDir(filepath.Dir(filepath.Clean(dir))); err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", dir, err)
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", dir, err)
	}
	l := &Ledger{dir: dir, options: o, node: node, unlock: unlock, changed: make(chan struct{})}
	if err := l.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger %s: %w", dir, err), unlock())
	}
	return l, nil
}

// Recovered says what Open has mended.
func (l *Ledger) Recovered() Recovery { return l.recovered }

// SetConfig changes the configuration hash. The next Append begins a new segment.
func (l *Ledger) SetConfig(hash evidence.Hash) {
	l.write.Lock()
	defer l.write.Unlock()
	l.options.Config = hash
}

// Durable is the number of the newest record that is on disk; 0 means none. Frames
// after it that are no records do not count.
func (l *Ledger) Durable() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.durable
}

// Wait returns when a record numbered above after is durable, or with the error of
// ctx, or with [ErrClosed] when there is none and the ledger is closed.
func (l *Ledger) Wait(ctx context.Context, after uint64) (uint64, error) {
	for {
		l.mu.Lock()
		durable, changed, closed := l.durable, l.changed, l.closed
		l.mu.Unlock()
		switch {
		case durable > after:
			return durable, nil
		case closed:
			return durable, ErrClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return durable, fmt.Errorf("wait for record %d: %w", after+1, ctx.Err())
		}
	}
}

// publish makes what was written visible to readers.
func (l *Ledger) publish(durable uint64, end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.durable, l.end = max(l.durable, durable), end
	close(l.changed)
	l.changed = make(chan struct{})
}

// Close closes the open segment and gives the folder free. Tails and readers of other
// processes are not disturbed. A second Close does nothing.
func (l *Ledger) Close() error {
	l.write.Lock()
	defer l.write.Unlock()
	l.mu.Lock()
	was := l.closed
	l.closed = true
	l.mu.Unlock()
	if was {
		return nil
	}
	err := l.finish(l.w.now)
	if l.w.file != nil {
		err = errors.Join(err, l.w.file.Close())
		l.w.file = nil
	}
	l.mu.Lock()
	close(l.changed)
	l.changed = make(chan struct{})
	l.mu.Unlock()
	if err := errors.Join(err, l.unlock()); err != nil {
		return fmt.Errorf("close ledger %s: %w", l.dir, err)
	}
	return nil
}

// path is where the segment that begins with first lies.
func (l *Ledger) path(first uint64) string {
	return filepath.Join(l.dir, segmentName(l.options.Node, first))
}
