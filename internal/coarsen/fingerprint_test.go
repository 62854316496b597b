package coarsen_test

import (
	"math"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestAppendFingerprint(t *testing.T) {
	t.Parallel()
	key, other := seedOf(1), seedOf(2)
	told := func(name string, key [32]byte, text string) (string, bool) {
		p := shipped(t, name)
		out, ok := p.AppendFingerprint([]byte("x:"), &key, []byte(text))
		rest, kept := strings.CutPrefix(string(out), "x:")
		if !kept {
			t.Errorf("%s: %q does not begin with what was there", name, out)
		}
		return rest, ok
	}
	const build = "vllm-0.11.2-tp4-fp8kv"
	if got, ok := told("public", key, build); got != "" || ok {
		t.Errorf("public: %q, %v; want nothing", got, ok)
	}
	if got, ok := told("partner", key, build); got != build || !ok {
		t.Errorf("partner: %q, %v; want it as it is", got, ok)
	}
	shape := regexp.MustCompile(`^fp_[0-9a-f]{10}$`)
	seen := map[string]bool{}
	for _, text := range []string{build, build + "x", "", strings.Repeat("long", 100), strings.Repeat("long", 101)} {
		got, ok := told("standard", key, text)
		if again, _ := told("trusted", key, text); !ok || again != got || !shape.MatchString(got) {
			t.Errorf("%q: %q, then %q; want one token", text, got, again)
		}
		under, _ := told("standard", other, text)
		if seen[got] || seen[under] {
			t.Errorf("%q: a token was given twice", text)
		}
		seen[got], seen[under] = true, true
	}
}

func TestTiming(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		value float64
		unit  time.Duration
		want  float64
		ok    bool
	}{
		"nanoseconds":      {123_456_789, time.Nanosecond, 120_000_000, true},
		"microseconds":     {123_456, time.Microsecond, 120_000, true},
		"milliseconds":     {127.25, time.Millisecond, 130, true},
		"seconds":          {1.23456789, time.Second, 1.23, true},
		"seconds, short":   {0.289999, time.Second, 0.29, true},
		"less than a step": {4.9, time.Millisecond, 0, true},
		"negative":         {-0.001, time.Second, 0, true},
		"a rate":           {87.3, 0, 0, false},
		"null":             {math.NaN(), time.Second, 0, false},
		"infinite":         {math.Inf(1), time.Nanosecond, 0, false},
		"too large":        {1e308, time.Second, 0, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := shipped(t, "trusted")
			got, ok := p.Timing(c.value, c.unit)
			if ok != c.ok || (ok && (got != c.want || math.Signbit(got))) {
				t.Errorf("Timing(%v, %v) = %v, %v; want %v, %v", c.value, c.unit, got, ok, c.want, c.ok)
			}
			if again, _ := p.Timing(got, c.unit); ok && again != got {
				t.Errorf("%v became %v in a second pass", got, again)
			}
			for _, name := range []string{"public", "standard"} {
				strict := shipped(t, name)
				if got, ok := strict.Timing(c.value, c.unit); got != 0 || ok {
					t.Errorf("%s: %v, %v; want nothing", name, got, ok)
				}
			}
			partner := shipped(t, "partner")
			if got, ok := partner.Timing(c.value, c.unit); !ok || (got != c.value && !math.IsNaN(c.value)) {
				t.Errorf("partner: %v, %v; want it as it is", got, ok)
			}
		})
	}
}
