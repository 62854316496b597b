package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bartizan"
	"bartizan/internal/detect"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
	"bartizan/internal/store"
)

type policyExplainCmd struct {
	Account   string `help:"Name of the account."                                                              required:""`
	Model     string `help:"Name of a model: what holds for it."                                               placeholder:"NAME"`
	Key       string `help:"Id of one of the account's keys."                                                  placeholder:"ID"`
	Admin     string `help:"URL of a running server's admin plane (default: the configured address)."          placeholder:"URL"`
	TokenFile string `help:"File with the server's admin token (default: secrets/admin in the data folder)."   placeholder:"FILE" type:"path"`
}

// Help shows an example.
func (*policyExplainCmd) Help() string {
	return "A running server says what is in force and what is left of it. Without one, what would hold.\n\n" +
		"Example:\n  bartizan policy explain --account acme --model llama-70b --data ./data"
}

// Run prints what holds for the account.
func (c *policyExplainCmd) Run(a *app) error {
	cfg, err := a.loadConfig()
	if err != nil {
		return err
	}
	p, err := policy.Compile(cfg.Policy)
	if err != nil {
		return usageError(err)
	}
	_, st, err := a.openStore()
	if err != nil {
		return err
	}
	defer st.Close()
	e, err := explain(a.ctx, p, st.Account, st, time.Now(), c.Account, c.Model, c.Key)
	if err != nil {
		return storeError(err)
	}
	away := c.ask(a, cfg.AdminListen, &e)
	if a.Format == formatJSON {
		err = a.printJSON(e)
	} else {
		a.printExplanation(&e)
	}
	switch hash := p.Hash(); {
	case err != nil:
		return err
	case away != nil && c.Admin != "":
		return incompleteError(away)
	case away != nil:
		a.hint("bartizan: %v", away)
	case e.Policy != hex.EncodeToString(hash[:]):
		a.hint("bartizan: the running server has another policy in force than the configuration here says")
	}
	return nil
}

// ask puts what a running server says in place of e. The error says why nobody did.
func (c *policyExplainCmd) ask(a *app, listen string, e *policy.Explanation) error {
	base, err := c.base(listen)
	if err != nil {
		return err
	}
	file := c.TokenFile
	if file == "" {
		file = filepath.Join(a.Data, "secrets", "admin")
	}
	token, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("no server has run here yet, because there is no %s: what is left is not known", file)
	}
	if err != nil {
		return fmt.Errorf("read admin token: %w; what is left is not known", err)
	}
	query := url.Values{"account": {c.Account}, "model": {c.Model}, "key": {c.Key}}
	ctx, cancel := context.WithTimeout(a.ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/admin/v1/limits?"+query.Encode(), http.NoBody)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	// Neither a proxy nor a redirect may see the token.
	client := &http.Client{
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("the server does not run: nothing answers at %s; what is left is known to it alone", base)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the server at %s answers %s; what is left is not known", base, response.Status)
	}
	var live policy.Explanation
	const most = 4 << 20
	if err := json.NewDecoder(io.LimitReader(response.Body, most)).Decode(&live); err != nil || live.Schema != policy.ExplainSchema {
		return fmt.Errorf("what answers at %s is no server of this version; what is left is not known", base)
	}
	*e = live
	return nil
}

