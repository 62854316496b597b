package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"bartizan"
	"bartizan/docs"
	"bartizan/internal/config"
	"bartizan/internal/datadir"
	"bartizan/internal/gateway"
	"bartizan/internal/lab/traffic"
	"bartizan/internal/modelserver"
	"bartizan/internal/scan"
	"bartizan/internal/store"
)

// tee writes every exchange, text included, as a line of a log, before the recorder
// drops the text.
type tee struct {
	gateway.Sink

	mu   sync.Mutex
	log  bytes.Buffer
	seen map[string]chan struct{} // by exchange; closed once it is recorded
}

// recorded is closed once the exchange is in the recorder's queue.
func (t *tee) recorded(id string) chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		t.seen = make(map[string]chan struct{})
	}
	if t.seen[id] == nil {
		t.seen[id] = make(chan struct{})
	}
	return t.seen[id]
}

// inOrder gives out an answer once its exchange is recorded. The gateway records after the
// last byte of an answer went out, so that on a busy machine the client's next request
// could be recorded before: a scan, which goes by the times of arrival, would then see
// another order than the settler did.
type inOrder struct {
	http.RoundTripper

	tee *tee
}

func (o inOrder) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := o.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err //nolint:wrapcheck // the transport's own
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(body))
	select {
	case <-o.tee.recorded(response.Header.Get("X-Request-Id")):
	case <-r.Context().Done():
	}
	return response, err //nolint:wrapcheck // as above
}

func (t *tee) Record(ctx context.Context, r gateway.Record) {
	line, err := json.Marshal(r.Exchange)
	if err != nil {
		panic(err)
	}
	t.mu.Lock()
	t.log.Write(append(line, '\n'))
	t.mu.Unlock()
	t.Sink.Record(ctx, r)
	close(t.recorded(r.Exchange.ID))
}

// installation is a node in front of the built-in model, on a fast clock.
type installation struct {
	app   *app
	dir   *datadir.Dir
	node  *node
	clock *traffic.Clock
	tee   *tee
	base  string
	stop  func()
}

// install starts a node whose traffic is also logged. stop drains and closes it.
func install(t *testing.T, speed float64) *installation {
	t.Helper()
	model, err := modelserver.Train(docs.Corpus())
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(modelserver.NewServer(model, modelserver.Options{Seed: 1}))
	t.Cleanup(upstream.Close)
	i := &installation{
		app: &app{common: common{Data: t.TempDir()}, ctx: context.WithoutCancel(t.Context()), log: slog.New(slog.DiscardHandler)},
	}
	i.app.streams = streams{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}}
	if i.dir, err = datadir.Open(i.app.Data); err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Upstreams = []config.Upstream{{Name: "model", URL: upstream.URL, Engine: "auto"}}
	i.clock = traffic.NewClock(time.Date(2026, 5, 1, 1, 0, 0, 0, time.UTC), speed)
	if i.node, err = openNode(i.app.ctx, i.dir, cfg, nodeOptions{now: i.clock.Now, log: i.app.log}); err != nil {
		t.Fatal(err)
	}
	i.tee = &tee{Sink: i.node.recorder}
	i.node.gateway = gateway.New(gateway.Options{Default: i.node.fallback, Now: i.clock.Now},
		i.node.directory, i.node.guard, i.node.client, i.node.keys, i.tee, i.app.log)
	data, admin := listener(t), listener(t)
	i.base = "http://" + data.Addr().String()
	ctx, cancel := context.WithCancel(i.app.ctx)
	served := make(chan error, 1)
	go func() { served <- i.node.serve(ctx, data, admin) }()
	i.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := i.node.shut(); err != nil {
			t.Errorf("shut: %v", err)
		}
	})
	t.Cleanup(i.stop)
	return i
}

