package cost

import (
	"errors"
	"fmt"
	"slices"
)

// Schema names the JSON of a [Table].
const Schema = "bartizan.cost/1"

// Table holds the bills of several tiers for attackers of several sizes.
type Table struct {
	Schema string `json:"schema"`
	// Attacker is the attacker of every row, but for the number of accounts.
	Attacker Attacker `json:"attacker"`
	Tiers    []Tier   `json:"tiers"`
	// Answers and Targets are in the order of tiers, then accounts, then what is wanted.
	Answers []AnswerRow `json:"answers"`
	Targets []TargetRow `json:"targets"`
}

// AnswerRow is the bill for a number of answers.
type AnswerRow struct {
	Tier     string `json:"tier"`
	Accounts int64  `json:"accounts"`
	Bill     Bill   `json:"bill"`
}

// what says what the row collects.
func (r AnswerRow) what() string { return grouped(r.Bill.Answers) + " answers" }

// TargetRow is the bill for a target, under all limits and under each kind alone.
type TargetRow struct {
	Tier     string `json:"tier"`
	Accounts int64  `json:"accounts"`
	Target   Target `json:"target"`
	Bill     Bill   `json:"bill"`
	// ByBudget is the bill under the limits on values alone, ByAnswers under all others.
	ByBudget  Bill `json:"by_budget"`
	ByAnswers Bill `json:"by_answers"`
}

// Grid is what a table shows. A list that is nil stands for its default.
type Grid struct {
	Accounts []int64  // default 1, 10, 100, 1,000
	Answers  []int64  // default 10^5, 10^6, 10^7
	Targets  []Target // default [Targets]
}

func (g Grid) filled() Grid {
	if g.Accounts == nil {
		g.Accounts = []int64{1, 10, 100, 1000}
	}
	if g.Answers == nil {
		g.Answers = []int64{100_000, 1_000_000, 10_000_000}
	}
	if g.Targets == nil {
		g.Targets = Targets()
	}
	return g
}

// validate names every fault of the grid.
func (g Grid) validate() error {
	var faults []error
	for _, n := range g.Accounts {
		if n < 1 {
			faults = append(faults, fmt.Errorf("grid: accounts is %d; want 1 or more", n))
		}
	}
	for _, n := range g.Answers {
		faults = append(faults, natural("grid: answers", n))
	}
	for _, target := range g.Targets {
		faults = append(faults, natural("grid: values of "+target.Name, target.Values))
	}
	return errors.Join(faults...)
}

// NewTable bills every tier for every point of the grid. The attacker's Accounts are
// those of the grid. The error names every fault of the tiers, among them a name given
// twice, of the attacker and of the grid.
func NewTable(tiers []Tier, a Attacker, grid Grid) (Table, error) {
	faults := []error{a.Validate(), grid.validate()}
	for i, t := range tiers {
		faults = append(faults, t.Validate())
		if slices.ContainsFunc(tiers[:i], func(other Tier) bool { return other.Name == t.Name }) {
			faults = append(faults, fmt.Errorf("tier %s: given twice", t.Name))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return Table{}, err
	}
	grid = grid.filled()
	a.Accounts = 0
	table := Table{Schema: Schema, Attacker: a, Tiers: slices.Clone(tiers), Answers: []AnswerRow{}, Targets: []TargetRow{}}
	for _, t := range tiers {
		for _, accounts := range grid.Accounts {
			a.Accounts = accounts
			for _, n := range grid.Answers {
				table.Answers = append(table.Answers, AnswerRow{t.Name, accounts, Collect(t, a, n)})
			}
			for _, target := range grid.Targets {
				table.Targets = append(table.Targets, TargetRow{
					Tier: t.Name, Accounts: accounts, Target: target,
					Bill:      Reach(t, a, target),
					ByBudget:  Reach(t.Only(Values), a, target),
					ByAnswers: Reach(t.Without(Values), a, target),
				})
			}
		}
	}
	return table, nil
}
