package policy_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"bartizan"
	"bartizan/internal/coarsen"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
)

func compile(t testing.TB, s policy.Spec) *policy.Policy {
	t.Helper()
	p, err := policy.Compile(s)
	if err != nil {
		t.Fatalf("Compile() = %v; want nil", err)
	}
	return p
}

// limits names what is in ls, as "requests.per_minute" → amount.
func limits(ls ratelimit.Limits) map[string]int64 {
	named := map[string]int64{}
	for _, l := range ls {
		named[policy.Path(l)] = l.Amount
		if l.Burst != 0 {
			named[policy.Path(l)+" burst"] = l.Burst
		}
	}
	return named
}

func TestShippedTiers(t *testing.T) {
	t.Parallel()
	p := compile(t, policy.Default())
	type want struct {
		limits                   map[string]int64
		maxOutput, defaultOutput int64
		deny                     bool
	}
	full := func(rm, rd, tm, td, v, s int64) map[string]int64 {
		return map[string]int64{
			"requests.per_minute": rm, "requests.per_day": rd, "tokens.per_minute": tm, "tokens.per_day": td,
			"numeric_values.per_day": v, "streams": s,
		}
	}
	cases := map[bartizan.Tier][]want{
		bartizan.TierPublic: {
			{full(20, 200, 10_000, 150_000, 1_000, 2), 2_048, 256, false},
			{full(10, 100, 5_000, 75_000, 500, 1), 2_048, 256, false},
			{full(2, 20, 1_000, 15_000, 100, 1), 500, 256, false},
			{full(2, 20, 1_000, 15_000, 100, 1), 500, 256, true},
		},
		bartizan.TierStandard: {
			{full(60, 5_000, 100_000, 3_000_000, 50_000, 10), 8_192, 256, false},
			{full(30, 2_500, 50_000, 1_500_000, 25_000, 5), 8_192, 256, false},
			{full(6, 500, 10_000, 300_000, 5_000, 1), 5_000, 256, false},
			{full(6, 500, 10_000, 300_000, 5_000, 1), 5_000, 256, true},
		},
		bartizan.TierTrusted: {
			{full(600, 100_000, 1_000_000, 50_000_000, 1_000_000, 50), 32_768, 256, false},
			{full(300, 50_000, 500_000, 25_000_000, 500_000, 25), 32_768, 256, false},
			{full(60, 10_000, 100_000, 5_000_000, 100_000, 5), 32_768, 256, false},
			{full(60, 10_000, 100_000, 5_000_000, 100_000, 5), 32_768, 256, true},
		},
		bartizan.TierPartner: {
			{map[string]int64{"requests.per_minute": 6_000, "numeric_values.per_day": 20_000_000, "tokens.per_minute": 10_000_000, "streams": 500}, 131_072, 256, false},
			{map[string]int64{"requests.per_minute": 3_000, "numeric_values.per_day": 10_000_000, "tokens.per_minute": 5_000_000, "streams": 250}, 131_072, 256, false},
			{map[string]int64{"requests.per_minute": 600, "numeric_values.per_day": 2_000_000, "tokens.per_minute": 1_000_000, "streams": 50}, 131_072, 256, false},
			{map[string]int64{"requests.per_minute": 600, "numeric_values.per_day": 2_000_000, "tokens.per_minute": 1_000_000, "streams": 50}, 131_072, 256, true},
		},
	}
	public, _ := coarsen.Shipped("public")
	for tier, wants := range cases {
		own, ok := coarsen.Shipped(string(tier))
		if !ok {
			t.Fatalf("no shipped profile %q", tier)
		}
		for i, level := range bartizan.Levels() {
			r, ok := p.Rules(tier, level)
			if !ok {
				t.Fatalf("Rules(%s, %s): none", tier, level)
			}
			got := want{limits(r.Limits), r.MaxOutput, r.DefaultOutput, r.Deny}
			if diff := cmp.Diff(wants[i], got, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("%s at %s (-want +got):\n%s", tier, level, diff)
			}
			profile := own
			if level >= bartizan.LevelWatch {
				profile = coarsen.Tighter(own, public)
			}
			if level >= bartizan.LevelRestricted {
				profile = coarsen.Tighter(profile, public)
			}
			if diff := cmp.Diff(profile, *r.Profile); diff != "" {
				t.Errorf("%s at %s: profile (-want +got):\n%s", tier, level, diff)
			}
		}
	}
}

