package store_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bartizan"
	"bartizan/internal/store"
)

// clock is a time that only the test moves.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.nanos.Store(time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time           { return time.Unix(0, c.nanos.Load()).UTC() }
func (c *clock) forward(by time.Duration) { c.nanos.Add(int64(by)) }

var secret = []byte("an installation's canary-secret!")

// shelf is a source in memory that can be away.
type shelf struct {
	mu       sync.Mutex
	revision int64
	accounts []store.AccountChange
	keys     []store.KeyChange
	err      error
	asked    int
	hold     func() // runs inside each question
}

func (s *shelf) Revision(context.Context) (int64, error) {
	s.mu.Lock()
	s.asked++
	revision, err, hold := s.revision, s.err, s.hold
	s.mu.Unlock()
	if hold != nil {
		hold()
	}
	return revision, err
}

func (s *shelf) AccountChanges(_ context.Context, revision int64, id string) (list []store.AccountChange, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.accounts {
		if c.Changed > revision || c.Changed == revision && c.Account.ID > id {
			list = append(list, c)
		}
	}
	return list, s.err
}

func (s *shelf) KeyChanges(_ context.Context, revision int64, id string) (list []store.KeyChange, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.keys {
		if c.Changed > revision || c.Changed == revision && c.Key.ID > id {
			list = append(list, c)
		}
	}
	return list, s.err
}

// add puts an account with one key on the shelf and returns the key's text.
func (s *shelf) add(account string) (key string) {
	id, key := store.NewKeySecret(rand.Reader)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revision++
	s.accounts = append(s.accounts, store.AccountChange{
		Account:      bartizan.Account{ID: account, Tier: bartizan.TierStandard},
		LevelVersion: 1, Changed: s.revision,
	})
	s.keys = append(s.keys, store.KeyChange{
		Key: bartizan.Key{ID: id, Account: account}, MAC: [32]byte(store.KeyMAC(secret, key)), Changed: s.revision,
	})
	return key
}

// change edits the newest account and key and raises the revision.
func (s *shelf) change(edit func(a *store.AccountChange, k *store.KeyChange)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revision++
	a, k := &s.accounts[len(s.accounts)-1], &s.keys[len(s.keys)-1]
	edit(a, k)
	a.Changed, k.Changed = s.revision, s.revision
}

func (s *shelf) away(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *shelf) questions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func load(t *testing.T, s *shelf, c *clock) *store.Directory {
	t.Helper()
	d := store.NewDirectory(s, secret, c.now, store.DirectoryOptions{})
	if err := d.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

func want(t *testing.T, d *store.Directory, what, key string, wantErr error) bartizan.Account {
	t.Helper()
	a, k, err := d.Lookup(key)
	if !errors.Is(err, wantErr) || wantErr == nil && err != nil {
		t.Errorf("%s: Lookup() = %v; want %v", what, err, wantErr)
	}
	if err != nil && (a.ID != "" || k != bartizan.Key{}) {
		t.Errorf("%s: Lookup() = %v, %v with an error; want nothing with it", what, a, k)
	}
	return a
}

var errAway = errors.New("the disk is gone")

func TestLookup(t *testing.T) {
	t.Parallel()
	s, c := &shelf{}, newClock()
	ann, bob := s.add("ann"), s.add("bob")
	d := load(t, s, c)
	for account, key := range map[string]string{"ann": ann, "bob": bob} {
		if a := want(t, d, account, key, nil); a.ID != account || a.Tier != bartizan.TierStandard {
			t.Errorf("Lookup(key of %s) = %+v", account, a)
		}
	}
	before := s.questions()
	for name, key := range map[string]string{
		"empty":          "",
		"short":          ann[:len(ann)-1],
		"long":           ann + "x",
		"another prefix": "sk" + ann[2:],
		"no separator":   ann[:15] + "x" + ann[16:],
		"another secret": ann[:len(ann)-1] + "_",
		"crossed":        ann[:16] + bob[16:],
		"upper case":     strings.ToUpper(ann),
		"zeros":          strings.Repeat("\x00", len(ann)),
		"huge":           strings.Repeat("bz_", 1<<20),
	} {
		want(t, d, name, key, bartizan.ErrUnknownKey)
	}
	if after := s.questions(); after != before {
		t.Errorf("bad keys asked the store %d times; want never", after-before)
	}
}

// TestLookupNew finds a key that was made after the last poll, and forgets a revoked
// one at the next.
func TestLookupNew(t *testing.T) {
	t.Parallel()
	s, c := &shelf{}, newClock()
	d := load(t, s, c)
	key := s.add("ann")
	want(t, d, "a key younger than the view", key, nil)

	revoked := c.now().Add(10 * time.Minute)
	s.change(func(_ *store.AccountChange, k *store.KeyChange) { k.Key.RevokedAt = revoked })
	if err := d.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, d, "a key that is to be revoked", key, nil)
	c.forward(10*time.Minute - time.Nanosecond)
	want(t, d, "just before", key, nil)
	c.forward(time.Nanosecond)
	want(t, d, "at the time", key, bartizan.ErrUnknownKey)
}

