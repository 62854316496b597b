package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"bartizan/internal/evidence"
)

// readChunk is how much a Tail reads at once, at most.
const readChunk = 64 << 10

// Tail reads the durable records of a ledger in their order and follows the writer. It
// keeps its place, so that a call costs only what it returns. It belongs to one
// goroutine.
type Tail struct {
	ledger *Ledger
	from   uint64 // records before it are skipped

	file   *os.File
	first  uint64 // of the open segment
	seq    uint64 // of the frame that buf begins with
	offset int64  // in file, of the end of buf
	buf    []byte // read and not yet parsed
	held   *Item  // a record whose features may follow
}

// Tail returns a cursor that stands before the first record numbered from or above.
func (l *Ledger) Tail(from uint64) *Tail { return &Tail{ledger: l, from: max(from, 1)} }

// Read calls fn for every record from the given number to the newest that is durable
// when Read is called. Read returns the first error of fn as it is.
func (l *Ledger) Read(from uint64, fn func(Item) error) error {
	durable := l.Durable()
	t := l.Tail(from)
	defer t.Close()
	for {
		items, err := t.Next(1024)
		if err != nil {
			return err
		}
		for _, it := range items {
			if it.Seq > durable {
				return nil
			}
			if err := fn(it); err != nil {
				return err
			}
		}
		if len(items) == 0 {
			return nil
		}
	}
}

// Close frees what the Tail holds open.
func (t *Tail) Close() error {
	if t.file == nil {
		return nil
	}
	err := t.file.Close()
	t.file, t.buf = nil, nil
	if err != nil {
		return fmt.Errorf("close segment: %w", err)
	}
	return nil
}

// Next returns the next records, at most limit of them, and none when there are no
// more for now; see [Ledger.Wait]. The items may be kept. An error comes back with each
// call until its cause is gone.
func (t *Tail) Next(limit int) ([]Item, error) {
	var items []Item
	for len(items) < limit {
		it, err := t.step()
		if it != nil {
			items = append(items, *it)
		}
		switch {
		case err == nil:
		case len(items) > 0 || errors.Is(err, errNoMore):
			return items, nil
		default:
			return nil, err
		}
	}
	return items, nil
}

// step takes one frame. A record is held until it is known whether features follow,
// and returned when the frame after it, which then stays, is another or is missing.
func (t *Tail) step() (*Item, error) {
	frame, size, err := t.peek()
	if err != nil || t.held != nil && frame.Kind != evidence.KindFeatures {
		it := t.held
		t.held = nil
		return it, err
	}
	switch {
	case frame.Kind == evidence.KindFeatures:
		err = t.attach(frame)
	case frame.Kind == evidence.KindRecord && t.seq >= t.from:
		var record evidence.Record
		record, err = evidence.ParseRecord(frame.Payload)
		if err == nil && record.Seq != t.seq {
			err = evidence.ErrSequence
		}
		t.held = &Item{Seq: t.seq, Record: record}
	}
	if err != nil {
		t.held = nil
		return nil, t.damaged(err)
	}
	t.buf = t.buf[size:]
	t.seq++
	return nil, nil //nolint:nilnil // a frame that completes no item
}

func (t *Tail) attach(frame evidence.Frame) error {
	if t.held == nil {
		return nil
	}
	features, err := evidence.ParseFeatures(frame.Payload)
	if err != nil {
		return err //nolint:wrapcheck // wrapped by damaged
	}
	t.held.Features, t.held.ExchangeID = features.Encoded, features.Exchange
	return nil
}

func (t *Tail) damaged(err error) error {
	return fmt.Errorf("%w: segment %s, sequence number %d: %w", ErrDamaged, filepath.Base(t.file.Name()), t.seq, err)
}

var errNoMore = errors.New("no more for now")

// peek returns the next durable frame without going past it. Its payload may be kept.
func (t *Tail) peek() (frame evidence.Frame, size int, err error) {
	for {
		if t.file == nil {
			if err := t.open(); err != nil {
				return evidence.Frame{}, 0, err
			}
		}
		frame, size, err = evidence.ParseFrame(t.buf)
		if err == nil {
			return frame, size, nil
		}
		if !errors.Is(err, evidence.ErrShort) {
			return evidence.Frame{}, 0, t.damaged(err)
		}
		if err := t.fill(); err != nil {
			return evidence.Frame{}, 0, err
		}
	}
}

// fill reads more of the segment. At its end it closes the file when another segment
// follows, so that the next call of open goes on there.
func (t *Tail) fill() error {
	end, last := t.ledger.segmentEnd(t.first)
	if !last {
		info, err := t.file.Stat()
		if err != nil {
			return fmt.Errorf("measure segment: %w", err)
		}
		end = info.Size() - evidence.FooterSize
	}
	switch n := end - t.offset; {
	case n > 0:
		return t.read(min(n, readChunk))
	case len(t.buf) > 0:
		return t.damaged(evidence.ErrUnfinished)
	case last:
		return errNoMore
	default:
		return t.Close()
	}
}

// read appends the next n bytes of the file to what is left in the buffer. The buffer
// is new each time, because items alias the old one.
func (t *Tail) read(n int64) error {
	buf := make([]byte, len(t.buf)+int(n))
	copy(buf, t.buf)
	if _, err := t.file.ReadAt(buf[len(t.buf):], t.offset); err != nil {
		return fmt.Errorf("read segment at offset %d: %w", t.offset, err)
	}
	t.buf, t.offset = buf, t.offset+n
	return nil
}

// open opens the segment in which the next frame lies.
func (t *Tail) open() error {
	first, ok := t.ledger.segmentAfter(t.first, t.from)
	if !ok {
		return errNoMore
	}
	f, err := os.Open(filepath.Clean(t.ledger.path(first)))
	if err != nil {
		return fmt.Errorf("read segment: %w", err)
	}
	t.file, t.first, t.seq = f, first, first
	t.offset, t.buf = evidence.HeaderSize, nil
	return nil
}

// segmentAfter returns the segment to read after the one that begins with done; when
// done is 0, the one that holds from, or the first. ok is false while it has no frames.
func (l *Ledger) segmentAfter(done, from uint64) (first uint64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, found := slices.BinarySearch(l.segments, max(done+1, from))
	if !found && i > 0 && l.segments[i-1] > done {
		i--
	}
	if i == len(l.segments) || i == len(l.segments)-1 && l.end <= evidence.HeaderSize {
		return 0, false
	}
	return l.segments[i], true
}

// segmentEnd returns where the durable frames of the last segment end; last is false
// when the segment that begins with first is an earlier one.
func (l *Ledger) segmentEnd(first uint64) (end int64, last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end, l.segments[len(l.segments)-1] == first
}
