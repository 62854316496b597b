package evaluate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"bartizan"
	"bartizan/internal/detect/baseline"
)

// TruthSchema names the JSON contract of [Truth].
const TruthSchema = "bartizan.truth/1"

// Label is what an account is.
type Label string

// The labels.
const (
	LabelBenign Label = "benign"
	LabelAttack Label = "attack"
)

// Truth says what the accounts of logs are.
type Truth struct {
	Schema   string         `json:"schema"`
	Accounts []TruthAccount `json:"accounts"`
}

// TruthAccount is the truth about one account, under the name that it has in the logs.
type TruthAccount struct {
	Account string `json:"account"`
	Label   Label  `json:"label"`
	// Stratum is the kind of customer, or of those whose prompts a mixture hides among;
	// "benign" when it is not given. Stratum "bulk" is counted apart.
	Stratum string `json:"stratum,omitempty"`
	// Source is where the account's prompts come from; accounts of one source calibrate
	// or are judged together. Empty means that the account is its own source.
	Source string `json:"source,omitempty"`
	// Calibrate gives a benign account to the calibration of the published detectors;
	// it is not judged then. When no account has it, half of the sources calibrate.
	Calibrate bool `json:"calibrate,omitempty"`
	// Control is the pace of a benign account that sends what mixtures hide among and
	// nothing else; it is counted apart.
	Control Pace `json:"control,omitempty"`
	// Family, Phase, Mix and Pace say how the account attacks; a Mix of 0 means 1, an
	// empty Phase "instructions". Which exchanges are of the attack is not said, so all
	// of an attacker's count as answered to the attack.
	Family string  `json:"family,omitempty"`
	Phase  Phase   `json:"phase,omitempty"`
	Mix    float64 `json:"mix,omitempty"`
	Pace   Pace    `json:"pace,omitempty"`
	// Campaign joins accounts that share a list.
	Campaign string `json:"campaign,omitempty"`
}

// ReadTruth reads labels and reports every fault at once.
func ReadTruth(r io.Reader) (*Truth, error) {
	var t Truth
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&t); err != nil {
		return nil, fmt.Errorf("read truth: %w", err)
	}
	var faults []error
	if t.Schema != TruthSchema {
		faults = append(faults, fmt.Errorf("schema is %q, want %q", t.Schema, TruthSchema))
	}
	seen := map[string]bool{}
	for i, a := range t.Accounts {
		switch {
		case a.Account == "":
			faults = append(faults, fmt.Errorf("account %d has no name", i+1))
		case seen[a.Account]:
			faults = append(faults, fmt.Errorf("account %s is labelled twice", a.Account))
		case a.Label != LabelBenign && a.Label != LabelAttack:
			faults = append(faults, fmt.Errorf("account %s: label is %q, want %q or %q", a.Account, a.Label, LabelBenign, LabelAttack))
		case a.Label == LabelAttack && a.Calibrate:
			faults = append(faults, fmt.Errorf("account %s: an attack cannot calibrate", a.Account))
		case a.Label == LabelAttack && a.Control != "":
			faults = append(faults, fmt.Errorf("account %s: an attack cannot be a control", a.Account))
		case !(a.Mix >= 0 && a.Mix <= 1):
			faults = append(faults, fmt.Errorf("account %s: mix is %v, want 0 to 1", a.Account, a.Mix))
		}
		seen[a.Account] = true
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("read truth: %w", err)
	}
	return &t, nil
}

// TruthOf is the truth about a stream.
func TruthOf(s *Stream, calibrates bool) TruthAccount {
	t := TruthAccount{Account: s.Account, Label: LabelBenign, Stratum: s.Stratum, Source: s.Source, Calibrate: calibrates, Control: s.Control}
	if s.person {
		t.Source = s.Account
	}
	if a := s.Attack; a != nil {
		t.Label, t.Campaign = LabelAttack, s.Campaign
		t.Family, t.Phase, t.Mix, t.Pace = a.Family, a.Phase, a.Mix, a.Pace
	}
	return t
}

// Labelled collects the exchanges of labelled accounts.
type Labelled struct {
	truth    map[string]TruthAccount
	sizes    map[string]int // of campaigns
	accounts map[string]baseline.Account
	// Unlabelled counts exchanges of accounts that the truth does not name.
	Unlabelled int
}

