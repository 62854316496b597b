package cost

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Price is what tokens cost, in millionths of a US dollar per million tokens: $0.60
// per million is 600,000. The zero Price is free.
type Price struct {
	Input  int64 `json:"input_micro_usd_per_million"`
	Output int64 `json:"output_micro_usd_per_million"`
}

// Tier is what an account may do, and what an answer gives it.
type Tier struct {
	Name   string  `json:"name"`
	Limits []Limit `json:"limits"`
	Price  Price   `json:"price"`
	// MaxOutput is the longest answer in tokens; 0 means no bound. Longer answers are
	// cut, and still count as answers.
	MaxOutput int64 `json:"max_output"`
	// Logprobs says that answers carry numbers at all.
	Logprobs bool `json:"logprobs"`
	// TopK is how many alternatives each token carries beside itself. An answer then
	// releases its tokens times (1+TopK) values.
	TopK int64 `json:"top_k"`
	// ValuesPerAnswer, if it is not 0, is how many values an answer releases in place
	// of what TopK says: the class scores of a classifier, for one.
	ValuesPerAnswer int64 `json:"values_per_answer,omitempty"`
}

// Only returns the tier with its limits on the units alone.
func (t Tier) Only(units ...Unit) Tier {
	return t.keep(func(l Limit) bool { return slices.Contains(units, l.Unit) })
}

// Without returns the tier without its limits on the units.
func (t Tier) Without(units ...Unit) Tier {
	return t.keep(func(l Limit) bool { return !slices.Contains(units, l.Unit) })
}

func (t Tier) keep(ok func(Limit) bool) Tier {
	var kept []Limit
	for _, l := range t.Limits {
		if ok(l) {
			kept = append(kept, l)
		}
	}
	t.Limits = kept
	return t
}

// Validate reports every fault at once.
func (t Tier) Validate() error {
	faults := []error{
		natural("input price", t.Price.Input), natural("output price", t.Price.Output),
		natural("max output", t.MaxOutput), natural("top k", t.TopK),
		natural("values per answer", t.ValuesPerAnswer),
	}
	for _, l := range t.Limits {
		faults = append(faults, l.Validate())
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("tier %s: %w", t.Name, err)
	}
	return nil
}

// answerTokens is the length of an answer that the tier gives when length is asked for.
func (t Tier) answerTokens(length int64) int64 {
	if t.MaxOutput > 0 {
		length = min(length, t.MaxOutput)
	}
	return max(0, length)
}

// values is how many numbers come with an answer.
func (t Tier) values(a Attacker) float64 {
	switch {
	case !t.Logprobs:
		return 0
	case t.ValuesPerAnswer > 0:
		return float64(t.ValuesPerAnswer)
	default:
		return float64(t.answerTokens(a.AnswerTokens)) * (1 + float64(max(0, t.TopK)))
	}
}

// Attacker is who collects, and how. A field that is 0 where at least 1 makes sense
// means 1.
//
// The limits of a tier bind each key, account or organisation by itself. The default
// is the attacker's best case short of buying more keys: every account alone in an
// organisation of its own, so that limits per organisation multiply as well. Bill a
// linked group, whose budgets are shared, as a single account.
type Attacker struct {
	// Accounts is how many accounts work in parallel.
	Accounts int64 `json:"accounts,omitempty"`
	// AccountsPerOrganisation is how many of them share an organisation; a last
	// organisation that is not full has its full limits.
	AccountsPerOrganisation int64 `json:"accounts_per_organisation,omitempty"`
	// KeysPerAccount is how many keys an account works with.
	KeysPerAccount int64 `json:"keys_per_account,omitempty"`
	// PromptTokens and AnswerTokens are the size of each question and answer.
	PromptTokens int64 `json:"prompt_tokens"`
	AnswerTokens int64 `json:"answer_tokens"`
	// Latency is how long an answer takes. Limits on what is under way at once bind
	// through it: c at once give c/Latency answers in the long run (Little's law).
	// With 0 they do not bind.
	Latency time.Duration `json:"latency_ns,omitempty"`
	// AccountMicroUSD is what it costs to make one account, in millionths of a US
	// dollar: a phone number, a card, a deposit. The default 0 leaves it out.
	AccountMicroUSD int64 `json:"account_micro_usd"`
}

// Validate reports every fault at once.
func (a Attacker) Validate() error {
	err := errors.Join(
		natural("accounts", a.Accounts), natural("accounts per organisation", a.AccountsPerOrganisation),
		natural("keys per account", a.KeysPerAccount), natural("prompt tokens", a.PromptTokens),
		natural("answer tokens", a.AnswerTokens), natural("latency", int64(a.Latency)),
		natural("price of an account", a.AccountMicroUSD),
	)
	if err != nil {
		return fmt.Errorf("attacker: %w", err)
	}
	return nil
}

// sharers is how many keys, accounts or organisations the attacker has.
func (a Attacker) sharers(s Scope) float64 {
	accounts := max(1, a.Accounts)
	switch s {
	case PerKey:
		return float64(accounts) * float64(max(1, a.KeysPerAccount))
	case PerOrganisation:
		return float64((accounts-1)/max(1, a.AccountsPerOrganisation) + 1)
	case PerAccount:
		return float64(accounts)
	default:
		return float64(accounts)
	}
}

func natural(what string, n int64) error {
	if n < 0 {
		return fmt.Errorf("%s is %d; want 0 or more", what, n)
	}
	return nil
}
