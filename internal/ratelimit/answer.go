package ratelimit

import "time"

// Demand is what a request spends, or is expected to spend, in every dimension.
// Negative amounts count as 0.
type Demand struct {
	Requests int64
	Tokens   int64
	Streams  int64
	// Prompt is the part of Tokens that is spent whatever the answer will be. A
	// reservation that nobody settles is charged at least this. It is read by
	// Reserve alone.
	Prompt int64
}

// Standing is how much of a limit is left.
type Standing struct {
	Limit Limit
	// Remaining is the largest demand that would pass this limit now.
	Remaining int64
	// Reset is how long it takes without further spending until everything that
	// the limit allows is there again. It is 0 for a Concurrent limit, which
	// recovers as streams end.
	Reset time.Duration
}

// Denial says which limit refused a demand. When several do, it is the one that
// takes longest.
type Denial struct {
	Limit Limit
	// RetryAfter is the shortest wait after which the same demand passes, if nothing
	// else is spent meanwhile. For a Concurrent limit it is [StreamRetry], because
	// nobody knows when a stream ends.
	RetryAfter time.Duration
	// Never means that no wait helps: the demand is larger than the limit ever
	// grants at once. RetryAfter is then 0.
	Never bool
}

// StreamRetry is the wait advised to a caller who has too many streams under way.
const StreamRetry = time.Second

// Grant names a reservation among those of all accounts. The zero Grant names none.
type Grant struct {
	Account string
	ID      uint64
}

// Outcome is the answer to one reservation.
type Outcome struct {
	// Grant is to be settled when the request is over; it is zero on a denial.
	Grant Grant
	// Denial is nil when everything asked for was reserved.
	Denial *Denial
	// Standing lists every limit in force, the reservation included.
	Standing []Standing
}
