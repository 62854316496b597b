package replay_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"bartizan"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
	"bartizan/internal/replay"
)

var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// hostile is an account of another's log.
const hostile = "<b>x\x1b[31m\u202e"

// sample is a log of an hour with everything that a report tells of.
func sample() []bartizan.Exchange {
	var log []bartizan.Exchange
	for i := range 360 {
		after := time.Duration(i) * 10 * time.Second
		log = append(log, answered("steady", after))
		if i >= 100 && i < 150 {
			for k := range 6 {
				x := answered("burst", after+time.Duration(k)*time.Second)
				x.Tier, x.Asked.Stream = "trusted", k < 3
				log = append(log, x)
			}
		}
		if i%50 == 0 {
			for k := range 7 {
				log = append(log, answered(hostile, after+time.Duration(k)))
			}
			log = append(log, refused(hostile, after+time.Second))
		}
	}
	log[7].At = time.Time{}
	log[8].Account = "unknown"
	return log
}

func sampleReport(t *testing.T, against bool) *replay.Report {
	t.Helper()
	spec := only(perMinute(ratelimit.Requests, 5), perDay(ratelimit.Tokens, 50_000))
	trusted := spec.Tiers["standard"]
	trusted.Limits = ratelimit.Limits{perMinute(ratelimit.Requests, 20), {Dimension: ratelimit.Streams, Window: ratelimit.Concurrent, Amount: 1, Shadow: true}}
	spec.Tiers["trusted"] = trusted
	o := replay.Options{New: replay.Policy{Name: "new<i>.yaml", Rules: compile(t, spec)}}
	if against {
		old := policy.Default()
		old.Prices = spec.Prices
		o.Against = &replay.Policy{Name: "old.yaml", Rules: compile(t, old)}
	}
	return run(t, o, source(sample()...))
}

func TestText(t *testing.T) {
	t.Parallel()
	for name, against := range map[string]bool{"alone": false, "against": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if err := sampleReport(t, against).WriteText(&b); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(b.String()) {
				if n := utf8.RuneCountInString(strings.TrimSpace(line)); n > 100 {
					t.Errorf("%d columns: %s", n, line)
				}
				if strings.ContainsAny(line, "\x1b\u202e") {
					t.Errorf("a terminal would act on %q", line)
				}
			}
			golden(t, "report-"+name+".golden", b.Bytes())
		})
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	b, err := json.MarshalIndent(sampleReport(t, true), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	// The hashes change with every field of a policy, and say nothing about a report.
	b = regexp.MustCompile(`"hash": "[0-9a-f]{16}"`).ReplaceAll(b, []byte(`"hash": "…"`))
	golden(t, "report.json.golden", append(b, '\n'))
}

// The page is well-formed, so that nothing in it can be of another's making.
func TestHTML(t *testing.T) {
	t.Parallel()
	for name, against := range map[string]bool{"alone": false, "against": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if err := sampleReport(t, against).WriteHTML(&b); err != nil {
				t.Fatal(err)
			}
			checkHTML(t, b.String())
		})
	}
}

func checkHTML(t *testing.T, page string) {
	t.Helper()
	for _, bad := range []string{"<b>x", "new<i>", "\x1b", "\u202e", "<script", "NaN", "Inf", "http:", "https:", "ZgotmplZ"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	for _, want := range []string{"&lt;b&gt;x", "new&lt;i&gt;.yaml", "prefers-color-scheme: dark", "<svg", "steady"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	d := xml.NewDecoder(strings.NewReader(page))
	d.Entity = xml.HTMLEntity
	known := map[string]bool{}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok {
			known[e.Name.Local] = true
		}
	}
	if known["i"] || known["script"] || !known["rect"] {
		t.Errorf("elements %v; want rect, and neither i nor script", known)
	}
}

// A report of nothing is a report too.
func TestEmpty(t *testing.T) {
	t.Parallel()
	r := run(t, replay.Options{New: replay.Policy{Rules: compile(t, policy.Default())}}, source())
	var b bytes.Buffer
	if err := errors.Join(r.WriteText(&b), r.WriteHTML(&b)); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{`"tiers":[]`, `"limits":[]`, `"by_value":[]`, `"points":[]`, `"accounts":[]`} {
		if !bytes.Contains(raw, []byte(list)) {
			t.Errorf("JSON %s lacks %s", raw, list)
		}
	}
}

// Four years of traffic and a second of it both fit the plot.
func TestSeriesIsBounded(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]time.Duration{"short": time.Millisecond, "days": 3 * time.Hour, "years": 35 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log []bartizan.Exchange
			for i := range 1000 {
				log = append(log, answered(fmt.Sprint("a", i%7), time.Duration(i)*step))
			}
			r := run(t, replay.Options{New: replay.Policy{Rules: compile(t, policy.Default())}, Workers: 3}, source(log...))
			if n := len(r.Series.Points); n == 0 || n > 200 {
				t.Errorf("%d points; want 1 to 200", n)
			}
			sum := int64(0)
			for i, p := range r.Series.Points {
				sum += p.Requests
				if i > 0 && p.At.Sub(r.Series.Points[i-1].At) != time.Duration(r.Series.StepSeconds)*time.Second {
					t.Errorf("point %d at %s does not follow by %d s", i, p.At, r.Series.StepSeconds)
				}
			}
			if sum != 1000 {
				t.Errorf("the points have %d requests; want 1000", sum)
			}
		})
	}
}
