package evaluate

import (
	"cmp"
	"math"
	"slices"
	"time"

	"bartizan/internal/detect/baseline"
	"bartizan/internal/stat"
)

// discovery is the rate of false discoveries that e-BH is asked for.
const discovery = .05

// Campaign says what became of lists that several accounts share.
type Campaign struct {
	Detector string `json:"detector"`
	HeldOut  bool   `json:"stratum_held_out"`
	Scenario
	Campaigns int `json:"campaigns"`
	// Each is the number of prompts of one account.
	Each            int  `json:"prompts_each"`
	AccountsAlarmed Rate `json:"accounts_alarmed"`
	// Noticed counts campaigns of which at least one account alarmed.
	Noticed Rate `json:"campaigns_noticed"`
	// AnsweredBefore is the median share of the list that was answered before the first
	// alarm of any account, 1 when there was none.
	AnsweredBefore float64 `json:"answered_before_first_alarm_median"`
	// Flagged is the share of the accounts that e-BH flags at a false discovery rate of
	// 5 % beside the benign accounts of the evaluation; FalselyFlagged counts of these.
	// Only detectors with e-values have them.
	Flagged        *Rate `json:"ebh_flagged,omitempty"`
	FalselyFlagged *Rate `json:"ebh_benign_flagged,omitempty"`
}

// campaigns counts the split lists per scenario.
func (g group) campaigns(d baseline.Detector, i int) []Campaign {
	by := map[Scenario]map[string][]judged{}
	var benign []judged
	for _, one := range g.of {
		switch {
		case one.Control != "":
		case one.Attack == nil:
			benign = append(benign, one)
		case one.Campaign != "":
			if by[*one.Attack] == nil {
				by[*one.Attack] = map[string][]judged{}
			}
			by[*one.Attack][one.Campaign] = append(by[*one.Attack][one.Campaign], one)
		}
	}
	var out []Campaign
	for _, sc := range sorted(by) {
		row := Campaign{Detector: d.Name, HeldOut: g.heldOut, Scenario: sc, Campaigns: len(by[sc])}
		var answered []float64
		alarmed, accounts, noticed, flagged, falsely := 0, 0, 0, 0, 0
		for _, members := range by[sc] {
			share, first := beforeFirst(members, i)
			answered = append(answered, share)
			noticed += count(first)
			for _, one := range members {
				row.Each = max(row.Each, one.exchanges)
				alarmed += count(one.outcomes[i].alarmAt > 0)
			}
			accounts += len(members)
			hits, misses := ebh(members, benign, i)
			flagged, falsely = flagged+hits, falsely+misses
		}
		slices.Sort(answered)
		row.AccountsAlarmed, row.Noticed = rate(alarmed, accounts), rate(noticed, len(by[sc]))
		row.AnsweredBefore = round4(stat.Quantile(answered, .5))
		if d.Evidence {
			hit, miss := rate(flagged, accounts), rate(falsely, len(benign)*len(by[sc]))
			row.Flagged, row.FalselyFlagged = &hit, &miss
		}
		out = append(out, row)
	}
	return out
}

// beforeFirst returns the share of the exchanges of all members that came before the
// first alarm of one.
func beforeFirst(members []judged, i int) (share float64, alarmed bool) {
	var first time.Time
	all := 0
	for _, one := range members {
		all += one.exchanges
		if at := one.outcomes[i].alarmAt; at > 0 && (first.IsZero() || one.times[at-1].Before(first)) {
			first = one.times[at-1]
		}
	}
	if first.IsZero() || all == 0 {
		return 1, false
	}
	before := 0
	for _, one := range members {
		n, _ := slices.BinarySearchFunc(one.times, first, func(a, b time.Time) int { return cmp.Or(a.Compare(b), 0) })
		before += n
	}
	return float64(before) / float64(all), true
}

// ebh tests the members beside the benign accounts and returns how many of each are
// flagged.
func ebh(members, benign []judged, i int) (hits, misses int) {
	e := make([]float64, 0, len(members)+len(benign))
	for _, one := range slices.Concat(members, benign) {
		e = append(e, math.Pow(10, one.outcomes[i].final))
	}
	for _, at := range stat.EBH(e, discovery) {
		if at < len(members) {
			hits++
		} else {
			misses++
		}
	}
	return hits, misses
}
