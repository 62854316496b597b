package console_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bartizan"
	"bartizan/internal/console"
)

// desk notes what it is asked for and answers with err.
type desk struct {
	did string
	err error
}

func (d *desk) ListCases(_ context.Context, q console.CaseQuery) ([]bartizan.Case, error) {
	d.did = "list " + q.Account + " " + string(q.Kind)
	return []bartizan.Case{}, d.err
}

func (d *desk) ShowCase(_ context.Context, id string) (any, error) {
	d.did = "show " + id
	return map[string]string{"id": id}, d.err
}

func (d *desk) ListGrants(_ context.Context, account string, over bool) ([]bartizan.Grant, error) {
	d.did = "grants " + account
	if over {
		d.did += " all"
	}
	return []bartizan.Grant{}, d.err
}

func (d *desk) OpenCase(_ context.Context, o console.CaseOpening) (bartizan.Case, bool, error) {
	d.did = "open " + o.Account + " by " + o.By
	return bartizan.Case{ID: "c9"}, true, d.err
}

func (d *desk) ChangeCase(_ context.Context, id string, c console.CaseChange) (bartizan.Case, error) {
	d.did = c.Act + " " + id + " by " + c.By + " " + string(c.Decision.Ruling)
	return bartizan.Case{ID: id}, d.err
}

func (d *desk) EndGrant(_ context.Context, id string, e console.GrantEnd) error {
	d.did = "revoke " + id + " by " + e.By
	return d.err
}

// send asks a console over the desk.
func (d *desk) send(t *testing.T, method, path, bearer, body string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	c, err := console.New(console.Options{Token: token, Desk: d}, source{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body == "" {
		r = httptest.NewRequest(method, path, http.NoBody)
	}
	r.Header = header.Clone()
	if r.Header == nil {
		r.Header = http.Header{"Content-Type": {"application/json"}}
	}
	r.Header.Set("Authorization", "Bearer "+bearer)
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

// Each path does its one thing and nothing without the token.
func TestCasesAPI(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		call, body, did string
		status          int
	}{
		{"GET /admin/v1/cases?account=acme&kind=limit", "", "list acme limit", 200},
		{"GET /admin/v1/cases/c1", "", "show c1", 200},
		{"POST /admin/v1/cases", `{"account":"acme","wanted":[{"dimension":"tokens","window":"day","amount":5}],"use_case":"u","by":"kim"}`, "open acme by kim", 201},
		{"POST /admin/v1/cases/c1/decision", `{"ruling":"grant","by":"kim","note":"w","until":"2027-01-01T00:00:00Z","four_eyes":true}`, "decision c1 by kim grant", 200},
		{"POST /admin/v1/cases/c1/notes", `{"by":"kim","note":"w"}`, "notes c1 by kim ", 200},
		{"POST /admin/v1/cases/c1/reopen", `{"by":"kim","note":"w"}`, "reopen c1 by kim ", 200},
		{"POST /admin/v1/cases/c1/answer", `{"by":"kim","note":"w"}`, "answer c1 by kim ", 200},
		{"GET /admin/v1/grants?account=acme&all=true", "", "grants acme all", 200},
		{"POST /admin/v1/grants/g1/revoke", `{"by":"kim","note":"w"}`, "revoke g1 by kim", 200},
	} {
		t.Run(x.call, func(t *testing.T) {
			t.Parallel()
			method, path, _ := strings.Cut(x.call, " ")
			d := &desk{}
			if w := d.send(t, method, path, "wrong", x.body, nil); w.Code != http.StatusUnauthorized || d.did != "" {
				t.Errorf("with a wrong token: %d and %q; want 401 and nothing done", w.Code, d.did)
			}
			if w := d.send(t, method, path, token, x.body, nil); w.Code != x.status || d.did != x.did {
				t.Errorf("%d %s and %q; want %d and %q", w.Code, w.Body, d.did, x.status, x.did)
			}
		})
	}
}

// A call that is not understood whole does nothing and says why.
func TestCasesAPIIsStrict(t *testing.T) {
	t.Parallel()
	const decide = "POST /admin/v1/cases/c1/decision"
	for name, x := range map[string]struct {
		call, body, says string
		header           http.Header
		status           int
	}{
		"nobody":        {decide, `{"ruling":"clear","note":"w"}`, "by is missing", nil, 400},
		"no reason":     {decide, `{"ruling":"clear","by":"kim"}`, "note is missing", nil, 400},
		"no ruling":     {decide, `{"by":"kim","note":"w"}`, "ruling is missing", nil, 400},
		"unknown key":   {decide, `{"ruling":"clear","by":"kim","note":"w","limit":1}`, "limit", nil, 400},
		"more":          {decide, `{"ruling":"clear","by":"kim","note":"w"} {}`, "follows", nil, 400},
		"not JSON":      {decide, `ruling=clear`, "not what is wanted", nil, 400},
		"form":          {decide, `{}`, "application/json", http.Header{"Content-Type": {"text/plain"}}, 415},
		"large":         {decide, `{"note":"` + strings.Repeat("x", 1<<17) + `"}`, "too large", nil, 413},
		"other site":    {decide, `{}`, "", http.Header{"Content-Type": {"application/json"}, "Sec-Fetch-Site": {"cross-site"}}, 403},
		"ruling a note": {"POST /admin/v1/cases/c1/notes", `{"by":"kim","note":"w","ruling":"clear"}`, "ruling", nil, 400},
		"query":         {"GET /admin/v1/cases?knid=limit", "", "knid", nil, 400},
		"limit":         {"GET /admin/v1/cases?limit=0", "", "limit", nil, 400},
		"truth":         {"GET /admin/v1/grants?all=yes", "", "true or false", nil, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			method, path, _ := strings.Cut(x.call, " ")
			d := &desk{}
			w := d.send(t, method, path, token, x.body, x.header)
			body, _ := io.ReadAll(w.Body)
			if w.Code != x.status || !strings.Contains(string(body), x.says) || d.did != "" {
				t.Errorf("%d %s and %q; want %d, %q and nothing done", w.Code, body, d.did, x.status, x.says)
			}
		})
	}
}

// What the desk refuses is told; what went wrong inside is not.
func TestCasesAPITellsRefusals(t *testing.T) {
	t.Parallel()
	refused := &desk{err: &console.RefusalError{Status: http.StatusConflict, Detail: "already decided by kim"}}
	w := refused.send(t, "POST", "/admin/v1/cases", token, `{"account":"acme","by":"kim"}`, nil)
	if w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "decided by kim") || w.Header().Get("Location") != "" {
		t.Errorf("refused: %d %s; want 409 with the reason", w.Code, w.Body)
	}
	broken := &desk{err: errors.New("secret path /srv/x")}
	w = broken.send(t, "POST", "/admin/v1/cases", token, `{"account":"acme","by":"kim"}`, nil)
	if diff := cmp.Diff(http.StatusInternalServerError, w.Code); diff != "" || strings.Contains(w.Body.String(), "/srv/x") {
		t.Errorf("broken: %s %s; want 500 and no reason", diff, w.Body)
	}
}
