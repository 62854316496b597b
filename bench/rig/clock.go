package rig

import (
	"context"
	"time"
)

// Now reads the clock. Measuring programs have no other source of time.
func Now() time.Time {
	return time.Now()
}

// Pause waits for d or until the context ends, and says which by the context's error.
func Pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