func TestRulesOfUnknownTierOrLevel(t *testing.T) {
	t.Parallel()
	p := compile(t, policy.Default())
	if r, ok := p.Rules("gold", bartizan.LevelNormal); ok || r != nil {
		t.Errorf("Rules(gold) = %v, %v; want nil, false", r, ok)
	}
	if r, ok := p.Rules(bartizan.TierPublic, 4); ok || r != nil {
		t.Errorf("Rules(level 4) = %v, %v; want nil, false", r, ok)
	}
	if _, ok := p.Rules("", bartizan.LevelNormal); ok {
		t.Error("Rules(no tier) is there; want none")
	}
}

func TestRulesDoesNotAllocate(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts for the whole process
	p := compile(t, policy.Default())
	if n := testing.AllocsPerRun(100, func() { _, _ = p.Rules(bartizan.TierStandard, bartizan.LevelWatch) }); n != 0 {
		t.Errorf("Rules allocates %v times; want 0", n)
	}
}

func TestCompileLeavesTheSpecAlone(t *testing.T) {
	t.Parallel()
	s := policy.Default()
	tier := s.Tiers[bartizan.TierPublic]
	tier.Limits = ratelimit.Limits{
		{Dimension: ratelimit.Streams, Window: ratelimit.Concurrent, Amount: 3},
		{Dimension: ratelimit.Tokens, Window: ratelimit.Minute, Amount: 4_000, Burst: 4_000},
		{Dimension: ratelimit.Requests, Window: ratelimit.Day},
	}
	s.Tiers[bartizan.TierPublic] = tier
	before := fmt.Sprintf("%+v", s)
	p := compile(t, s)
	if after := fmt.Sprintf("%+v", s); after != before {
		t.Errorf("Compile changed the spec:\n%s\n%s", before, after)
	}
	r, _ := p.Rules(bartizan.TierPublic, bartizan.LevelNormal)
	want := map[string]int64{"tokens.per_minute": 4_000, "streams": 3}
	if diff := cmp.Diff(want, limits(r.Limits)); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	tier.Limits[1].Amount = 1
	if r.Limits[0].Amount != 4_000 {
		t.Error("a change of the spec reached the compiled policy")
	}
}

func TestLevelsBuildOnEachOther(t *testing.T) {
	t.Parallel()
	s := policy.Default()
	s.Levels = map[bartizan.Level]policy.LevelSpec{
		bartizan.LevelWatch:     {LimitsNum: 3, LimitsDen: 10, Coarsen: "public"},
		bartizan.LevelSuspended: {Deny: true},
	}
	p := compile(t, s)
	watch, _ := p.Rules(bartizan.TierTrusted, bartizan.LevelWatch)
	restricted, _ := p.Rules(bartizan.TierTrusted, bartizan.LevelRestricted)
	if diff := cmp.Diff(watch, restricted); diff != "" {
		t.Errorf("an unwritten level differs from the one below (-watch +restricted):\n%s", diff)
	}
	if got := limits(watch.Limits)["requests.per_minute"]; got != 180 {
		t.Errorf("watch allows %d requests per minute; want 180", got)
	}
}

// faults returns what Compile says, one line each.
func faults(t *testing.T, s policy.Spec) []string {
	t.Helper()
	p, err := policy.Compile(s)
	if err == nil {
		return nil
	}
	if p != nil {
		t.Error("Compile returned a policy beside its error")
	}
	joined, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err)
	if !ok {
		t.Fatalf("Compile() = %v; want a joined error", err)
	}
	var lines []string
	for _, e := range joined.Unwrap() {
		f, ok := errors.AsType[*policy.Fault](e)
		if !ok {
			t.Fatalf("fault %v is a %T; want *policy.Fault", e, e)
		}
		lines = append(lines, f.Error())
	}
	return lines
}

func TestCompileReportsEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	s := policy.Default()
	public := s.Tiers[bartizan.TierPublic]
	public.Limits = ratelimit.Limits{
		{Dimension: ratelimit.Requests, Window: ratelimit.Minute, Amount: 30},
		{Dimension: ratelimit.Requests, Window: ratelimit.Day, Amount: 20},
		{Dimension: ratelimit.Tokens, Window: ratelimit.Minute, Amount: -5},
		{Dimension: ratelimit.Streams, Window: ratelimit.Concurrent, Amount: 1},
		{Dimension: ratelimit.Streams, Window: ratelimit.Concurrent, Amount: 2},
	}
	public.MaxOutput, public.DefaultOutput = 100, 200
	public.WatermarkStrength = math.NaN()
	s.Tiers[bartizan.TierPublic] = public
	s.Tiers["Gold!"] = policy.TierSpec{MaxOutput: -1}
	small := s.Tiers[bartizan.TierStandard]
	small.Limits = ratelimit.Limits{{Dimension: ratelimit.Tokens, Window: ratelimit.Minute, Amount: 1_000}}
	s.Tiers["small"] = small
	s.Levels = map[bartizan.Level]policy.LevelSpec{
		bartizan.LevelNormal:     {Deny: true},
		bartizan.LevelWatch:      {LimitsNum: 1, LimitsDen: 10, Coarsen: "pubic"},
		bartizan.LevelRestricted: {LimitsNum: 1, LimitsDen: 2, Deny: true},
		bartizan.LevelSuspended:  {LimitsNum: -1, LimitsDen: 1},
		9:                        {},
	}
	want := []string{
		"tiers.Gold!: a tier's name",
		"tiers.Gold!.limits: a tier needs at least one limit",
		"tiers.Gold!.max_output: -1 tokens",
		"tiers.Gold!.default_output: 0 tokens",
		"tiers.Gold!.coarsen: a tier needs a profile",
		"tiers.public.limits.tokens.per_minute: ",
		"tiers.public.limits.streams: given twice",
		"tiers.public.limits.requests.per_day: 20 is less than per_minute, 30",
		"tiers.public.default_output: 200 tokens is more than max_output, 100",
		"tiers.public.watermark.strength: NaN",
		"tiers.small.max_output: 8192 tokens is more than 1000 tokens per minute",
		"levels.level(9): no such level",
		"levels.normal: nothing is suspected",
		`levels.watch.coarsen: no profile is called "pubic"`,
		"levels.restricted.limits: x0.5 loosens what holds at the level below, x0.1",
		"levels.suspended.limits: -1/1 is not a fraction",
		"levels.suspended: must deny",
	}
	got := faults(t, s)
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(got):
			t.Errorf("fault %d missing: %s", i, want[i])
		case i >= len(want):
			t.Errorf("fault %d unwanted: %s", i, got[i])
		case !strings.HasPrefix(got[i], want[i]):
			t.Errorf("fault %d = %q; want prefix %q", i, got[i], want[i])
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(*policy.Spec)
		want   string
	}{
		"no tiers":           {func(s *policy.Spec) { s.Tiers = nil }, "tiers: there is none"},
		"suspended served":   {func(s *policy.Spec) { delete(s.Levels, bartizan.LevelSuspended) }, "levels.suspended: must deny"},
		"loosening level":    {func(s *policy.Spec) { s.Levels[bartizan.LevelWatch] = policy.LevelSpec{LimitsNum: 11, LimitsDen: 10} }, "levels.watch.limits: x1.1 loosens"},
		"zero fraction":      {func(s *policy.Spec) { s.Levels[bartizan.LevelWatch] = policy.LevelSpec{LimitsDen: 10} }, "levels.watch.limits: 0/10 is not"},
		"deny then serve":    {func(s *policy.Spec) { s.Levels[bartizan.LevelWatch] = policy.LevelSpec{Deny: true} }, "levels.restricted: serves what the level below denies"},
		"unlimited":          {func(s *policy.Spec) { s.Tiers["x"] = unlimited(s) }, "tiers.x.limits: a tier needs at least one limit"},
		"tier name too long": {func(s *policy.Spec) { s.Tiers[bartizan.Tier(strings.Repeat("x", 33))] = s.Tiers["public"] }, "tiers.xxx"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := policy.Default()
			c.change(&s)
			got := faults(t, s)
			if len(got) != 1 || !strings.HasPrefix(got[0], c.want) {
				t.Errorf("Compile() says %q; want one fault with prefix %q", got, c.want)
			}
		})
	}
}

func unlimited(s *policy.Spec) policy.TierSpec {
	tier := s.Tiers[bartizan.TierPublic]
	tier.Limits = ratelimit.Limits{{Dimension: ratelimit.Requests, Window: ratelimit.Minute}}
	return tier
}

