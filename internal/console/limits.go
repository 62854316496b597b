package console

import (
	"context"
	"errors"
	"net/http"

	"bartizan"
	"bartizan/internal/policy"
)

// Limits knows what accounts may have.
type Limits interface {
	// Limits explains what holds for an account, and what of it is left; model and key may
	// be empty. The error wraps [bartizan.ErrUnknownAccount] or [bartizan.ErrUnknownKey]
	// when there is no such account, or the key is not one of its own.
	Limits(ctx context.Context, account, model, key string) (policy.Explanation, error)
}

// limits answers /admin/v1/limits?account=A&model=M&key=K.
func (c *Console) limits(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	account := q.Get("account")
	if account == "" {
		problem(w, http.StatusBadRequest, "Name an account: /admin/v1/limits?account=NAME, and if need be a model and the id of a key.")
		return
	}
	e, err := c.explain.Limits(r.Context(), account, q.Get("model"), q.Get("key"))
	if errors.Is(err, bartizan.ErrUnknownAccount) || errors.Is(err, bartizan.ErrUnknownKey) {
		problem(w, http.StatusNotFound, "There is no such account, or the key is not one of its own.")
		return
	}
	c.reply(w, r, e, err)
}
