package console_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bartizan"
	"bartizan/internal/console"
)

var update = flag.Bool("update", false, "rewrite golden files")

const token = "test-admin-token"

// source shows fixed data.
type source struct{ err error }

func (s source) Overview(context.Context) (console.Overview, error) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return console.Overview{
		Schema: console.OverviewSchema, At: at, Started: at.Add(-time.Hour), Mode: "act",
		Requests: console.Requests{InFlight: 2, Answered: 12345, Refused: 678, Adjusted: 90, Unauthorized: 1},
		Records:  console.Records{Written: 13023, Settled: 13000, Lag: 23, Findings: 2},
		Levels:   map[string]int{"normal": 12, "watch": 1, "restricted": 1, "suspended": 0},
		Accounts: []console.AccountRow{
			{Account: "collector", Tier: "standard", Level: bartizan.LevelRestricted, Answered: 240, Refused: 600, LastAt: at},
			{Account: "acme", Tier: "standard", Answered: 100},
		},
		AllAccounts: 14, OpenCases: 1, Cases: cases(at),
	}, s.err
}

func cases(at time.Time) []bartizan.Case {
	return []bartizan.Case{{
		Schema: bartizan.CaseSchema, ID: "c1", Kind: bartizan.CaseSuspicion, Account: "collector", Status: bartizan.CaseOpen,
		Verdict: bartizan.VerdictAlarm, OpenedAt: at,
		Findings: []bartizan.Finding{{
			Account: "collector", Verdict: bartizan.VerdictAlarm, At: at, AlarmAt: 17, Exchanges: 17, Log10E: 4.2,
			Reasons: []bartizan.Evidence{{Detector: "diversity", Log10E: 4.5, Says: "Sends <new> kinds of prompt faster than people write."}},
		}},
	}}
}

func (s source) Cases(_ context.Context, _ int) ([]bartizan.Case, error) {
	return cases(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)), s.err
}

func (s source) Ready(context.Context) error { return s.err }

func serve(t *testing.T, s source) string {
	t.Helper()
	c, err := console.New(console.Options{Token: token}, s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	return server.URL
}

func get(t *testing.T, client *http.Client, address, bearer string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// The page with fixed data is what it was; a wanted change is seen in review.
func TestOverviewPageGolden(t *testing.T) {
	t.Parallel()
	base := serve(t, source{})
	response, got := get(t, http.DefaultClient, base+"/", token)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("status %d; want 200", response.StatusCode)
	}
	golden := filepath.Join("testdata", "overview.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
	if strings.Contains(got, "<new>") {
		t.Error("the page carries markup that came from data")
	}
	if csp := response.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'self'") {
		t.Errorf("Content-Security-Policy = %q; want the page to load only its own", csp)
	}
}

func TestOnlyTheTokenOpens(t *testing.T) {
	t.Parallel()
	base := serve(t, source{})
	plain := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for path, want := range map[string]int{
		"/": 303, "/overview": 303, "/admin/v1/overview": 401, "/admin/v1/cases": 401, "/metrics": 401,
		"/healthz": 200, "/readyz": 200, "/login": 200, "/nothing": 404,
	} {
		if response, _ := get(t, plain, base+path, ""); response.StatusCode != want {
			t.Errorf("GET %s without token = %d; want %d", path, response.StatusCode, want)
		}
		if response, _ := get(t, plain, base+path, "wrong"); response.StatusCode != want {
			t.Errorf("GET %s with a wrong token = %d; want %d", path, response.StatusCode, want)
		}
	}
	for _, path := range []string{"/", "/overview", "/admin/v1/overview", "/admin/v1/cases", "/metrics"} {
		response, body := get(t, plain, base+path, token)
		if response.StatusCode != 200 || strings.Contains(body, token) {
			t.Errorf("GET %s = %d; want 200 and no token in it", path, response.StatusCode)
		}
	}
}

func TestSignInWithCookie(t *testing.T) {
	t.Parallel()
	base := serve(t, source{})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	login := func(with string, header http.Header) int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/login",
			strings.NewReader(url.Values{"token": {with}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		request.Header = header.Clone()
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		return response.StatusCode
	}
	if got := login("wrong", http.Header{}); got != http.StatusForbidden {
		t.Errorf("sign-in with a wrong token = %d; want 403", got)
	}
	if got := login(token, http.Header{"Sec-Fetch-Site": {"cross-site"}}); got != http.StatusForbidden {
		t.Errorf("sign-in from another site = %d; want 403", got)
	}
	if got := login(token, http.Header{}); got != http.StatusOK {
		t.Fatalf("sign-in = %d; want the page", got)
	}
	if response, body := get(t, client, base+"/overview", ""); response.StatusCode != 200 || !strings.Contains(body, "collector") {
		t.Errorf("GET /overview with the cookie = %d; want the page", response.StatusCode)
	}
}

func TestAdminAPIAndMetrics(t *testing.T) {
	t.Parallel()
	base := serve(t, source{})
	_, body := get(t, http.DefaultClient, base+"/admin/v1/overview", token)
	var o console.Overview
	if err := json.Unmarshal([]byte(body), &o); err != nil || o.Schema != console.OverviewSchema || o.Requests.Answered != 12345 {
		t.Errorf("overview = %s, %v; want the counters", body, err)
	}
	_, body = get(t, http.DefaultClient, base+"/metrics", token)
	for _, want := range []string{
		`bartizan_requests_total{outcome="answered"} 12345`, `bartizan_accounts{level="restricted"} 1`, "bartizan_cases_open 1",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("metrics lack %q", want)
		}
	}
	if strings.Contains(body, "collector\"") {
		t.Error("metrics name an account")
	}
}

func TestFaultsSayNothingToTheClient(t *testing.T) {
	t.Parallel()
	base := serve(t, source{err: errors.New("secret path /srv/x")})
	for path, want := range map[string]int{"/": 500, "/admin/v1/overview": 500, "/admin/v1/cases": 500, "/readyz": 503} {
		response, body := get(t, http.DefaultClient, base+path, token)
		if response.StatusCode != want || strings.Contains(body, "/srv/x") {
			t.Errorf("GET %s = %d %q; want %d and no reason", path, response.StatusCode, body, want)
		}
	}
}
