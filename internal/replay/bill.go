package replay

import (
	"bartizan"
	"bartizan/internal/cost"
)

// grid is what the bill shows: one account and a hundred, a million answers, and the
// width of a language model.
func grid() cost.Grid {
	return cost.Grid{Accounts: []int64{1, 100}, Answers: []int64{1_000_000}, Targets: []cost.Target{cost.HiddenSize(4096)}}
}

func newBill(o *Options, models map[string]int64) (Bill, error) {
	b := Bill{Model: o.Model}
	for model, n := range models {
		if o.Model == "" && (n > models[b.Model] || n == models[b.Model] && model < b.Model) {
			b.Model = model
		}
	}
	var err error
	if b.After, err = cost.NewTable(o.New.Rules.CostTiers(bartizan.LevelNormal, b.Model, nil), o.Attacker, grid()); err != nil {
		return b, err //nolint:wrapcheck // it says what it is
	}
	if o.Against == nil {
		return b, nil
	}
	before, err := cost.NewTable(o.Against.Rules.CostTiers(bartizan.LevelNormal, b.Model, nil), o.Attacker, grid())
	if err != nil {
		return b, err //nolint:wrapcheck // it says what it is
	}
	b.Changes = cost.CompareTables(before, b.After)
	return b, nil
}
