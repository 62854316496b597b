package ledger_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bartizan/internal/evidence"
	"bartizan/internal/ledger"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func at(seconds int64) time.Time { return time.Unix(1_800_000_000+seconds, 0).UTC() }

// entry makes the entry with the given number; every third has no features.
func entry(n uint64) ledger.Entry {
	e := ledger.Entry{Record: evidence.Record{
		Time: at(int64(n % 1000)), Status: 200, Decision: evidence.DecisionAllow, TokensIn: uint32(n),
	}}
	binary.LittleEndian.PutUint64(e.Record.Account[:], n)
	if n%3 != 0 {
		binary.LittleEndian.PutUint64(e.ExchangeID[:], n)
		e.Features = fmt.Appendf([]byte{1}, "features of %d", n)
	}
	return e
}

func entries(from, count uint64) []ledger.Entry {
	var es []ledger.Entry
	for n := from; n < from+count; n++ {
		es = append(es, entry(n))
	}
	return es
}

// items is how entries come back when their frames begin with the given number.
func items(seq uint64, es []ledger.Entry) []ledger.Item {
	var out []ledger.Item
	for _, e := range es {
		it := ledger.Item{Seq: seq, Record: e.Record, Features: e.Features, ExchangeID: e.ExchangeID}
		it.Record.Seq = seq
		out = append(out, it)
		seq++
		if e.Features != nil {
			seq++
		}
	}
	return out
}

func open(tb testing.TB, dir string, o ledger.Options) *ledger.Ledger {
	tb.Helper()
	l, err := ledger.Open(dir, o)
	if err != nil {
		tb.Fatalf("Open: %v", err)
	}
	tb.Cleanup(func() { l.Close() })
	return l
}

func add(tb testing.TB, l *ledger.Ledger, now time.Time, es []ledger.Entry) uint64 {
	tb.Helper()
	first, err := l.Append(now, es)
	if err != nil {
		tb.Fatalf("Append: %v", err)
	}
	return first
}

func closeLedger(tb testing.TB, l *ledger.Ledger) {
	tb.Helper()
	if err := l.Close(); err != nil {
		tb.Fatalf("Close: %v", err)
	}
}

func readAll(tb testing.TB, l *ledger.Ledger, from uint64) []ledger.Item {
	tb.Helper()
	var got []ledger.Item
	if err := l.Read(from, func(it ledger.Item) error { got = append(got, it); return nil }); err != nil {
		tb.Fatalf("Read from %d: %v", from, err)
	}
	return got
}

func scanAll(tb testing.TB, dir string) ([]ledger.Item, []evidence.Gap) {
	tb.Helper()
	var (
		got  []ledger.Item
		gaps []evidence.Gap
	)
	err := ledger.Scan(dir, func(_ string, it ledger.Item) error { got = append(got, it); return nil },
		func(g evidence.Gap) { gaps = append(gaps, g) })
	if err != nil {
		tb.Fatalf("Scan: %v", err)
	}
	return got, gaps
}

func sound(tb testing.TB, dir string) ledger.Report {
	tb.Helper()
	report, err := ledger.Verify(dir)
	if err != nil {
		tb.Fatalf("Verify: %v", err)
	}
	if len(report.Faults) > 0 {
		tb.Fatalf("Verify found %v", report.Faults)
	}
	return report
}

