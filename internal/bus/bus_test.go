package bus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"

	"bartizan"
	"bartizan/internal/bus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t testing.TB) *bus.Bus {
	t.Helper()
	b, err := bus.Start(bus.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatalf("Start() = %v; want nil", err)
	}
	t.Cleanup(b.Close)
	return b
}

// inbox collects what a consumer receives.
type inbox struct {
	mu   sync.Mutex
	got  map[int][]bus.Batch
	n    int
	want int
	full chan struct{}
}

func newInbox(want int) *inbox {
	return &inbox{got: map[int][]bus.Batch{}, want: want, full: make(chan struct{})}
}

func (in *inbox) receive(_ context.Context, partition int, batch bus.Batch) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	batch.Payload = bytes.Clone(batch.Payload)
	in.got[partition] = append(in.got[partition], batch)
	if in.n++; in.n == in.want {
		close(in.full)
	}
	return nil
}

func (in *inbox) wait(t testing.TB) map[int][]bus.Batch {
	t.Helper()
	select {
	case <-in.full:
	case <-timeout(t, 30*time.Second):
		in.mu.Lock()
		t.Fatalf("received %d batches; want %d", in.n, in.want)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	got := map[int][]bus.Batch{}
	for p, batches := range in.got {
		got[p] = slices.Clone(batches)
	}
	return got
}

// timeout returns a channel that closes after d.
func timeout(t testing.TB, d time.Duration) <-chan struct{} {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx.Done()
}

// consume runs Consume until the test or the returned function ends it.
func consume(t testing.TB, b *bus.Bus, partitions []int, fn bus.Receive) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Consume(ctx, partitions, fn) }()
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-timeout(t, 10*time.Second):
			return errors.New("Consume did not return")
		}
	})
	t.Cleanup(func() { _ = stop() })
	return stop
}

func all() []int {
	partitions := make([]int, bus.Partitions)
	for p := range partitions {
		partitions[p] = p
	}
	return partitions
}

func batch(first uint64, payload string) bus.Batch {
	return bus.Batch{Node: "n1", First: first, Last: first, Prev: first - 1, Epoch: 1, Payload: []byte(payload)}
}

func publish(t testing.TB, b *bus.Bus, partition int, batches ...bus.Batch) {
	t.Helper()
	for _, x := range batches {
		if err := b.Publish(t.Context(), partition, x); err != nil {
			t.Fatalf("Publish(%d, first %d) = %v; want nil", partition, x.First, err)
		}
	}
}

func TestPublishConsumeKeepsOrderOnEveryPartition(t *testing.T) {
	t.Parallel()
	b := start(t)
	const each = 40
	rng := rand.New(rand.NewPCG(1, 2))
	want := map[int][]bus.Batch{}
	for p := range bus.Partitions {
		for i := range uint64(each) {
			// Payloads on both sides of the compression threshold, compressible and not.
			payload := make([]byte, rng.IntN(12<<10))
			if i%2 == 0 {
				for j := range payload {
					payload[j] = byte(rng.Uint32())
				}
			}
			want[p] = append(want[p], bus.Batch{Node: "n1", First: 10*i + 1, Last: 10*i + 10, Prev: 10 * i, Epoch: 3, Payload: payload})
		}
	}
	in := newInbox(each * bus.Partitions)
	consume(t, b, all(), in.receive)
	var wg sync.WaitGroup
	for p := range bus.Partitions {
		wg.Go(func() { publish(t, b, p, want[p]...) })
	}
	wg.Wait()
	if diff := cmp.Diff(want, in.wait(t), cmp.Comparer(bytes.Equal)); diff != "" {
		t.Errorf("received batches differ (-want +got):\n%s", diff)
	}
}

func TestPublishSwallowsRepeatsButNotNewEpochs(t *testing.T) {
	t.Parallel()
	b := start(t)
	again := batch(1, "again")
	again.Epoch = 2
	publish(t, b, 5, batch(1, "one"), batch(1, "one"), batch(2, "two"), batch(2, "two"), again, batch(3, "end"))
	in := newInbox(4)
	consume(t, b, []int{5}, in.receive)
	want := map[int][]bus.Batch{5: {batch(1, "one"), batch(2, "two"), again, batch(3, "end")}}
	if diff := cmp.Diff(want, in.wait(t)); diff != "" {
		t.Errorf("received batches differ (-want +got):\n%s", diff)
	}
}

