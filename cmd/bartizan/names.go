package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"sync"

	"bartizan"
	"bartizan/internal/evidence"
	"bartizan/internal/store"
)

// names finds the account behind a keyed hash: records carry hashes, people read names.
type names struct {
	store *store.Store
	keys  *evidence.Keys

	mu       sync.Mutex
	known    map[[16]byte]string
	revision int64 // of the store, when known was read
	loaded   bool
}

func newNames(s *store.Store, k *evidence.Keys) *names {
	return &names{store: s, keys: k, known: make(map[[16]byte]string)}
}

// account returns the name of an account, or "" when there is none of that hash. A miss
// reads the list of accounts if the store has changed since: a record may come in the very
// moment after its account was made, and the detectors must not miss it.
func (n *names) account(ctx context.Context, mac [16]byte) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if name, ok := n.known[mac]; ok {
		return name, nil
	}
	revision, err := n.store.Revision(ctx)
	if err != nil {
		return "", fmt.Errorf("find an account by its hash: %w", err)
	}
	if n.loaded && revision == n.revision {
		return "", nil
	}
	list, err := allAccounts(ctx, n.store)
	if err != nil {
		return "", err
	}
	for _, a := range list {
		n.known[n.keys.Account(a.ID)] = a.ID
	}
	n.revision, n.loaded = revision, true
	return n.known[mac], nil
}

// hex is account for a hash in hexadecimal.
func (n *names) hex(ctx context.Context, mac string) (string, error) {
	var raw [16]byte
	if b, err := hex.DecodeString(mac); err != nil || copy(raw[:], b) != len(raw) {
		return "", fmt.Errorf("account hash %q: want 32 hexadecimal digits", mac)
	}
	return n.account(ctx, raw)
}

// allAccounts reads the whole list, page by page.
func allAccounts(ctx context.Context, s *store.Store) ([]bartizan.Account, error) {
	const page = 1000
	all := []bartizan.Account{}
	after := ""
	for {
		list, err := s.Accounts(ctx, after, page)
		if err != nil {
			return nil, fmt.Errorf("list accounts: %w", err)
		}
		all = append(all, list...)
		if len(list) < page {
			return all, nil
		}
		after = list[len(list)-1].ID
	}
}
