package cost_test

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	. "bartizan/internal/cost"
)

func TestTargets(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		target Target
		want   int64
	}{
		"hidden size":       {HiddenSize(4096), 4097 * 4097},
		"output layer":      {OutputLayer(4096, 128_000), 524_416_000},
		"linear classifier": {LinearClassifier(768, 10), 6921},
		"binary logistic":   {LinearClassifier(30, 2), 31},
		"one class":         {LinearClassifier(30, 1), 0},
		"senseless":         {HiddenSize(-5), 0},
		"huge":              {OutputLayer(math.MaxInt64-1, 2), math.MaxInt64},
		"widest":            {HiddenSize(math.MaxInt64), math.MaxInt64},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := test.target.Values; got != test.want {
				t.Errorf("values = %d; want %d", got, test.want)
			}
		})
	}
}

// A model whose numbers are known has its own targets, and the table has room for them.
func TestModelTargets(t *testing.T) {
	t.Parallel()
	for want, got := range map[int][]Target{0: ModelTargets("m", 0, 32_000), 1: ModelTargets("m", 8192, 0), 2: ModelTargets("m", 8192, 32_000)} {
		if len(got) != want {
			t.Errorf("ModelTargets() = %v; want %d", got, want)
		}
	}
	own := ModelTargets("llama-70b", 8192, 32_000)
	tier := Tier{Name: "t", Limits: []Limit{per(Values, Day, 1_000_000), per(Requests, Day, 10_000)}, Logprobs: true, TopK: 20}
	table, err := NewTable([]Tier{tier}, Attacker{AnswerTokens: 500}, Grid{Targets: append(Targets(), own...)})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := table.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text.String()) {
		if n := utf8.RuneCountInString(strings.TrimSpace(line)); n > 100 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	for _, want := range []string{
		"accounts  hidden size, llama-70b  output layer, llama-70b",
		"hidden size, llama-70b: 67 125 249 = (h+1)^2", "output layer, llama-70b: 262 176 000 = V(h+1)",
		"hidden size: 16 785 409 = ",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the table does not say %q:\n%s", want, text.String())
		}
	}
}

// The budgets that the design was argued with: the hidden size falls on the 17th day
// of a million values a day, and after 11 months of 50,000 a day.
func TestBudgets(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		target Target
		perDay int64
		days   float64
	}{
		"hidden size, a million":  {HiddenSize(4096), 1_000_000, 16},
		"hidden size, 50,000":     {HiddenSize(4096), 50_000, 335},
		"output layer, a million": {OutputLayer(4096, 128_000), 1_000_000, 524},
		"classifier, 1,000":       {LinearClassifier(768, 10), 1000, 6},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tier := Tier{Limits: []Limit{per(Values, Day, test.perDay)}, Logprobs: true, TopK: 20}
			if got := Reach(tier, Attacker{AnswerTokens: 1000}, test.target); got.Never || got.Days != test.days {
				t.Errorf("Reach = %v days, never %v; want %v", got.Days, got.Never, test.days)
			}
		})
	}
}

func TestReach(t *testing.T) {
	t.Parallel()
	requests, budget := per(Requests, Day, 100), per(Values, Day, 1000)
	a := Attacker{AnswerTokens: 10}
	target := Target{Values: 20_001}
	tests := map[string]struct {
		tier    Tier
		days    float64
		answers int64
		binding *Limit
	}{
		// 10 tokens of 1+4 values: 50 an answer, 5,000 a day.
		"answers bind":     {Tier{Logprobs: true, TopK: 4, Limits: []Limit{requests}}, 4, 401, &requests},
		"budget binds":     {Tier{Logprobs: true, TopK: 4, Limits: []Limit{requests, budget}}, 20, 401, &budget},
		"chosen only":      {Tier{Logprobs: true, Limits: []Limit{requests}}, 20, 2001, &requests},
		"scores":           {Tier{Logprobs: true, TopK: 4, ValuesPerAnswer: 2, Limits: []Limit{requests}}, 100, 10_001, &requests},
		"short answers":    {Tier{Logprobs: true, TopK: 4, MaxOutput: 2, Limits: []Limit{requests}}, 20, 2001, &requests},
		"nothing in force": {Tier{Logprobs: true}, 0, 2001, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Reach(test.tier, a, target)
			if got.Never || got.Days != test.days || got.Answers != test.answers {
				t.Errorf("Reach = %+v; want %v days, %d answers", got, test.days, test.answers)
			}
			if (got.Binding == nil) != (test.binding == nil) || got.Binding != nil && *got.Binding != *test.binding {
				t.Errorf("binding = %v; want %v", got.Binding, test.binding)
			}
		})
	}
	silent := Tier{TopK: 4, Limits: []Limit{requests}}
	if got := Reach(silent, a, target); !got.Never || got.Answers != 0 || got.MicroUSD != 0 {
		t.Errorf("Reach without log-probs = %+v; want never", got)
	}
	if got := Reach(silent, a, Target{}); got.Never {
		t.Errorf("Reach of nothing = %+v; want at once", got)
	}
	// A budget smaller than an answer still gives its values.
	tiny := Tier{Logprobs: true, TopK: 4, Limits: []Limit{per(Values, Day, 1)}}
	if got := Reach(tiny, a, Target{Values: 11}); got.Never || got.Days != 10 {
		t.Errorf("Reach of a tiny budget = %+v; want 10 days", got)
	}
}
