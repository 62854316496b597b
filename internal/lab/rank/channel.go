package rank

import (
	"context"
	"math"
	"math/rand/v2"
)

// session is an attack under way.
type session struct {
	Attack

	ctx  context.Context //nolint:containedctx // a session is one call of Run
	rng  *rand.Rand
	sent int
	next int // prompt that no channel has used yet
}

// table collects rows by their context.
type table struct {
	rows  map[string]Row
	order []string
	// unclear are texts that stand for more than one token.
	unclear map[string]bool
}

func newTable() *table { return &table{rows: map[string]Row{}, unclear: map[string]bool{}} }

// sameToken is how far apart two log-probabilities of one token in one context may
// lie; engines do not give the same bits twice.
const sameToken = 0.5

// add notes what an answer tells about one context.
func (t *table) add(where, token string, logprob float64) {
	row := t.rows[where]
	if row == nil {
		row = Row{}
		t.rows[where] = row
		t.order = append(t.order, where)
	}
	if was, ok := row[token]; ok && math.Abs(was-logprob) > sameToken {
		t.unclear[token] = true
		return
	}
	row[token] = logprob
}

// all returns the rows in the order in which they were begun.
func (t *table) all() []Row {
	rows := make([]Row, 0, len(t.order))
	for _, where := range t.order {
		row := t.rows[where]
		for token := range t.unclear {
			delete(row, token)
		}
		rows = append(rows, row)
	}
	return rows
}

// take adds an answer to a prompt and returns how many values it told.
func (t *table) take(asked string, choices []choice) int {
	values := 0
	for _, c := range choices {
		where := asked
		for _, score := range c.Logprobs.Content {
			if told(score.Logprob) {
				t.add(where, score.Token, score.Logprob)
				values++
			}
			for _, alternative := range score.Top {
				if told(alternative.Logprob) {
					t.add(where, alternative.Token, alternative.Logprob)
					values++
				}
			}
			where += "\x00" + score.Token
		}
	}
	return values
}

func told(logprob float64) bool { return logprob > withheld && !math.IsInf(logprob, 0) }

// try opens a channel, collects rows through it and looks at them.
func (s *session) try(channel Channel) (Trial, error) {
	trial, t := Trial{Channel: channel}, newTable()
	left := s.Requests - s.sent
	var err error
	switch channel {
	case Targeted:
		trial.Open, err = s.targeted(t, left, &trial.Cost)
	case Bias:
		trial.Open, err = s.biased(t, left, &trial.Cost)
	case Lists:
		// Half of the requests: the rest may be of more use for the same contexts again.
		trial.Open, err = s.lists(t, (left+1)/2, &trial.Cost)
	case Resample:
		trial.Open, err = s.resample(t, left, &trial.Cost)
	}
	if err != nil {
		return trial, err
	}
	trial.Estimate = Estimate{Reason: "the channel is closed"}
	if trial.Open {
		trial.Estimate = Analyse(t.all(), s.rng)
	}
	return trial, nil
}

// targeted asks for the same ids everywhere.
func (s *session) targeted(t *table, budget int, cost *Cost) (bool, error) {
	ids := s.rng.Perm(s.IDs)[:min(idsAtOnce, s.IDs)]
	open := false
	for refused := 0; budget > 0 && len(t.order) < 3*len(ids) && refused < patience; budget-- {
		asked := s.prompt()
		choices, err := s.ask(request{Prompt: asked, Tokens: s.Tokens, Temperature: 1, IDs: ids}, cost)
		if err != nil {
			return false, err
		}
		if choices == nil {
			refused++
			continue
		}
		refused = 0
		if !open && !longerThanLists(choices) {
			return false, nil // the field was ignored
		}
		open = true
		cost.Values += t.take(asked, choices)
	}
	return open, nil
}

// longerThanLists reports whether more is told than any list that the API documents.
func longerThanLists(choices []choice) bool {
	for _, c := range choices {
		for _, score := range c.Logprobs.Content {
			if len(score.Top) > listLength+1 {
				return true
			}
		}
	}
	return false
}

// biased fills a table of contexts by tokens, one cell for each request.
func (s *session) biased(t *table, budget int, cost *Cost) (bool, error) {
	if budget < leastColumns*leastRows {
		return false, nil
	}
	open, err := s.biasWorks(cost)
	if err != nil || !open {
		return false, err
	}
	budget -= cost.Requests
	columns := max(leastColumns, min(mostColumns, int(math.Sqrt(float64(budget)/2))))
	ids := s.rng.Perm(s.IDs)[:min(columns, s.IDs)]
	for refused := 0; budget >= len(ids) && refused < patience; {
		asked := s.prompt()
		for _, id := range ids {
			budget--
			choices, err := s.ask(request{Prompt: asked, Tokens: 1, Temperature: 1, Force: &id}, cost)
			if err != nil {
				return open, err
			}
			refused++
			if choices != nil {
				refused = 0
				cost.Values += t.take(asked, choices)
			}
		}
	}
	return true, nil
}

// biasWorks forces two tokens after two prompts each: the forced token must appear,
// with a number.
func (s *session) biasWorks(cost *Cost) (bool, error) {
	ids := s.rng.Perm(s.IDs)[:2]
	var tokens []string
	for _, asked := range []string{s.prompt(), s.prompt()} {
		for _, id := range ids {
			choices, err := s.ask(request{Prompt: asked, Tokens: 1, Temperature: 1, Force: &id}, cost)
			if err != nil {
				return false, err
			}
			if len(choices) != 1 || len(choices[0].Logprobs.Content) != 1 || !told(choices[0].Logprobs.Content[0].Logprob) {
				return false, nil
			}
			tokens = append(tokens, choices[0].Logprobs.Content[0].Token)
		}
	}
	return tokens[0] == tokens[2] && tokens[1] == tokens[3] && tokens[0] != tokens[1], nil
}

// lists reads ordinary answers.
func (s *session) lists(t *table, budget int, cost *Cost) (bool, error) {
	return s.gather(t, budget, cost, func(int) request {
		return request{Prompt: s.prompt(), Tokens: s.Tokens, Temperature: 1, Top: listLength}
	})
}

const (
	leastResampled   = 16 // prompts
	resampledTimes   = 25 // requests for each prompt: unlikely tokens come up seldom
	resampledChoices = 16
	hot              = 2 // the temperature that draws unlikely tokens most often
)

// resample asks for the first token of the same prompts again and again.
func (s *session) resample(t *table, budget int, cost *Cost) (bool, error) {
	prompts := make([]string, max(leastResampled, budget/resampledTimes))
	for i := range prompts {
		prompts[i] = s.prompt()
	}
	return s.gather(t, budget, cost, func(i int) request {
		return request{
			Prompt: prompts[i%len(prompts)], Tokens: 1, Temperature: hot,
			Top: listLength, Choices: resampledChoices,
		}
	})
}

// gather sends requests and takes their answers; open is whether any told a value.
func (s *session) gather(t *table, budget int, cost *Cost, nth func(int) request) (open bool, err error) {
	for i, refused := 0, 0; i < budget && refused < patience; i++ {
		r := nth(i)
		choices, err := s.ask(r, cost)
		if err != nil {
			return open, err
		}
		if choices == nil {
			refused++
			continue
		}
		refused = 0
		values := t.take(r.Prompt, choices)
		cost.Values += values
		open = open || values > 0
		if !open && i >= patience {
			break // answers come, numbers do not
		}
	}
	return open, nil
}

// prompt returns one that was not used yet.
func (s *session) prompt() string {
	s.next++
	return prompt(s.next, s.Seed)
}
