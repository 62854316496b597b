package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"bartizan"
	"bartizan/internal/guard"
	"bartizan/internal/ratelimit"
	"bartizan/internal/wire"
)

// What a customer may ask about its own account, with its own key.
const (
	pathLimits   = "/v1/limits"
	pathRequests = "/v1/limit-requests"
)

const (
	// maxWish bounds the body of a wish for higher limits.
	maxWish = 64 << 10
	// maxWanted and maxWords bound what is in it.
	maxWanted = 20
	maxWords  = 4_000
	// maxEvents bounds the log of a case that customers can add to.
	maxEvents = 50
)

// isCustomer reports whether the request is about the account itself.
func (c *call) isCustomer() bool {
	switch c.request.URL.EscapedPath() {
	case pathLimits:
		return true
	case pathRequests:
		return c.gateway.options.Desk != nil
	default:
		return false
	}
}

// customer answers a request about the account itself, and reports whether it was one.
// It counts as a request like any other, so that nobody can flood the desk.
func (c *call) customer() bool {
	if !c.isCustomer() {
		return false
	}
	c.unlisted = true
	method, answer := http.MethodGet, c.tellLimits
	if c.request.URL.EscapedPath() == pathRequests {
		method, answer = http.MethodPost, c.takeWish
	}
	if c.request.Method != method {
		c.writer.Header().Set("Allow", method)
		c.refuse(wire.ErrorMethod, "")
		return true
	}
	c.route, _ = wire.Find(http.MethodGet, "/v1/models") // its class: it asks no model for anything
	if c.admit() {
		c.reached = true
		c.exchange.Outcome = bartizan.OutcomeAnswered
		answer()
	}
	return true
}

// limitAnswer is one limit as the customer is told of it.
type limitAnswer struct {
	bartizan.Bound
	// Of is whose limit it is: "account", "organisation", "key" or "model".
	Of        string `json:"of"`
	Remaining int64  `json:"remaining"`
	// ResetSeconds is the time until the limit is whole again, if nothing else is spent.
	ResetSeconds int64 `json:"reset_seconds"`
}

// wishAnswer is where a wish for higher limits stands.
type wishAnswer struct {
	Schema string              `json:"schema,omitempty"`
	Case   string              `json:"case"`
	Status bartizan.CaseStatus `json:"status"`
	// Question is what the operator asks, while the case waits for an answer.
	Question string `json:"question,omitempty"`
}

// tellLimits answers with every limit of the account and what is left of it. What is
// suspected of the account changes numbers and is not told.
func (c *call) tellLimits() {
	out := struct {
		Schema  string           `json:"schema"`
		Account string           `json:"account"`
		Tier    bartizan.Tier    `json:"tier"`
		Limits  []limitAnswer    `json:"limits"`
		Grants  []bartizan.Grant `json:"grants,omitempty"`
		Request *wishAnswer      `json:"request,omitempty"`
	}{Schema: "bartizan.limits/1", Account: c.account.ID, Tier: c.account.Tier, Limits: []limitAnswer{}}
	for i := range c.admission.Standing {
		s := &c.admission.Standing[i]
		told, ok := c.told(s)
		if !ok {
			continue
		}
		out.Limits = append(out.Limits, limitAnswer{
			Bound:     bartizan.Bound{Dimension: told.Dimension, Window: told.Window, Amount: told.Limit},
			Of:        s.Nest.String(),
			Remaining: told.Remaining, ResetSeconds: int64((told.Reset + time.Second - 1) / time.Second),
		})
	}
	for _, g := range c.account.Grants {
		if g.In(c.exchange.At) {
			out.Grants = append(out.Grants, g)
		}
	}
	if desk := c.gateway.options.Desk; desk != nil {
		k, err := desk.Current(c.request.Context(), c.account.ID)
		if err != nil {
			c.logError(slog.LevelWarn, "read the limit request of an account", err)
		} else if k != nil {
			w := wishOf(*k)
			out.Request = &w
		}
	}
	c.writeJSON(http.StatusOK, out)
}

