package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"bartizan"
	"bartizan/docs"
	"bartizan/internal/config"
	"bartizan/internal/datadir"
	"bartizan/internal/guard"
	"bartizan/internal/lab/traffic"
	"bartizan/internal/modelserver"
	"bartizan/internal/store"
)

type demoCmd struct {
	Duration    time.Duration `help:"Stop after this time with a summary; without it the demo goes on until Ctrl-C." placeholder:"TIME"`
	Seed        uint64        `default:"1" help:"Seed of the traffic."`
	Speed       float64       `default:"30" help:"How much faster than the wall the demo's clock runs."`
	Listen      string        `default:"127.0.0.1:0" help:"Address of the gateway."`
	AdminListen string        `default:"127.0.0.1:8081" help:"Address of the console; another port is taken when it is busy."`
	Keep        bool          `help:"Use the data folder given by --data and keep it; without it a temporary one is used."`
}

// Help shows an example.
func (*demoCmd) Help() string {
	return "Example:\n  bartizan demo\n  bartizan demo --duration 45s --format json\n\n" +
		"Exit code 0 means that the campaign was noticed and no customer was raised above normal."
}

// The cast of the demo.
const (
	demoCustomers = 12
	demoShards    = 8
	demoPrompts   = 4000
	// shardGap keeps a split account under its tier's 20 requests a minute.
	shardGap = 4500 * time.Millisecond
)

// Run plays the demo and sums it up.
func (c *demoCmd) Run(a *app) error {
	if c.Speed < 1 || c.Speed > 1000 {
		return usageError(fmt.Errorf("--speed %g: give 1 to 1000", c.Speed))
	}
	folder := a.Data
	if !c.Keep {
		temporary, err := os.MkdirTemp("", "bartizan-demo-")
		if err != nil {
			return fmt.Errorf("make a temporary data folder: %w", err)
		}
		defer os.RemoveAll(temporary)
		folder = temporary
	}
	d := &demo{app: a, options: c, notes: make(map[string]*demoAccount)}
	err := d.play(folder)
	if err != nil {
		return err
	}
	return d.summary()
}

// demo is one run: model server, node, and the accounts that send traffic.
type demo struct {
	*app

	options  *demoCmd
	clock    *traffic.Clock
	node     *node
	accounts []*demoAccount

	mu    sync.Mutex
	notes map[string]*demoAccount
}

// demoAccount is one member of the cast.
type demoAccount struct {
	name     string
	role     string // customer, collector or shard
	tier     bartizan.Tier
	source   traffic.Source
	sender   *traffic.Sender
	verdict  bartizan.Verdict
	alarmAt  int
	after    time.Duration // virtual time from the start to the first finding
	level    bartizan.Level
	noticed  bool
	caseID   string
	answered int64
	refused  int64
}