func TestLookupStrangers(t *testing.T) {
	t.Parallel()
	s, c := &shelf{}, newClock()
	s.add("ann")
	d := load(t, s, c)
	_, stranger := store.NewKeySecret(rand.Reader)
	asks := func(what string, n int) {
		t.Helper()
		before := s.questions()
		want(t, d, what, stranger, bartizan.ErrUnknownKey)
		if asked := s.questions() - before; asked != n {
			t.Errorf("%s: the store was asked %d times; want %d", what, asked, n)
		}
	}
	asks("first", 1)
	asks("second", 0)
	c.forward(5*time.Second - time.Nanosecond)
	asks("within 5 s", 0)
	c.forward(time.Nanosecond)
	asks("after 5 s", 1)
	s.add("bob")
	if err := d.Load(t.Context()); err != nil { // As the poll does.
		t.Fatal(err)
	}
	asks("after a change", 1)

	for range 3 * store.MaxStrange {
		_, key := store.NewKeySecret(rand.Reader)
		want(t, d, "one of many", key, bartizan.ErrUnknownKey)
	}
	if n := d.Strange(); n > store.MaxStrange {
		t.Errorf("the directory remembers %d strangers; want at most %d", n, store.MaxStrange)
	}
}

// TestLookupTogether sends many strangers at once: they share the questions.
func TestLookupTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		s.add("ann")
		d := store.NewDirectory(s, secret, time.Now, store.DirectoryOptions{})
		if err := d.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		s.hold = func() { time.Sleep(time.Second) }
		s.mu.Unlock()
		before := s.questions()
		var group sync.WaitGroup
		for range 500 {
			group.Go(func() {
				_, key := store.NewKeySecret(rand.Reader)
				want(t, d, "stranger", key, bartizan.ErrUnknownKey)
			})
		}
		group.Wait()
		if asked := s.questions() - before; asked > 2 {
			t.Errorf("500 strangers at once asked the store %d times; want at most 2", asked)
		}

		// A key that is made while a question is on its way is found by the next one.
		go want(t, d, "stranger", strings.Repeat("x", 3), bartizan.ErrUnknownKey)
		_, stranger := store.NewKeySecret(rand.Reader)
		go func() { _, _, _ = d.Lookup(stranger) }()
		time.Sleep(time.Millisecond)
		key := s.add("late")
		want(t, d, "a key made meanwhile", key, nil)
		synctest.Wait()
	})
}

