package replay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/logread"
	"bartizan/internal/policy"
	"bartizan/internal/replay"
)

// many is a log of n exchanges of 10,000 accounts in the order in which they end.
func many(n int) replay.Source {
	return func(_ context.Context, yield func(*bartizan.Exchange) error) error {
		rnd := rand.New(rand.NewPCG(1, 1))
		for i := range n {
			x := answered(fmt.Sprint("account-", rnd.IntN(10_000)), time.Duration(i)*50*time.Millisecond)
			x.EndAt = x.At.Add(2 * time.Second)
			x.Usage.OutputTokens = 1 + rnd.Int64N(300)
			x.Text = &bartizan.Text{Prompt: fmt.Sprint("What is the answer to question ", rnd.IntN(n), ", in a few words?"), Turns: 1}
			if err := yield(&x); err != nil {
				return err
			}
		}
		return nil
	}
}

func options(b *testing.B) replay.Options {
	b.Helper()
	spec := policy.Default()
	spec.Prices = []policy.Price{{Match: "m*", Input: 150_000, Output: 600_000}}
	p := compile(b, spec)
	return replay.Options{New: replay.Policy{Rules: p}, Against: &replay.Policy{Rules: p}}
}

// The engine alone, under two policies; the time is that of 100,000 exchanges.
func BenchmarkRun(b *testing.B) {
	const n = 100_000
	o := options(b)
	b.ReportAllocs()
	for b.Loop() {
		run(b, o, many(n))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/exchange")
}

// With the reading of JSON lines.
func BenchmarkReadAndRun(b *testing.B) {
	const n = 50_000
	var log bytes.Buffer
	enc := json.NewEncoder(&log)
	if err := many(n)(b.Context(), func(x *bartizan.Exchange) error { return enc.Encode(x) }); err != nil {
		b.Fatal(err)
	}
	o := options(b)
	b.SetBytes(int64(log.Len()))
	b.ReportAllocs()
	for b.Loop() {
		run(b, o, func(ctx context.Context, yield func(*bartizan.Exchange) error) error {
			_, err := logread.Read(ctx, bytes.NewReader(log.Bytes()), logread.Options{}, yield)
			return err
		})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/exchange")
}

// What a replay holds does not grow with the log.
func TestMemoryDoesNotGrowWithTheLog(t *testing.T) { //nolint:paralleltest // it looks at the memory of the process
	if testing.Short() {
		t.Skip("takes seconds")
	}
	p := compile(t, policy.Default())
	held := func(n int) uint64 {
		most := uint64(0)
		run(t, replay.Options{New: replay.Policy{Rules: p}, Progress: func(done int64, _ time.Time) {
			if done%(64<<10) == 0 {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}}, many(n))
		return most
	}
	small, large := held(150_000), held(600_000)
	if large > small*3/2 {
		t.Errorf("600,000 exchanges hold %d MiB, 150,000 hold %d MiB; want about the same", large>>20, small>>20)
	}
}