func TestHash(t *testing.T) {
	t.Parallel()
	base := compile(t, policy.Default()).Hash()
	same := map[string]func(*policy.Spec){
		"the same again": func(*policy.Spec) {},
		"limits in another order, and one that is none": func(s *policy.Spec) {
			tier := s.Tiers[bartizan.TierPublic]
			turned := ratelimit.Limits{{Dimension: ratelimit.Tokens, Window: ratelimit.Day, Amount: 150_000}}
			for _, l := range tier.Limits {
				if l.Dimension != ratelimit.Tokens || l.Window != ratelimit.Day {
					turned = append(turned, l)
				}
			}
			tier.Limits = turned
			s.Tiers[bartizan.TierPublic] = tier
			partner := s.Tiers[bartizan.TierPartner]
			partner.Limits = append(partner.Limits, ratelimit.Limit{Dimension: ratelimit.Tokens, Window: ratelimit.Day})
			s.Tiers[bartizan.TierPartner] = partner
		},
		"an empty level, a fraction written otherwise": func(s *policy.Spec) {
			s.Levels[bartizan.LevelNormal] = policy.LevelSpec{}
			s.Levels[bartizan.LevelWatch] = policy.LevelSpec{LimitsNum: 5, LimitsDen: 10, Coarsen: "public", Quiet: 40 * 24 * time.Hour}
		},
	}
	for name, change := range same {
		s := policy.Default()
		change(&s)
		if got := compile(t, s).Hash(); got != base {
			t.Errorf("%s: Hash() = %x; want %x", name, got, base)
		}
	}
	seen := map[[32]byte]string{base: "shipped"}
	others := map[string]func(*policy.TierSpec){
		"limit":      func(s *policy.TierSpec) { s.Limits[0].Amount++ },
		"burst":      func(s *policy.TierSpec) { s.Limits[0].Burst = 1 },
		"max output": func(s *policy.TierSpec) { s.MaxOutput++ },
		"output":     func(s *policy.TierSpec) { s.DefaultOutput++ },
		"profile":    func(s *policy.TierSpec) { s.Coarsen, _ = coarsen.Shipped("partner") },
		"numbers":    func(s *policy.TierSpec) { s.Key = ratelimit.Limits{{Amount: 7}} },
		"watermark":  func(s *policy.TierSpec) { s.WatermarkStrength = 0.5 },
	}
	for name, change := range others {
		s := policy.Default()
		tier := s.Tiers[bartizan.TierPublic]
		change(&tier)
		s.Tiers[bartizan.TierPublic] = tier
		h := compile(t, s).Hash()
		if twin, ok := seen[h]; ok {
			t.Errorf("%s and %s have the same hash", name, twin)
		}
		seen[h] = name
	}
}

// Whatever the fractions, a higher level never allows more.
func TestHigherLevelsNeverAllowMore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := policy.Default()
		fraction := rapid.Int64Range(0, 20)
		for _, level := range []bartizan.Level{bartizan.LevelWatch, bartizan.LevelRestricted} {
			s.Levels[level] = policy.LevelSpec{
				LimitsNum: fraction.Draw(rt, "num"), LimitsDen: fraction.Draw(rt, "den"),
				Coarsen: rapid.SampledFrom([]string{"", "public", "standard", "trusted", "partner"}).Draw(rt, "profile"),
				Deny:    rapid.Bool().Draw(rt, "deny"),
			}
		}
		p, err := policy.Compile(s)
		if err != nil {
			return
		}
		for tier := range s.Tiers {
			below, _ := p.Rules(tier, bartizan.LevelNormal)
			for _, level := range bartizan.Levels()[1:] {
				here, _ := p.Rules(tier, level)
				if here.MaxOutput > below.MaxOutput || here.DefaultOutput > below.DefaultOutput || (below.Deny && !here.Deny) {
					rt.Errorf("%s at %s allows more than below: %+v, %+v", tier, level, here, below)
				}
				for i, l := range here.Limits {
					if l.Amount > below.Limits[i].Amount || l.Amount < 1 {
						rt.Errorf("%s at %s: %v; below: %v", tier, level, l, below.Limits[i])
					}
				}
				if diff := cmp.Diff(coarsen.Tighter(*below.Profile, *here.Profile), *here.Profile); diff != "" {
					rt.Errorf("%s at %s is coarser below (-tighter +here):\n%s", tier, level, diff)
				}
				below = here
			}
		}
	})
}

func BenchmarkRules(b *testing.B) {
	p := compile(b, policy.Default())
	b.ReportAllocs()
	for b.Loop() {
		if r, ok := p.Rules(bartizan.TierStandard, bartizan.LevelWatch); !ok || r.Deny {
			b.Fatal("no rules")
		}
	}
}
