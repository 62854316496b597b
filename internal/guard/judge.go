package guard

import (
	"fmt"
	"time"

	"bartizan"
	"bartizan/internal/detect"
)

// LevelFor is the step that a finding takes by itself: a watched account is tightened a
// little, an alarmed one is restricted. Suspension is for people, except where the
// operator has set the evidence that suspends without one, and the finding reached it.
// The evidence of detectors that only observe moves nothing.
func LevelFor(f *bartizan.Finding) bartizan.Level {
	verdict := f.Verdict
	switch {
	case f.Moves != "":
		verdict = f.Moves
	case f.Strong && verdict == bartizan.VerdictAlarm:
		return bartizan.LevelSuspended
	}
	switch verdict {
	case bartizan.VerdictAlarm:
		return bartizan.LevelRestricted
	case bartizan.VerdictWatch:
		return bartizan.LevelWatch
	case bartizan.VerdictClear:
		return bartizan.LevelNormal
	default:
		return bartizan.LevelNormal
	}
}

// Judge keeps the detectors' state of a set of accounts and applies their
// features in order. Live settlement and scans of logs run the same Judge, so they
// cannot differ. It is not safe for use by several goroutines at once.
type Judge struct {
	engine *detect.Engine
	states map[string]*detect.State
	dirty  map[string]struct{}
}

// NewJudge returns a judge that has seen nothing.
func NewJudge(engine *detect.Engine) *Judge {
	return &Judge{engine: engine, states: make(map[string]*detect.State), dirty: make(map[string]struct{})}
}

// Observe takes the next exchange of an account. It returns a finding when the
// verdict on the account rose, else nil.
func (j *Judge) Observe(account string, f *detect.Features) *bartizan.Finding {
	s := j.states[account]
	if s == nil {
		s = new(detect.State)
		j.states[account] = s
	}
	j.dirty[account] = struct{}{}
	return j.engine.Observe(account, s, f)
}

// Assess returns the standing of an account, and false when it was never seen.
func (j *Judge) Assess(account string) (detect.Assessment, bool) {
	s, ok := j.states[account]
	if !ok {
		return detect.Assessment{}, false
	}
	return j.engine.Assess(s), true
}

// Drift counts the accounts that are clear against the calibration.
func (j *Judge) Drift() detect.Drift {
	var d detect.Drift
	for _, s := range j.states {
		j.engine.Count(&d, s)
	}
	return d
}

// Reset restarts the evidence against an account that a person has cleared.
func (j *Judge) Reset(account string, at time.Time) {
	if s, ok := j.states[account]; ok {
		j.engine.Reset(s, at)
		j.dirty[account] = struct{}{}
	}
}

// Dirty encodes the state of every account that changed since the last call that
// was followed by Clean.
func (j *Judge) Dirty() (map[string][]byte, error) {
	out := make(map[string][]byte, len(j.dirty))
	for account := range j.dirty {
		state, err := j.states[account].AppendBinary(nil)
		if err != nil {
			return nil, fmt.Errorf("encode detector state of %s: %w", account, err)
		}
		out[account] = state
	}
	return out, nil
}

// Clean forgets which accounts changed: what Dirty returned is stored.
func (j *Judge) Clean() { clear(j.dirty) }

// Load puts an account's stored state in place.
func (j *Judge) Load(account string, state []byte) error {
	s, err := detect.DecodeState(state)
	if err != nil {
		return fmt.Errorf("decode detector state of %s: %w", account, err)
	}
	j.states[account] = s
	return nil
}

// Forget drops an account's state.
func (j *Judge) Forget(account string) {
	delete(j.states, account)
	delete(j.dirty, account)
}
