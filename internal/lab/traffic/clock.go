// Package traffic makes the traffic that demonstrations and experiments need: honest
// customers with topics and human pace, and collectors that copy a model, alone or
// split over accounts. All of it is drawn from a seed and runs on a [Clock] that may
// be faster than the wall's.
package traffic

import (
	"context"
	"time"
)

// Clock is a clock that runs Speed times as fast as the wall's from Start on. The
// same clock must drive limits, detectors and senders: a system where only one of
// them is fast measures nothing.
type Clock struct {
	start time.Time // virtual
	wall  time.Time
	speed float64
}

// NewClock returns a clock that shows start now and runs speed times as fast.
func NewClock(start time.Time, speed float64) *Clock {
	return &Clock{start: start, wall: time.Now(), speed: speed}
}

// Now returns the virtual time.
func (c *Clock) Now() time.Time {
	return c.start.Add(time.Duration(float64(time.Since(c.wall)) * c.speed))
}

// Since returns the virtual time that has passed since the clock began.
func (c *Clock) Since() time.Duration { return c.Now().Sub(c.start) }

// Sleep waits for d of virtual time; it returns false when ctx ended first.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(time.Duration(float64(d) / c.speed))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Start returns the virtual time at which the clock began.
func (c *Clock) Start() time.Time { return c.start }
