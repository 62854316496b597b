// Package scan finds extraction in logs that a gateway wrote: it reads exchanges,
// sorts each account's by time, and applies the same [guard.Judge] that settles live
// traffic.
//
// It holds the features of the exchanges it has read, not their text, until every
// file is read: findings do not depend on the order of files or lines.
package scan

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"bartizan"
	"bartizan/internal/detect"
	"bartizan/internal/guard"
)

// Schema names the JSON contract of [Report].
const Schema = "bartizan.scan/1"

// Report is what a scan found.
type Report struct {
	Schema string `json:"schema"`
	// Calibration is the hash of the null that the evidence was measured against.
	Calibration string `json:"calibration"`
	// Exchanges counts the records used; Skipped the lines that could not be read.
	Exchanges int       `json:"exchanges"`
	Skipped   int       `json:"skipped"`
	From      time.Time `json:"from,omitzero"`
	To        time.Time `json:"to,omitzero"`
	// Accounts lists every account in the input, the strongest evidence first.
	Accounts []Account          `json:"accounts"`
	Findings []bartizan.Finding `json:"findings"`
}

// Account is the standing of one account at the end of the input.
type Account struct {
	Account   string              `json:"account"`
	Exchanges int                 `json:"exchanges"`
	Verdict   bartizan.Verdict    `json:"verdict"`
	Log10E    float64             `json:"log10_e"`
	AlarmAt   int                 `json:"alarm_at,omitempty"`
	Reasons   []bartizan.Evidence `json:"reasons,omitempty"`
}

// Scanner collects exchanges and judges them. It is not safe for concurrent use.
type Scanner struct {
	engine    *detect.Engine
	extractor *detect.Extractor
	hash      string
	accounts  map[string][]entry
	report    Report
}

type entry struct {
	id       string
	at       time.Time
	features []byte
}

// Unknown is the account of exchanges that name none. It is listed and never judged.
const Unknown = "unknown"

// New returns a scanner. With the key of a gateway the extractor finds exactly what
// that gateway found; with another key, sketches differ a little, and so may the number
// of the exchange at which a verdict first held.
func New(engine *detect.Engine, extractor *detect.Extractor, calibration string) *Scanner {
	return &Scanner{engine: engine, extractor: extractor, hash: calibration, accounts: make(map[string][]entry)}
}

// Add takes one exchange; its text is dropped before Add returns.
func (s *Scanner) Add(x *bartizan.Exchange) error {
	encoded, err := s.extractor.Extract(x).AppendBinary(nil)
	if err != nil {
		return fmt.Errorf("extract features of exchange %s: %w", x.ID, err)
	}
	return s.AddFeatures(x.Account, x.ID, x.At, encoded)
}

// AddFeatures takes one exchange whose features were extracted before, as a ledger
// holds them.
func (s *Scanner) AddFeatures(account, id string, at time.Time, features []byte) error {
	if account == "" {
		account = Unknown
	}
	s.accounts[account] = append(s.accounts[account], entry{id: id, at: at, features: features})
	s.report.Exchanges++
	if s.report.From.IsZero() || at.Before(s.report.From) {
		s.report.From = at
	}
	if at.After(s.report.To) {
		s.report.To = at
	}
	return nil
}

// Skip counts lines that could not be read.
func (s *Scanner) Skip(lines int) { s.report.Skipped += lines }

// Report judges everything that was added. Progress, when not nil, is called with
// the number of accounts done and of all.
func (s *Scanner) Report(ctx context.Context, progress func(done, all int)) (*Report, error) {
	judge := guard.NewJudge(s.engine)
	out := s.report
	out.Schema, out.Calibration = Schema, s.hash
	out.Findings = []bartizan.Finding{}
	names := make([]string, 0, len(s.accounts))
	for name := range s.accounts {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("judge account %d of %d: %w", i+1, len(names), err)
		}
		account, findings, err := s.judge(judge, name)
		if err != nil {
			return nil, err
		}
		out.Accounts = append(out.Accounts, account)
		out.Findings = append(out.Findings, findings...)
		if progress != nil {
			progress(i+1, len(names))
		}
	}
	slices.SortStableFunc(out.Accounts, func(a, b Account) int {
		return cmp.Or(cmp.Compare(rank(b.Verdict), rank(a.Verdict)), cmp.Compare(b.Log10E, a.Log10E))
	})
	slices.SortStableFunc(out.Findings, func(a, b bartizan.Finding) int { return a.At.Compare(b.At) })
	return &out, nil
}

func rank(v bartizan.Verdict) bartizan.Level { return guard.LevelFor(&bartizan.Finding{Verdict: v}) }

func (s *Scanner) judge(judge *guard.Judge, name string) (Account, []bartizan.Finding, error) {
	entries := s.accounts[name]
	account := Account{Account: name, Exchanges: len(entries), Verdict: bartizan.VerdictClear}
	if name == Unknown {
		return account, nil, nil
	}
	slices.SortStableFunc(entries, func(a, b entry) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.id, b.id))
	})
	var findings []bartizan.Finding
	for i := range entries {
		f, err := detect.DecodeFeatures(entries[i].features)
		if err != nil {
			return account, nil, fmt.Errorf("read features of exchange %s: %w", entries[i].id, err)
		}
		if found := judge.Observe(name, f); found != nil {
			findings = append(findings, *found)
		}
	}
	if a, ok := judge.Assess(name); ok {
		account.Verdict, account.Log10E, account.AlarmAt, account.Reasons = a.Verdict, a.Log10E, a.AlarmAt, a.Evidence
	}
	judge.Forget(name)
	return account, findings, nil
}

// Alarmed reports whether any account is above clear: there is something to act on.
func (r *Report) Alarmed() bool {
	for _, a := range r.Accounts {
		if a.Verdict != bartizan.VerdictClear {
			return true
		}
	}
	return false
}