func TestPublishRefusesWhatCannotBeABatch(t *testing.T) {
	t.Parallel()
	b := start(t)
	cases := map[string]struct {
		partition int
		batch     bus.Batch
	}{
		"partition below":  {-1, batch(1, "x")},
		"partition above":  {bus.Partitions, batch(1, "x")},
		"no node":          {0, bus.Batch{First: 1, Last: 1}},
		"node with a dot":  {0, bus.Batch{Node: "a.b", First: 1, Last: 1}},
		"node with a line": {0, bus.Batch{Node: "a\r\nx", First: 1, Last: 1}},
		"last below first": {0, bus.Batch{Node: "n", First: 2, Last: 1}},
		"too large":        {0, bus.Batch{Node: "n", First: 1, Last: 1, Payload: make([]byte, 9<<20)}},
	}
	for name, c := range cases {
		if err := b.Publish(t.Context(), c.partition, c.batch); err == nil {
			t.Errorf("%s: Publish() = nil; want an error", name)
		}
	}
	in := newInbox(1)
	consume(t, b, []int{0}, in.receive)
	publish(t, b, 0, batch(7, "good"))
	if diff := cmp.Diff(map[int][]bus.Batch{0: {batch(7, "good")}}, in.wait(t)); diff != "" {
		t.Errorf("a refused batch left something behind (-want +got):\n%s", diff)
	}
}

func TestConsumeAgainDeliversWhatWasNotDealtWithInOrder(t *testing.T) {
	t.Parallel()
	b := start(t)
	var want []bus.Batch
	for i := range uint64(8) {
		want = append(want, batch(i+1, fmt.Sprint("payload ", i)))
	}
	publish(t, b, 9, want[:6]...)

	// The first consumer dies in the third batch, with more in its hands.
	died := errors.New("died")
	first := newInbox(2)
	err := b.Consume(t.Context(), []int{9}, func(ctx context.Context, p int, x bus.Batch) error {
		if x.First == 3 {
			return died
		}
		return first.receive(ctx, p, x)
	})
	if !errors.Is(err, died) {
		t.Fatalf("Consume() = %v; want the error of fn", err)
	}
	if diff := cmp.Diff(map[int][]bus.Batch{9: want[:2]}, first.wait(t)); diff != "" {
		t.Errorf("first consumer (-want +got):\n%s", diff)
	}

	// New batches arrive before the old ones are due for redelivery.
	publish(t, b, 9, want[6:]...)
	second := newInbox(6)
	consume(t, b, []int{9}, second.receive)
	if diff := cmp.Diff(map[int][]bus.Batch{9: want[2:]}, second.wait(t)); diff != "" {
		t.Errorf("second consumer (-want +got):\n%s", diff)
	}
}

func TestConsumeRedeliversWithoutNewTraffic(t *testing.T) {
	t.Parallel()
	b, err := bus.Start(bus.Options{Dir: t.TempDir()}.WithAckWait(500 * time.Millisecond))
	if err != nil {
		t.Fatalf("Start() = %v; want nil", err)
	}
	t.Cleanup(b.Close)
	want := []bus.Batch{batch(1, "a"), batch(2, "b"), batch(3, "c")}
	publish(t, b, 1, want...)
	died := errors.New("died")
	if err := b.Consume(t.Context(), []int{1}, func(context.Context, int, bus.Batch) error { return died }); !errors.Is(err, died) {
		t.Fatalf("Consume() = %v; want the error of fn", err)
	}
	in := newInbox(3)
	consume(t, b, []int{1}, in.receive)
	if diff := cmp.Diff(map[int][]bus.Batch{1: want}, in.wait(t)); diff != "" {
		t.Errorf("after the deadline (-want +got):\n%s", diff)
	}
}

