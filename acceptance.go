package bartizan

import (
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"
)

// Acceptance records that an account accepted a version of a document, such as the terms
// of use. Acceptances are added and never changed or deleted.
type Acceptance struct {
	Account string `json:"account"`
	// Document and Version name what was accepted, in the operator's own words.
	Document string `json:"document"`
	Version  string `json:"version"`
	// AcceptedAt is when the account accepted it, RecordedAt when that was written here.
	AcceptedAt time.Time `json:"accepted_at"`
	RecordedAt time.Time `json:"recorded_at"`
	// By names the person who recorded it.
	By     string           `json:"by"`
	Method AcceptanceMethod `json:"method"`
}

// AcceptanceMethod says how an acceptance is known.
type AcceptanceMethod string

// The methods.
const (
	// AcceptanceImport is taken over from a system outside of bartizan, whose word it is.
	AcceptanceImport AcceptanceMethod = "import"
)

// maxAcceptanceName is the greatest number of bytes of a document's name or version.
const maxAcceptanceName = 200

// Validate says what is wrong with an acceptance; nil means that it may be recorded.
func (a *Acceptance) Validate() error {
	switch {
	case !plainName(a.Document):
		return fmt.Errorf("document %q: want 1 to %d bytes of printable text", a.Document, maxAcceptanceName)
	case !plainName(a.Version):
		return fmt.Errorf("version %q: want 1 to %d bytes of printable text", a.Version, maxAcceptanceName)
	case a.AcceptedAt.IsZero():
		return fmt.Errorf("document %s: when it was accepted is missing", a.Document)
	case a.AcceptedAt.After(a.RecordedAt):
		return fmt.Errorf("document %s: accepted at %s, which is in the future", a.Document, a.AcceptedAt.Format(time.RFC3339))
	case a.By == "":
		return fmt.Errorf("document %s: who records it is missing", a.Document)
	case a.Method != AcceptanceImport:
		return fmt.Errorf("method %q: no such method (import)", a.Method)
	}
	return nil
}

func plainName(s string) bool {
	if s == "" || len(s) > maxAcceptanceName || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
