package ledger_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bartizan/internal/evidence"
	"bartizan/internal/ledger"
)

// file is a copy of one segment.
type file struct {
	name string
	data []byte
}

func load(tb testing.TB, dir string) []file {
	tb.Helper()
	var files []file
	for _, name := range segments(tb, dir) {
		data, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		files = append(files, file{filepath.Base(name), data})
	}
	return files
}

func store(tb testing.TB, dir string, files []file) {
	tb.Helper()
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, f.name), f.data, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
}

// crashed is a ledger as a killed process leaves it: a finished segment, and one with
// two batches that was never closed. ends are the sizes of the last after each.
func crashed(tb testing.TB) (files []file, want []ledger.Item, acknowledged, ends []int) {
	tb.Helper()
	dir := tb.TempDir()
	l := open(tb, dir, ledger.Options{ID: [16]byte{1}, MaxRecords: 5})
	for _, batch := range [][]ledger.Entry{entries(1, 5), entries(7, 1), entries(8, 2)} {
		want = append(want, items(add(tb, l, at(1), batch), batch)...)
		acknowledged = append(acknowledged, len(want))
		files = load(tb, dir)
		ends = append(ends, len(files[len(files)-1].data))
	}
	return files, want, acknowledged[1:], ends[1:]
}

// TestCutAnywhere: wherever the last segment was torn, every record that was
// acknowledged before is there, the chain is sound, and writing goes on.
func TestCutAnywhere(t *testing.T) {
	t.Parallel()
	files, want, acknowledged, ends := crashed(t)
	last := files[len(files)-1]
	if len(files) != 2 || ends[len(ends)-1] != len(last.data) {
		t.Fatalf("%d segments, ends %v of %d", len(files), ends, len(last.data))
	}
	for n := range len(last.data) + 1 {
		least := 5
		for i, end := range ends {
			if n >= end {
				least = acknowledged[i]
			}
		}
		junk := ""
		if n >= evidence.HeaderSize && n%2 == 0 {
			junk = []string{strings.Repeat("\x00", 100), "BZE1 and no footer"}[n/2%2]
		}
		dir := t.TempDir()
		store(t, dir, []file{files[0], {last.name, append(bytes.Clone(last.data[:n]), junk...)}})
		l := open(t, dir, ledger.Options{})
		got := readAll(t, l, 0)
		if len(got) < least || len(got) > len(want) {
			t.Fatalf("cut at %d%q: %d records; want the %d acknowledged, and %d at most", n, junk, len(got), least, len(want))
		}
		newest := &got[len(got)-1]
		if l.Durable() != newest.Seq {
			t.Fatalf("cut at %d: Durable() = %d; want %d", n, l.Durable(), newest.Seq)
		}
		if newest.Features == nil && len(got) > least { // its features may be what was cut
			newest.Features, newest.ExchangeID = want[len(got)-1].Features, want[len(got)-1].ExchangeID
		}
		same(t, fmt.Sprintf("records, cut at %d", n), want[:len(got)], got)
		if n%5 == 0 {
			goesOn(t, l, len(got))
		}
		closeLedger(t, l)
		sound(t, dir)
	}
}

func goesOn(t *testing.T, l *ledger.Ledger, records int) {
	t.Helper()
	first := add(t, l, at(2), entries(20, 1))
	if all := readAll(t, l, 0); len(all) != records+1 || all[records].Seq != first {
		t.Fatalf("%d records after one more; want %d", len(all), records+1)
	}
}

// TestCutIsKept: what recovery cuts is not destroyed when it is more than the
// beginning of a frame.
func TestCutIsKept(t *testing.T) {
	t.Parallel()
	files, want, acknowledged, ends := crashed(t)
	dir := t.TempDir()
	bad := bytes.Clone(files[1].data)
	bad[ends[0]+20] ^= 1 // in the record after the first batch
	store(t, dir, []file{files[0], {files[1].name, bad}})
	l := open(t, dir, ledger.Options{})
	same(t, "records before the fault", want[:acknowledged[0]], readAll(t, l, 0))
	r := l.Recovered()
	if r.Closed != files[1].name || r.Cut != int64(len(bad)-ends[0]) || r.Damage != nil {
		t.Errorf("Recovered() = %+v; want %d bytes cut from %s", r, len(bad)-ends[0], files[1].name)
	}
	kept, err := os.ReadFile(filepath.Join(dir, r.Saved))
	if err != nil || !bytes.Equal(kept, bad[ends[0]:]) {
		t.Errorf("kept %q with %d bytes, %v; want all %d that were cut", r.Saved, len(kept), err, len(bad)-ends[0])
	}
	sound(t, dir)
}

func finished(tb testing.TB) []file {
	tb.Helper()
	dir := tb.TempDir()
	l := open(tb, dir, ledger.Options{ID: [16]byte{1}, MaxRecords: 2})
	for n := range uint64(2) {
		add(tb, l, at(int64(n)), entries(1+2*n, 2))
	}
	if err := l.Gap(at(3), evidence.Gap{First: at(0), Last: at(1), Count: 1, Reason: evidence.GapQueueFull}); err != nil {
		tb.Fatal(err)
	}
	closeLedger(tb, l)
	sound(tb, dir)
	return load(tb, dir)
}

