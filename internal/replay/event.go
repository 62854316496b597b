package replay

import (
	"slices"
	"strings"
	"time"

	"bartizan"
	"bartizan/internal/guard"
	"bartizan/internal/logread"
	"bartizan/internal/sketch"
	"bartizan/internal/wire"
)

// event is what a replay needs of an exchange.
type event struct {
	at, end int64 // nanoseconds since 1970
	n       int64 // its number in its source
	account *account
	id      string // of the account
	key     string
	model   string
	tier    bartizan.Tier
	level   bartizan.Level
	route   *wire.Route
	asked   bartizan.Asked
	prompt  uint64 // a hash; 0 when the text is not there
	usage   bartizan.Usage
	values  int64
	outcome bartizan.Outcome
	// refused says that the gateway did so for the policy of its time.
	refused bool
	// exact says that values are all that the caller would have been given: nothing was
	// taken out of the answer.
	exact bool
}

// fate is what becomes of a record.
type fate uint8

const (
	replayed fate = iota
	untimed       // no time, or one that no log has
	nameless      // no account
	other         // refused for a reason that no policy of limits has a part in
)

// The times that limits can count with.
const (
	earliest = int64(0)
	latest   = int64(1) << 62
)

// newEvent makes an event of a record.
func newEvent(x *bartizan.Exchange, routes map[string]*wire.Route) (*event, fate) {
	if x.Account == "" || x.Account == logread.UnknownAccount {
		return nil, nameless
	}
	if x.At.IsZero() || x.At.Unix() <= earliest || x.At.Unix() > latest/int64(time.Second) {
		return nil, untimed
	}
	e := &event{
		at: x.At.UnixNano(), id: x.Account, key: x.Key, model: x.Model, tier: x.Tier, level: x.Level,
		route: routes[x.Route], asked: x.Asked, usage: x.Usage, values: x.Disclosure.Values, outcome: x.Outcome,
		exact: x.Decision.Action != "" && !slices.ContainsFunc(x.Adjusted, func(a string) bool { return strings.Contains(a, "logprobs") }),
	}
	// A reservation does not last longer than a lease; what the rest of a longer answer
	// cost is settled with it.
	e.end = e.at + int64(max(0, min(x.EndAt.Sub(x.At), guard.DefaultLease)))
	if e.route == nil {
		e.route = routes[defaultRoute]
	}
	e.read(x.Text)
	if x.Outcome == bartizan.OutcomeRefused {
		switch why(x) {
		case "limit", "suspended", "unknown_tier":
			e.refused = true
		case "withheld":
			e.outcome = bartizan.OutcomeFailed
		default:
			return nil, other
		}
	}
	return e, replayed
}

// read takes from the text what the record does not say otherwise.
func (e *event) read(t *bartizan.Text) {
	if t == nil {
		return
	}
	if t.Prompt != "" {
		e.prompt = max(1, sketch.Hash([]byte(t.Prompt), 0))
	}
	if e.usage == (bartizan.Usage{}) && e.outcome == bartizan.OutcomeAnswered {
		e.usage = bartizan.Usage{
			InputTokens: tokens(len(t.System) + len(t.Prompt)), OutputTokens: tokens(len(t.Answer)), Estimated: true,
		}
	}
}

// tokens is about how many tokens so many bytes of text are.
func tokens(bytes int) int64 { return int64(bytes+3) * 2 / 7 }

// why is the code of a refusal; that of another gateway's 429 is "limit".
func why(x *bartizan.Exchange) string {
	const tooManyRequests = 429
	switch {
	case len(x.Decision.Reasons) > 0:
		return x.Decision.Reasons[0].Code
	case x.Status == tooManyRequests:
		return "limit"
	default:
		return ""
	}
}

// defaultRoute stands in for routes that are not known.
const defaultRoute = "openai.chat"

func routesByName() map[string]*wire.Route {
	routes := make(map[string]*wire.Route)
	for _, r := range wire.Routes() {
		routes[r.Name] = r
	}
	return routes
}

// before orders events of one source by time, and by their place in it.
func (e *event) before(o *event) bool {
	return e.at < o.at || e.at == o.at && e.n < o.n
}

func at(nanoseconds int64) time.Time { return time.Unix(0, nanoseconds).UTC() }
