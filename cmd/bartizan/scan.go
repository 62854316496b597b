package main

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"bartizan/internal/datadir"
	"bartizan/internal/detect"
	"bartizan/internal/evidence"
	"bartizan/internal/ledger"
	"bartizan/internal/logread"
	"bartizan/internal/policy"
	"bartizan/internal/scan"
)

type scanCmd struct {
	Files  []string `arg:"" help:"Logs: JSONL of exchanges or of OpenAI-style requests, plain, gzip or zstd; or a ledger folder." type:"path"`
	Strict bool     `help:"Stop at the first line that cannot be read."`
}

// Help shows an example.
func (*scanCmd) Help() string {
	return "Example:\n  bartizan scan requests.jsonl.gz --format json\n  bartizan scan ./data/ledger\n\n" +
		"Exit code 1 means that an account is above clear, 3 that something could not be read."
}

// Run reads every file and reports on every account.
func (c *scanCmd) Run(a *app) error {
	cfg, err := a.loadConfig()
	if err != nil {
		return err
	}
	rules, err := policy.Compile(cfg.Policy)
	if err != nil {
		return usageError(err)
	}
	engine, err := detect.New(rules.Detect())
	if err != nil {
		return usageError(err)
	}
	key, err := a.scanKey()
	if err != nil {
		return err
	}
	s := scan.New(engine, detect.NewExtractor(key), rules.Detect().Hash())
	incomplete := false
	for i, file := range c.Files {
		a.progress("reading %s (%d of %d)", file, i+1, len(c.Files))
		bad, err := c.read(a, s, file)
		if err != nil {
			return err
		}
		incomplete = incomplete || bad
	}
	report, err := s.Report(a.ctx, func(done, all int) { a.progress("judging accounts: %d of %d", done, all) })
	if err != nil {
		return incompleteError(err)
	}
	if err := a.printScan(report); err != nil {
		return err
	}
	switch {
	case incomplete:
		return incompleteError(fmt.Errorf("%d lines could not be read; the findings above hold for the rest", report.Skipped))
	case report.Alarmed():
		return errAct
	default:
		return nil
	}
}

// scanKey returns the key of feature hashes: that of the data folder, so that a scan
// finds what the gateway found to the last digit, or else a fixed one, so that equal
// logs give equal findings. Nothing that is hashed outlives the scan.
func (a *app) scanKey() ([]byte, error) {
	if _, err := os.Stat(filepath.Join(a.Data, "secrets")); err != nil {
		return featuresKey([]byte("bartizan scan without an installation"))
	}
	dir, err := datadir.Open(a.Data)
	if err != nil {
		return nil, usageError(err)
	}
	secret, err := dir.Secret(installationSecret)
	if err != nil {
		return nil, usageError(err)
	}
	return featuresKey(secret)
}

// read takes in one file or ledger folder; bad means that lines were passed over.
func (c *scanCmd) read(a *app, s *scan.Scanner, file string) (bad bool, err error) {
	info, err := os.Stat(file)
	if err != nil {
		return false, usageError(fmt.Errorf("scan: %w", err))
	}
	if info.IsDir() {
		return false, a.scanLedger(s, file)
	}
	stats, err := logread.Open(a.ctx, file, logread.Options{Strict: c.Strict, Name: file}, s.Add)
	if err != nil {
		return false, incompleteError(err)
	}
	s.Skip(int(stats.Bad))
	for _, f := range stats.Faults {
		a.hint("%s:%d: %s", file, f.Line, f.Reason)
	}
	if stats.Untimed > 0 {
		a.hint("%s: %d lines have no time and say nothing of pace", file, stats.Untimed)
	}
	return stats.Bad > 0, nil
}

// scanLedger reads the features that a gateway recorded. Account names come from the
// store of the data folder that the ledger belongs to; without it, hashes stand for them.
func (a *app) scanLedger(s *scan.Scanner, folder string) error {
	name, closeStore := a.accountNames()
	defer closeStore()
	err := ledger.Scan(folder, func(_ string, it ledger.Item) error {
		if it.Features == nil {
			return nil
		}
		f, err := detect.DecodeFeatures(it.Features)
		if err != nil {
			return fmt.Errorf("record %d: %w", it.Seq, err)
		}
		return s.AddFeatures(name(it.Record.Account), fmt.Sprintf("%016x", it.Seq), f.At, it.Features)
	}, nil)
	if err != nil {
		return incompleteError(fmt.Errorf("scan ledger %s: %w", folder, err))
	}
	return nil
}

// accountNames returns a function that names the account behind a keyed hash.
func (a *app) accountNames() (name func(mac [16]byte) string, done func()) {
	hash := func(mac [16]byte) string { return hex.EncodeToString(mac[:]) }
	nothing := func() {}
	if _, err := os.Stat(a.Data); err != nil {
		return hash, nothing
	}
	dir, st, err := a.openStore()
	if err != nil {
		return hash, nothing
	}
	secret, err := dir.Secret(installationSecret)
	if err != nil {
		return hash, func() { _ = st.Close() }
	}
	known := newNames(st, evidence.NewKeys(secret))
	return func(mac [16]byte) string {
		if n, err := known.account(a.ctx, mac); err == nil && n != "" {
			return n
		}
		return hash(mac)
	}, func() { _ = st.Close() }
}