func TestConsumeSurvivesASlowReceiver(t *testing.T) {
	t.Parallel()
	b, err := bus.Start(bus.Options{Dir: t.TempDir()}.WithAckWait(200 * time.Millisecond))
	if err != nil {
		t.Fatalf("Start() = %v; want nil", err)
	}
	t.Cleanup(b.Close)
	const count = 30
	var want []bus.Batch
	for i := range uint64(count) {
		want = append(want, batch(i+1, "x"))
	}
	in := newInbox(count)
	consume(t, b, []int{1}, func(ctx context.Context, p int, x bus.Batch) error {
		if x.First%10 == 1 { // longer than the acknowledgement deadline
			wait := time.NewTimer(700 * time.Millisecond)
			defer wait.Stop()
			select {
			case <-wait.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return in.receive(ctx, p, x)
	})
	publish(t, b, 1, want...)
	if diff := cmp.Diff(map[int][]bus.Batch{1: want}, in.wait(t)); diff != "" {
		t.Errorf("batches that came again reached the receiver, or out of order (-want +got):\n%s", diff)
	}
}

func TestConsumePassesOverWhatIsNotABatch(t *testing.T) {
	t.Parallel()
	b := start(t)
	head := func(pairs ...string) map[string][]string {
		h := map[string][]string{"Bz-Node": {"n1"}, "Bz-First": {"1"}, "Bz-Last": {"1"}, "Bz-Prev": {"0"}, "Bz-Epoch": {"0"}}
		for i := 0; i < len(pairs); i += 2 {
			h[pairs[i]] = []string{pairs[i+1]}
		}
		return h
	}
	raw := []map[string][]string{
		nil, head("Bz-Node", ""), head("Bz-First", "-1"), head("Bz-Last", "x"), head("Bz-Epoch", "99999999999999999999"),
		head("Bz-Encoding", "zstd"), head("Bz-Encoding", "br"),
	}
	for _, h := range raw {
		if err := b.PublishRaw(t.Context(), 4, h, []byte("not compressed at all")); err != nil {
			t.Fatalf("PublishRaw() = %v; want nil", err)
		}
	}
	publish(t, b, 4, batch(8, "good"))
	in := newInbox(1)
	consume(t, b, []int{4}, in.receive)
	if diff := cmp.Diff(map[int][]bus.Batch{4: {batch(8, "good")}}, in.wait(t)); diff != "" {
		t.Errorf("after bad messages (-want +got):\n%s", diff)
	}
	if got := b.Malformed(); got != int64(len(raw)) {
		t.Errorf("Malformed() = %d; want %d", got, len(raw))
	}
}

func TestAnotherServerServesTheSame(t *testing.T) {
	t.Parallel()
	ns, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, JetStream: true, NoSigs: true, NoLog: true, StoreDir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	t.Cleanup(func() {
		ns.Shutdown()
		ns.WaitForShutdown()
	})
	if !ns.ReadyForConnections(10 * time.Second) {
		t.Fatal("server is not ready")
	}
	attach := func() *bus.Bus {
		b, err := bus.Attach(t.Context(), ns.ClientURL())
		if err != nil {
			t.Fatalf("Attach() = %v; want nil", err)
		}
		t.Cleanup(b.Close)
		return b
	}
	gateway, settle := attach(), attach()
	in := newInbox(bus.Partitions)
	consume(t, settle, all(), in.receive)
	for p := range bus.Partitions {
		publish(t, gateway, p, batch(1, "x"))
	}
	in.wait(t)
	levels := make(chan bus.Level, 1)
	go func() { _ = gateway.WatchLevels(t.Context(), func(_ string, l bus.Level) { levels <- l }) }()
	want := bus.Level{Level: bartizan.LevelWatch, Version: 2}
	if err := settle.PutLevel(t.Context(), "0a", want); err != nil {
		t.Fatalf("PutLevel() = %v; want nil", err)
	}
	if got := <-levels; got != want {
		t.Errorf("level = %v; want %v", got, want)
	}
}

func TestConsumeServesOneOwnerPerPartition(t *testing.T) {
	t.Parallel()
	b := start(t)
	first := newInbox(1)
	stopFirst := consume(t, b, []int{3}, first.receive)
	publish(t, b, 3, batch(1, "a"))
	first.wait(t)
	second := newInbox(1)
	consume(t, b, []int{3}, second.receive)

	publish(t, b, 3, batch(2, "b"), batch(3, "c"))
	select {
	case <-second.full:
		t.Error("a second consumer was served while the first owned the partition")
	case <-timeout(t, 200*time.Millisecond):
	}
	if err := stopFirst(); !errors.Is(err, context.Canceled) {
		t.Errorf("Consume() = %v; want context.Canceled", err)
	}
	publish(t, b, 3, batch(4, "d"))
	got := second.wait(t)[3]
	if len(got) == 0 || got[0].First != 4 {
		t.Errorf("after the first left, the second received %v; want batch 4", got)
	}
}

func TestConsumeErrors(t *testing.T) {
	t.Parallel()
	b := start(t)
	nothing := func(context.Context, int, bus.Batch) error { return nil }
	if err := b.Consume(t.Context(), []int{0, bus.Partitions}, nothing); err == nil {
		t.Error("Consume(partition 64) = nil; want an error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Consume(ctx, []int{0}, nothing); !errors.Is(err, context.Canceled) {
		t.Errorf("Consume(ended context) = %v; want context.Canceled", err)
	}
}

func TestStopWaitsForTheReceiver(t *testing.T) {
	t.Parallel()
	b := start(t)
	entered, running := make(chan struct{}), true
	stop := consume(t, b, []int{0}, func(ctx context.Context, _ int, _ bus.Batch) error {
		close(entered)
		<-ctx.Done()
		running = false // a race with the read below, unless Consume waits
		return ctx.Err()
	})
	publish(t, b, 0, batch(1, "x"))
	<-entered
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("Consume() = %v; want context.Canceled", err)
	}
	if running {
		t.Error("Consume returned while the receiver was running")
	}
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	b, err := bus.Start(bus.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatalf("Start() = %v; want nil", err)
	}
	in := newInbox(1)
	ends := make(chan error, 3)
	go func() { ends <- b.Consume(t.Context(), all(), in.receive) }()
	seen := make(chan struct{}, 2)
	go func() { ends <- b.WatchLevels(t.Context(), func(string, bus.Level) { seen <- struct{}{} }) }()
	go func() { ends <- b.WatchRewinds(t.Context(), func(bus.Rewind) { seen <- struct{}{} }) }()
	publish(t, b, 63, batch(1, "x"))
	in.wait(t)
	if err := b.PutLevel(t.Context(), "00ff", bus.Level{Version: 1}); err != nil {
		t.Errorf("PutLevel() = %v; want nil", err)
	}
	if err := b.PutRewind(t.Context(), 1, "n1", 1); err != nil {
		t.Errorf("PutRewind() = %v; want nil", err)
	}
	<-seen
	<-seen
	b.Close()
	for range 3 {
		if err := <-ends; !errors.Is(err, bus.ErrClosed) {
			t.Errorf("after Close a reader returned %v; want ErrClosed", err)
		}
	}
	if err := b.Publish(t.Context(), 0, batch(2, "y")); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("Publish() after Close = %v; want ErrClosed", err)
	}
	if err := b.PutLevel(t.Context(), "00ff", bus.Level{}); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("PutLevel() after Close = %v; want ErrClosed", err)
	}
	if err := b.Consume(t.Context(), []int{0}, in.receive); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("Consume() after Close = %v; want ErrClosed", err)
	}
}

