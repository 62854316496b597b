// Package detect decides how strong the evidence is that an account collects
// answers to copy the model.
package detect

import (
	"time"

	"bartizan"
)

// Config holds the thresholds of the rule. The zero value means the shipped ones.
type Config struct {
	// WatchLog10E, WatchRun and AlarmLog10E are the thresholds of the verdicts.
	WatchLog10E float64
	WatchRun    float64
	AlarmLog10E float64
}

// Validate reports every fault of c at once.
func (c Config) Validate() error { return nil }

// Hash names the calibration and the thresholds that findings were judged by.
func (c Config) Hash() string { return "" }

// Engine judges accounts. It is immutable and may be shared.
type Engine struct{ cfg Config }

// New returns an engine for cfg.
func New(cfg Config) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Engine{cfg: cfg}, nil
}

// Observe takes one exchange of an account into its state and returns a finding
// when the verdict rose. Exchanges of an account must come in the order of their
// arrival; time is taken from f alone.
func (e *Engine) Observe(account string, s *State, f *Features) *bartizan.Finding {
	_, _, _ = account, s, f
	return nil
}

// Reset restarts the evidence of an account at the given time, after a person has
// cleared it. What the account has sent before stays known as not new.
func (e *Engine) Reset(s *State, at time.Time) { _, _ = s, at }

// Assessment is the standing of an account.
type Assessment struct {
	Verdict bartizan.Verdict
	// Log10E is the decimal logarithm of the combined e-value.
	Log10E    float64
	Evidence  []bartizan.Evidence
	Exchanges int
	// AlarmAt is the 1-based number of the exchange at which the present verdict
	// first held; 0 while it is clear.
	AlarmAt int
}

// Assess returns the standing of the account that s belongs to.
func (e *Engine) Assess(s *State) Assessment {
	_ = s
	return Assessment{Verdict: bartizan.VerdictClear}
}
