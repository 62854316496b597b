package ledger_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"bartizan/internal/evidence"
	"bartizan/internal/ledger"
)

// Flags by which a test starts its own binary again as a child.
var (
	childRole = flag.String("child", "", "internal: what the child process does")
	childDir  = flag.String("child-dir", "", "internal: the child's ledger")
	childSeed = flag.Uint64("child-seed", 0, "internal: the child's seed")
)

// startChild runs TestChild in a new process; the child reports on the pipe.
func startChild(t *testing.T, role, dir string, seed uint64) (*exec.Cmd, io.Reader) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestChild$",
		"-child="+role, "-child-dir="+dir, fmt.Sprintf("-child-seed=%d", seed))
	cmd.ExtraFiles = []*os.File{w}
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return cmd, r
}

// TestChild is the child's side of the tests that need a process of their own.
func TestChild(t *testing.T) {
	t.Parallel()
	switch *childRole {
	case "":
		t.Skip("only runs as a child of other tests")
	case "append":
		appendForever(t, os.NewFile(3, "report"))
	case "limit":
		fillLimit(t)
	case "reopen":
		reopenFull(t)
	default:
		t.Fatalf("unknown role %q", *childRole)
	}
}

// appendForever appends batches and reports each, once it is acknowledged, as the
// number of its first record and the numbers of its entries.
func appendForever(t *testing.T, report io.Writer) {
	rnd := rand.New(rand.NewPCG(*childSeed, 1))
	l := open(t, *childDir, ledger.Options{MaxRecords: 40})
	n := *childSeed << 32
	for i := int64(0); ; i++ {
		size := 1 + rnd.Uint64N(20)
		es := entries(n, size)
		if rnd.IntN(10) == 0 && es[0].Features != nil {
			es[0].Features = make([]byte, 60_000)
		}
		first := add(t, l, at(i), es)
		fmt.Fprintf(report, "%d %d %d\n", first, n, size)
		n += size
	}
}

