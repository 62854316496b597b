package wire_test

import (
	"flag"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bartizan/internal/wire"
)

var update = flag.Bool("update", false, "rewrite golden files")

// golden compares text with a file, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", file, d)
	}
}

func dialects() iter.Seq2[string, wire.Dialect] {
	return func(yield func(string, wire.Dialect) bool) {
		_ = yield("openai", wire.DialectOpenAI) && yield("anthropic", wire.DialectAnthropic)
	}
}

// morning is the time of the tests, in a zone that is not the headers'.
var morning = time.Date(2026, 1, 2, 9, 30, 0, 1, time.FixedZone("test", 3600))

func TestRateGolden(t *testing.T) {
	t.Parallel()
	type standings = []wire.RateStanding
	cases := []struct {
		name string
		in   standings
	}{
		{"nothing limited", nil},
		{"per minute", standings{
			{Dimension: "requests", Window: "minute", Limit: 60, Remaining: 41, Reset: 12*time.Second + 1},
			{Dimension: "tokens", Window: "minute", Limit: 100_000, Remaining: -1, Reset: 6*time.Minute - 1},
		}},
		{"a minute before a day, the tightest of two minutes", standings{
			{Dimension: "requests", Window: "day", Limit: 5000, Remaining: 1, Reset: 20 * time.Hour},
			{Dimension: "requests", Window: "minute", Limit: 60, Remaining: 50, Reset: time.Second},
			{Dimension: "requests", Window: "minute", Limit: 600, Remaining: 20, Reset: 17*time.Millisecond - 1},
		}},
		{"no minute", standings{
			{Dimension: "requests", Window: "hour", Limit: 100, Remaining: 100, Reset: -time.Second},
			{Dimension: "requests", Window: "day", Limit: 500, Remaining: 99, Reset: time.Hour},
			{Dimension: "tokens", Window: "month", Limit: 5000, Remaining: 7, Reset: 90 * time.Minute},
		}},
		{"input and output", standings{
			{Dimension: "input_tokens", Window: "minute", Limit: 2000, Remaining: 900, Reset: time.Second},
			{Dimension: "output_tokens", Window: "minute", Limit: 1000, Remaining: 800, Reset: 2 * time.Second},
		}},
		{"input, output and tokens", standings{
			{Dimension: "output_tokens", Window: "day", Limit: 1000, Remaining: 800, Reset: time.Second},
			{Dimension: "input_tokens", Window: "minute", Limit: 2000, Remaining: 9, Reset: time.Second},
			{Dimension: "tokens", Window: "day", Limit: 3000, Remaining: 1700, Reset: time.Second},
		}},
		{"what providers do not tell", standings{
			{Dimension: "cost", Window: "day", Limit: 5_000_000, Remaining: 1_234_567, Reset: time.Hour},
			{Dimension: "numeric_values", Window: "day", Limit: 50_000, Remaining: 3, Reset: time.Hour},
			{Dimension: "prompts", Window: "hour", Limit: 50, Remaining: 3, Reset: time.Minute},
			{Dimension: "streams", Window: "concurrent", Limit: 10, Remaining: 9},
			{Dimension: "concurrent", Window: "concurrent", Limit: 20, Remaining: 19},
		}},
		{"too large", standings{
			{Dimension: "requests", Window: "minute", Limit: math.MaxInt64, Remaining: math.MaxInt64, Reset: math.MaxInt64},
		}},
	}
	var got strings.Builder
	show := func(dialect string, headers []wire.Header) {
		fmt.Fprintf(&got, "%s:\n", dialect)
		for _, h := range headers {
			fmt.Fprintf(&got, "  %s: %s\n", h.Name, h.Value)
		}
	}
	for _, c := range cases {
		fmt.Fprintf(&got, "## %s\n", c.name)
		for name, d := range dialects() {
			show(name, d.RateHeaders(morning, c.in))
		}
		show("ietf", wire.IETFHeaders(c.in))
	}
	golden(t, "rates", got.String())
}

func TestLossy(t *testing.T) {
	t.Parallel()
	cases := []struct{ limit, in, want int64 }{
		{60, 60, 60},
		{60, 59, 57},
		{60, 57, 57},
		{60, 2, 0},
		{60, 0, 0},
		{60, -3, 0},
		{60, 61, 60},
		{50, 49, 48},
		{50, 47, 45},
		{3, 2, 2},
		{3, 1, 1},
		{1, 1, 1},
		{1, 0, 0},
		{0, 5, 0},
		{math.MaxInt64, math.MaxInt64, math.MaxInt64},
		{math.MaxInt64, math.MaxInt64 - 1, math.MaxInt64/20*19 + 7},
	}
	for _, c := range cases {
		if got := (wire.RateStanding{Limit: c.limit, Remaining: c.in}).Lossy(); got.Remaining != c.want || got.Limit != c.limit {
			t.Errorf("Lossy of %d of %d = %d of %d; want %d", c.in, c.limit, got.Remaining, got.Limit, c.want)
		}
	}
	for limit := int64(1); limit < 300; limit++ {
		before := int64(0)
		for left := range limit + 1 {
			s := wire.RateStanding{Limit: limit, Remaining: left}.Lossy()
			if s.Remaining > left || s.Remaining < before || (left-s.Remaining)*20 > limit || s != s.Lossy() {
				t.Fatalf("Lossy of %d of %d = %d; want at most that, by less than a twentieth, and again the same", left, limit, s.Remaining)
			}
			before = s.Remaining
		}
	}
	resets := []struct {
		window   string
		in, want time.Duration
	}{
		{"minute", 1, 3 * time.Second},
		{"minute", 57 * time.Second, 57 * time.Second},
		{"minute", 57*time.Second + 1, time.Minute},
		{"minute", -1, 0},
		{"hour", 1, 3 * time.Minute},
		{"day", 1, 1},
		{"concurrent", 1, 1},
	}
	for _, c := range resets {
		if got := (wire.RateStanding{Window: c.window, Limit: 1, Reset: c.in}).Lossy(); got.Reset != c.want {
			t.Errorf("Lossy reset of %v per %s = %v; want %v", c.in, c.window, got.Reset, c.want)
		}
	}
}

func BenchmarkRateHeaders(b *testing.B) {
	standings := []wire.RateStanding{
		{Dimension: "requests", Window: "minute", Limit: 600, Remaining: 410, Reset: 12 * time.Second},
		{Dimension: "tokens", Window: "minute", Limit: 100_000, Remaining: 90_000, Reset: 6 * time.Second},
		{Dimension: "tokens", Window: "day", Limit: 3_000_000, Remaining: 90_000, Reset: time.Hour},
	}
	for name, d := range dialects() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d.RateHeaders(morning, standings)
			}
		})
	}
}
