package ledger_test

import (
	"os"
	"path/filepath"
	"testing"

	"bartizan/internal/evidence"
	"bartizan/internal/ledger"
)

// group is what the gateway commits at once: 256 records with features, together
// about 600 bytes each on disk.
func group() []ledger.Entry {
	es := entries(0, 256)
	for i := range es {
		es[i].Features = make([]byte, 414)
		es[i].Features[0] = 1
	}
	return es
}

// BenchmarkAppend measures durable records: one write and one sync for 256 of them,
// salted, new segments included.
func BenchmarkAppend(b *testing.B) {
	es := group()
	keys := evidence.NewKeys([]byte("secret"))
	l := open(b, filepath.Join(b.TempDir(), "ledger"), ledger.Options{Salt: keys.Salt})
	b.ReportAllocs()
	for b.Loop() {
		add(b, l, at(0), es)
	}
	b.ReportMetric(float64(b.N*len(es))/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkDisk is the part of the disk in BenchmarkAppend: the same bytes, written
// and synced, and nothing else.
func BenchmarkDisk(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "plain"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	data := make([]byte, 256*600)
	for b.Loop() {
		if _, err := f.Write(data); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*256)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkTail measures reading what was written.
func BenchmarkTail(b *testing.B) {
	l := open(b, b.TempDir(), ledger.Options{})
	for range 100 {
		add(b, l, at(0), group())
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n = 0
		tail := l.Tail(0)
		for {
			items, err := tail.Next(256)
			if err != nil {
				b.Fatal(err)
			}
			if len(items) == 0 {
				break
			}
			n += len(items)
		}
		tail.Close()
	}
	if n != 100*256 {
		b.Fatalf("%d records", n)
	}
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkScan measures reading a folder with every check.
func BenchmarkScan(b *testing.B) {
	dir := b.TempDir()
	l := open(b, dir, ledger.Options{})
	for range 100 {
		add(b, l, at(0), group())
	}
	closeLedger(b, l)
	for b.Loop() {
		n := 0
		err := ledger.Scan(dir, func(string, ledger.Item) error { n++; return nil }, nil)
		if err != nil || n != 100*256 {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.N*100*256)/b.Elapsed().Seconds(), "records/s")
}