// play runs the demo in a data folder until its end.
func (d *demo) play(folder string) error {
	d.feed("training the built-in model on the project's documentation …")
	began := time.Now()
	model, err := modelserver.Train(docs.Corpus())
	if err != nil {
		return fmt.Errorf("train the built-in model: %w", err)
	}
	d.feed("model ready after %.1f s; it gives log-probabilities to everybody, asked or not", time.Since(began).Seconds())
	var lc net.ListenConfig
	upstream, err := lc.Listen(d.ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for the model server: %w", err)
	}
	habits, err := modelserver.ParseHabits("all")
	if err != nil {
		return fmt.Errorf("set the model server's habits: %w", err)
	}
	ctx, stop := context.WithCancel(d.ctx)
	defer stop()
	if d.options.Duration > 0 {
		ctx, stop = context.WithTimeout(ctx, d.options.Duration)
		defer stop()
	}
	background, stopModel := context.WithCancel(context.WithoutCancel(d.ctx))
	var group sync.WaitGroup
	defer group.Wait()
	defer stopModel()
	server := &http.Server{
		Handler:           modelserver.NewServer(model, modelserver.Options{Habits: habits, Log: d.log, Seed: d.options.Seed}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	group.Go(func() { _ = serveUntil(background, server, upstream) })
	return d.protect(ctx, folder, "http://"+upstream.Addr().String())
}

// protect puts the node in front of the model and lets the cast loose.
func (d *demo) protect(ctx context.Context, folder, upstreamURL string) error {
	// The clock starts at nine of yesterday, so that no day ends within the demo and
	// nothing lies in the future.
	day := time.Now().UTC().Truncate(24 * time.Hour)
	d.clock = traffic.NewClock(day.Add(-15*time.Hour), d.options.Speed)
	cfg := config.Default()
	cfg.Listen, cfg.AdminListen = d.options.Listen, d.options.AdminListen
	cfg.Upstreams = []config.Upstream{{Name: "built-in", URL: upstreamURL, Engine: "auto"}}
	dir, err := datadir.Open(folder)
	if err != nil {
		return usageError(err)
	}
	if d.node, err = openNode(ctx, dir, cfg, nodeOptions{now: d.clock.Now, log: d.log}); err != nil {
		return err
	}
	data, admin, err := listenDemo(cfg)
	if err != nil {
		return errors.Join(err, d.node.shut())
	}
	base := "http://" + data.Addr().String()
	if err := d.cast(dir, base); err != nil {
		return errors.Join(err, data.Close(), admin.Close(), d.node.shut())
	}
	d.feed("gateway  %s   (clock runs %g times as fast; seed %d)", base, d.options.Speed, d.options.Seed)
	d.feed("console  http://%s/login#token=%s", admin.Addr(), d.node.token)
	d.feed("%d customers, one fast collector, and its list split over %d accounts", demoCustomers, demoShards)

	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- d.node.serve(serving, data, admin) }()
	d.run(ctx)
	d.collect()
	stopServing()
	err = <-served
	return errors.Join(err, d.node.shut())
}

// listenDemo is listen, on another console port when the usual one is busy.
func listenDemo(cfg config.Config) (data, admin net.Listener, err error) {
	data, admin, err = listen(cfg)
	if err != nil {
		cfg.AdminListen = "127.0.0.1:0"
		data, admin, err = listen(cfg)
	}
	return data, admin, err
}

// cast makes the accounts, their keys and what they will send.
func (d *demo) cast(dir *datadir.Dir, base string) error {
	prompts := traffic.PromptList(d.options.Seed, demoPrompts)
	for i, topic := range traffic.Topics()[:demoCustomers] {
		d.accounts = append(d.accounts, &demoAccount{
			name: "customer-" + topic, role: "customer", tier: bartizan.TierStandard, source: traffic.NewCustomer(i),
		})
	}
	d.accounts = append(d.accounts, &demoAccount{
		name: "collector", role: "collector", tier: bartizan.TierStandard, source: traffic.NewCollector(prompts),
	})
	for i := range demoShards {
		d.accounts = append(d.accounts, &demoAccount{
			name: fmt.Sprintf("shard-%d", i+1), role: "shard", tier: bartizan.TierPublic,
			source: traffic.NewShard(prompts, i, demoShards, shardGap),
		})
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	for _, m := range d.accounts {
		account := bartizan.Account{ID: m.name, Tier: m.tier, CreatedAt: d.clock.Now()}
		if err := d.node.store.CreateAccount(d.ctx, account); err != nil && !errors.Is(err, bartizan.ErrExists) {
			return storeError(err)
		}
		key, err := createKey(d.app, dir, d.node.store, m.name)
		if err != nil {
			return err
		}
		m.sender = &traffic.Sender{URL: base, Key: key.Key, Model: modelserver.DefaultName, Client: client, Clock: d.clock}
		d.notes[m.name] = m
	}
	return nil
}

// run sends everybody's traffic until ctx ends, and tells what happens meanwhile.
func (d *demo) run(ctx context.Context) {
	var group sync.WaitGroup
	for i, m := range d.accounts {
		group.Go(func() {
			r := rand.New(rand.NewPCG(d.options.Seed, uint64(i))) //nolint:gosec // reproducible traffic, no secret
			if err := m.sender.Run(ctx, m.source, r); err != nil && ctx.Err() == nil {
				d.feed("%-20s stops: %v", m.name, err)
			}
		})
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	lastCount := time.Now()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			d.watch()
			if time.Since(lastCount) > 5*time.Second {
				lastCount = time.Now()
				d.count()
			}
		}
	}
	group.Wait()
	d.settle()
}

// settle waits until everything sent was judged, so that the summary is whole.
func (d *demo) settle() {
	end := time.Now().Add(10 * time.Second)
	for time.Now().Before(end) && (d.node.recorder.Waiting() > 0 || d.node.lag() > 0) {
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // the last group may be between queue and ledger
	d.watch()
}

// watch tells of new findings and cases.
func (d *demo) watch() {
	cases, err := d.node.store.Cases(context.WithoutCancel(d.ctx), store.CaseFilter{Limit: 100})
	if err != nil {
		return
	}
	for _, k := range cases {
		m := d.notes[k.Account]
		if m == nil || len(k.Findings) == 0 {
			continue
		}
		f := k.Findings[len(k.Findings)-1]
		if m.verdict == f.Verdict {
			continue
		}
		first := !m.noticed
		if first {
			m.noticed, m.alarmAt, m.caseID = true, k.Findings[0].AlarmAt, k.ID
			m.after = k.Findings[0].At.Sub(d.clock.Start())
		}
		m.verdict = f.Verdict
		d.feed("%-18s %s at its exchange %d (log10 e = %.1f): now %s; case %s",
			m.name, f.Verdict, f.AlarmAt, f.Log10E, guard.LevelFor(&f), k.ID)
		if first && len(f.Reasons) > 0 {
			for _, line := range wrap(f.Reasons[0].Says, feedWidth) {
				d.feed("%-18s   %s", "", line)
			}
		}
	}
}

// feedWidth is how long a line of an explanation gets.
const feedWidth = 84

// wrap breaks a text into lines of at most width characters, where words allow it.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// count tells how the requests stand.
func (d *demo) count() {
	s := d.node.gateway.Stats()
	d.feed("%d answered, %d refused by limits, %d narrowed", s.Answered.Load(), s.Refused.Load(), s.Adjusted.Load())
}

// collect takes the final standing of every account.
func (d *demo) collect() {
	for _, m := range d.accounts {
		m.answered, m.refused = m.sender.Answered.Load(), m.sender.Refused.Load()
		if account, err := d.node.store.Account(context.WithoutCancel(d.ctx), m.name); err == nil {
			m.level = account.Level
		}
	}
}

// feed prints one line of what happens, with the demo's own time.
func (d *demo) feed(format string, args ...any) {
	if d.Quiet {
		return
	}
	at := "     "
	if d.clock != nil {
		since := d.clock.Since()
		at = fmt.Sprintf("%02d:%02d", int(since.Minutes()), int(since.Seconds())%60)
	}
	out := d.err
	if d.Format != formatJSON {
		out = d.out
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(out, "%s  %s\n", at, fmt.Sprintf(format, args...))
}

type demoSummary struct {
	Schema   string           `json:"schema"`
	Seed     uint64           `json:"seed"`
	Speed    float64          `json:"speed"`
	VirtualS float64          `json:"virtual_seconds"`
	Noticed  bool             `json:"campaign_noticed"`
	Raised   int              `json:"customers_raised"`
	Answered int64            `json:"answered"`
	Refused  int64            `json:"refused"`
	Narrowed int64            `json:"narrowed"`
	Records  int64            `json:"records"`
	Accounts []demoAccountOut `json:"accounts"`
}

type demoAccountOut struct {
	Account  string         `json:"account"`
	Role     string         `json:"role"`
	Tier     bartizan.Tier  `json:"tier"`
	Level    bartizan.Level `json:"level"`
	Answered int64          `json:"answered"`
	Refused  int64          `json:"refused"`
	// NoticedAt is the number of the account's exchange at which it was noticed, and
	// NoticedAfter the virtual seconds until then; both 0 when it was not.
	NoticedAt    int     `json:"noticed_at"`
	NoticedAfter float64 `json:"noticed_after_seconds"`
	Case         string  `json:"case,omitempty"`
}

// summary prints how it ended. The campaign counts as noticed when the collector and
// every account that shares its list are above normal.
func (d *demo) summary() error {
	s := d.node.gateway.Stats()
	out := demoSummary{
		Schema: "bartizan.demo/1", Seed: d.options.Seed, Speed: d.options.Speed, VirtualS: d.clock.Since().Seconds(),
		Noticed: true, Answered: s.Answered.Load(), Refused: s.Refused.Load(), Narrowed: s.Adjusted.Load(),
		Records: d.node.recorder.Written(),
	}
	for _, m := range d.accounts {
		out.Accounts = append(out.Accounts, demoAccountOut{
			Account: m.name, Role: m.role, Tier: m.tier, Level: m.level, Answered: m.answered, Refused: m.refused,
			NoticedAt: m.alarmAt, NoticedAfter: m.after.Seconds(), Case: m.caseID,
		})
		switch raised := m.level > bartizan.LevelNormal; {
		case m.role == "customer" && raised:
			out.Raised++
		case m.role != "customer" && !raised:
			out.Noticed = false
		}
	}
	if err := d.printSummary(out); err != nil {
		return err
	}
	if !out.Noticed || out.Raised > 0 {
		return errAct
	}
	return nil
}

func (d *demo) printSummary(out demoSummary) error {
	if d.Format == formatJSON {
		return d.printJSON(out)
	}
	fmt.Fprintln(d.out)
	t := newTable("ACCOUNT", "TIER", "LEVEL", ">ANSWERED", ">REFUSED", ">NOTICED AT")
	for _, x := range out.Accounts {
		at := ""
		if x.NoticedAt > 0 {
			at = number(x.NoticedAt)
		}
		t.add(x.Account, string(x.Tier), x.Level.String(), number(x.Answered), number(x.Refused), at)
	}
	t.print(d.out)
	noticed := "the campaign was noticed"
	if !out.Noticed {
		noticed = "the campaign was NOT noticed whole"
	}
	fmt.Fprintf(d.out, "\nIn %.0f minutes of the demo's time: %s; %d of %d customers were raised above normal.\n",
		out.VirtualS/60, noticed, out.Raised, demoCustomers)
	return nil
}
