package config_test

import (
	"fmt"

	"bartizan/internal/config"
)

func ExampleLoad() {
	_, err := config.Load("bartizan.yaml", []byte(`
upstreams:
  - {name: main, url: http://127.0.0.1:8000}
tiers:
  public:
    limits:
      requests: {per_minuet: 10}
`))
	fmt.Println(err)
	// Output:
	// bartizan.yaml:7:18: tiers.public.limits.requests.per_minuet: no such key; did you mean per_minute?
}
