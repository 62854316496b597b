package bartizan

import (
	"encoding/json"
	"time"
)

// GrantSchema names the JSON contract of [Grant].
const GrantSchema = "bartizan.grant/1"

// Bound is one limit in words: what is counted, over which window, and how much of it
// is allowed.
type Bound struct {
	// Dimension is what is counted: "requests", "tokens" (of prompt and answer
	// together), "input_tokens", "output_tokens", "cost" (micro-dollars), "numeric_values"
	// (numeric values released), "prompts" (distinct ones), "concurrent" (requests
	// under way) or "streams" (streamed answers under way).
	Dimension string `json:"dimension"`
	// Window is "minute", "hour", "day", "month", or "concurrent" for what is under way.
	Window string `json:"window"`
	Amount int64  `json:"amount"`
}

// LimitRequest is a wish for higher limits: the question of a [CaseLimit].
type LimitRequest struct {
	// Wanted are the limits asked for; empty when a case opened by itself.
	Wanted []Bound `json:"wanted"`
	// UseCase and Pattern are the customer's own words: what for, and how the traffic
	// will look.
	UseCase string `json:"use_case,omitempty"`
	Pattern string `json:"expected_pattern,omitempty"`
	// Source says who asked.
	Source RequestSource `json:"source"`
}

// RequestSource says where a [LimitRequest] came from.
type RequestSource string

// The sources of limit requests.
const (
	SourceCustomer  RequestSource = "customer"  // by the API, with the customer's own key
	SourceOperator  RequestSource = "operator"  // entered by a person of the operator
	SourceAutomatic RequestSource = "automatic" // the account keeps running into its limits
)

// Grant raises limits of one account until it ends. Its bounds stand in place of those
// of the account's tier in the same dimension and window; a level still tightens them.
type Grant struct {
	Schema  string `json:"schema"`
	ID      string `json:"id"`
	Account string `json:"account"`
	// Case is the id of the case that was decided so.
	Case   string  `json:"case"`
	Bounds []Bound `json:"bounds"`
	// From and Until are when it is in force, Until excluded. A grant always ends.
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	// RevokedAt ends it early; zero means that nobody did.
	RevokedAt time.Time `json:"revoked_at,omitzero"`
}

// In reports whether the grant is in force at the time.
func (g Grant) In(at time.Time) bool {
	return !at.Before(g.From) && at.Before(g.Until) && (g.RevokedAt.IsZero() || at.Before(g.RevokedAt))
}

// CaseEvent is one entry of a case's log. Entries are added and never changed.
type CaseEvent struct {
	At time.Time `json:"at"`
	// By is a person's name, or "bartizan" for what happens by itself.
	By  string  `json:"by"`
	Act CaseAct `json:"act"`
	// Why is the person's reason.
	Why string `json:"why,omitempty"`
	// Ruling, Bounds and Until are what was decided or proposed.
	Ruling Ruling    `json:"ruling,omitempty"`
	Bounds []Bound   `json:"bounds,omitempty"`
	Until  time.Time `json:"until,omitzero"`
	// Seen are the numbers that were in front of the person: the case's sheet.
	Seen json.RawMessage `json:"seen,omitempty"`
}

// CaseAct is what happened to a case.
type CaseAct string

// What can happen to a case.
const (
	ActOpened   CaseAct = "opened"
	ActAsked    CaseAct = "asked"    // the customer was asked for more; the case waits
	ActAnswered CaseAct = "answered" // the customer, or somebody for them, answered
	ActProposed CaseAct = "proposed" // the first of two people decided; a second one is needed
	ActDecided  CaseAct = "decided"
	ActReopened CaseAct = "reopened" // an appeal
	ActExpired  CaseAct = "expired"  // a time-boxed ruling or grant came to its end
	ActRevoked  CaseAct = "revoked"  // a grant was ended early
)

// UsageDay is what one account used and was refused on one day (UTC).
type UsageDay struct {
	Account string `json:"account"`
	// Day is its midnight in UTC.
	Day          time.Time `json:"day"`
	Requests     int64     `json:"requests"`
	InputTokens  int64     `json:"input_tokens"`
	OutputTokens int64     `json:"output_tokens"`
	// CostMicroUSD is by the operator's price table.
	CostMicroUSD int64 `json:"cost_microusd"`
	Values       int64 `json:"values"`
	// Prompts are distinct ones.
	Prompts int64 `json:"prompts"`
	// Throttled and Denied count refusals; Shadowed counts what would have been refused.
	Throttled int64 `json:"throttled"`
	Denied    int64 `json:"denied"`
	Shadowed  int64 `json:"shadowed,omitempty"`
	// PeakShare is, for each limit that was in force ("tokens.per_day"), the largest part
	// of it that was used on that day: 1 is all of it. For a limit per minute it is the
	// busiest hour against sixty minutes.
	PeakShare map[string]float64 `json:"peak_share,omitempty"`
}