// base is where the admin plane is.
func (c *policyExplainCmd) base(listen string) (string, error) {
	if c.Admin != "" {
		u, err := url.Parse(c.Admin)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return "", fmt.Errorf("--admin %q: want a URL such as http://127.0.0.1:8081", c.Admin)
		}
		return strings.TrimRight(c.Admin, "/"), nil
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("admin address %q: %w", listen, err)
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// explain answers for an account that find knows.
func explain(ctx context.Context, p *policy.Policy, find func(context.Context, string) (bartizan.Account, error), st *store.Store,
	now time.Time, name, model, key string,
) (policy.Explanation, error) {
	account, err := find(ctx, name)
	if err != nil {
		return policy.Explanation{}, err
	}
	if key != "" {
		k, err := st.Key(ctx, key)
		if err == nil && k.Account != name {
			err = fmt.Errorf("key %s of account %s: %w", key, name, bartizan.ErrUnknownKey)
		}
		if err != nil {
			return policy.Explanation{}, err //nolint:wrapcheck // the store names the act
		}
	}
	e, ok := policy.Explain(p, policy.Question{Account: account, Key: key, Model: model, At: now})
	if !ok {
		return e, usageError(fmt.Errorf("account %s is in tier %q, which the policy does not have: nothing is served", name, account.Tier))
	}
	return e, nil
}

// standing explains limits for the console of a node.
type standing struct {
	*node
	counters interface {
		Peek(ctx context.Context, now time.Time, scopes []ratelimit.Scope, dst []ratelimit.Standing) ([]ratelimit.Standing, error)
	}
}

// Limits explains what is in force and adds what is left.
func (s standing) Limits(ctx context.Context, account, model, key string) (policy.Explanation, error) {
	var found bartizan.Account
	find := func(ctx context.Context, name string) (a bartizan.Account, err error) {
		var known bool
		if a, known = s.directory.Account(name); !known {
			a, err = s.store.Account(ctx, name) // made just now
		}
		found = a
		return a, err //nolint:wrapcheck // the store names the act
	}
	now := s.now()
	e, err := explain(ctx, s.guard.Policy(), find, s.store, now, account, model, key)
	if err != nil {
		return e, err
	}
	left, err := s.counters.Peek(ctx, now, s.guard.Scopes(nil, now, &found, key, model), nil)
	if err != nil {
		return e, fmt.Errorf("read counters: %w", err)
	}
	e.Fill(left)
	return e, nil
}

func (a *app) printExplanation(e *policy.Explanation) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(a.out, "%-14s  %s\n", name, fmt.Sprintf(format, args...))
	}
	line("account", "%s", e.Account)
	if e.Organisation != "" {
		line("organisation", "%s", e.Organisation)
	}
	line("tier", "%s", e.Tier)
	line("level", "%s", e.Level)
	if says := service(e); says != "" {
		line("service", "%s", says)
	}
	line("profile", "%s (%s): %s", e.Profile.Name, tells(e.Profile), steps(e.Profile.Steps))
	line("told", "%s", told(e.Profile))
	line("max output", "%d tokens: %s", e.MaxOutput.Tokens, steps(e.MaxOutput.Steps))
	line("default output", "%d tokens", e.DefaultOutput)
	if e.Reserve.Mode == "worst" {
		line("reserve", "worst: %d tokens for an answer without a cap, which the upstream gets as its cap", e.Reserve.Tokens)
	} else {
		line("reserve", "typical: %d tokens for an answer without a cap; what it has beyond them is owed", e.Reserve.Tokens)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Detectors)) {
		line("detector", "%s: %s", name, map[detect.Mode]string{
			detect.ModeObserve: "only observes; what it finds moves no level", detect.ModeOff: "is off",
		}[e.Detectors[name]])
	}
	fmt.Fprintln(a.out)
	head := []string{"LIMIT", "OF", ">AMOUNT"}
	if e.Live {
		head = append(head, ">LEFT", ">FULL IN")
	}
	t := newTable(append(head, "FROM")...)
	for i := range e.Limits {
		l := &e.Limits[i]
		row := []string{limitName(l), l.Of + ownName(e, l), limitAmount(l, l.Amount)}
		if l.Burst > 0 && l.Burst != l.Amount {
			row[2] += " (burst " + limitAmount(l, l.Burst) + ")"
		}
		if e.Live {
			row = append(row, leftOf(l)...)
		}
		from := steps(l.Steps)
		if l.Shadow {
			from += "; refuses nothing"
		}
		t.add(append(row, from)...)
	}
	t.print(a.out)
}

// service says whether the account is served, where that is not plain.
func service(e *policy.Explanation) string {
	switch {
	case e.Denied && e.Shadow:
		return "would be denied at this level; the policy is in shadow mode"
	case e.Denied:
		return "denied at this level"
	case e.WouldDeny:
		return "would be denied at level " + e.ShadowLevel + ", which only watches"
	case e.Shadow:
		return "nothing is refused: the policy is in shadow mode"
	case e.ShadowLevel != "":
		return "level " + e.ShadowLevel + " only watches: what it would refuse passes and is recorded"
	default:
		return ""
	}
}

func tells(p policy.ProfileExplained) string {
	if !p.Logprobs {
		return fmt.Sprintf("no log-probabilities, %s", counted(p.Choices, "choice"))
	}
	return fmt.Sprintf("log-probabilities in steps of %g down to %g, %s, %s",
		p.Step, p.Floor, counted(p.TopK, "alternative"), counted(p.Choices, "choice"))
}

// told says what is told besides log-probabilities.
func told(p policy.ProfileExplained) string {
	scores := "scores " + p.Scores
	if p.LinearScores != p.Scores {
		scores += " (of linear models " + p.LinearScores + ")"
	}
	return fmt.Sprintf("%s; vectors %s; reasoning %s, fingerprint %s, timings %s", scores, p.Vectors, p.Reasoning, p.Fingerprint, p.Timings)
}

func steps(list []policy.Step) string {
	texts := make([]string, 0, len(list))
	for _, s := range list {
		texts = append(texts, s.Source+": "+s.Says)
	}
	return strings.Join(texts, "; ")
}

func limitName(l *policy.LimitExplained) string {
	switch {
	case l.Dimension == ratelimit.InFlight.String():
		return "requests at once"
	case l.Window == ratelimit.Concurrent.String():
		return l.Dimension + " at once"
	default:
		return l.Dimension + " per " + l.Window
	}
}

// ownName names whose limit it is, unless it is the account's.
func ownName(e *policy.Explanation, l *policy.LimitExplained) string {
	if l.Name == "" || l.Name == e.Account {
		return ""
	}
	return " " + l.Name
}

func limitAmount(l *policy.LimitExplained, n int64) string {
	if l.Dimension == ratelimit.Cost.String() {
		return fmt.Sprintf("$%.2f", float64(n)/1e6)
	}
	return number(n)
}

// leftOf tells what is left of a limit and when all of it is there again.
func leftOf(l *policy.LimitExplained) []string {
	if l.Left == nil || l.FullIn == nil {
		return []string{"-", "-"}
	}
	full := "now"
	switch d := time.Duration(*l.FullIn * float64(time.Second)); {
	case d > 0:
		full = max(time.Second, d.Round(time.Second)).String()
	case *l.Left < l.Amount && l.Window == ratelimit.Concurrent.String():
		full = "as they end"
	}
	return []string{limitAmount(l, *l.Left), full}
}
