package store

import (
	"context"
	"slices"
	"time"

	"bartizan"
)

// changed is what one refresh read.
type changed struct {
	revision int64
	all      bool // nothing that was known before counts any more
	accounts []AccountChange
	keys     []KeyChange
}

// refresh reads what changed in the store and puts it in force. One call at a time asks;
// others share its outcome. began is when the shared call began to ask.
func (d *Directory) refresh(ctx context.Context) (began time.Time, err error) {
	result, err, _ := d.flight.Do("refresh", func() (any, error) {
		// Whoever shares the call must not fall with the one who began it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.limit())
		defer cancel()
		began := d.now()
		c, err := d.read(ctx)
		d.mu.Lock()
		defer d.mu.Unlock()
		if err != nil {
			d.failed = d.now()
			return began, err
		}
		d.seen, d.failed = began, time.Time{}
		if c != nil {
			d.apply(c)
		}
		return began, nil
	})
	began, _ = result.(time.Time) // The function returns nothing else.
	return began, err
}

// limit bounds a call: everything takes longer than what changed.
func (d *Directory) limit() time.Duration {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.loaded {
		return answerTime
	}
	return loadTime
}

// read returns nil when nothing changed. Keys are read before accounts: an account is
// older than its keys, so that every key that is read finds its account.
func (d *Directory) read(ctx context.Context) (*changed, error) {
	d.mu.RLock()
	known, loaded := d.revision, d.loaded
	d.mu.RUnlock()
	revision, err := d.source.Revision(ctx)
	if err != nil || loaded && revision == known {
		return nil, err
	}
	c := &changed{revision: revision, all: !loaded || revision < known} // A restored backup has a lower one.
	from := known + 1
	if c.all {
		from = 0
	}
	c.keys, err = pages(ctx, from, d.source.KeyChanges, func(k KeyChange) (int64, string) { return k.Changed, k.Key.ID })
	if err != nil {
		return nil, err
	}
	c.accounts, err = pages(ctx, from, d.source.AccountChanges, func(a AccountChange) (int64, string) {
		return a.Changed, a.Account.ID
	})
	return c, err
}

// pages reads a list of changes to its end.
func pages[T any](ctx context.Context, from int64, next func(context.Context, int64, string) ([]T, error),
	place func(T) (int64, string),
) ([]T, error) {
	var all []T
	after := ""
	for {
		list, err := next(ctx, from, after)
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			return all, nil
		}
		all = append(all, list...)
		from, after = place(list[len(list)-1])
	}
}

// apply runs under the lock.
func (d *Directory) apply(c *changed) {
	if c.all {
		d.accounts = make(map[string]*accountEntry, len(c.accounts))
		d.keys = make(map[string]keyEntry, len(c.keys))
	}
	for _, change := range c.accounts {
		change.Account.Grants = slices.DeleteFunc(slices.Clone(change.Account.Grants), func(g bartizan.Grant) bool {
			return !d.seen.Before(g.Until) || !g.RevokedAt.IsZero() && !d.seen.Before(g.RevokedAt)
		})
		entry, ok := d.accounts[change.Account.ID]
		if !ok {
			d.accounts[change.Account.ID] = &accountEntry{account: change.Account, version: change.LevelVersion}
			continue
		}
		fresh := change.Account
		if change.LevelVersion < entry.version {
			fresh.Level = entry.account.Level // SetLevel was quicker than the row that was read.
		}
		entry.account, entry.version = fresh, max(entry.version, change.LevelVersion)
	}
	for _, change := range c.keys {
		if entry, ok := d.accounts[change.Key.Account]; ok {
			d.keys[change.Key.ID] = keyEntry{key: change.Key, mac: change.MAC, account: entry}
		}
	}
	clear(d.strange)
	d.revision, d.loaded = c.revision, true
}

// Account returns an account by its name, as known now.
func (d *Directory) Account(id string) (bartizan.Account, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	entry, ok := d.accounts[id]
	if !ok {
		return bartizan.Account{}, false
	}
	return entry.account, true
}
