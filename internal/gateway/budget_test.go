package gateway_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"bartizan"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
)

// spent is a policy whose tiers may have so many numbers a day.
func spent(values int64) *policy.Spec {
	spec := roomy()
	for name, tier := range spec.Tiers {
		tier.Limits = append(tier.Limits, ratelimit.Limit{Dimension: ratelimit.Values, Window: ratelimit.Day, Amount: values})
		spec.Tiers[name] = tier
	}
	return spec
}

// limitReached names the limit that withholds numbers.
const limitReached = "X-Bartizan-Limit-Reached"

// numerics are requests of every kind of route that tells numbers.
func numerics() map[string]scorer {
	all := map[string]scorer{}
	for _, aliases := range []map[string]alias{chats, openings} {
		for name, a := range aliases {
			if a.silent {
				continue
			}
			numbers := func(answer any) [][]json.Number { return [][]json.Number{released(logprobNumbers(answer))} }
			all[name] = scorer{
				engine: a.engine, path: a.path, rows: numbers,
				body: func(...string) string { return strings.Replace(a.body, "%s", a.whole, 1) },
			}
			stream := a.path
			if a.stream != "" {
				stream = a.stream
			}
			all[name+", streamed"] = scorer{
				engine: a.engine, path: stream, rows: numbers,
				body: func(...string) string { return strings.Replace(a.body, "%s", a.asEvent, 1) },
			}
		}
	}
	maps.Copy(all, scorers)
	return all
}

// When the day's numbers are spent, answers come without them and say which limit it is;
// they never fail, and what they told before was within the limit and one answer.
func TestSpentNumbersAreWithheld(t *testing.T) {
	t.Parallel()
	for name, n := range numerics() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const budget = 60
			b := behindEngine(t, n.engine, deployment{spec: spent(budget)})
			told, without := int64(0), 0
			var first string
			for i := range 80 {
				response, answer := b.post(t, n.path, "key-partner", n.body(`"a tier is sold"`, `"a key"`))
				if response.StatusCode != http.StatusOK {
					t.Fatalf("request %d: %d %s; want 200", i, response.StatusCode, answer)
				}
				events := decoded(t, answer)
				if i == 0 {
					first = answer
				}
				x := b.lastExchange(t, i+1)
				told += x.Disclosure.Values
				limit := response.Header.Get(limitReached)
				if limit == "" {
					if without > 0 {
						t.Fatalf("request %d has numbers again", i)
					}
					if x.Disclosure.Values == 0 {
						t.Fatalf("request %d: no numbers, and no header that says why: %s", i, answer)
					}
					continue
				}
				if limit != "numeric_values per day" || x.Outcome != bartizan.OutcomeAnswered || x.Disclosure.Values != 0 {
					t.Errorf("request %d: %q, %s, %+v; want the limit's name, an answer, and no values", i, limit, x.Outcome, x.Disclosure)
				}
				for _, event := range events {
					for _, number := range slices.Concat(n.rows(event)...) {
						if !n.plain(number) {
							t.Errorf("request %d: %s is told: %s", i, number, answer)
						}
					}
				}
				if len(answer) < len(first)/20 {
					t.Errorf("request %d: %s; want what it is for", i, answer)
				}
				if without++; without == 3 {
					break
				}
			}
			if without < 3 || told == 0 || told > budget+32 {
				t.Errorf("%d numbers told, %d answers without; want some, at most %d and one answer, and then none", told, without, budget)
			}
		})
	}
}

// plain reports whether a number tells no more than a label does.
func (n *scorer) plain(number json.Number) bool {
	if n.lone {
		return slices.Contains([]json.Number{"0.25", "0.625", "0.825", "0.95"}, number)
	}
	return number == "0" || number == "1"
}

// Those who ask for no numbers are told of no limit.
func TestSpentNumbersAreNobodyElsesConcern(t *testing.T) {
	t.Parallel()
	for name, a := range maps.All(chats) {
		if a.silent || strings.Contains(name, "gemini") {
			continue
		}
		b := behindEngine(t, a.engine, deployment{spec: spent(1)})
		body := strings.NewReplacer("%s", a.whole, `"logprobs":true,"top_logprobs":3,`, "", `"include":["message.output_text.logprobs"],"top_logprobs":3,`, "").Replace(a.body)
		response, answer := b.post(t, a.path, "key-partner", body)
		if response.StatusCode != http.StatusOK || response.Header.Get(limitReached) != "" {
			t.Errorf("%s: %d, %q, %s; want an answer and nothing of limits", name, response.StatusCode, response.Header.Get(limitReached), answer)
		}
	}
}
