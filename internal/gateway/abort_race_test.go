//go:build race

package gateway_test

import "time"

// abortWithin is how soon the upstream has to learn that a client left. The race
// detector makes everything slower, and others run beside.
const abortWithin = time.Second
