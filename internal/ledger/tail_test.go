package ledger_test

import (
	"sync"
	"testing"

	"bartizan/internal/evidence"
	"bartizan/internal/ledger"
)

// TestTailFollows reads with three tails while records, gaps and new segments come.
func TestTailFollows(t *testing.T) {
	t.Parallel()
	const batches, size = 60, 7
	l := open(t, t.TempDir(), ledger.Options{MaxRecords: 20})
	var (
		want    []ledger.Item
		readers sync.WaitGroup
		got     [3][]ledger.Item
	)
	for i := range got {
		readers.Go(func() {
			tail := l.Tail(0)
			defer tail.Close()
			after := uint64(0)
			for len(got[i]) < batches*size {
				items, err := tail.Next(1 + 10*i)
				if err != nil {
					t.Errorf("Next: %v", err)
					return
				}
				if len(items) == 0 {
					if _, err := l.Wait(t.Context(), after); err != nil {
						t.Errorf("Wait: %v", err)
						return
					}
					continue
				}
				got[i] = append(got[i], items...)
				after = items[len(items)-1].Seq
			}
			if more, err := tail.Next(10); err != nil || len(more) != 0 {
				t.Errorf("Next at the end = %v, %v; want nothing", more, err)
			}
		})
	}
	for b := range uint64(batches) {
		es := entries(b*size, size)
		want = append(want, items(add(t, l, at(int64(b)), es), es)...)
		if b%5 == 0 {
			if err := l.Gap(at(int64(b)), evidence.Gap{First: at(0), Last: at(0), Count: 1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	readers.Wait()
	for i := range got {
		same(t, "a tail", want, got[i])
	}
}

// TestTailFromAnywhere starts in every place of several segments.
func TestTailFromAnywhere(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir(), ledger.Options{MaxRecords: 4})
	var want []ledger.Item
	for b := range uint64(8) {
		es := entries(b*3, 3)
		want = append(want, items(add(t, l, at(0), es), es)...)
	}
	for from := range l.Durable() + 5 {
		for len(want) > 0 && want[0].Seq < from {
			want = want[1:]
		}
		tail := l.Tail(from)
		var got []ledger.Item
		for {
			items, err := tail.Next(5)
			if err != nil {
				t.Fatal(err)
			}
			if len(items) == 0 {
				break
			}
			got = append(got, items...)
		}
		same(t, "tail", want, got)
		if err := tail.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTailOfAnEmptyLedger: a tail may be older than the first segment, and a segment
// that was begun and taken away again is none.
func TestTailOfAnEmptyLedger(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir(), ledger.Options{})
	tail := l.Tail(0)
	defer tail.Close()
	next := func(want int) {
		t.Helper()
		if got, err := tail.Next(10); err != nil || len(got) != want {
			t.Fatalf("Next = %v, %v; want %d items", got, err, want)
		}
	}
	bad := entry(1)
	bad.Record.Scores = make([]evidence.Score, evidence.MaxScores+1)
	next(0)
	if _, err := l.Append(at(0), []ledger.Entry{bad}); err == nil {
		t.Fatal("a bad entry was accepted")
	}
	next(0)
	l.SetConfig(evidence.Hash{1}) // takes the empty segment away
	add(t, l, at(0), entries(1, 2))
	next(2)
	l.SetConfig(evidence.Hash{2})
	if _, err := l.Append(at(0), []ledger.Entry{bad}); err == nil {
		t.Fatal("a bad entry was accepted")
	}
	next(0)
	l.SetConfig(evidence.Hash{3})
	add(t, l, at(0), entries(4, 3))
	next(3)
	next(0)
}
