package config

import (
	"math"

	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
)

// limitsFile is a set of limits as a file says it; 0 is no limit.
type limitsFile struct {
	rates              [len(limitRows)]rateFile
	streams, inFlight  int64
	streamsSh, flightS bool
}

// rateFile holds the limits on what is counted over time.
type rateFile struct {
	amount  [len(limitWindows)]int64
	dollars [len(limitWindows)]float64
	burst   int64
	shadow  bool
}

var limitWindows = [...]struct { //nolint:gochecknoglobals // a static table
	key, doc string
	window   ratelimit.Window
}{
	{"per_minute", "In a minute, refilled steadily.", ratelimit.Minute},
	{"per_hour", "In an hour of the clock, UTC.", ratelimit.Hour},
	{"per_day", "In a day, UTC.", ratelimit.Day},
	{"per_month", "In a month of the calendar, UTC.", ratelimit.Month},
}

var limitRows = [...]struct { //nolint:gochecknoglobals // a static table
	doc       string
	dimension ratelimit.Dimension
}{
	{"Requests.", ratelimit.Requests},
	{"Tokens of prompt and answer together.", ratelimit.Tokens},
	{"Tokens of prompts.", ratelimit.Input},
	{"Tokens of answers.", ratelimit.Output},
	{"Dollars, by the prices of models.", ratelimit.Cost},
	{"Numbers released, such as log-probabilities and scores; beyond it answers come without them.", ratelimit.Values},
	{"Distinct prompts.", ratelimit.Prompts},
}

const microUSD = 1e6

// take reads limits into the file's form.
func (f *limitsFile) take(limits ratelimit.Limits) {
	for _, l := range limits {
		switch l.Dimension {
		case ratelimit.Streams:
			f.streams, f.streamsSh = l.Amount, l.Shadow
			continue
		case ratelimit.InFlight:
			f.inFlight, f.flightS = l.Amount, l.Shadow
			continue
		default:
		}
		r := &f.rates[l.Dimension]
		w := l.Window - ratelimit.Minute
		r.amount[w], r.shadow = l.Amount, r.shadow || l.Shadow
		if l.Dimension == ratelimit.Cost {
			r.dollars[w] = float64(l.Amount) / microUSD
		}
		if l.Burst > 0 {
			r.burst = l.Burst
		}
	}
}

// limits returns those that bind.
func (f *limitsFile) limits() ratelimit.Limits {
	var out ratelimit.Limits
	for i, row := range limitRows {
		r := &f.rates[i]
		for k, w := range limitWindows {
			l := ratelimit.Limit{Dimension: row.dimension, Window: w.window, Amount: r.amount[k], Shadow: r.shadow}
			if row.dimension == ratelimit.Cost {
				l.Amount = int64(math.Round(r.dollars[k] * microUSD))
			}
			if w.window == ratelimit.Minute {
				l.Burst = r.burst
			}
			if l.Amount > 0 {
				out = append(out, l)
			}
		}
	}
	for _, l := range []ratelimit.Limit{
		{Dimension: ratelimit.Streams, Window: ratelimit.Concurrent, Amount: f.streams, Shadow: f.streamsSh},
		{Dimension: ratelimit.InFlight, Window: ratelimit.Concurrent, Amount: f.inFlight, Shadow: f.flightS},
	} {
		if l.Amount > 0 {
			out = append(out, l)
		}
	}
	return out
}

// close finds what only the whole set tells.
func (f *limitsFile) close(d *decoder, path string) {
	for i, row := range limitRows {
		r := &f.rates[i]
		if r.burst > 0 && r.amount[0] == 0 && r.dollars[0] == 0 {
			d.late(path+"."+row.dimension.String()+".burst", "there is no limit per minute that it could be the burst of")
		}
	}
}

// object is the mapping of the limits. In a tier, what ships with a limit is printed also
// when there is none, since leaving it out would bring the shipped one back.
func (f *limitsFile) object(tier bool) named {
	fields := make([]field, 0, len(limitRows)+2)
	for i, row := range limitRows {
		fields = append(fields, field{key: row.dimension.String(), doc: row.doc, kind: f.rates[i].object(row.dimension, tier)})
	}
	return named{"limits", object{append(fields,
		field{key: "streams", doc: "Streamed answers under way at once.", kind: amount(&f.streams, !tier)},
		field{key: "concurrent", doc: "Requests under way at once.", kind: amount(&f.inFlight, true)})}}
}

func (r *rateFile) object(d ratelimit.Dimension, tier bool) named {
	var fields []field
	for i, w := range limitWindows {
		if w.window == ratelimit.Minute && d == ratelimit.Prompts {
			continue
		}
		if d == ratelimit.Cost {
			fields = append(fields, field{key: w.key, doc: w.doc, kind: number{&r.dollars[i], 1e9}})
			continue
		}
		ships := tier && (d <= ratelimit.Tokens && (w.window == ratelimit.Minute || w.window == ratelimit.Day) ||
			d == ratelimit.Values && w.window == ratelimit.Day)
		fields = append(fields, field{key: w.key, doc: w.doc, kind: amount(&r.amount[i], !ships)})
		if w.window == ratelimit.Minute {
			fields = append(fields, field{
				key: "burst", doc: "At one instant after a rest; without it the amount of a minute.",
				kind: size{to: &r.burst, least: 1, most: maxAmount, absentZero: true},
			})
		}
	}
	name := "rate"
	switch d {
	case ratelimit.Cost:
		name = "rate_of_cost"
	case ratelimit.Prompts:
		name = "rate_of_prompts"
	default:
	}
	return named{name, object{append(fields, field{
		key: "shadow", doc: "Only watch: what these limits would refuse passes and is recorded.", kind: truth{to: &r.shadow, absentFalse: true},
	})}}
}

// amount is the amount of a limit. absent leaves the key out when there is no limit.
func amount(to *int64, absent bool) size {
	return size{to: to, least: 1, most: maxAmount, unlimited: true, absentZero: absent}
}

// prices are those of models, up to the last that has one. Entries before it that have
// none stand there too, because the first that matches a model counts.
func prices(models []Model) []policy.Price {
	var out []policy.Price
	n := 0
	for _, m := range models {
		out = append(out, m.Price.of(m.Match))
		if m.Price != (Price{}) {
			n = len(out)
		}
	}
	if n == 0 {
		return nil
	}
	return out[:n:n]
}

// of is the price in the form of the policy.
func (p Price) of(match string) policy.Price {
	micro := func(dollars float64) int64 { return int64(math.Round(dollars * microUSD)) }
	return policy.Price{
		Match: match, Input: micro(p.Input), Cached: micro(p.Cached), Output: micro(p.Output), Thought: micro(p.Reasoning),
	}
}