// takeWish opens a case for higher limits.
func (c *call) takeWish() {
	wish, err := c.readWish()
	if err != nil {
		c.exchange.Outcome = ""
		c.refuseWith(wire.ErrorBody{Kind: wire.ErrorBadRequest, Message: err.Error()}, "bad_request")
		return
	}
	current, err := c.gateway.options.Desk.Current(c.request.Context(), c.account.ID)
	if err == nil && current != nil && len(current.Events) >= maxEvents {
		c.exchange.Outcome = ""
		c.refuseWith(wire.ErrorBody{
			Kind: wire.ErrorBadRequest, Message: "Your request " + current.ID + " has been changed too often. Wait for its decision.",
		}, "bad_request")
		return
	}
	k, opened, err := c.gateway.options.Desk.OpenLimitCase(c.request.Context(), c.account.ID, wish, "customer", c.exchange.At)
	if err != nil {
		c.logError(slog.LevelError, "open a limit request", err)
		c.exchange.Outcome = ""
		c.refuse(wire.ErrorUnavailable, "unavailable")
		return
	}
	status := http.StatusOK
	if opened {
		status = http.StatusAccepted
	}
	w := wishOf(k)
	w.Schema = "bartizan.limit-request/1"
	c.writeJSON(status, w)
}

func wishOf(k bartizan.Case) wishAnswer {
	w := wishAnswer{Case: k.ID, Status: k.Status}
	if k.Status != bartizan.CaseWaiting {
		return w
	}
	for _, e := range k.Events {
		if e.Act == bartizan.ActAsked {
			w.Question = e.Why
		}
	}
	return w
}

// readWish reads a wish; its errors are for the client.
func (c *call) readWish() (wish bartizan.LimitRequest, err error) {
	_ = c.control.SetReadDeadline(time.Now().Add(c.gateway.options.BodyTimeout))
	text, err := io.ReadAll(io.LimitReader(c.request.Body, maxWish+1))
	if err != nil {
		return wish, errors.New("The request body could not be read to its end.") //nolint:staticcheck // a sentence for the client
	}
	if len(text) > maxWish {
		return wish, fmt.Errorf("The request body is larger than the limit of %d bytes.", maxWish) //nolint:staticcheck // as above
	}
	var body struct {
		Wanted  []bartizan.Bound `json:"wanted"`
		UseCase string           `json:"use_case"`
		Pattern string           `json:"expected_pattern"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil || d.More() {
		return wish, errors.New(`Send {"wanted":[{"dimension":"tokens","window":"day","amount":5000000}],"use_case":"…","expected_pattern":"…"}.`) //nolint:staticcheck // as above
	}
	if len(body.Wanted) == 0 || len(body.Wanted) > maxWanted {
		return wish, fmt.Errorf("wanted holds %d limits; name 1 to %d.", len(body.Wanted), maxWanted) //nolint:staticcheck // as above
	}
	for i, b := range body.Wanted {
		if fault := c.checkWanted(b); fault != "" {
			return wish, fmt.Errorf("wanted[%d]: %s", i, fault)
		}
	}
	if strings.TrimSpace(body.UseCase) == "" {
		return wish, errors.New("use_case is missing: say in a few sentences what the higher limit is for.") //nolint:staticcheck // as above
	}
	for _, words := range []string{body.UseCase, body.Pattern} {
		if utf8.RuneCountInString(words) > maxWords {
			return wish, fmt.Errorf("use_case and expected_pattern may have %d characters each.", maxWords) //nolint:staticcheck // as above
		}
	}
	return bartizan.LimitRequest{Wanted: body.Wanted, UseCase: body.UseCase, Pattern: body.Pattern, Source: bartizan.SourceCustomer}, nil
}

// checkWanted says what is wrong with a wanted limit, or nothing.
func (c *call) checkWanted(b bartizan.Bound) string {
	l, err := ratelimit.ParseLimit(b.Dimension, b.Window, b.Amount)
	switch {
	case err != nil:
		return err.Error()
	case b.Amount <= 0:
		return "amount must be positive"
	}
	for _, s := range c.admission.Standing {
		if s.Nest == ratelimit.OfAccount && s.Limit.Dimension == l.Dimension && s.Limit.Window == l.Window {
			return ""
		}
	}
	return fmt.Sprintf("this account has no limit on %s", guard.Words(l))
}

func (c *call) writeJSON(status int, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		c.logError(slog.LevelError, "encode an answer", err)
		c.refuse(wire.ErrorInternal, "")
		return
	}
	c.write(status, "application/json", append(text, '\n'))
}
