package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"bartizan/internal/evidence"
)

// writer is the state of the one who appends.
type writer struct {
	file    *os.File // nil when no segment is open
	segment evidence.Segment
	records int
	good    int64 // durable bytes of file; what is beyond was never acknowledged
	torn    bool  // a failed write may have left bytes beyond good
	before  int64 // durable bytes of the segment before this one
	stale   bool  // left open by the last writer; must close before anything is added
	now     time.Time

	// What the next segment begins with.
	id       [16]byte
	number   uint64
	next     uint64
	prevRoot evidence.Hash
	buf      []byte
	payload  []byte
}

// Append makes entries durable with one write and one sync, and returns the number of
// the first record. When it returns nil, all of them are acknowledged; otherwise none
// is in the ledger, and the error is an [ErrWrite] unless an entry could not be
// encoded. A record and its features are never in different segments.
func (l *Ledger) Append(now time.Time, entries []Entry) (firstSeq uint64, err error) {
	l.write.Lock()
	defer l.write.Unlock()
	if len(entries) == 0 {
		return 0, nil
	}
	if err := l.ready(now); err != nil {
		return 0, err
	}
	w := &l.w
	segment, buf := w.segment, w.buf[:0]
	first := segment.NextSeq()
	last := first
	for i := range entries {
		last = segment.NextSeq()
		if buf, err = l.encode(buf, &segment, &entries[i]); err != nil {
			return 0, fmt.Errorf("append entry %d of %d: %w", i+1, len(entries), err)
		}
	}
	w.buf = buf
	if err := l.commit(segment, last); err != nil {
		return 0, fmt.Errorf("append %d records: %w", len(entries), err)
	}
	w.records += len(entries)
	return first, nil
}

// Gap makes a gap frame durable, on the terms of [Ledger.Append].
func (l *Ledger) Gap(now time.Time, g evidence.Gap) error {
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.ready(now); err != nil {
		return err
	}
	w := &l.w
	payload, _ := g.AppendBinary(w.payload[:0])
	segment := w.segment
	buf, err := add(w.buf[:0], &segment, evidence.KindGap, payload)
	if err != nil {
		return fmt.Errorf("append gap: %w", err)
	}
	w.payload, w.buf = payload, buf
	if err := l.commit(segment, 0); err != nil {
		return fmt.Errorf("append gap: %w", err)
	}
	return nil
}

// Roll closes the open segment if it is due at now. The owner calls it from time to
// time, so that the last segment closes when no more records come.
func (l *Ledger) Roll(now time.Time) error {
	l.write.Lock()
	defer l.write.Unlock()
	l.tick(now)
	if !l.due() {
		return nil
	}
	return l.finish(l.w.now)
}

// tick takes the time; a clock that goes back is held where it was.
func (l *Ledger) tick(now time.Time) {
	if now.After(l.w.now) {
		l.w.now = now
	}
}

func (l *Ledger) due() bool {
	w := &l.w
	if w.file == nil {
		return false
	}
	if w.stale || w.segment.Header.Config != l.options.Config {
		return true
	}
	return w.segment.Frames() > 0 &&
		(w.records >= l.options.MaxRecords || w.now.Sub(w.segment.Header.Opened) >= l.options.MaxAge)
}

// ready prepares the open segment for a write: mends it after a failure, closes it
// when it is due, and begins a new one.
func (l *Ledger) ready(now time.Time) error {
	if l.isClosed() {
		return ErrClosed
	}
	l.tick(now)
	if err := l.mend(); err != nil {
		return err
	}
	if err := l.checkSpace(); err != nil {
		return err
	}
	if l.due() {
		if err := l.finish(l.w.now); err != nil {
			return err
		}
	}
	if l.w.file != nil {
		return nil
	}
	return l.begin()
}

func (l *Ledger) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// encode appends the frames of one entry to buf and takes them into the hash.
func (l *Ledger) encode(buf []byte, segment *evidence.Segment, e *Entry) ([]byte, error) {
	record := e.Record
	record.Seq = segment.NextSeq()
	if l.options.Salt != nil {
		record.Salt = l.options.Salt(record.Account, record.Seq)
	}
	payload, err := record.AppendBinary(l.w.payload[:0])
	if err != nil {
		return buf, err //nolint:wrapcheck // says what it encodes
	}
	if buf, err = add(buf, segment, evidence.KindRecord, payload); err != nil || len(e.Features) == 0 {
		return buf, err
	}
	features := evidence.Features{Exchange: e.ExchangeID, Account: record.Account, Encoded: e.Features}
	if payload, err = features.AppendBinary(payload[:0]); err != nil {
		return buf, err //nolint:wrapcheck // says what it encodes
	}
	l.w.payload = payload
	return add(buf, segment, evidence.KindFeatures, payload)
}

