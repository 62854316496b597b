package policy_test

import (
	"fmt"

	"bartizan"
	"bartizan/internal/policy"
)

func Example() {
	p, err := policy.Compile(policy.Default())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, level := range bartizan.Levels() {
		r, _ := p.Rules(bartizan.TierStandard, level)
		fmt.Println(level, r.Limits[0], r.Deny)
	}
	// Output:
	// normal 60 requests per minute false
	// watch 30 requests per minute false
	// restricted 6 requests per minute false
	// suspended 6 requests per minute true
}
