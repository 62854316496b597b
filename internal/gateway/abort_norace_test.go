//go:build !race

package gateway_test

import "time"

// abortWithin is how soon the upstream has to learn that a client left.
const abortWithin = 100 * time.Millisecond
