package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bartizan"
	"bartizan/docs"
	"bartizan/internal/console"
	"bartizan/internal/modelserver"
)

// stretch is added to every promised time: the machine that runs the tests runs
// others beside them.
const stretch = time.Second

// trained is the built-in model, trained once for all tests of the program.
var trained = sync.OnceValues(func() (*modelserver.Model, error) { return modelserver.Train(docs.Corpus()) })

// modelServer runs the built-in model and returns its address.
func modelServer(t *testing.T, o modelserver.Options) string {
	t.Helper()
	model, err := trained()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(modelserver.NewServer(model, o))
	t.Cleanup(server.Close)
	return server.URL
}

// transcript is what a program says, readable while it runs.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// program is a running "bartizan serve", a process of its own.
type program struct {
	data, base, admin string
	errs              *transcript
	cmd               *exec.Cmd
	ended             chan struct{}
}

var readyLine = regexp.MustCompile(`bartizan: ready: (http://\S+) protects \S+; console (http://\S+);`)

// serveProgram starts the real program on a data folder and waits until it is ready.
func serveProgram(t *testing.T, data, upstream string, flags ...string) *program {
	t.Helper()
	args := append([]string{"serve", "--data", data, "--upstream", upstream, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, flags...)
	p := &program{data: data, errs: new(transcript), cmd: exec.Command("bartizan", args...), ended: make(chan struct{})}
	p.cmd.Stderr = p.errs
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(p.ended); _ = p.cmd.Wait() }()
	t.Cleanup(p.kill)
	within(t, 15*time.Second, "the program to be ready", func() bool {
		m := readyLine.FindStringSubmatch(p.errs.String())
		if m == nil {
			select {
			case <-p.ended:
				t.Fatalf("the program ended with %v: %s", p.cmd.ProcessState, p.errs)
			default:
			}
			return false
		}
		p.base, p.admin = m[1], m[2]
		return true
	})
	return p
}

// kill ends the program as kill -9 does.
func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

func (p *program) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// stop ends the program as an operator does; it must end well.
func (p *program) stop(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		t.Fatal("the program does not stop")
	}
	if code := p.cmd.ProcessState.ExitCode(); code != exitDone {
		t.Fatalf("the program ended with %d: %s", code, p.errs)
	}
}

// token is the admin token of the data folder.
func (p *program) token(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(p.data, "secrets", "admin"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(raw))
}

// page fetches a page of the admin plane.
func (p *program) page(t *testing.T, path string) string {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, p.admin+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+p.token(t))
	got := send(t, request)
	if got.status != http.StatusOK {
		t.Fatalf("GET %s: status %d: %s", path, got.status, got.body)
	}
	return got.body
}

func (p *program) overview(t *testing.T) (o console.Overview) {
	t.Helper()
	if err := json.Unmarshal([]byte(p.page(t, "/admin/v1/overview")), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// reply is an answer read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

func send(t *testing.T, request *http.Request) reply {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, string(body)}
}

func askRequest(t *testing.T, base, key, body string) *http.Request {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, base+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+key)
	return request
}

func (p *program) ask(t *testing.T, key, body string) reply {
	t.Helper()
	return send(t, askRequest(t, p.base, key, body))
}

// chat is the body of a short chat request.
func chat(t *testing.T, prompt string, fields ...any) string {
	t.Helper()
	body := map[string]any{
		"model": modelserver.DefaultName, "max_tokens": 4, "messages": []map[string]string{{"role": "user", "content": prompt}},
	}
	for i := 0; i < len(fields); i += 2 {
		body[fields[i].(string)] = fields[i+1] //nolint:forcetypeassert // a test names its fields
	}
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// command runs another command on a data folder, in this process, and returns its
// exit code and what it printed.
func command(t *testing.T, data string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), append(args, "--data", data), streams{in: strings.NewReader(""), out: &o, err: &e})
	return code, o.String(), e.String()
}

// result runs a command that must succeed and decodes its JSON.
func result[T any](t *testing.T, data string, args ...string) (v T) {
	t.Helper()
	code, out, errs := command(t, data, append(args, "--format", "json")...)
	if code != exitDone {
		t.Fatalf("%v ended with %d: %s", args, code, errs)
	}
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
	return v
}

// newKey makes an account and returns its key.
func newKey(t *testing.T, data, account, tier string) string {
	t.Helper()
	if code, _, errs := command(t, data, "accounts", "create", account, "--tier", tier); code != exitDone {
		t.Fatalf("create account: %s", errs)
	}
	return result[struct {
		Key string `json:"key"`
	}](t, data, "keys", "create", "--account", account).Key
}

func casesOf(t *testing.T, data, account string) (list []bartizan.Case) {
	t.Helper()
	all := result[struct {
		Cases []bartizan.Case `json:"cases"`
	}](t, data, "cases", "list", "--all")
	for _, k := range all.Cases {
		if account == "" || k.Account == account {
			list = append(list, k)
		}
	}
	return list
}

// within waits until something holds that must hold within a time.
func within(t *testing.T, promised time.Duration, what string, holds func() bool) {
	t.Helper()
	began := time.Now()
	for !holds() {
		if time.Since(began) > promised+stretch {
			t.Fatalf("waited %v for %s", time.Since(began).Round(time.Millisecond), what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// writeConfig writes the configuration of a data folder the way that orchestrators do:
// whole, under another name, then renamed.
func writeConfig(t *testing.T, data, text string) {
	t.Helper()
	path := filepath.Join(data, "bartizan.yaml")
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// asker is a client that goes on asking, through kills of the server, and remembers
// when it had each whole answer.
type asker struct {
	key  string
	body func(i int) string
	gap  time.Duration

	sent     atomic.Int64
	mu       sync.Mutex
	answered []time.Time
}

// run asks until stop is closed or the server is gone.
func (a *asker) run(t *testing.T, base string, stop <-chan struct{}) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(a.gap)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		response, err := client.Do(askRequest(t, base, a.key, a.body(int(a.sent.Add(1))-1)))
		if err != nil {
			return // killed
		}
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if err != nil && !errors.Is(err, io.EOF) {
			return
		}
		if response.StatusCode != http.StatusOK {
			t.Errorf("status %d; want 200", response.StatusCode)
			return
		}
		a.mu.Lock()
		a.answered = append(a.answered, time.Now())
		a.mu.Unlock()
	}
}

// before counts the answers that were there at a time, and forgets all.
func (a *asker) before(at time.Time) (n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, answered := range a.answered {
		if answered.Before(at) {
			n++
		}
	}
	a.answered = nil
	return n
}
