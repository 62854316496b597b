package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// grown is a run whose memory starts at base and grows by slope MiB a minute.
func grown(base, slope float64) *result {
	r := &result{SlopeTarget: 1, PeakTarget: 120, PeakMB: base + 20, Faults: map[string]int{}}
	for second := range 600 {
		mebibytes := base + slope*float64(second)/60
		if second < 60 {
			mebibytes -= 0.8 * float64(60-second) // the warm-up
		}
		if second%7 == 0 {
			mebibytes += 9 // before a collection
		}
		r.RSS = append(r.RSS, sample{At: float64(second), Bytes: int64(mebibytes * (1 << 20))})
	}
	return r
}

func TestConclude(t *testing.T) {
	t.Parallel()
	o := options{warmUp: time.Minute}
	tests := map[string]struct {
		run    *result
		change func(*result)
		missed string
	}{
		"steady": {grown(60, 0.1), func(*result) {}, ""},
		"leak":   {grown(60, 2), func(*result) {}, "grows by 2.0"},
		"large":  {grown(110, 0), func(*result) {}, "reached 130"},
		"wrong":  {grown(60, 0), func(r *result) { r.Faults["status 500"] = 3 }, "status 500"},
		"short":  {grown(60, 0), func(r *result) { r.RSS = r.RSS[:30] }, "too few samples"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.change(test.run)
			test.run.conclude(o)
			err := test.run.fault()
			switch {
			case test.missed == "" && err != nil:
				t.Errorf("fault = %v; want none", err)
			case test.missed != "" && (!errors.Is(err, errMissed) || !strings.Contains(err.Error(), test.missed)):
				t.Errorf("fault = %v; want a missed target with %q", err, test.missed)
			}
			var out strings.Builder
			test.run.print(&out)
			if !strings.Contains(out.String(), "slope") {
				t.Errorf("print = %q; want the slope", out.String())
			}
		})
	}
}

func TestBadFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-duration", "1ms"}, {"-duration", "1m", "-warm-up", "1m"}, {"-streams", "0"}, {"-nonsense"}} {
		var stdout, stderr strings.Builder
		if code := run(args, &stdout, &stderr); code != 2 || stderr.Len() == 0 {
			t.Errorf("run(%v) = %d, %q; want 2 and a message", args, code, stderr.String())
		}
	}
}