// TestKill ends a writing process with SIGKILL at random moments: whatever it had
// acknowledged is there, under the number that was acknowledged.
func TestKill(t *testing.T) {
	t.Parallel()
	const rounds = 20
	seed := rand.Uint64N(1 << 20)
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	acknowledged := map[uint64]uint64{} // record's number: entry's number
	for round := range uint64(rounds) {
		child, report := startChild(t, "append", dir, round+1)
		left := 1 + rnd.IntN(60)
		lines := bufio.NewScanner(report)
		for lines.Scan() {
			var first, n, size uint64
			if _, err := fmt.Sscan(lines.Text(), &first, &n, &size); err != nil {
				break // the last line was cut short with its writer
			}
			for _, it := range items(first, entries(n, size)) {
				acknowledged[it.Seq] = n
				n++
			}
			if left--; left == 0 {
				if err := child.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := child.Wait(); err == nil || left > 0 {
			t.Fatalf("round %d: the child ended by itself: %v", round, err)
		}
		l := open(t, dir, ledger.Options{})
		found := 0
		for _, it := range readAll(t, l, 0) {
			n, ok := acknowledged[it.Seq]
			if !ok {
				continue // written, and killed before it could be acknowledged
			}
			found++
			if got := binary.LittleEndian.Uint64(it.Record.Account[:]); got != n {
				t.Fatalf("round %d: record %d is entry %d; want %d", round, it.Seq, got, n)
			}
			if n%3 != 0 && binary.LittleEndian.Uint64(it.ExchangeID[:]) != n {
				t.Fatalf("round %d: record %d has the features of another", round, it.Seq)
			}
		}
		if found != len(acknowledged) {
			t.Fatalf("round %d: %d of %d acknowledged records found", round, found, len(acknowledged))
		}
		closeLedger(t, l)
		sound(t, dir)
	}
	t.Logf("%d acknowledged records, %+v", len(acknowledged), sound(t, dir))
}

// fullDisk appends until the disk is full, makes room, and goes on.
func fullDisk(t *testing.T, dir string, makeRoom func()) {
	t.Helper()
	l := open(t, dir, ledger.Options{MaxRecords: 50})
	var want []ledger.Item
	var full error
	n := uint64(0)
	for ; full == nil; n += 8 {
		es := entries(n, 8)
		for i := range es {
			es[i].Features = make([]byte, 3000)
			es[i].Features[0] = 1
		}
		first, err := l.Append(at(0), es)
		if err == nil {
			want = append(want, items(first, es)...)
		}
		full = err
		if n > 1<<20 {
			t.Fatal("the disk is never full")
		}
	}
	if !errors.Is(full, ledger.ErrWrite) || !errors.Is(full, ledger.ErrFull) {
		t.Errorf("Append on a full disk = %v; want ErrWrite and ErrFull", full)
	}
	if len(want) == 0 {
		t.Fatal("nothing was written before the disk was full")
	}
	for range 3 { // it stays so, and nothing half-written appears
		if _, err := l.Append(at(100), entries(n, 60)); err == nil {
			t.Log("a small batch still fits")
		} else if !errors.Is(err, ledger.ErrWrite) {
			t.Errorf("Append again = %v; want ErrWrite", err)
		}
		sound(t, dir)
	}
	seen := readAll(t, l, 0)
	same(t, "records of a full disk", want, seen[:min(len(want), len(seen))])
	want = seen

	makeRoom()
	g := evidence.Gap{First: at(0), Last: at(1), Count: 8, Reason: ledger.GapReason(full)}
	if err := l.Gap(at(101), g); err != nil {
		t.Fatalf("Gap after room was made: %v", err)
	}
	es := entries(n, 3)
	want = append(want, items(add(t, l, at(102), es), es)...)
	same(t, "records after room was made", want, readAll(t, l, 0))
	closeLedger(t, l)
	if report := sound(t, dir); report.Gaps != 1 || len(report.Open) != 0 || report.Records != len(want) {
		t.Errorf("Verify = %+v; want %d records and 1 gap", report, len(want))
	}
}

// limitFiles lets the kernel refuse to grow any file of this process beyond a limit,
// until lift is called.
func limitFiles(t *testing.T, limit int) (lift func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	set := func(limit uint64) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: old.Max}); err != nil {
			t.Fatal(err)
		}
	}
	set(uint64(limit))
	return func() { set(old.Cur) }
}

func fillLimit(t *testing.T) {
	lift := limitFiles(t, 100_000)
	fullDisk(t, *childDir, lift)
}

// reopenFull opens what a crash left behind while the disk has no room for a footer.
func reopenFull(t *testing.T) {
	files, want, _, _ := crashed(t)
	store(t, *childDir, files)
	lift := limitFiles(t, len(files[1].data)+10)
	l := open(t, *childDir, ledger.Options{})
	same(t, "records", want, readAll(t, l, 0))
	for range 2 {
		if _, err := l.Append(at(2), entries(30, 1)); !errors.Is(err, ledger.ErrFull) {
			t.Errorf("Append without room = %v; want ErrFull", err)
		}
	}
	lift()
	es := entries(30, 1)
	want = append(want, items(add(t, l, at(2), es), es)...)
	same(t, "records with room", want, readAll(t, l, 0))
	closeLedger(t, l)
	if report := sound(t, *childDir); report.Segments != 3 || len(report.Open) != 0 {
		t.Errorf("Verify = %+v; want 3 finished segments", report)
	}
}

// TestFileLimit has writes cut short in the middle, by a limit on the file's size.
func TestFileLimit(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"limit", "reopen"} {
		child, report := startChild(t, role, t.TempDir(), 0)
		if _, err := io.Copy(io.Discard, report); err != nil {
			t.Fatal(err)
		}
		if err := child.Wait(); err != nil {
			t.Errorf("%s: %v", role, err)
		}
	}
}
