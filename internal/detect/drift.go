package detect

import (
	"bartizan"
	"bartizan/internal/stat"
)

// DriftAlpha is the chance at which the test of [Drift] is wrong about customers who
// are as the calibration knows them.
const DriftAlpha = 1e-3

// driftShare is the number of prompts of one account that the test counts at most, so
// that no customer decides alone: prompts of one account are alike.
const driftShare = 10

// Drift tells whether honest accounts still are what the calibration knows: of their
// prompts at most one in ten lies in the lowest tenth of every stratum. More means new
// kinds of customers, a new product, another language, and a calibration to make anew.
type Drift struct {
	// Accounts that are clear, their prompts that count, and those in the lowest tenth.
	Accounts int `json:"accounts"`
	Prompts  int `json:"prompts"`
	Low      int `json:"low"`
}

// Add counts an account that is clear; others are passed over.
func (d *Drift) Add(a Assessment) {
	if a.Verdict != bartizan.VerdictClear || a.Scored == 0 {
		return
	}
	n := min(a.Scored, driftShare)
	d.Accounts++
	d.Prompts += n
	d.Low += a.Low * n / a.Scored
}

// Count is [Drift.Add] without the words of an assessment.
func (e *Engine) Count(d *Drift, s *State) {
	d.Add(Assessment{Verdict: s.verdict.public(), Scored: int(s.calibrated.scored), Low: int(s.calibrated.low)})
}

// Merge adds what o has counted.
func (d *Drift) Merge(o Drift) {
	d.Accounts, d.Prompts, d.Low = d.Accounts+o.Accounts, d.Prompts+o.Prompts, d.Low+o.Low
}

// P is the p-value of the binomial test.
func (d *Drift) P() float64 { return stat.UniformDrift(d.Low, d.Prompts) }

// Drifted reports whether the test rejects at [DriftAlpha].
func (d *Drift) Drifted() bool { return d.Prompts > 0 && d.P() < DriftAlpha }
