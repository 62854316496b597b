package rank

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Attack says whom to attack and how much to ask. URL and Model must be set; other
// zero fields take the defaults.
type Attack struct {
	// URL is the base of the API, without a path. Its host must be a loopback address.
	URL   string
	Key   string
	Model string
	// Client sends the requests; nil means one without a time limit of its own.
	Client *http.Client
	// Requests is the most that are sent, over all channels. Default 400, at most 20,000.
	Requests int
	// Tokens is how many tokens an answer may have. Default 32.
	Tokens int
	// IDs is a size that the vocabulary is known or guessed to have at least: the ids
	// that are asked for lie below. Default 500, which every real vocabulary exceeds.
	IDs int
	// Seed decides prompts, ids and resamples. What the victim samples is its own.
	Seed uint64
}

const (
	mostRequests = 20_000
	idsAtOnce    = 128     // that engines take in logprob_token_ids
	listLength   = 20      // alternatives that APIs tell at most
	withheld     = -9000.0 // at or below this a number stands for "not told"
	patience     = 5       // refusals in a row after which a channel is given up
)

// Channel is a way to get at log-probabilities.
type Channel string

// The channels, in the order in which they are tried.
const (
	// Targeted asks for chosen ids at every position (logprob_token_ids).
	Targeted Channel = "targeted"
	// Bias forces one token after the other in the same context by logit_bias, and reads
	// its log-probability. It needs a server that tells them as they were before the bias.
	Bias Channel = "bias"
	// Lists takes the most likely tokens of every position of ordinary answers.
	Lists Channel = "lists"
	// Resample draws the first token of the same prompts many times at a high temperature
	// and puts together what the draws tell of one context: the whole list where an API
	// cuts it short, and something like a list where it tells of the drawn token alone.
	Resample Channel = "resample"
)

// Trial is what one channel gave.
type Trial struct {
	Channel  Channel  `json:"channel"`
	Open     bool     `json:"open"`
	Estimate Estimate `json:"estimate"`
	Cost     Cost     `json:"cost"`
}

// Cost is what was sent and received.
type Cost struct {
	Requests     int `json:"requests"`
	Refused      int `json:"refused"`
	OutputTokens int `json:"output_tokens"`
	// Values counts the log-probabilities received; what was withheld does not count.
	Values int `json:"values"`
}

func (c *Cost) add(d Cost) {
	c.Requests += d.Requests
	c.Refused += d.Refused
	c.OutputTokens += d.OutputTokens
	c.Values += d.Values
}

// Result is the outcome of an attack.
type Result struct {
	// Estimate is the one that was found, else that of the last channel.
	Estimate

	Channel Channel `json:"channel,omitempty"`
	Seed    uint64  `json:"seed"`
	Cost    Cost    `json:"cost"`
	Trials  []Trial `json:"trials"`
}

// String is one line for people.
func (r *Result) String() string {
	said := "not found: " + r.Reason
	if r.Found {
		said = fmt.Sprintf("hidden size %d by %s, gap %.1f, %.0f %% of resamples agree", r.Hidden, r.Channel, r.Gap, 100*r.Agreement)
	}
	return fmt.Sprintf("%s; block %d x %d on a step of %v; %d requests (%d refused), %d output tokens, %d values, seed %d",
		said, r.Rows, r.Columns, r.Step, r.Cost.Requests, r.Cost.Refused, r.Cost.OutputTokens, r.Cost.Values, r.Seed)
}

// ErrNotLoopback says that the attack does not run against other people's servers.
var ErrNotLoopback = errors.New("the address is not a loopback address")

// Run tries the channels, the strongest first, until one gives an answer or the
// requests are used up. A refusal of the server is a part of the outcome; an error
// means that the attack could not be carried out.
func (a *Attack) Run(ctx context.Context) (*Result, error) {
	s := &session{Attack: *a}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("attack %s: %w", a.URL, err)
	}
	result := &Result{Seed: a.Seed}
	s.ctx, s.rng = ctx, rand.New(rand.NewPCG(a.Seed, 0)) //nolint:gosec // repeatable, no secret
	for _, channel := range []Channel{Targeted, Bias, Lists, Resample} {
		trial, err := s.try(channel)
		if err != nil {
			return nil, fmt.Errorf("attack %s by %s: %w", a.URL, channel, err)
		}
		result.Cost.add(trial.Cost)
		result.Trials = append(result.Trials, trial)
		result.Estimate = trial.Estimate
		if trial.Estimate.Found {
			result.Channel = channel
			break
		}
	}
	return result, nil
}

// check fills in the defaults.
func (a *Attack) check() error {
	base, err := url.Parse(a.URL)
	if err != nil {
		return fmt.Errorf("read the address: %w", err)
	}
	if ip := net.ParseIP(base.Hostname()); base.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return ErrNotLoopback
	}
	a.URL = strings.TrimSuffix(a.URL, "/")
	if a.Client == nil {
		a.Client = &http.Client{}
	}
	for _, f := range []struct {
		value           *int
		otherwise, most int
	}{{&a.Requests, 400, mostRequests}, {&a.Tokens, 32, 4096}, {&a.IDs, 500, 1 << 24}} {
		if *f.value <= 0 {
			*f.value = f.otherwise
		}
		*f.value = min(*f.value, f.most)
	}
	return nil
}

// prompt is one of some thousand short questions; which, the seed decides. It asks
// for what a customer might ask for.
func prompt(i int, seed uint64) string {
	r := rand.New(rand.NewPCG(seed, uint64(i))) //nolint:gosec // repeatable, no secret
	verbs := []string{"Explain", "Describe", "What is", "Tell me about", "Compare", "Write about", "Who needs", "How do I use"}
	nouns := []string{
		"a limit", "the log", "keys", "an account", "the server", "a person", "time", "a request", "cost", "the answer",
		"a file", "text", "evidence", "numbers", "a table", "the model", "risk", "a question", "trade", "the weather",
	}
	return verbs[r.IntN(len(verbs))] + " " + nouns[r.IntN(len(nouns))] + " and " + nouns[r.IntN(len(nouns))] + "."
}