func TestStoreAway(t *testing.T) {
	t.Parallel()
	s, c := &shelf{}, newClock()
	known := s.add("ann")
	d := load(t, s, c)
	_, stranger := store.NewKeySecret(rand.Reader)
	s.away(errAway)
	want(t, d, "a known key", known, nil)
	want(t, d, "an unknown key", stranger, store.ErrUnavailable)
	before := s.questions()
	want(t, d, "an unknown key again", stranger, store.ErrUnavailable)
	if s.questions() != before {
		t.Error("a stranger asked a store that failed just now; want a rest of one poll")
	}
	want(t, d, "a known key with another secret", known[:len(known)-1]+"_", bartizan.ErrUnknownKey)
	c.forward(15 * time.Minute)
	want(t, d, "a known key after 15 minutes", known, nil)
	c.forward(time.Nanosecond)
	want(t, d, "a known key after more", known, store.ErrUnavailable)
	if err := d.Load(t.Context()); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, errAway) {
		t.Errorf("Load() = %v; want ErrUnavailable and its cause", err)
	}

	s.away(nil)
	if err := d.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, d, "a known key when the store is back", known, nil)
	want(t, d, "an unknown key when the store is back", stranger, bartizan.ErrUnknownKey)
}

func TestNothingLoaded(t *testing.T) {
	t.Parallel()
	s := &shelf{err: errAway}
	key := s.add("ann")
	d := store.NewDirectory(s, secret, newClock().now, store.DirectoryOptions{})
	want(t, d, "before the first load", key, store.ErrUnavailable)
	s.away(nil)
	fresh := store.NewDirectory(s, secret, newClock().now, store.DirectoryOptions{})
	want(t, fresh, "as the first load", key, nil)
}

func TestSetLevel(t *testing.T) {
	t.Parallel()
	s, c := &shelf{}, newClock()
	key := s.add("ann")
	d := load(t, s, c)
	level := func(what string, l bartizan.Level) {
		t.Helper()
		if a := want(t, d, what, key, nil); a.Level != l {
			t.Errorf("%s: level %v; want %v", what, a.Level, l)
		}
	}
	d.SetLevel("ann", bartizan.LevelWatch, 1)
	level("the version that is known", bartizan.LevelNormal)
	d.SetLevel("ann", bartizan.LevelRestricted, 3)
	level("a higher version", bartizan.LevelRestricted)
	d.SetLevel("ann", bartizan.LevelWatch, 2)
	level("a version that comes late", bartizan.LevelRestricted)
	d.SetLevel("nobody", bartizan.LevelSuspended, 9)

	refresh := func(version int64, l bartizan.Level, tier bartizan.Tier) {
		t.Helper()
		s.change(func(a *store.AccountChange, _ *store.KeyChange) {
			a.Account.Level, a.LevelVersion, a.Account.Tier = l, version, tier
		})
		if err := d.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	refresh(2, bartizan.LevelWatch, bartizan.TierPartner)
	level("a row that was read before", bartizan.LevelRestricted)
	if a := want(t, d, "its tier", key, nil); a.Tier != bartizan.TierPartner {
		t.Errorf("Lookup() = tier %s; want the row's, partner", a.Tier)
	}
	refresh(4, bartizan.LevelNormal, bartizan.TierPartner)
	level("a newer row", bartizan.LevelNormal)
	if a, ok := d.Account("ann"); !ok || a.Tier != bartizan.TierPartner {
		t.Errorf("Account(ann) = %v, %t; want the account", a, ok)
	}
	if _, ok := d.Account("nobody"); ok {
		t.Error("Account(nobody) was found")
	}
}

// TestRestored follows a store that was put back to an earlier state.
func TestRestored(t *testing.T) {
	t.Parallel()
	s, c := &shelf{}, newClock()
	old := s.add("ann")
	kept := s.revision
	fresh := s.add("bob")
	d := load(t, s, c)
	d.SetLevel("ann", bartizan.LevelSuspended, 7)
	s.mu.Lock()
	s.revision, s.accounts, s.keys = kept, s.accounts[:1], s.keys[:1]
	s.mu.Unlock()
	if err := d.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := want(t, d, "a key of the backup", old, nil); a.Level != bartizan.LevelNormal {
		t.Errorf("level %v after a restore; want the backup's", a.Level)
	}
	want(t, d, "a key made after the backup", fresh, bartizan.ErrUnknownKey)
}

func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		key := s.add("ann")
		var log bytes.Buffer
		d := store.NewDirectory(s, secret, time.Now, store.DirectoryOptions{
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); d.Run(ctx) }()
		synctest.Wait()
		pass := func(by time.Duration) {
			time.Sleep(by)
			synctest.Wait()
		}
		want(t, d, "after the first poll", key, nil)
		s.change(func(_ *store.AccountChange, k *store.KeyChange) { k.Key.RevokedAt = time.Unix(1, 0) })
		want(t, d, "before the next poll", key, nil)
		pass(250 * time.Millisecond)
		want(t, d, "after the next poll", key, bartizan.ErrUnknownKey)
		if log.Len() != 0 {
			t.Errorf("a good store is logged: %s", &log)
		}

		s.away(errAway)
		pass(10 * time.Second)
		s.away(nil)
		pass(10 * time.Second)
		text := log.String()
		if strings.Count(text, "store is away") != 1 || strings.Count(text, "store is back") != 1 || !strings.Contains(text, errAway.Error()) {
			t.Errorf("log of an outage:\n%s\nwant one line when it begins, with the cause, and one when it ends", text)
		}
		cancel()
		<-done
	})
}

