package store_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/store"
)

func openBench(b *testing.B) *store.Store {
	b.Helper()
	s, err := store.Open(b.Context(), filepath.Join(b.TempDir(), "bartizan.db"), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}

// BenchmarkSavePartition writes snapshots of 1,000 states of 2 KiB, the hot size.
func BenchmarkSavePartition(b *testing.B) {
	s := openBench(b)
	p := store.Partition{ID: 1, Cursors: map[string]uint64{"node": 1}, States: map[string][]byte{}}
	for i := range 1000 {
		p.States[fmt.Sprintf("account%04d", i)] = bytes.Repeat([]byte{byte(i)}, 2048)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.SavePartition(b.Context(), p); err != nil {
			b.Fatal(err)
		}
		p.Revision++
	}
	b.ReportMetric(float64(len(p.States))*float64(b.N)/b.Elapsed().Seconds(), "states/s")
}

// BenchmarkSetLevel is one small transaction that is on disk when it returns.
func BenchmarkSetLevel(b *testing.B) {
	s := openBench(b)
	if err := s.CreateAccount(b.Context(), bartizan.Account{ID: "ann", Tier: bartizan.TierPublic}); err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		n++
		if _, _, err := s.SetLevel(b.Context(), "ann", bartizan.Level(n%2), "why", time.Unix(int64(n), 0)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRevision is what each poll costs.
func BenchmarkRevision(b *testing.B) {
	s := openBench(b)
	for b.Loop() {
		if _, err := s.Revision(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoad reads 10,000 accounts with a key each into a new directory.
func BenchmarkLoad(b *testing.B) {
	s := openBench(b)
	const n = 10_000
	for i := range n {
		id := fmt.Sprintf("account%05d", i)
		if err := s.CreateAccount(b.Context(), bartizan.Account{ID: id, Tier: bartizan.TierPublic}); err != nil {
			b.Fatal(err)
		}
		if err := s.CreateKey(b.Context(), bartizan.Key{ID: fmt.Sprintf("key%09d", i), Account: id}, store.KeyMAC(secret, id)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		d := store.NewDirectory(s, secret, newClock().now, store.DirectoryOptions{})
		if err := d.Load(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