// NewLabelled returns a collector for the accounts of t.
func NewLabelled(t *Truth) *Labelled {
	l := &Labelled{truth: map[string]TruthAccount{}, sizes: map[string]int{}, accounts: map[string]baseline.Account{}}
	for _, a := range t.Accounts {
		a.Stratum = cmp.Or(a.Stratum, string(LabelBenign))
		a.Source = cmp.Or(a.Source, a.Account)
		l.truth[a.Account] = a
		if a.Campaign != "" {
			l.sizes[a.Campaign]++
		}
	}
	return l
}

// Add takes one exchange of a log. It never fails.
func (l *Labelled) Add(x *bartizan.Exchange) error {
	if _, ok := l.truth[x.Account]; !ok {
		l.Unlabelled++
		return nil
	}
	l.accounts[x.Account] = append(l.accounts[x.Account], x)
	return nil
}

// streams returns the accounts in the order of their names, those that calibrate apart.
func (l *Labelled) streams(seed uint64) (judged []*Stream, calibrate []baseline.Account, stated bool) {
	names := make([]string, 0, len(l.accounts))
	var sources []string
	for name := range l.accounts {
		names = append(names, name)
		a := l.truth[name]
		stated = stated || a.Calibrate
		if a.Label == LabelBenign && !slices.Contains(sources, a.Source) {
			sources = append(sources, a.Source)
		}
	}
	slices.Sort(names)
	slices.Sort(sources)
	half := map[string]bool{}
	if r := seeded(seed, "sources"); !stated && len(sources) > 1 {
		for _, i := range r.Perm(len(sources))[:len(sources)/2] {
			half[sources[i]] = true
		}
	}
	for _, name := range names {
		a := l.truth[name]
		xs := l.accounts[name]
		slices.SortStableFunc(xs, func(a, b *bartizan.Exchange) int {
			return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
		})
		if a.Label == LabelBenign && (a.Calibrate || half[a.Source]) {
			calibrate = append(calibrate, xs)
			continue
		}
		judged = append(judged, l.stream(a, xs))
	}
	return judged, calibrate, stated
}

func (l *Labelled) stream(a TruthAccount, xs baseline.Account) *Stream {
	s := &Stream{Account: a.Account, Source: a.Source, Stratum: a.Stratum, Control: a.Control, Campaign: a.Campaign, Exchanges: xs, FromAttack: make([]bool, len(xs))}
	if a.Label == LabelAttack {
		s.Attack = &Scenario{
			Family: cmp.Or(a.Family, "attack"), Phase: cmp.Or(a.Phase, PhaseInstructions), Mix: cmp.Or(a.Mix, 1),
			Pace: cmp.Or(a.Pace, "not stated"), Accounts: max(1, l.sizes[a.Campaign]),
		}
		for i := range s.FromAttack {
			s.FromAttack[i] = true
		}
	}
	return s
}

// RunLabelled judges the labelled accounts. The published detectors are calibrated on
// the accounts that calibrate; those that there is too little for are left out.
func RunLabelled(ctx context.Context, l *Labelled, o Options) (*Report, error) {
	streams, calibrate, stated := l.streams(o.Seed)
	if len(streams) == 0 {
		return nil, errors.New("none of the labelled accounts that should be judged is in the logs")
	}
	const fewest = 10 // accounts that a calibration needs
	p := &panel{own: o.Own, by: map[string][]baseline.Detector{"": {baseline.DailyVolume(fixedDaily)}}}
	if len(calibrate) >= fewest {
		c := calibration{long: map[int][]baseline.Account{}}
		for i, a := range calibrate {
			c.add(a, i%2 == 0)
		}
		p.by[""], p.absent = published(nil, c, o.Profile.Windows, seeded(o.Seed, "published"))
	} else {
		p.absent = append(p.absent, fmt.Sprintf("all published detectors that calibrate: %d benign accounts calibrate, fewer than %d", len(calibrate), fewest))
	}
	logs := []log{{name: "logs", streams: streams}}
	work := 0
	for _, s := range streams {
		work += len(s.Exchanges)
	}
	o.Profile.HeldOutAttacks = false
	t := &ticker{tell: o.Progress, all: int64(work)}
	all, err := judgeLogs(ctx, logs, p, o, t)
	if err != nil {
		return nil, err
	}
	report := newReport(o, p, all)
	report.Notes = append(report.Notes, fmt.Sprintf("%d benign accounts calibrated the published detectors", len(calibrate)))
	if !stated && len(calibrate) > 0 {
		report.Notes = append(report.Notes, "the truth names no calibrating accounts, so half of the benign sources calibrated")
	}
	if l.Unlabelled > 0 {
		report.Notes = append(report.Notes, fmt.Sprintf("%d exchanges of accounts without a label were left out", l.Unlabelled))
	}
	return report, nil
}