func segments(tb testing.TB, dir string) []string {
	tb.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil {
		tb.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func same(tb testing.TB, what string, want, got []ledger.Item) {
	tb.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		tb.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestAppendAndRead(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "ledger")
	l := open(t, dir, ledger.Options{})
	es := entries(1, 10)
	if first := add(t, l, at(0), es[:4]); first != 1 {
		t.Errorf("first number = %d; want 1", first)
	}
	g := evidence.Gap{First: at(0), Last: at(1), Count: 3, Reason: evidence.GapQueueFull}
	if err := l.Gap(at(1), g); err != nil {
		t.Fatal(err)
	}
	// Four records, three of them with features, and the gap have taken 8 numbers.
	if first := add(t, l, at(2), es[4:]); first != 9 {
		t.Errorf("first number after the gap = %d; want 9", first)
	}
	want := append(items(1, es[:4]), items(9, es[4:])...)
	same(t, "Read", want, readAll(t, l, 0))
	for i, it := range want {
		same(t, fmt.Sprintf("Read from %d", it.Seq), want[i:], readAll(t, l, it.Seq))
	}
	if got := readAll(t, l, 1000); len(got) != 0 {
		t.Errorf("Read from beyond the end = %v; want nothing", got)
	}
	if got := l.Durable(); got != want[len(want)-1].Seq {
		t.Errorf("Durable() = %d; want %d", got, want[len(want)-1].Seq)
	}

	beside, gaps := scanAll(t, dir)
	same(t, "Scan beside the writer", want, beside)
	if diff := cmp.Diff([]evidence.Gap{g}, gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	report := sound(t, dir)
	if len(report.Open) != 1 || report.Records != 10 || report.Features != 7 || report.Gaps != 1 {
		t.Errorf("Verify beside the writer = %+v; want 10 records, 7 features, 1 gap, one open segment", report)
	}
	closeLedger(t, l)
	after, _ := scanAll(t, dir)
	same(t, "Scan after Close", want, after)
	if report := sound(t, dir); len(report.Open) != 0 {
		t.Errorf("open after Close: %v", report.Open)
	}
	for name, mode := range map[string]os.FileMode{dir: 0o700, segments(t, dir)[0]: 0o600} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != mode {
			t.Errorf("mode of %s = %v; want %v", name, info.Mode().Perm(), mode)
		}
	}
}

func TestReopenGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var want []ledger.Item
	next := uint64(1)
	for round := range int64(4) {
		l := open(t, dir, ledger.Options{})
		if r := l.Recovered(); r != (ledger.Recovery{}) {
			t.Errorf("round %d: Recovered() = %+v after a clean end", round, r)
		}
		if len(want) > 0 && l.Durable() != want[len(want)-1].Seq {
			t.Errorf("round %d: Durable() = %d; want %d", round, l.Durable(), want[len(want)-1].Seq)
		}
		es := entries(uint64(10*round), 2)
		first := add(t, l, at(round), es)
		if first != next {
			t.Errorf("round %d begins with %d; want %d", round, first, next)
		}
		want = append(want, items(first, es)...)
		same(t, "Read", want, readAll(t, l, 0))
		if err := l.Gap(at(round), evidence.Gap{First: at(0), Last: at(0), Count: 1, Reason: evidence.GapRestart}); err != nil {
			t.Fatal(err)
		}
		closeLedger(t, l)
		last := items(first, append(es, ledger.Entry{}))
		next = last[len(last)-1].Seq + 1
	}
	if report := sound(t, dir); report.Segments != 4 || report.Records != 8 || report.Gaps != 4 {
		t.Errorf("Verify = %+v; want 4 segments, 8 records, 4 gaps", report)
	}
}

// TestDurableBehindGaps: the newest record is found when a whole segment has none.
func TestDurableBehindGaps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, ledger.Options{})
	add(t, l, at(0), entries(1, 1))
	closeLedger(t, l)
	l = open(t, dir, ledger.Options{})
	if err := l.Gap(at(1), evidence.Gap{First: at(0), Last: at(0), Count: 1, Reason: evidence.GapRestart}); err != nil {
		t.Fatal(err)
	}
	closeLedger(t, l)
	if l = open(t, dir, ledger.Options{}); l.Durable() != 1 {
		t.Errorf("Durable() = %d; want 1", l.Durable())
	}
}

func TestRolling(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, ledger.Options{MaxRecords: 3})
	count := func(step string, want int) {
		t.Helper()
		if got := len(segments(t, dir)); got != want {
			t.Errorf("%s: %d segments; want %d", step, got, want)
		}
	}
	roll := func(now time.Time) {
		t.Helper()
		if err := l.Roll(now); err != nil {
			t.Fatal(err)
		}
	}
	count("empty", 0)
	add(t, l, at(0), entries(1, 2))
	add(t, l, at(9), entries(3, 1))
	count("young, and just full", 1)
	add(t, l, at(9), entries(4, 1))
	count("the one before was full", 2)
	add(t, l, at(19), entries(5, 1))
	count("the one before was old", 3)
	roll(at(28))
	add(t, l, at(28), entries(6, 1))
	count("young", 3)
	roll(at(29))
	if report := sound(t, dir); len(report.Open) != 0 {
		t.Errorf("open after Roll: %v", report.Open)
	}
	roll(at(100))
	count("nothing came", 3)
	add(t, l, at(100), entries(7, 1))
	count("something came", 4)
	l.SetConfig(evidence.Hash{1})
	add(t, l, at(100), entries(8, 1))
	count("configuration changed", 5)
	add(t, l, at(90), entries(9, 1))
	count("clock went back", 5)
	l.SetConfig(evidence.Hash{2})
	add(t, l, at(90), entries(10, 1))
	count("configuration changed, clock behind", 6)
	closeLedger(t, l)
	if report := sound(t, dir); report.Records != 10 || report.Segments != 6 {
		t.Errorf("Verify = %+v; want 10 records in 6 segments", report)
	}
	if _, err := l.Append(at(200), entries(1, 1)); !errors.Is(err, ledger.ErrClosed) {
		t.Errorf("Append after Close: %v; want ErrClosed", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestOneWriter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, ledger.Options{})
	_, err := ledger.Open(dir, ledger.Options{Node: "other"})
	if !errors.Is(err, ledger.ErrLocked) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("second Open: %v; want ErrLocked that names process %d", err, os.Getpid())
	}
	add(t, l, at(0), entries(1, 1))
	closeLedger(t, l)
	closeLedger(t, open(t, dir, ledger.Options{}))
}