func TestRestartRemembersNothingAndWorks(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "bus")
	for round := range 3 {
		b, err := bus.Start(bus.Options{Dir: dir})
		if err != nil {
			t.Fatalf("round %d: Start() = %v; want nil", round, err)
		}
		want := batch(uint64(round+1), fmt.Sprint("round ", round))
		publish(t, b, 2, want)
		in := newInbox(1)
		stop := consume(t, b, []int{2}, in.receive)
		if diff := cmp.Diff(map[int][]bus.Batch{2: {want}}, in.wait(t)); diff != "" {
			t.Errorf("round %d (-want +got):\n%s", round, diff)
		}
		_ = stop()
		publish(t, b, 2, batch(100, "not read by anybody"))
		b.Close()
	}
}

func TestPublishEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Publish(ctx, 0, batch(1, "x")); !errors.Is(err, context.Canceled) {
		t.Errorf("Publish(ended context) = %v; want context.Canceled", err)
	}
}

func TestWatchLevels(t *testing.T) {
	t.Parallel()
	b := start(t)
	type seen struct {
		MAC   string
		Level bus.Level
	}
	put := func(s seen) {
		t.Helper()
		if err := b.PutLevel(t.Context(), s.MAC, s.Level); err != nil {
			t.Fatalf("PutLevel(%s) = %v; want nil", s.MAC, err)
		}
	}
	old := seen{"0a0b", bus.Level{Level: bartizan.LevelRestricted, Version: 7, Reason: "alarm"}}
	put(seen{"0a0b", bus.Level{Level: bartizan.LevelWatch, Version: 6}})
	put(old)
	got := make(chan seen)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- b.WatchLevels(ctx, func(mac string, l bus.Level) { got <- seen{mac, l} })
	}()
	if first := <-got; first != old {
		t.Errorf("first level = %v; want the newest of before, %v", first, old)
	}
	for version := range int64(20) {
		want := seen{fmt.Sprintf("%04x", version), bus.Level{Level: bartizan.LevelWatch, Version: version}}
		put(want)
		if l := <-got; l != want {
			t.Errorf("level %d = %v; want %v", version, l, want)
		}
	}
	for i, bad := range []string{"", "{", `{"level":"none"}`, `{"version":"x"}`} {
		if err := b.PutRaw(t.Context(), fmt.Sprint("bad", i), []byte(bad)); err != nil {
			t.Fatalf("PutRaw(%q) = %v; want nil", bad, err)
		}
	}
	last := seen{"ff", bus.Level{Version: 1}}
	put(last)
	if l := <-got; l != last {
		t.Errorf("level after unreadable ones = %v; want %v", l, last)
	}
	if n := b.Malformed(); n != 4 {
		t.Errorf("Malformed() = %d; want 4", n)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("WatchLevels() = %v; want context.Canceled", err)
	}
	if err := b.PutLevel(t.Context(), "no.dots", bus.Level{}); err == nil {
		t.Error("PutLevel(no.dots) = nil; want an error")
	}
	if err := b.PutLevel(t.Context(), "00", bus.Level{Level: 9}); err == nil {
		t.Error("PutLevel(level 9) = nil; want an error")
	}
}

