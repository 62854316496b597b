package cost_test

import (
	"fmt"

	"bartizan/internal/cost"
)

func ExampleCollect() {
	tier := cost.Tier{
		Name: "public",
		Limits: []cost.Limit{
			{Unit: cost.Requests, Span: cost.Minute, Amount: 5},
			{Unit: cost.Requests, Span: cost.Day, Amount: 500},
			{Unit: cost.Tokens, Span: cost.Day, Amount: 200_000},
		},
		Price: cost.Price{Input: 150_000, Output: 600_000}, // $0.15 and $0.60 per million
	}
	attacker := cost.Attacker{Accounts: 10, PromptTokens: 300, AnswerTokens: 500}
	bill := cost.Collect(tier, attacker, 1_000_000)
	fmt.Printf("%s for $%d\n", bill.Duration(), bill.MicroUSD/1_000_000)
	fmt.Println(bill.Binding)
	// Output:
	// 13 months for $345
	// 200 000 tokens per day and account
}

func ExampleReach() {
	tier := cost.Tier{
		Name:     "standard",
		Limits:   []cost.Limit{{Unit: cost.Values, Span: cost.Day, Amount: 50_000}},
		Logprobs: true,
		TopK:     4,
	}
	attacker := cost.Attacker{PromptTokens: 10, AnswerTokens: 100}
	for _, target := range cost.Targets() {
		bill := cost.Reach(tier, attacker, target)
		fmt.Printf("%s: %d values, %s\n", target.Name, target.Values, bill.Duration())
	}
	// Output:
	// linear classifier: 6921 values, at once
	// hidden size: 16785409 values, 11 months
	// output layer: 524416000 values, 29 years
}

func ExampleCompare() {
	limits := func(perDay int64) cost.Tier {
		return cost.Tier{Limits: []cost.Limit{{Unit: cost.Requests, Span: cost.Day, Amount: perDay}}}
	}
	before := cost.Collect(limits(1_000), cost.Attacker{}, 100_001)
	after := cost.Collect(limits(2_000), cost.Attacker{}, 100_001)
	fmt.Println(cost.Compare(before, after))
	// Output:
	// 3.3 months -> 50 days, 2.0 times faster
}
