package upstream

import "net/http"

// anthropicVersion is the version of the API that is asked for when the client asks for
// none; the API refuses requests without one (platform.claude.com/docs/en/api/versioning).
const anthropicVersion = "2023-06-01"

// For returns the target as an engine of the given name wants to be asked: where its key
// goes, unless KeyHeader says so, and what headers it cannot do without. Names that it does
// not know leave the target as it is.
func (t Target) For(engine string) Target {
	header := ""
	switch engine {
	case "anthropic":
		header = "X-Api-Key"
		t.Missing = http.Header{"Anthropic-Version": {anthropicVersion}}
	case "gemini":
		header = "X-Goog-Api-Key"
	}
	if t.KeyHeader == "" {
		t.KeyHeader = header
	}
	return t
}
