package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"hash"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"bartizan"
)

// Source is what a [Directory] reads; a [*Store] is one.
type Source interface {
	Revision(ctx context.Context) (int64, error)
	AccountChanges(ctx context.Context, revision int64, id string) ([]AccountChange, error)
	KeyChanges(ctx context.Context, revision int64, id string) ([]KeyChange, error)
}

var _ Source = (*Store)(nil)

// DirectoryOptions are the settings of a directory; the zero value has the defaults.
type DirectoryOptions struct {
	// Logger hears when the store goes away and comes back; nil discards.
	Logger *slog.Logger
	// Poll is how often the store is asked for changes; 0 means 250 ms.
	Poll time.Duration
	// Patience is how long known keys go on when the store is away; 0 means 15 minutes.
	Patience time.Duration
	// Forget is how long an unknown key is not looked up again; 0 means 5 s. Any change
	// in the store ends it too.
	Forget time.Duration
}

// Directory is the request path's view of accounts and keys: all of them, in memory.
//
// A key that it knows costs one HMAC and no wait, whatever the store does. One that it
// does not know makes it ask the store for changes once, together with everybody else
// who waits for the same answer, so that strangers cannot load the database. A change
// is in force one poll after it was committed, by whatever process. When the store
// cannot be asked, known keys go on for [DirectoryOptions.Patience].
//
// It is safe for use by several goroutines, and never prints a key or its secret.
type Directory struct {
	source Source
	now    func() time.Time
	o      DirectoryOptions
	macs   sync.Pool // of *macer
	flight singleflight.Group

	mu       sync.RWMutex
	keys     map[string]keyEntry
	accounts map[string]*accountEntry
	revision int64
	loaded   bool
	seen     time.Time            // when the last good answer of the store was asked for
	failed   time.Time            // when the last failure came; zero after a good answer
	strange  map[string]time.Time // ids of unknown keys, until when
}

type keyEntry struct {
	key     bartizan.Key
	mac     [sha256.Size]byte
	account *accountEntry
}

type accountEntry struct {
	account bartizan.Account
	version int64 // of the level
}

const (
	// maxStrange bounds the memory that unknown keys can take.
	maxStrange = 4096
	// answerTime bounds how long a request with an unknown key waits for the store.
	answerTime = 2 * time.Second
	// loadTime bounds the first reading of everything.
	loadTime = time.Minute
)

// NewDirectory returns a directory that has read nothing yet: call Load, or start Run.
// The secret is the one that the stored hashes were made with. now is the clock.
func NewDirectory(source Source, secret []byte, now func() time.Time, o DirectoryOptions) *Directory {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Poll == 0 {
		o.Poll = 250 * time.Millisecond
	}
	if o.Patience == 0 {
		o.Patience = 15 * time.Minute
	}
	if o.Forget == 0 {
		o.Forget = 5 * time.Second
	}
	d := &Directory{source: source, now: now, o: o, strange: make(map[string]time.Time)}
	secret = append([]byte(nil), secret...)
	d.macs.New = func() any { return &macer{hash: hmac.New(sha256.New, secret)} }
	return d
}

// Load reads what changed, everything at first. It is for the start, to fail early; Run
// does the same again and again.
func (d *Directory) Load(ctx context.Context) error {
	if _, err := d.refresh(ctx); err != nil {
		return fmt.Errorf("load accounts and keys: %w: %w", ErrUnavailable, err)
	}
	return nil
}

