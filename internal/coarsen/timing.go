package coarsen

import (
	"math"
	"time"
)

// Timing returns what may be told of a time, a number of units; ok is false when
// nothing may. A unit of 0 is for numbers that follow from times and tokens, as rates
// do: they would give back what was rounded, so they only pass where times do.
func (p *Profile) Timing(value float64, unit time.Duration) (told float64, ok bool) {
	switch {
	case p.Timings == TimingsPass:
		return value, true
	case p.Timings != TimingsRound || unit <= 0:
		return 0, false
	}
	const step = 10 * time.Millisecond
	if unit > step {
		told = tidy(value, float64(unit/step))
	} else {
		per := float64(step / unit)
		told = tidy(value/per, 1) * per
	}
	return told, !math.IsNaN(told) && !math.IsInf(told, 0)
}
