package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"bartizan/bench/rig"
)

// job is a piece of work that needs no other. Its weight is about how many seconds it
// takes one core.
type job struct {
	name   string
	weight float64
	do     func(ctx context.Context) error
}

// perform runs the jobs, several at once, and prints how far it is. It returns the
// first error, or the context's, when all that had begun has ended.
func perform(ctx context.Context, jobs []job, workers int, progress io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		wait  sync.WaitGroup
		mu    sync.Mutex
		done  float64
		ended int
		total float64
		shown time.Time
	)
	queue := make(chan job, len(jobs))
	for _, j := range jobs {
		total += j.weight
		queue <- j
	}
	close(queue)
	fmt.Fprintf(progress, "%d jobs, about %.0f s on idle cores\n", len(jobs), total/float64(workers))
	start := rig.Now()
	finished := func(j job) {
		mu.Lock()
		defer mu.Unlock()
		done += j.weight
		ended++
		now := rig.Now()
		if now.Sub(shown) < 5*time.Second && ended < len(jobs) {
			return
		}
		shown = now
		elapsed := now.Sub(start).Seconds()
		fmt.Fprintf(progress, "%4.0f s  %3d of %d  %-30s about %.0f s left\n",
			elapsed, ended, len(jobs), j.name, elapsed*(total-done)/done)
	}
	for range workers {
		wait.Go(func() {
			for j := range queue {
				if ctx.Err() != nil {
					return
				}
				if err := j.do(ctx); err != nil {
					cancel(fmt.Errorf("%s: %w", j.name, err))
					return
				}
				finished(j)
			}
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}

// source is a stream of random numbers of its own for each seed and purpose.
func source(seed uint64, purpose ...int) *rand.Rand {
	mixed := uint64(0x9e3779b97f4a7c15)
	for _, p := range purpose {
		mixed = (mixed ^ uint64(p)) * 0xbf58476d1ce4e5b9 //nolint:gosec // any number will do
		mixed ^= mixed >> 29
	}
	return rand.New(rand.NewPCG(seed, mixed)) //nolint:gosec // seeded on purpose: a run can be repeated
}

// The purposes of random numbers.
const (
	forArgmax = iota + 1
	forLinear
	forLowRank
	forTeacher
	forQueries
	forStudent
	forTest
	forEmbedder
	forNoise
	forAdaptive
)

// normal returns n draws from a normal distribution of mean zero.
func normal(r *rand.Rand, n int, deviation float64) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = r.NormFloat64() * deviation
	}
	return v
}