// TestNodes: writers take turns in a folder and keep chains of their own.
func TestNodes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, node := range []string{"a", "a-1", "b"} {
		for range 2 {
			l := open(t, dir, ledger.Options{Node: node, ID: [16]byte{7}})
			add(t, l, at(0), entries(1, 2))
			closeLedger(t, l)
		}
	}
	got := map[string]int{}
	if err := ledger.Scan(dir, func(node string, _ ledger.Item) error { got[node]++; return nil }, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"a": 4, "a-1": 4, "b": 4}, got); diff != "" {
		t.Errorf("records by node (-want +got):\n%s", diff)
	}
	if report := sound(t, dir); report.Nodes != 3 {
		t.Errorf("Verify = %+v; want 3 nodes", report)
	}
	if _, err := ledger.Open(dir, ledger.Options{Node: "a", ID: [16]byte{8}}); err == nil {
		t.Error("Open with the id of another ledger succeeds")
	}
	if _, err := ledger.Open(dir, ledger.Options{Node: "../a"}); err == nil {
		t.Error("Open with an impossible node name succeeds")
	}
}

func TestRefusedEntryChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, ledger.Options{})
	add(t, l, at(0), entries(1, 2))
	before := readAll(t, l, 0)
	bad := entry(3)
	bad.Record.Scores = make([]evidence.Score, evidence.MaxScores+1)
	large := entry(4)
	large.Features = make([]byte, evidence.MaxPayload)
	for name, e := range map[string]ledger.Entry{"scores": bad, "features": large} {
		if _, err := l.Append(at(0), []ledger.Entry{entry(9), e}); !errors.Is(err, evidence.ErrLength) || errors.Is(err, ledger.ErrWrite) {
			t.Errorf("%s: Append = %v; want ErrLength and not ErrWrite", name, err)
		}
	}
	same(t, "after refused entries", before, readAll(t, l, 0))
	add(t, l, at(0), entries(5, 1))
	closeLedger(t, l)
	if report := sound(t, dir); report.Records != 3 {
		t.Errorf("Verify = %+v; want 3 records", report)
	}
	if _, err := open(t, t.TempDir(), ledger.Options{}).Append(at(0), nil); err != nil {
		t.Errorf("Append of nothing: %v", err)
	}
}

func TestSalt(t *testing.T) {
	t.Parallel()
	keys := evidence.NewKeys([]byte("secret"))
	l := open(t, t.TempDir(), ledger.Options{Salt: keys.Salt})
	add(t, l, at(0), entries(1, 3))
	for _, it := range readAll(t, l, 0) {
		if want := keys.Salt(it.Record.Account, it.Seq); it.Record.Salt != want {
			t.Errorf("salt of %d = %x; want %x", it.Seq, it.Record.Salt, want)
		}
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir(), ledger.Options{})
	type result struct {
		seq uint64
		err error
	}
	wait := func(ctx context.Context, after uint64) <-chan result {
		c := make(chan result, 1)
		go func() {
			seq, err := l.Wait(ctx, after)
			c <- result{seq, err}
		}()
		return c
	}
	first := wait(t.Context(), 0)
	add(t, l, at(0), entries(1, 1))
	if r := <-first; r.seq != 1 || r.err != nil {
		t.Errorf("Wait after 0 = %d, %v; want 1", r.seq, r.err)
	}
	// The record's features have number 2; they must not wake who has read record 1.
	ctx, cancel := context.WithCancel(t.Context())
	second := wait(ctx, 1)
	cancel()
	if r := <-second; !errors.Is(r.err, context.Canceled) {
		t.Errorf("Wait after 1 = %d, %v; want the context's error", r.seq, r.err)
	}
	third := wait(t.Context(), 1)
	closeLedger(t, l)
	if r := <-third; !errors.Is(r.err, ledger.ErrClosed) {
		t.Errorf("Wait over Close = %d, %v; want ErrClosed", r.seq, r.err)
	}
}

func TestKeepFree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, ledger.Options{KeepFree: 1 << 62})
	_, err := l.Append(at(0), entries(1, 1))
	if !errors.Is(err, ledger.ErrWrite) || !errors.Is(err, ledger.ErrFull) {
		t.Errorf("Append with too little space = %v; want ErrWrite and ErrFull", err)
	}
	if got := ledger.GapReason(err); got != evidence.GapDiskFull {
		t.Errorf("GapReason = %v; want disk_full", got)
	}
	if got := segments(t, dir); len(got) != 0 {
		t.Errorf("segments %v; want none", got)
	}
}