func (a *app) printScan(r *scan.Report) error {
	if a.Format == formatJSON {
		return a.printJSON(r)
	}
	t := newTable("ACCOUNT", "VERDICT", ">EXCHANGES", ">LOG10 E", ">AT")
	for _, x := range r.Accounts {
		at := ""
		if x.AlarmAt > 0 {
			at = number(x.AlarmAt)
		}
		t.add(x.Account, string(x.Verdict), number(x.Exchanges), fmt.Sprintf("%.2f", x.Log10E), at)
	}
	t.print(a.out)
	for _, f := range r.Findings {
		fmt.Fprintf(a.out, "\n%s: %s at its exchange %d, %s\n", f.Account, f.Verdict, f.AlarmAt, stamp(f.At))
		for _, reason := range f.Reasons {
			fmt.Fprintf(a.out, "  %-10s log10 e = %6.2f  %s\n", reason.Detector, reason.Log10E, reason.Says)
		}
	}
	fmt.Fprintf(a.out, "\n%d exchanges of %d accounts, %s to %s; %d lines skipped; calibration %s\n",
		r.Exchanges, len(r.Accounts), stamp(r.From), stamp(r.To), r.Skipped, r.Calibration)
	return nil
}

type ledgerCmd struct {
	Stats  ledgerStatsCmd  `cmd:"" help:"Count records, gaps and accounts."`
	Verify ledgerVerifyCmd `cmd:"" help:"Check every segment against its root, and the chain of roots."`
}

type ledgerStatsCmd struct{}

// Help shows an example.
func (*ledgerStatsCmd) Help() string {
	return "Example:\n  bartizan ledger stats --data ./data --format json\n\nIt may run beside the server."
}

type ledgerStats struct {
	Schema  string `json:"schema"`
	Records int64  `json:"records"`
	// Gaps counts gap entries, Lost the exchanges that they stand for.
	Gaps     int64               `json:"gaps"`
	Lost     uint64              `json:"lost"`
	Accounts []ledgerAccountStat `json:"accounts"`
}

type ledgerAccountStat struct {
	Account   string `json:"account"`
	Exchanges int64  `json:"exchanges"`
	Answered  int64  `json:"answered"`
	Refused   int64  `json:"refused"`
	TokensIn  int64  `json:"tokens_in"`
	TokensOut int64  `json:"tokens_out"`
	Disclosed int64  `json:"values_disclosed"`
}

// Run counts the ledger of the data folder.
func (*ledgerStatsCmd) Run(a *app) error {
	dir, err := datadir.Open(a.Data)
	if err != nil {
		return usageError(err)
	}
	name, done := a.accountNames()
	defer done()
	out := ledgerStats{Schema: "bartizan.ledger/1", Accounts: []ledgerAccountStat{}}
	index := make(map[[16]byte]int)
	err = ledger.Scan(dir.Path("ledger"), func(_ string, it ledger.Item) error {
		i, ok := index[it.Record.Account]
		if !ok {
			i = len(out.Accounts)
			index[it.Record.Account] = i
			out.Accounts = append(out.Accounts, ledgerAccountStat{Account: name(it.Record.Account)})
		}
		out.Records++
		out.Accounts[i].add(&it.Record)
		return nil
	}, func(g evidence.Gap) {
		out.Gaps++
		out.Lost += g.Count
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return incompleteError(fmt.Errorf("read ledger: %w", err))
	}
	if a.Format == formatJSON {
		return a.printJSON(out)
	}
	t := newTable("ACCOUNT", ">EXCHANGES", ">ANSWERED", ">REFUSED", ">TOKENS IN", ">TOKENS OUT", ">VALUES")
	for _, x := range out.Accounts {
		t.add(x.Account, number(x.Exchanges), number(x.Answered), number(x.Refused), number(x.TokensIn), number(x.TokensOut), number(x.Disclosed))
	}
	t.print(a.out)
	fmt.Fprintf(a.out, "\n%d records, %d gaps that stand for %d lost exchanges\n", out.Records, out.Gaps, out.Lost)
	return nil
}

func (s *ledgerAccountStat) add(r *evidence.Record) {
	s.Exchanges++
	s.TokensIn += int64(r.TokensIn)
	s.TokensOut += int64(r.TokensOut)
	s.Disclosed += int64(r.Disclosed)
	switch {
	case r.Decision != evidence.DecisionAllow:
		s.Refused++
	case r.Status >= 200 && r.Status < 300:
		s.Answered++
	}
}

type ledgerVerifyCmd struct{}

// Run verifies the ledger of the data folder.
func (*ledgerVerifyCmd) Run(a *app) error {
	dir, err := datadir.Open(a.Data)
	if err != nil {
		return usageError(err)
	}
	r, err := ledger.Verify(dir.Path("ledger"))
	if err != nil {
		return incompleteError(fmt.Errorf("verify ledger: %w", err))
	}
	if a.Format == formatJSON {
		err = a.printJSON(struct {
			Schema string `json:"schema"`
			ledger.Report
		}{"bartizan.ledger-verify/1", r})
	} else {
		for _, f := range r.Faults {
			fmt.Fprintln(a.out, f)
		}
		fmt.Fprintf(a.out, "%d segments of %d nodes: %d records, %d gaps, %d erased; %d faults; %d segments still open\n",
			r.Segments, r.Nodes, r.Records, r.Gaps, r.Erased, len(r.Faults), len(r.Open))
	}
	if err == nil && len(r.Faults) > 0 {
		return errAct
	}
	return err
}

// featuresKey derives the key of feature hashes from the installation's secret.
func featuresKey(secret []byte) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "bartizan detect features", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key of features: %w", err)
	}
	return key, nil
}
