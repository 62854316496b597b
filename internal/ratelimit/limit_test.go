package ratelimit_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	. "bartizan/internal/ratelimit"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	if err := five().Validate(); err != nil {
		t.Errorf("Validate of good limits = %v; want nil", err)
	}
	bad := Limits{
		{Dimension: Tokens, Window: Minute, Amount: -1},
		{Dimension: Requests, Window: Day, Amount: 5, Burst: 5},
		{Dimension: Requests, Window: Minute, Amount: 5, Burst: -5},
		{Dimension: Streams, Window: Minute, Amount: 5},
		{Dimension: Tokens, Window: Concurrent, Amount: 5},
		{Dimension: 9, Window: 9, Amount: 5},
		{Dimension: Requests, Window: Day, Amount: 7},
	}
	err := bad.Validate()
	if err == nil {
		t.Fatal("Validate of bad limits = nil")
	}
	for _, want := range []string{
		"limit on tokens per minute: amount -1 is negative",
		"limit on requests per day: only a limit per minute has a burst",
		"limit on requests per minute: burst -5 is negative",
		"limit on streams per minute: streams and concurrent requests are counted at once",
		"limit on tokens per concurrent: streams and concurrent requests are counted",
		"limit on dimension(9) per window(9): no such limit",
		"limit on requests per day: given twice",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Validate = %v; want it to say %q", err, want)
		}
	}
}

func TestScale(t *testing.T) {
	t.Parallel()
	ls := Limits{
		{Dimension: Requests, Window: Minute, Amount: 15, Burst: 3},
		{Dimension: Requests, Window: Day, Amount: 0},
		{Dimension: Tokens, Window: Day, Amount: math.MaxInt64},
		{Dimension: Streams, Window: Concurrent, Amount: 2},
	}
	tests := map[string]struct {
		num, den int64
		want     [4]int64
		burst    int64
	}{
		"tenth":     {1, 10, [4]int64{1, 0, math.MaxInt64 / 10, 1}, 1},
		"half":      {1, 2, [4]int64{7, 0, math.MaxInt64 / 2, 1}, 1},
		"same":      {3, 3, [4]int64{15, 0, math.MaxInt64, 2}, 3},
		"more":      {4, 1, [4]int64{60, 0, math.MaxInt64, 8}, 12},
		"nothing":   {0, 1, [4]int64{1, 0, 1, 1}, 1},
		"senseless": {1, 0, [4]int64{1, 0, 1, 1}, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ls.Scale(test.num, test.den)
			var amounts [4]int64
			for i, l := range got {
				amounts[i] = l.Amount
			}
			if amounts != test.want || got[0].Burst != test.burst {
				t.Errorf("Scale(%d, %d) = %v; want amounts %v and burst %d", test.num, test.den, got, test.want, test.burst)
			}
		})
	}
	if ls[0].Amount != 15 {
		t.Error("Scale changed its receiver")
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	got := []string{
		perMinute(Requests, 20).String(), perDay(Tokens, 5).String(), atOnce(2).String(), perDay(Tokens, 0).String(),
		Dimension(9).String(), Window(9).String(),
	}
	want := []string{
		"20 requests per minute", "5 tokens per day", "2 streams at once", "unlimited tokens (day)", "dimension(9)", "window(9)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}