// TestFlipAnywhere: Verify names the segment in which a byte was changed.
func TestFlipAnywhere(t *testing.T) {
	t.Parallel()
	files := finished(t)
	dir := t.TempDir()
	store(t, dir, files)
	for _, f := range files {
		for i := range f.data {
			bad := bytes.Clone(f.data)
			bad[i] ^= byte(1 << (i % 8))
			store(t, dir, []file{{f.name, bad}})
			report, err := ledger.Verify(dir)
			if err != nil {
				t.Fatalf("%s, byte %d: %v", f.name, i, err)
			}
			named := false
			for _, fault := range report.Faults {
				named = named || fault.Segment == f.name
			}
			if !named && len(report.Open) == 0 {
				t.Fatalf("%s, byte %d changed: Verify found %v; want a fault in it", f.name, i, report.Faults)
			}
			if !named {
				t.Errorf("%s, byte %d changed: taken for an open segment", f.name, i)
			}
		}
		store(t, dir, []file{f})
	}
	sound(t, dir)
}

// TestChainFaults: segments that are sound alone and do not belong together.
func TestChainFaults(t *testing.T) {
	t.Parallel()
	files := finished(t)
	other := func() []file {
		dir := t.TempDir()
		l := open(t, dir, ledger.Options{ID: [16]byte{1}, MaxRecords: 2})
		add(t, l, at(0), entries(101, 2))
		add(t, l, at(1), entries(103, 2))
		closeLedger(t, l)
		return load(t, dir)
	}()
	if other[0].name != files[0].name {
		t.Fatalf("names differ: %s, %s", other[0].name, files[0].name)
	}
	for name, c := range map[string]struct {
		files []file
		want  error
		in    string
	}{
		"segment missing":     {[]file{files[0], files[2]}, ledger.ErrChain, files[2].name},
		"segment of another":  {[]file{other[0], files[1], files[2]}, ledger.ErrChain, files[1].name},
		"segment renamed":     {[]file{files[0], {"local-0000000000000063.seg", files[1].data}}, ledger.ErrName, "local-0000000000000063.seg"},
		"footer missing":      {[]file{files[0], {files[1].name, files[1].data[:len(files[1].data)-56]}, files[2]}, evidence.ErrUnfinished, files[1].name},
		"cut inside the head": {[]file{{files[0].name, files[0].data[:77]}, files[1]}, evidence.ErrUnfinished, files[0].name},
	} {
		dir := t.TempDir()
		store(t, dir, c.files)
		report, err := ledger.Verify(dir)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		found := false
		for _, f := range report.Faults {
			found = found || f.Segment == c.in && errors.Is(f.Err, c.want)
		}
		if !found {
			t.Errorf("%s: Verify found %v; want %v in %s", name, report.Faults, c.want, c.in)
		}
	}
}

// TestDamageIsNotPaintedOver: a finished segment that was changed is never given a new
// root; the chain goes on behind it and Verify still names it.
func TestDamageIsNotPaintedOver(t *testing.T) {
	t.Parallel()
	files := finished(t)
	last := files[len(files)-1]
	for name, offset := range map[string]int{"header": 70, "frame": 150, "root": len(last.data) - 1} {
		dir := t.TempDir()
		bad := bytes.Clone(last.data)
		bad[offset] ^= 1
		store(t, dir, append(files[:len(files)-1:len(files)-1], file{last.name, bad}))
		l := open(t, dir, ledger.Options{})
		if r := l.Recovered(); !errors.Is(r.Damage, ledger.ErrDamaged) || r.Closed != "" {
			t.Errorf("%s: Recovered() = %+v; want damage", name, r)
		}
		add(t, l, at(9), entries(50, 1))
		closeLedger(t, l)
		now := load(t, dir)
		if !bytes.Equal(now[len(files)-1].data, bad) {
			t.Errorf("%s: the damaged segment was rewritten", name)
		}
		report, err := ledger.Verify(dir)
		if err != nil || len(report.Faults) == 0 || report.Faults[0].Segment != last.name {
			t.Errorf("%s: Verify = %v, %v; want a fault in %s", name, report.Faults, err, last.name)
		}
		if err := ledger.Scan(dir, func(string, ledger.Item) error { return nil }, nil); !errors.Is(err, ledger.ErrDamaged) {
			t.Errorf("%s: Scan = %v; want ErrDamaged", name, err)
		}
	}
	// Without a header the chain cannot go on.
	dir := t.TempDir()
	bad := bytes.Clone(last.data)
	bad[0] = 'X'
	store(t, dir, []file{{last.name, bad}})
	if _, err := ledger.Open(dir, ledger.Options{}); !errors.Is(err, ledger.ErrDamaged) {
		t.Errorf("Open without a header = %v; want ErrDamaged", err)
	}
	if now := load(t, dir); !bytes.Equal(now[0].data, bad) {
		t.Error("Open changed a segment that it could not read")
	}
}

func TestStrangersInTheFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"notes.txt", "local-1.seg", "x.seg", "local-00000000000000FF.seg", ".a-0000000000000001.seg"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("hello"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l := open(t, dir, ledger.Options{})
	add(t, l, at(0), entries(1, 2))
	if got := readAll(t, l, 0); len(got) != 2 {
		t.Errorf("%d records; want 2", len(got))
	}
	closeLedger(t, l)
	if report := sound(t, dir); report.Segments != 1 {
		t.Errorf("Verify = %+v; want one segment", report)
	}
}
