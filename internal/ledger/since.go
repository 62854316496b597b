package ledger

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"time"

	"bartizan/internal/evidence"
)

// Since returns a sequence number from which on a [Tail] meets every record that was
// appended at or after t. It reads the headers of a few segments, not their content.
func (l *Ledger) Since(t time.Time) (uint64, error) {
	l.mu.Lock()
	segments := slices.Clone(l.segments)
	l.mu.Unlock()
	var fault error
	// The first segment opened at or after t; the one before it may still hold such records.
	i := sort.Search(len(segments), func(i int) bool {
		opened, err := l.opened(segments[i])
		if err != nil {
			fault = err
		}
		return err != nil || !opened.Before(t)
	})
	switch {
	case fault != nil:
		return 0, fmt.Errorf("find the records since %s: %w", t.UTC().Format(time.RFC3339), fault)
	case i > 0:
		return segments[i-1], nil
	default:
		return 1, nil
	}
}

// opened reads when a segment was opened.
func (l *Ledger) opened(first uint64) (time.Time, error) {
	f, err := os.Open(filepath.Clean(l.path(first)))
	if err != nil {
		return time.Time{}, fmt.Errorf("read segment: %w", err)
	}
	defer f.Close()
	var raw [evidence.HeaderSize]byte
	if _, err := io.ReadFull(f, raw[:]); err != nil {
		return time.Time{}, fmt.Errorf("read segment header: %w", err)
	}
	header, err := evidence.ParseHeader(raw[:])
	if err != nil {
		return time.Time{}, fmt.Errorf("read segment header: %w", err)
	}
	return header.Opened, nil
}
