package bus_test

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bartizan/internal/bus"
)

// BenchmarkBatches sends batches of 100 records of 400 bytes through all partitions,
// one unacknowledged batch per partition, to a consumer in the same process.
func BenchmarkBatches(bench *testing.B) {
	for name, payload := range map[string][]byte{
		"random":       random(100 * 400),
		"compressible": []byte(strings.Repeat("0123456789abcdef", 100*400/16)),
	} {
		bench.Run(name, func(bench *testing.B) {
			b := start(bench)
			received := make(chan struct{}, 1<<16)
			consume(bench, b, all(), func(context.Context, int, bus.Batch) error {
				received <- struct{}{}
				return nil
			})
			bench.ResetTimer()
			var wg sync.WaitGroup
			each := bench.N/bus.Partitions + 1
			for p := range bus.Partitions {
				wg.Go(func() {
					for i := range uint64(each) {
						x := bus.Batch{Node: "n", First: i*100 + 1, Last: i*100 + 100, Prev: i * 100, Payload: payload}
						if err := b.Publish(context.Background(), p, x); err != nil {
							bench.Error(err)
						}
					}
				})
			}
			for range each * bus.Partitions {
				<-received
			}
			wg.Wait()
			bench.ReportMetric(float64(each*bus.Partitions*100)/bench.Elapsed().Seconds(), "records/s")
		})
	}
}

func random(n int) []byte {
	rng := rand.New(rand.NewPCG(1, 1))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	return data
}

// BenchmarkLevel is the time from a level's put to a watcher that has it.
func BenchmarkLevel(bench *testing.B) {
	b := start(bench)
	got := make(chan struct{})
	go func() { _ = b.WatchLevels(bench.Context(), func(string, bus.Level) { got <- struct{}{} }) }()
	version := int64(0)
	for bench.Loop() {
		version++
		if err := b.PutLevel(bench.Context(), "0a0b0c", bus.Level{Version: version}); err != nil {
			bench.Fatal(err)
		}
		<-got
	}
}

// BenchmarkStart is the time to a bus that is ready, and from there to its end.
func BenchmarkStart(bench *testing.B) {
	dir := bench.TempDir()
	for bench.Loop() {
		b, err := bus.Start(bus.Options{Dir: dir})
		if err != nil {
			bench.Fatal(err)
		}
		b.Close()
	}
}

// BenchmarkIdle is what an embedded server costs with all partitions consumed, both
// watches open and nothing to do. Its time per operation means nothing.
func BenchmarkIdle(bench *testing.B) {
	const window = 10 * time.Second
	before := rss(bench)
	b := start(bench)
	in := newInbox(bus.Partitions)
	consume(bench, b, all(), in.receive)
	go func() { _ = b.WatchLevels(bench.Context(), func(string, bus.Level) {}) }()
	go func() { _ = b.WatchRewinds(bench.Context(), func(bus.Rewind) {}) }()
	for p := range bus.Partitions {
		publish(bench, b, p, batch(1, "x"))
	}
	in.wait(bench)
	from := cpu()
	<-timeout(bench, window)
	bench.ReportMetric(100*(cpu()-from).Seconds()/window.Seconds(), "%core")
	bench.ReportMetric(float64(rss(bench)-before), "KiB-rss")
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func rss(t testing.TB) int {
	t.Helper()
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc here")
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			return n
		}
	}
	return 0
}