func TestWatchRewinds(t *testing.T) {
	t.Parallel()
	b := start(t)
	got := make(chan bus.Rewind)
	go func() { _ = b.WatchRewinds(t.Context(), func(r bus.Rewind) { got <- r }) }()
	for _, want := range []bus.Rewind{{3, "n1", 40}, {3, "n1", 40}, {63, "node-2", 0}} {
		if err := b.PutRewind(t.Context(), want.Partition, want.Node, want.Seq); err != nil {
			t.Fatalf("PutRewind(%v) = %v; want nil", want, err)
		}
		if r := <-got; r != want {
			t.Errorf("rewind = %v; want %v", r, want)
		}
	}
	if err := b.PutRewind(t.Context(), 64, "n1", 0); err == nil {
		t.Error("PutRewind(partition 64) = nil; want an error")
	}
	if err := b.PutRewind(t.Context(), 0, "", 0); err == nil {
		t.Error("PutRewind(no node) = nil; want an error")
	}
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]bus.Options{
		"no folder": {}, "negative memory": {Dir: t.TempDir(), MaxMemory: -1}, "a file in the way": {Dir: file},
	} {
		if b, err := bus.Start(o); err == nil {
			b.Close()
			t.Errorf("%s: Start() = nil; want an error", name)
		}
	}
}

func TestPartition(t *testing.T) {
	t.Parallel()
	mac := [16]byte{15: 0xff}
	if got := bus.Partition(mac); got != 63 {
		t.Errorf("Partition(…ff) = %d; want 63", got)
	}
	if got := bus.Partition([16]byte{0: 0xff, 15: 64}); got != 0 {
		t.Errorf("Partition(ff…40) = %d; want 0", got)
	}
}

// What was dealt with does not stay in memory: the ledger has it.
func TestBatchesDealtWithAreDropped(t *testing.T) {
	t.Parallel()
	b := start(t)
	const batches = 1000
	in := newInbox(batches)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Consume(ctx, []int{3}, in.receive) }()
	for i := range uint64(batches) {
		batch := bus.Batch{Node: "n", First: i + 1, Last: i + 1, Prev: i, Payload: []byte("x")}
		if err := b.Publish(t.Context(), 3, batch); err != nil {
			t.Fatal(err)
		}
	}
	got := in.wait(t)[3]
	for i, batch := range got {
		if batch.First != uint64(i+1) {
			t.Fatalf("batch %d begins with %d; want all in order", i, batch.First)
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for bus.Held(t, b) > 100 && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	if held := bus.Held(t, b); held > 100 {
		t.Errorf("the stream holds %d batches; want at most 100 of %d", held, batches)
	}
	cancel()
	<-done
}
