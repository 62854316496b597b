package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"bartizan/internal/evidence"
)

// Scan calls fn for every record of every node in a folder, each node's in their
// order, and gap for every gap; gap may be nil. It writes nothing and may run beside
// the writer: then it also sees what is written and not yet acknowledged, and the last
// record may come without its features. The first error of fn ends it and is returned
// as it is. A segment that is not as it was written is an [ErrDamaged], after the
// records before the fault.
func Scan(dir string, fn func(node string, it Item) error, gap func(evidence.Gap)) error {
	files, err := list(dir)
	if err != nil {
		return err
	}
	if gap == nil {
		gap = func(evidence.Gap) {}
	}
	for i, f := range files {
		newest := i == len(files)-1 || files[i+1].node != f.node
		err := scanSegment(filepath.Join(dir, f.name()), f.first, newest, func(it Item) error { return fn(f.node, it) }, gap)
		if err != nil {
			return err
		}
	}
	return nil
}

func scanSegment(name string, first uint64, newest bool, fn func(Item) error, gap func(evidence.Gap)) error {
	f, err := os.Open(filepath.Clean(name))
	if newest && errors.Is(err, fs.ErrNotExist) {
		return nil // a beginning without content, which the writer took away
	}
	if err != nil {
		return fmt.Errorf("scan segment: %w", err)
	}
	defer f.Close()
	_, footer, err := closedBy(f, first)
	if err != nil {
		return err
	}
	s := scanner{fn: fn, gap: gap}
	r, err := evidence.NewSegmentReader(f)
	for err == nil {
		var frame evidence.Frame
		if frame, err = r.Next(); err == nil {
			if err := s.take(frame); err != nil {
				return err
			}
		}
	}
	if err := s.release(); err != nil {
		return err
	}
	switch {
	case errors.Is(err, io.EOF), newest && footer == nil && errors.Is(err, evidence.ErrUnfinished):
		return nil
	case isSegmentError(err):
		return fmt.Errorf("%w: segment %s: %w", ErrDamaged, filepath.Base(name), err)
	default:
		return fmt.Errorf("scan segment %s: %w", name, err)
	}
}

// scanner joins a record with the features that follow it.
type scanner struct {
	fn   func(Item) error
	gap  func(evidence.Gap)
	held *Item
}

func (s *scanner) take(frame evidence.Frame) error {
	if frame.Kind == evidence.KindFeatures {
		features, err := evidence.ParseFeatures(frame.Payload)
		if err != nil || s.held == nil {
			return err //nolint:wrapcheck // cannot be: the reader has parsed it
		}
		s.held.ExchangeID, s.held.Features = features.Exchange, bytes.Clone(features.Encoded)
		return s.release()
	}
	if err := s.release(); err != nil {
		return err
	}
	switch frame.Kind {
	case evidence.KindRecord:
		record, err := evidence.ParseRecord(frame.Payload)
		if err != nil {
			return err //nolint:wrapcheck // cannot be: the reader has parsed it
		}
		s.held = &Item{Seq: frame.Seq, Record: record}
	case evidence.KindGap:
		g, err := evidence.ParseGap(frame.Payload)
		if err != nil {
			return err //nolint:wrapcheck // cannot be: the reader has parsed it
		}
		s.gap(g)
	default:
	}
	return nil
}

func (s *scanner) release() error {
	if s.held == nil {
		return nil
	}
	it := *s.held
	s.held = nil
	return s.fn(it)
}
