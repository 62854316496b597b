package bartizan

import "time"

// BenignSchema names the JSON contract of a list of [BenignPeriod].
const BenignSchema = "bartizan.benign/1"

// BenignPeriod is traffic of an account that looked like extraction and that a person
// called honest, by the ruling [RulingClear]. Detection calibrates on such periods: they
// are the strata of honest use that its null did not know, so that the next customer of
// that kind is no alarm. What turns out to be wrong must leave the calibration: a period
// that a later ruling contradicts is withdrawn.
type BenignPeriod struct {
	Account string `json:"account"`
	// From is when the evidence of the case began, To when the person decided; To is
	// excluded.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Case is the id of the case that was cleared, which may be gone by its age.
	Case string `json:"case"`
	// By is who cleared it, and At when.
	By string    `json:"by"`
	At time.Time `json:"at"`
}
