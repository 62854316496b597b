package console_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bartizan"
	"bartizan/internal/console"
	"bartizan/internal/policy"
)

// explains knows one account.
type explains struct{}

func (explains) Limits(_ context.Context, account, model, key string) (policy.Explanation, error) {
	switch {
	case account == "broken":
		return policy.Explanation{}, errors.New("the disk of /secret/place is away")
	case account != "acme":
		return policy.Explanation{}, fmt.Errorf("account %s: %w", account, bartizan.ErrUnknownAccount)
	case key == "other":
		return policy.Explanation{}, fmt.Errorf("key %s: %w", key, bartizan.ErrUnknownKey)
	}
	return policy.Explanation{Schema: policy.ExplainSchema, Account: account, Model: model, Key: key, Live: true}, nil
}

func TestLimits(t *testing.T) {
	t.Parallel()
	c, err := console.New(console.Options{Token: token, Limits: explains{}}, source{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	cases := map[string]struct {
		query, bearer string
		want          int
	}{
		"known":       {"?account=acme&model=big%2F1&key=k1", token, http.StatusOK},
		"no token":    {"?account=acme", "", http.StatusUnauthorized},
		"wrong token": {"?account=acme", "guess", http.StatusUnauthorized},
		"no account":  {"", token, http.StatusBadRequest},
		"unknown":     {"?account=nobody", token, http.StatusNotFound},
		"foreign key": {"?account=acme&key=other", token, http.StatusNotFound},
		"fault":       {"?account=broken", token, http.StatusInternalServerError},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			response, body := get(t, http.DefaultClient, server.URL+"/admin/v1/limits"+tc.query, tc.bearer)
			if response.StatusCode != tc.want {
				t.Fatalf("GET limits%s = %d, %s; want %d", tc.query, response.StatusCode, body, tc.want)
			}
			if strings.Contains(body, "secret") {
				t.Errorf("GET limits%s tells %s", tc.query, body)
			}
			if tc.want != http.StatusOK {
				return
			}
			var e policy.Explanation
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				t.Fatal(err)
			}
			if e.Schema != policy.ExplainSchema || e.Account != "acme" || e.Model != "big/1" || e.Key != "k1" || !e.Live {
				t.Errorf("GET limits%s = %+v", tc.query, e)
			}
		})
	}
}

func TestNoLimits(t *testing.T) {
	t.Parallel()
	response, _ := get(t, http.DefaultClient, serve(t, source{})+"/admin/v1/limits?account=acme", token)
	if response.StatusCode != http.StatusNotFound {
		t.Errorf("GET limits of a console without them = %d; want 404", response.StatusCode)
	}
}