func add(buf []byte, segment *evidence.Segment, k evidence.Kind, payload []byte) ([]byte, error) {
	buf, err := evidence.AppendFrame(buf, k, payload)
	if err != nil {
		return buf, err //nolint:wrapcheck // says what it encodes
	}
	segment.Add(k, payload)
	return buf, nil
}

// commit writes and syncs the buffer, then lets readers see it. On failure the file is
// as it was before.
func (l *Ledger) commit(segment evidence.Segment, newest uint64) error {
	if err := l.put(l.w.buf); err != nil {
		return err
	}
	l.w.segment = segment
	l.publish(newest, l.w.good)
	return nil
}

// put writes b at the end of the open segment and syncs.
func (l *Ledger) put(b []byte) error {
	w := &l.w
	_, err := w.file.WriteAt(b, w.good)
	if err == nil {
		err = w.file.Sync()
	}
	if err != nil {
		w.torn = true
		return errors.Join(writeError("write "+w.file.Name(), err), l.mend())
	}
	w.good += int64(len(b))
	return nil
}

// mend cuts what a failed write left behind. Until that works nothing is written.
func (l *Ledger) mend() error {
	w := &l.w
	if !w.torn {
		return nil
	}
	if err := w.file.Truncate(w.good); err != nil {
		return writeError("cut "+w.file.Name()+" after a failed write", err)
	}
	if err := w.file.Sync(); err != nil {
		return writeError("sync "+w.file.Name()+" after a failed write", err)
	}
	w.torn = false
	return nil
}

// begin makes a new segment file, durable with its name before anything is in it.
func (l *Ledger) begin() error {
	w := &l.w
	h := evidence.Header{
		Ledger: w.id, Node: l.node, Number: w.number, FirstSeq: w.next,
		Opened: w.now, PrevRoot: w.prevRoot, Config: l.options.Config,
	}
	name := l.path(w.next)
	f, err := os.OpenFile(filepath.Clean(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return writeError("begin a segment", err)
	}
	b, _ := h.AppendBinary(nil)
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = syncDir(l.dir)
	}
	if err != nil {
		return errors.Join(writeError("begin segment "+name, err), f.Close(), os.Remove(name))
	}
	w.file, w.segment, w.records, w.good = f, evidence.NewSegment(h), 0, int64(len(b))
	l.mu.Lock()
	l.segments = append(l.segments, w.next)
	w.before, l.end = l.end, w.good
	l.mu.Unlock()
	return nil
}

// finish closes the open segment, if there is one, with its footer. A segment without
// frames is taken away: its name belongs to the next one.
func (l *Ledger) finish(now time.Time) error {
	w := &l.w
	if w.file == nil {
		return nil
	}
	if err := l.mend(); err != nil {
		return err
	}
	if w.segment.Frames() == 0 {
		return l.discard()
	}
	footer := w.segment.Footer(now)
	b, _ := footer.AppendBinary(nil)
	frames := w.good
	if err := l.put(b); err != nil {
		return err
	}
	w.number++
	w.next, w.prevRoot = w.segment.NextSeq(), footer.Root
	file := w.file
	w.file, w.stale = nil, false
	l.publish(0, frames)
	if err := file.Close(); err != nil {
		return writeError("close "+file.Name(), err)
	}
	return nil
}

// discard removes the open segment, which has no frames and was never read.
func (l *Ledger) discard() error {
	w := &l.w
	name := w.file.Name()
	if err := errors.Join(os.Remove(name), syncDir(l.dir), w.file.Close()); err != nil {
		return writeError("remove empty segment "+name, err)
	}
	w.file, w.stale = nil, false
	l.mu.Lock()
	l.segments, l.end = l.segments[:len(l.segments)-1], w.before
	l.mu.Unlock()
	return nil
}

// writeError marks err as a failure to write, and as a full disk when it is one.
func writeError(act string, err error) error {
	kind := ErrWrite
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		kind = fmt.Errorf("%w: %w", ErrWrite, ErrFull)
	}
	return fmt.Errorf("%s: %w: %w", act, kind, err)
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}

// GapReason is the reason that a gap frame gives for records lost to an error of
// [Ledger.Append].
func GapReason(err error) evidence.GapReason {
	if errors.Is(err, ErrFull) {
		return evidence.GapDiskFull
	}
	return evidence.GapWriteError
}
