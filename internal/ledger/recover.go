package ledger

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"bartizan/internal/evidence"
)

// recover finds where the chain ends and closes the segment that the last writer left
// open.
func (l *Ledger) recover() error {
	files, err := list(l.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.node == l.options.Node {
			l.segments = append(l.segments, f.first)
		}
	}
	w := &l.w
	w.number, w.next, w.id = 1, 1, l.options.ID
	for len(l.segments) > 0 {
		kept, err := l.adopt(l.segments[len(l.segments)-1])
		if err != nil {
			return err
		}
		if kept {
			break
		}
		l.segments = l.segments[:len(l.segments)-1]
	}
	if w.id == [16]byte{} {
		rand.Read(w.id[:])
	}
	if w.file != nil {
		// A full disk must not keep the gateway from starting: the segment stays
		// open, and closes before anything else is written.
		if err := l.finish(w.now); err != nil && !errors.Is(err, ErrFull) {
			return err
		}
	}
	return l.findNewest()
}

// adopt takes the newest segment as the end of the chain. It reports false when the
// file was a beginning without content, which it removes.
func (l *Ledger) adopt(first uint64) (kept bool, err error) {
	name := l.path(first)
	f, err := os.OpenFile(filepath.Clean(name), os.O_RDWR, 0)
	if err != nil {
		return false, fmt.Errorf("open the newest segment: %w", err)
	}
	stays := false
	defer func() {
		if !stays {
			err = errors.Join(err, f.Close())
		}
	}()
	size, footer, err := closedBy(f, first)
	if err != nil {
		return false, err
	}
	r, err := evidence.NewSegmentReader(f)
	if err != nil {
		if size > evidence.HeaderSize || !isSegmentError(err) {
			return false, fmt.Errorf("%w: segment %s: %w; restore it from a copy, or move it away to begin a new chain", ErrDamaged, name, err)
		}
		return false, l.remove(name)
	}
	if err := l.checkHeader(r.Header(), first); err != nil {
		return false, fmt.Errorf("segment %s: %w", name, err)
	}
	newest, fault := readThrough(r)
	if fault != nil && !isSegmentError(fault) {
		return false, fault
	}
	w, segment := &l.w, r.Segment()
	w.number = r.Header().Number
	if footer != nil {
		w.number++
		w.next, w.prevRoot, w.now = footer.LastSeq+1, footer.Root, footer.Closed
		l.end = size - evidence.FooterSize
		if fault != nil {
			l.recovered.Damage = fmt.Errorf("%w: segment %s: %w", ErrDamaged, name, fault)
		}
		return true, nil
	}
	l.recovered.Closed = filepath.Base(name)
	if err := l.saveTail(f, r.Offset(), size, fault); err != nil {
		return false, err
	}
	w.prevRoot, w.next = r.Header().PrevRoot, first
	w.now = newest
	if segment.Frames() == 0 {
		return false, l.remove(name)
	}
	stays = true
	w.file, w.segment, w.good = f, segment, r.Offset()
	w.torn, w.stale = size > w.good, true
	l.end = w.good
	return true, nil
}

// closedBy returns the size of a segment and its footer, or nil when it has none. A
// fault inside a segment that ends with a footer is no torn write.
func closedBy(f *os.File, first uint64) (size int64, footer *evidence.Footer, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, nil, fmt.Errorf("measure segment: %w", err)
	}
	size = info.Size()
	if size < evidence.HeaderSize+evidence.FooterSize {
		return size, nil, nil
	}
	b := make([]byte, evidence.FooterSize)
	if _, err := f.ReadAt(b, size-evidence.FooterSize); err != nil {
		return 0, nil, fmt.Errorf("read the end of segment %s: %w", f.Name(), err)
	}
	end, err := evidence.ParseFooter(b)
	if err != nil || end.LastSeq != first+uint64(end.Count)-1 {
		return size, nil, nil //nolint:nilerr // no footer is an answer
	}
	return size, &end, nil
}

func (l *Ledger) checkHeader(h evidence.Header, first uint64) error {
	switch {
	case h.Node != l.node || h.FirstSeq != first:
		return fmt.Errorf("%w: the header says node %q from %d", ErrDamaged, evidence.NodeName(h.Node), h.FirstSeq)
	case l.options.ID != [16]byte{} && l.options.ID != h.Ledger:
		return fmt.Errorf("it belongs to ledger %x, not to %x", h.Ledger, l.options.ID)
	}
	l.w.id = h.Ledger
	return nil
}

// readThrough reads to the end and returns the newest time in a segment; a nil fault
// means that it is finished and sound.
func readThrough(r *evidence.SegmentReader) (newest time.Time, fault error) {
	newest = r.Header().Opened
	for {
		frame, err := r.Next()
		if errors.Is(err, io.EOF) {
			return newest, nil
		}
		if err != nil {
			return newest, err //nolint:wrapcheck // says where
		}
		if frame.Kind != evidence.KindRecord {
			continue
		}
		if record, err := evidence.ParseRecord(frame.Payload); err == nil && record.Time.After(newest) {
			newest = record.Time
		}
	}
}

// saveTail keeps a copy of what recovery will cut. The beginning of a frame that was
// never finished is not worth keeping; anything else might be.
func (l *Ledger) saveTail(f *os.File, from, size int64, fault error) error {
	l.recovered.Cut = size - from
	if from == size || errors.Is(fault, evidence.ErrUnfinished) {
		return nil
	}
	name := fmt.Sprintf("%s.cut-%x", f.Name(), from)
	out, err := os.OpenFile(filepath.Clean(name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("save what is cut from %s: %w", f.Name(), err)
	}
	_, err = io.Copy(out, io.NewSectionReader(f, from, size-from))
	if err = errors.Join(err, out.Sync(), out.Close(), syncDir(l.dir)); err != nil {
		return fmt.Errorf("save what is cut from %s: %w", f.Name(), err)
	}
	l.recovered.Saved = filepath.Base(name)
	return nil
}

func (l *Ledger) remove(name string) error {
	if err := errors.Join(os.Remove(name), syncDir(l.dir)); err != nil {
		return fmt.Errorf("remove empty segment: %w", err)
	}
	return nil
}

// findNewest sets durable: the newest record is in the last segment, unless that holds
// nothing but gaps.
func (l *Ledger) findNewest() error {
	for i := len(l.segments) - 1; i >= 0 && l.durable == 0; i-- {
		f, err := os.Open(filepath.Clean(l.path(l.segments[i])))
		if err != nil {
			return fmt.Errorf("look for the newest record: %w", err)
		}
		err = l.newestIn(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (l *Ledger) newestIn(f *os.File) error {
	r, err := evidence.NewSegmentReader(f)
	for err == nil {
		var frame evidence.Frame
		if frame, err = r.Next(); err == nil && frame.Kind == evidence.KindRecord {
			l.durable = frame.Seq
		}
	}
	if errors.Is(err, io.EOF) || isSegmentError(err) {
		return nil
	}
	return fmt.Errorf("look for the newest record in %s: %w", f.Name(), err)
}

func isSegmentError(err error) bool {
	_, ok := errors.AsType[*evidence.SegmentError](err)
	return ok
}
