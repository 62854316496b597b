package ratelimit_test

import (
	"fmt"
	"time"

	"bartizan/internal/ratelimit"
)

func Example() {
	limits := ratelimit.Limits{
		{Dimension: ratelimit.Requests, Window: ratelimit.Minute, Amount: 20},
		{Dimension: ratelimit.Tokens, Window: ratelimit.Minute, Amount: 10_000},
	}
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	var account ratelimit.State

	// The worst case before the answer: a prompt of 500 tokens, an answer of up to 8,000.
	demand := ratelimit.Demand{Requests: 1, Tokens: 8_500, Prompt: 500}
	grant, _ := account.Reserve(now, limits, demand, now.Add(time.Minute))
	_, denial := account.Reserve(now, limits, demand, now.Add(time.Minute))
	fmt.Println(denial.Limit, "- try again in", denial.RetryAfter)

	// The truth after it.
	account.Settle(now.Add(5*time.Second), grant, ratelimit.Demand{Requests: 1, Tokens: 900})
	for _, standing := range account.Standing(now.Add(5*time.Second), limits, nil) {
		fmt.Println(standing.Limit, "-", standing.Remaining, "left")
	}
	// Output:
	// 10000 tokens per minute - try again in 42s
	// 20 requests per minute - 20 left
	// 10000 tokens per minute - 9933 left
}