func listener(t *testing.T) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// account makes an account and a sender with its key.
func (i *installation) account(t *testing.T, name string, tier bartizan.Tier, client *http.Client) *traffic.Sender {
	t.Helper()
	err := i.node.store.CreateAccount(t.Context(), bartizan.Account{ID: name, Tier: tier, CreatedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	key, err := createKey(i.app, i.dir, i.node.store, name)
	if err != nil {
		t.Fatal(err)
	}
	return &traffic.Sender{URL: i.base, Key: key.Key, Model: modelserver.DefaultName, Client: client, Clock: i.clock}
}

// budget ends a source after so many asks.
type budget struct {
	traffic.Source

	left int
}

func (b *budget) Next(r *rand.Rand) (time.Duration, traffic.Ask, bool) {
	if b.left == 0 {
		return 0, traffic.Ask{}, false
	}
	b.left--
	return b.Source.Next(r)
}

// The findings of live traffic, of a scan of its log, and of a scan of its ledger are
// equal: the same exchanges give the same findings.
func TestLiveAndScanFindTheSame(t *testing.T) {
	t.Parallel()
	const collectors, customers = 10, 40
	perCollector, perCustomer, speed := 880, 30, 400.0
	if testing.Short() || raceEnabled {
		// A slow program answers late, and late answers on a fast clock look like people's.
		perCollector, perCustomer, speed = 60, 3, 100
	}
	exchanges := collectors*perCollector + customers*perCustomer
	i := install(t, speed)
	transport := &http.Transport{MaxIdleConnsPerHost: collectors + customers}
	client := &http.Client{Transport: inOrder{transport, i.tee}}
	defer transport.CloseIdleConnections()
	prompts := traffic.PromptList(5, collectors*perCollector)
	var group sync.WaitGroup
	for a := range collectors + customers {
		source := traffic.Source(traffic.NewCustomer(a))
		asks := perCustomer
		if a < collectors {
			source, asks = traffic.NewShard(prompts, a, collectors, 4*time.Second), perCollector
		}
		sender := i.account(t, fmt.Sprintf("account-%02d", a), bartizan.TierPartner, client)
		group.Go(func() {
			r := rand.New(rand.NewPCG(5, uint64(a)))
			if err := sender.Run(t.Context(), &budget{source, asks}, r); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && i.node.settler.Settled() < int64(exchanges); {
		time.Sleep(10 * time.Millisecond)
	}
	if got := i.node.settler.Settled(); got != int64(exchanges) {
		t.Fatalf("%d exchanges judged; want %d", got, exchanges)
	}
	live := findings(t, i.node.store)
	i.stop()
	if len(live) == 0 {
		t.Fatal("no finding: nothing was compared")
	}
	log := filepath.Join(t.TempDir(), "exchanges.jsonl")
	if err := os.WriteFile(log, i.tee.log.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, input := range map[string]string{"log": log, "ledger": i.dir.Path("ledger")} {
		got := scanned(t, i.app.Data, input)
		if got.Exchanges != exchanges || len(got.Accounts) != collectors+customers {
			t.Errorf("scan of the %s saw %d exchanges of %d accounts; want %d of %d", name, got.Exchanges, len(got.Accounts), exchanges, collectors+customers)
		}
		diff := cmp.Diff(live, byAccount(got.Findings), cmpopts.IgnoreFields(bartizan.Finding{}, "Samples"))
		if diff != "" {
			t.Errorf("scan of the %s differs from live (-live +scan):\n%s", name, diff)
		}
	}
}

func findings(t *testing.T, s *store.Store) []bartizan.Finding {
	t.Helper()
	list, err := s.Cases(t.Context(), store.CaseFilter{})
	if err != nil {
		t.Fatal(err)
	}
	var all []bartizan.Finding
	for _, c := range list {
		all = append(all, c.Findings...)
	}
	return byAccount(all)
}

func byAccount(list []bartizan.Finding) []bartizan.Finding {
	slices.SortFunc(list, func(a, b bartizan.Finding) int {
		return strings.Compare(a.Account+string(a.Verdict), b.Account+string(b.Verdict))
	})
	for i := range list {
		list[i].At = list[i].At.UTC().Truncate(time.Microsecond) // as the store keeps it
	}
	return list
}

// scanned runs the scan command on a file or folder.
func scanned(t *testing.T, data, input string) scan.Report {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"scan", input, "--data", data, "--format", "json"}, streams{in: strings.NewReader(""), out: &out, err: &errs})
	if code != exitAct {
		t.Fatalf("scan ended with %d: %s", code, errs.String())
	}
	var report scan.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	return report
}
