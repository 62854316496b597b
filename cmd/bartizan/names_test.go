package main

import (
	"path/filepath"
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/evidence"
	"bartizan/internal/store"
)

// A record of an account that was made a moment ago is that account's: the list is read
// again as soon as the store has changed, and only then.
func TestNamesOfNewAccounts(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	keys := evidence.NewKeys([]byte("a secret of the installation, long enough"))
	n := newNames(s, keys)
	for _, id := range []string{"first", "second", "third"} {
		if got, err := n.account(t.Context(), keys.Account(id)); got != "" || err != nil {
			t.Errorf("before it is made, %s is %q, %v; want none", id, got, err)
		}
		err := s.CreateAccount(t.Context(), bartizan.Account{ID: id, Tier: bartizan.TierPublic, CreatedAt: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := n.account(t.Context(), keys.Account(id)); got != id || err != nil {
			t.Errorf("right after it is made, %s is %q, %v", id, got, err)
		}
	}
}
