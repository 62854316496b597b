package coarsen_test

import (
	"fmt"
	"testing"

	"bartizan/internal/coarsen"
)

func TestWords(t *testing.T) {
	t.Parallel()
	noisy := coarsen.Scores{Mode: coarsen.ScoresTopK, TopK: 3, Decimals: 2, Noise: 0.05, ReverseSigmoid: coarsen.ReverseSigmoid{Beta: 1, Gamma: 0.1}}
	for _, c := range []struct {
		got  fmt.Stringer
		want string
	}{
		{coarsen.ForcedXor, "xor_logprobs"},
		{coarsen.ForcedTokens(9), "deny"},
		{coarsen.FingerprintHMAC, "hmac"},
		{coarsen.TimingsRound, "round"},
		{coarsen.ReasoningSummary, "summary"},
		{coarsen.UnknownPass, "pass"},
		{coarsen.GridFull, "float32"},
		{coarsen.ScoresTopK, "top_k"},
		{coarsen.Scores{}, "label only"},
		{bucket, "buckets at 0.5, 0.75, 0.9"},
		{full1, "all with 1 decimal"},
		{noisy, "top 3 with 2 decimals, reverse sigmoid 1 0.1, noise 0.05"},
		{coarsen.Embeddings{Grid: coarsen.GridDecimals, Decimals: 3, Dims: 256}, "3 decimals, at most 256 components"},
		{coarsen.Embeddings{}, "int8"},
	} {
		if got := c.got.String(); got != c.want {
			t.Errorf("%T is called %q; want %q", c.got, got, c.want)
		}
	}
}