// TestTwoHandles follows changes of another process's handle in real time.
func TestTwoHandles(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	server, command := open(t, path), open(t, path)
	c := newClock()
	d := store.NewDirectory(server, secret, c.now, store.DirectoryOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { d.Run(ctx) })
	defer group.Wait()
	defer cancel()

	within := func(what string, holds func() bool) {
		t.Helper()
		limit, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		for !holds() {
			select {
			case <-ticker.C:
			case <-limit.Done():
				t.Fatalf("%s: not within a second", what)
			}
		}
	}
	id, key := store.NewKeySecret(rand.Reader)
	want(t, d, "before it is made", key, bartizan.ErrUnknownKey)
	if err := errors.Join(
		command.CreateAccount(ctx, bartizan.Account{ID: "ann", Tier: bartizan.TierPublic, CreatedAt: c.now()}),
		command.CreateKey(ctx, bartizan.Key{ID: id, Account: "ann", CreatedAt: c.now()}, store.KeyMAC(secret, key)),
	); err != nil {
		t.Fatal(err)
	}
	within("a new key works", func() bool { _, _, err := d.Lookup(key); return err == nil })
	if _, _, err := command.SetLevel(ctx, "ann", bartizan.LevelRestricted, "why", c.now()); err != nil {
		t.Fatal(err)
	}
	within("a level is in force", func() bool {
		a, _, err := d.Lookup(key)
		return err == nil && a.Level == bartizan.LevelRestricted
	})
	if err := command.RevokeKey(ctx, id, c.now()); err != nil {
		t.Fatal(err)
	}
	within("a revoked key stops", func() bool { _, _, err := d.Lookup(key); return errors.Is(err, bartizan.ErrUnknownKey) })

	// The store goes away under the server: a lost handle is the simplest way.
	id, key = store.NewKeySecret(rand.Reader)
	if err := command.CreateKey(ctx, bartizan.Key{ID: id, Account: "ann"}, store.KeyMAC(secret, key)); err != nil {
		t.Fatal(err)
	}
	want(t, d, "a new key", key, nil)
	lost, err := store.Open(ctx, path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	away := store.NewDirectory(lost, secret, c.now, store.DirectoryOptions{})
	want(t, away, "a key", key, nil)
	if err := lost.Close(); err != nil {
		t.Fatal(err)
	}
	_, stranger := store.NewKeySecret(rand.Reader)
	want(t, away, "a known key without the store", key, nil)
	want(t, away, "a stranger without the store", stranger, store.ErrUnavailable)
}

// TestCanary looks for keys and secrets in everything that the package says.
func TestCanary(t *testing.T) {
	t.Parallel()
	s, c := &shelf{}, newClock()
	key := s.add("ann")
	_, stranger := store.NewKeySecret(rand.Reader)
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d := store.NewDirectory(s, secret, c.now, store.DirectoryOptions{Logger: logger, Poll: time.Millisecond})
	said := []string{}
	say := func(what any) {
		said = append(said, fmt.Sprintf("%v %+v %#v %s", what, what, what, what))
		logger.Info("said", "what", what)
	}
	for _, k := range []string{key, stranger, key[:len(key)-1] + "_"} {
		_, found, err := d.Lookup(k)
		say(err)
		say(found)
	}
	s.away(errAway)
	_, _, err := d.Lookup(stranger)
	say(err)
	say(d.Load(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	d.Run(ctx)
	say(d)
	say(s.keys[0])
	text := strings.Join(said, "\n") + log.String()
	mac := store.KeyMAC(secret, key)
	for name, canary := range map[string]string{
		"key": key, "the key's secret": key[16:], "a stranger's secret": stranger[16:], "secret": string(secret),
		"secret in hex": hex.EncodeToString(secret), "secret in decimal": strings.Trim(fmt.Sprintf("%d", secret), "[]"),
		"hash": string(mac), "hash in hex": hex.EncodeToString(mac), "hash in decimal": strings.Trim(fmt.Sprintf("%d", mac), "[]"),
	} {
		if strings.Contains(text, canary) {
			t.Errorf("the %s was printed", name)
		}
	}
	if !strings.Contains(text, "1 accounts") {
		t.Errorf("said %q; want the directory to have been printed", text)
	}
}

func TestNewKeySecret(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		id, key := store.NewKeySecret(rand.Reader)
		rest, ok := strings.CutPrefix(key, "bz_"+id+"_")
		if !ok || len(rest) != 43 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz234567") != "" {
			t.Fatalf("NewKeySecret() = %q, %q; want bz_ID_SECRET with 43 characters of secret", id, key)
		}
		if seen[id] || seen[rest] {
			t.Fatal("NewKeySecret() gave the same twice")
		}
		seen[id], seen[rest] = true, true
	}
	one, two := store.KeyMAC([]byte("a"), "key"), store.KeyMAC([]byte("b"), "key")
	if bytes.Equal(one, two) || len(one) != 32 {
		t.Errorf("KeyMAC() under two secrets = %x, %x; want two hashes of 32 bytes", one, two)
	}
	defer func() {
		if recover() == nil {
			t.Error("NewKeySecret() without randomness returned; want a panic")
		}
	}()
	store.NewKeySecret(strings.NewReader("too short"))
}

func many(n int) (s *shelf, keys []string) {
	s = &shelf{}
	for i := range n {
		keys = append(keys, s.add(fmt.Sprintf("account%05d", i)))
	}
	return s, keys
}

// TestLookupAllocates counts the whole process, so it runs alone.
//
//nolint:paralleltest // See above.
func TestLookupAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget, so allocations say nothing")
	}
	s, keys := many(100)
	d := load(t, s, newClock())
	n := 0
	if allocs := testing.AllocsPerRun(1000, func() {
		if _, _, err := d.Lookup(keys[n%len(keys)]); err != nil {
			t.Error(err)
		}
		n++
	}); allocs != 0 {
		t.Errorf("Lookup() of a known key allocates %v times; want 0", allocs)
	}
}

func BenchmarkLookup(b *testing.B) {
	s, keys := many(10_000)
	d := store.NewDirectory(s, secret, newClock().now, store.DirectoryOptions{})
	if err := d.Load(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Run("known", func(b *testing.B) {
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			if _, _, err := d.Lookup(keys[n%len(keys)]); err != nil {
				b.Fatal(err)
			}
			n += 7919
		}
	})
	b.Run("known, parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			n := 0
			for pb.Next() {
				if _, _, err := d.Lookup(keys[n%len(keys)]); err != nil {
					b.Error(err)
				}
				n += 7919
			}
		})
	})
	b.Run("mac alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			store.KeyMAC(secret, keys[0])
		}
	})
}