// Run follows the store until ctx ends.
func (d *Directory) Run(ctx context.Context) {
	ticker := time.NewTicker(d.o.Poll)
	defer ticker.Stop()
	away := false
	for {
		_, err := d.refresh(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !away:
			d.o.Logger.LogAttrs(ctx, slog.LevelError, "store is away, known keys go on for a while",
				slog.Duration("patience", d.o.Patience), slog.Any("error", err))
		case err == nil && away:
			d.o.Logger.LogAttrs(ctx, slog.LevelInfo, "store is back")
		}
		away = err != nil
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// Lookup returns the key and its account. A key that does not exist, has another secret
// or is revoked is [bartizan.ErrUnknownKey], all alike. [ErrUnavailable] says that the
// store would have to be asked and cannot be.
func (d *Directory) Lookup(key string) (bartizan.Account, bartizan.Key, error) {
	id, ok := keyID(key)
	if !ok {
		return bartizan.Account{}, bartizan.Key{}, bartizan.ErrUnknownKey
	}
	m, _ := d.macs.Get().(*macer) // The pool holds nothing else.
	defer d.macs.Put(m)
	mac := m.sum(key)
	now := d.now()
	a, k, known, err := d.find(id, mac, now)
	if known || err != nil {
		return a, k, err
	}
	if err := d.ask(id, now); err != nil {
		return bartizan.Account{}, bartizan.Key{}, err
	}
	a, k, known, err = d.find(id, mac, now)
	if !known && err == nil {
		err = bartizan.ErrUnknownKey
	}
	return a, k, err
}

// find looks only into memory. It is not known whether a key exists when known is false
// and there is no error.
func (d *Directory) find(id string, mac []byte, now time.Time) (a bartizan.Account, k bartizan.Key, known bool, err error) {
	d.mu.RLock()
	entry, known := d.keys[id]
	stale := now.Sub(d.seen) > d.o.Patience
	if known {
		a = entry.account.account // Levels change under the lock.
	}
	d.mu.RUnlock()
	switch {
	case !known:
		return bartizan.Account{}, bartizan.Key{}, false, nil
	case subtle.ConstantTimeCompare(mac, entry.mac[:]) != 1,
		!entry.key.RevokedAt.IsZero() && !now.Before(entry.key.RevokedAt):
		return bartizan.Account{}, bartizan.Key{}, true, bartizan.ErrUnknownKey
	case stale: // It may have been revoked long ago.
		return bartizan.Account{}, bartizan.Key{}, true, ErrUnavailable
	}
	return a, entry.key, true, nil
}

// ask asks the store for what changed, because a key is unknown.
func (d *Directory) ask(id string, now time.Time) error {
	d.mu.RLock()
	until, strange := d.strange[id]
	resting := !d.failed.IsZero() && now.Sub(d.failed) < d.o.Poll
	d.mu.RUnlock()
	if strange && now.Before(until) {
		return bartizan.ErrUnknownKey
	}
	if resting {
		return ErrUnavailable
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	// A call that others began may have read before this key was made; the next did not.
	for range 2 {
		began, err := d.refresh(ctx)
		if err != nil {
			return ErrUnavailable // The chain is in the log of Run.
		}
		if !began.Before(now) {
			break
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.keys[id]; known {
		return nil
	}
	if len(d.strange) >= maxStrange {
		clear(d.strange)
	}
	// The id is a part of the key's text, and must not keep that in memory.
	d.strange[strings.Clone(id)] = now.Add(d.o.Forget)
	return nil
}

// SetLevel applies a level that the store has already, before the next poll sees it.
// Only a version above the known one counts; an account that is not known is left to
// the poll.
func (d *Directory) SetLevel(id string, l bartizan.Level, version int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if entry, ok := d.accounts[id]; ok && version > entry.version {
		entry.account.Level, entry.version = l, version
	}
}

// String says how much the directory holds.
func (d *Directory) String() string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return fmt.Sprintf("directory of %d accounts and %d keys", len(d.accounts), len(d.keys))
}

// GoString keeps the secret out of %#v.
func (d *Directory) GoString() string { return d.String() }

// LogValue keeps the secret out of logs.
func (d *Directory) LogValue() slog.Value { return slog.StringValue(d.String()) }

// macer makes hashes of keys without allocating.
type macer struct {
	hash hash.Hash
	text [keySize]byte
	out  [sha256.Size]byte
}

// sum returns the hash of a key of keySize bytes; it is good until the next call.
func (m *macer) sum(key string) []byte {
	copy(m.text[:], key)
	m.hash.Reset()
	m.hash.Write(m.text[:]) // A hash never returns an error.
	clear(m.text[:])
	return m.hash.Sum(m.out[:0])
}
