package ledger_test

import (
	"testing"
	"time"

	"bartizan/internal/evidence"
	"bartizan/internal/ledger"
)

func TestSinceMeetsEveryLaterRecord(t *testing.T) {
	t.Parallel()
	l, err := ledger.Open(t.TempDir(), ledger.Options{MaxAge: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	start := time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)
	if got, err := l.Since(start); err != nil || got != 1 {
		t.Errorf("Since on an empty ledger = %d, %v; want 1", got, err)
	}
	const records = 50
	for i := range records { // a segment for every three or so
		at := start.Add(time.Duration(i) * 25 * time.Second)
		if _, err := l.Append(at, []ledger.Entry{{Record: evidence.Record{Time: at}}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range records {
		since := start.Add(time.Duration(i) * 25 * time.Second)
		from, err := l.Since(since)
		if err != nil {
			t.Fatal(err)
		}
		later, early := 0, 0
		err = l.Read(from, func(it ledger.Item) error {
			if it.Record.Time.Before(since) {
				early++
			} else {
				later++
			}
			return nil
		})
		if err != nil || later != records-i || early > 3 {
			t.Errorf("Since(record %d): %d later, %d earlier records, %v; want %d later, at most a segment earlier", i, later, early, err, records-i)
		}
	}
}
