package bartizan

import "time"

// Action is what the guard does with a request.
type Action string

// The actions.
const (
	ActionAllow    Action = "allow"
	ActionThrottle Action = "throttle" // too much now; try again after RetryAfter
	ActionHold     Action = "hold"     // waits for a person
	ActionDeny     Action = "deny"
)

// Decision is the guard's answer to one request. A refusal is a value, not an error.
type Decision struct {
	Action  Action   `json:"action"`
	Reasons []Reason `json:"reasons,omitempty"`
	// RetryAfter is set on throttle: after it the same request could pass.
	RetryAfter time.Duration `json:"retry_after_ns,omitempty"`
}

// Allowed reports whether the request may go to the upstream.
func (d Decision) Allowed() bool { return d.Action == ActionAllow }

// Reason says why. It is for the operator's record; what the client reads is made
// from it in the provider's shape and never discloses a suspicion.
type Reason struct {
	// Code is a stable word: "limit", "suspended", "route_closed", "too_large",
	// "bad_request", "withheld", "unavailable". "shadow_limit" and "shadow_suspended" say
	// what would have been refused but for shadow mode, of everything or of a level, and
	// "shadow_level" that a level would have given less of what was asked.
	Code string `json:"code"`
	// Dimension names the limit that was reached, such as "requests" or "tokens".
	Dimension string `json:"dimension,omitempty"`
	// Window is the limit's window, such as "minute" or "day".
	Window string `json:"window,omitempty"`
	// Of says whose limit it is when it is not the account's own: "organisation", "key"
	// or "model".
	Of string `json:"of,omitempty"`
}
