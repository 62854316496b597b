package detect_test

import (
	"testing"

	"bartizan"
	"bartizan/internal/detect"
)

// Evidence that suspends without a person makes one finding more, and only where the
// operator has set how much it takes.
func TestStrongEvidence(t *testing.T) {
	t.Parallel()
	for suspendAt, want := range map[float64]int{0: 0, 4: 1, 300: 0} {
		cfg := detect.Config{SuspendLog10E: suspendAt}
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		strong, alarms := 0, 0
		e, err := detect.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var s detect.State
		x := detect.NewExtractor([]byte("engine"))
		for _, one := range collected(3, 120, 4) {
			f := e.Observe("acme", &s, x.Extract(one))
			if f == nil {
				continue
			}
			if f.Strong {
				strong++
				if f.Verdict != bartizan.VerdictAlarm || f.Log10E < suspendAt {
					t.Errorf("strong finding = %+v; want an alarm of at least %v", f, suspendAt)
				}
			} else if f.Verdict == bartizan.VerdictAlarm {
				alarms++
			}
		}
		if strong != want || alarms != 1 {
			t.Errorf("suspension at %v: %d strong findings, %d other alarms; want %d and 1", suspendAt, strong, alarms, want)
		}
	}
	if (detect.Config{SuspendLog10E: 1}).Validate() == nil {
		t.Error("suspension on less evidence than an alarm is accepted")
	}
}
