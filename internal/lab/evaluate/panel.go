package evaluate

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"

	"bartizan/internal/detect/baseline"
)

// fixedDaily is the limit of volume that is printed beside the calibrated one.
const fixedDaily = 1000

// panel is the detectors that judge: those of this project first, whose calibration is
// their own, then the published ones, calibrated once with all strata and once without
// each of them.
type panel struct {
	own []baseline.Detector
	// by maps the stratum that is left out to detectors; "" leaves none out. All lists
	// have the same detectors in the same order.
	by map[string][]baseline.Detector
	// absent says which detectors could not be calibrated, and why.
	absent []string
}

// of returns the detectors that judge a stream.
func (p *panel) of(stratum string) []baseline.Detector {
	return append(slices.Clone(p.own), p.by[stratum]...)
}

// seeded is the generator of one part of a run.
func seeded(seed uint64, part string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(part))                  // never fails
	return rand.New(rand.NewPCG(seed, h.Sum64())) //nolint:gosec // reproducible, no secret
}

// calibration is what published detectors learn from: benign accounts of the
// calibrating rows.
type calibration struct {
	all                   []baseline.Account // every row once
	reference, thresholds []baseline.Account // two halves of them
	// long are accounts of one source, as long as a window, from the second half.
	long map[int][]baseline.Account
}

// longAccounts is how many are drawn from a source for each window.
const longAccounts = 20

// calibrating makes the accounts of all strata but one.
func calibrating(sources []Source, without string, windows []int, seed uint64) calibration {
	c := calibration{long: map[int][]baseline.Account{}}
	times := clockOf(sources, false)
	r := seeded(seed, "calibrate")
	for _, s := range sources {
		if s.Stratum == without || s.Role == RoleAttack || s.Role == RoleArrivals {
			continue
		}
		for i, p := range s.CalibratePeople {
			st := deal(nil, false, r).person(&s, p, times, fmt.Sprintf("%s-%d", s.Name, i+1))
			c.add(st.Exchanges, i%2 == 0)
		}
		half := len(s.Calibrate) / 2
		for i, rows := range [][]Row{s.Calibrate[:half], s.Calibrate[half:]} {
			d := deal(nil, false, r)
			d.put(s.Name, rows)
			for _, st := range d.benign(asSmall(&s), times, "calibrate") {
				c.add(st.Exchanges, i == 0)
			}
		}
		for _, w := range windows {
			for i := range longAccounts {
				d := deal(nil, false, r)
				d.put(s.Name, s.Calibrate[half:])
				if rows := d.take(s.Name, w+w/4); rows != nil {
					times.pace(PaceHuman, rows, r)
					c.long[w] = append(c.long[w], newStream(fmt.Sprintf("%s-%d-%d", s.Name, w, i), rows).Exchanges)
				}
			}
		}
	}
	return c
}

// asSmall lets a bulk source whose halves are small make accounts all the same.
func asSmall(s *Source) *Source {
	if s.Role == RoleBulk && len(s.Calibrate)/2 < leastBulk {
		as := *s
		as.Role = RoleBenign
		return &as
	}
	return s
}

func (c *calibration) add(a baseline.Account, reference bool) {
	c.all = append(c.all, a)
	if reference {
		c.reference = append(c.reference, a)
	} else {
		c.thresholds = append(c.thresholds, a)
	}
}

// clockOf returns the times of one side.
func clockOf(sources []Source, judged bool) *clock {
	c := &clock{}
	for _, s := range sources {
		people := s.CalibratePeople
		if judged {
			people = s.JudgePeople
		}
		c.gaps = append(c.gaps, gapsOf(people)...)
		c.arrivals = append(c.arrivals, s.Arrivals...)
		c.answers = append(c.answers, s.Answers...)
	}
	return c
}

// published calibrates the published detectors. Those that there is too little for
// are named in absent.
func published(space *baseline.Space, c calibration, windows []int, r *rand.Rand) (ds []baseline.Detector, absent []string) {
	oneSided, twoSided := baseline.Pairs(space, c.all, r)
	ds = []baseline.Detector{
		baseline.Volume(c.all), baseline.DailyVolume(fixedDaily), baseline.PRADA(space, c.all, r), oneSided, twoSided,
	}
	for _, w := range windows {
		for _, from := range []baseline.Calibration{baseline.Pooled, baseline.PerAccount} {
			accounts := c.thresholds
			if from == baseline.PerAccount {
				accounts = append(slices.Clone(accounts), c.long[w]...)
			}
			d, err := baseline.MMD(space, c.reference, accounts, w, from, r)
			if err != nil {
				absent = append(absent, err.Error())
				continue
			}
			ds = append(ds, d)
		}
	}
	return ds, absent
}

// newPanel calibrates the published detectors with all strata, and without each.
func newPanel(ctx context.Context, own []baseline.Detector, sources []Source, space *baseline.Space, windows []int, seed uint64, t *ticker) (*panel, error) {
	strata := append([]string{""}, strataOf(sources)...)
	sets := make([][]baseline.Detector, len(strata))
	absent := make([][]string, len(strata))
	err := each(ctx, len(strata), func(i int) error {
		c := calibrating(sources, strata[i], windows, seed)
		sets[i], absent[i] = published(space, c, windows, seeded(seed, "published"))
		t.add("calibrating", calibrationWork)
		return nil
	})
	if err != nil {
		return nil, err
	}
	p := &panel{own: own, by: map[string][]baseline.Detector{}}
	everywhere := map[string]int{}
	for i, set := range sets {
		for _, d := range set {
			everywhere[d.Name]++
		}
		for _, why := range absent[i] {
			if strata[i] != "" {
				why = fmt.Sprintf("without stratum %s: %s", strata[i], why)
			}
			p.absent = append(p.absent, why)
		}
	}
	for i, set := range sets {
		p.by[strata[i]] = slices.DeleteFunc(set, func(d baseline.Detector) bool { return everywhere[d.Name] < len(strata) })
	}
	return p, nil
}

// calibrationWork is how many exchanges judged take as long as one calibration, for
// the estimate of time left.
const calibrationWork = 15_000

// strataOf lists the strata of the benign sources, in their order.
func strataOf(sources []Source) []string {
	var out []string
	for _, s := range sources {
		if s.Stratum != "" && !slices.Contains(out, s.Stratum) {
			out = append(out, s.Stratum)
		}
	}
	return out
}
