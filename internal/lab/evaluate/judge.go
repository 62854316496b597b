package evaluate

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"bartizan"
	"bartizan/internal/detect/baseline"
)

// outcome is what one detector said of one stream. Numbers of exchanges are 1-based,
// 0 means never.
type outcome struct {
	alarmAt, watchAt int
	highest, final   float64
	// curve is log10 e after each of the checkpoints that the stream reaches.
	curve []float64
}

// checkpoints are the numbers of queries at which evidence is noted.
func checkpoints() []int {
	return []int{1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500, 600, 800, 1000, 1200, 1500, 2000}
}

func judge(d baseline.Detector, s *Stream) outcome {
	o := outcome{highest: math.Inf(-1)}
	j := d.Open(s.Account)
	marks := checkpoints()
	for i, x := range s.Exchanges {
		log10e, verdict := j.See(x)
		o.final = log10e
		o.highest = max(o.highest, log10e)
		if verdict != bartizan.VerdictClear && o.watchAt == 0 {
			o.watchAt = i + 1
		}
		if verdict == bartizan.VerdictAlarm && o.alarmAt == 0 {
			o.alarmAt = i + 1
		}
		if d.Evidence && len(marks) > 0 && marks[0] == i+1 {
			o.curve = append(o.curve, log10e)
			marks = marks[1:]
		}
		if o.alarmAt > 0 && !d.Evidence {
			break
		}
	}
	return o
}

// judged are a stream without its exchanges and what each detector said of it.
type judged struct {
	*Stream

	times     []time.Time // of the arrivals, for campaigns
	heldOut   bool        // by detectors that do not know its stratum
	log       string
	exchanges int
	attacks   int
	outcomes  []outcome
	// attackBefore counts, for each detector, the prompts of the attack that were
	// answered before its alarm.
	attackBefore []int
}

func (s *Stream) judgedBy(detectors []baseline.Detector) judged {
	g := judged{Stream: s, exchanges: len(s.Exchanges), attacks: s.attacks()}
	for _, d := range detectors {
		o := judge(d, s)
		before := g.attacks
		if o.alarmAt > 0 {
			before = 0
			for _, yes := range s.FromAttack[:o.alarmAt-1] {
				if yes {
					before++
				}
			}
		}
		g.outcomes = append(g.outcomes, o)
		g.attackBefore = append(g.attackBefore, before)
	}
	if s.Campaign != "" {
		for _, x := range s.Exchanges {
			g.times = append(g.times, x.At)
		}
	}
	bare := *s
	bare.Exchanges, bare.FromAttack = nil, nil
	g.Stream = &bare
	return g
}

// ticker counts work that is done and tells somebody.
type ticker struct {
	mu   sync.Mutex
	done atomic.Int64
	all  int64
	tell func(phase string, done, all int64)
}

func (t *ticker) add(phase string, n int) {
	done := t.done.Add(int64(n))
	if t.tell != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.tell(phase, min(done, t.all), t.all)
	}
}

// workers is the number of goroutines that judge.
func workers() int { return max(1, runtime.GOMAXPROCS(0)) }

// each calls fn for 0 to n-1 from several goroutines and returns the first error. It
// stops when ctx ends.
func each(ctx context.Context, n int, fn func(i int) error) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(workers())
	for i := range n {
		if inner.Err() != nil {
			break
		}
		group.Go(func() error {
			if err := inner.Err(); err != nil {
				return fmt.Errorf("stopped before part %d of %d: %w", i+1, n, err)
			}
			return fn(i)
		})
	}
	if err := group.Wait(); err != nil {
		return err //nolint:wrapcheck // wrapped above
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("stopped: %w", context.Cause(ctx))
	}
	return nil
}
