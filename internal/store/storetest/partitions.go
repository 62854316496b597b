package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/store"
)

func partitions(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	got, err := s.LoadPartition(ctx, 7)
	must(t, "LoadPartition()", err)
	same(t, "a partition that was never saved", got, store.Partition{ID: 7})

	p := store.Partition{
		ID: 7, Stream: "EV", StreamSeq: 1 << 40, Cursors: map[string]uint64{"node-a": 12, "node-b": 1<<63 + 5},
		States: map[string][]byte{"ann": []byte("one"), "bob": {0, 1, 2}}, SavedAt: day(1),
	}
	must(t, "SavePartition()", s.SavePartition(ctx, p))
	p.Revision = 1
	p.States = map[string][]byte{"ann": []byte("two"), "eve": []byte("new")}
	p.Cursors["node-a"] = 30
	must(t, "SavePartition() again", s.SavePartition(ctx, p))
	must(t, "SavePartition() of another", s.SavePartition(ctx, store.Partition{ID: 8, States: map[string][]byte{"zoe": []byte("z")}, SavedAt: day(1)}))

	got, err = s.LoadPartition(ctx, 7)
	must(t, "LoadPartition()", err)
	same(t, "LoadPartition()", got, store.Partition{
		ID: 7, Revision: 2, Stream: "EV", StreamSeq: 1 << 40, Cursors: p.Cursors,
		States: map[string][]byte{"ann": []byte("two"), "bob": {0, 1, 2}, "eve": []byte("new")},
	})
}

func partitionLost(t *testing.T, e Engine) {
	name := e.New(t)
	one, two := e.Open(t, name), e.Open(t, name)
	ctx := t.Context()
	first := store.Partition{ID: 1, Cursors: map[string]uint64{"n": 1}, States: map[string][]byte{"ann": []byte("a")}}
	must(t, "SavePartition()", one.SavePartition(ctx, first))
	for name, revision := range map[string]int64{"first save of a second": 0, "ahead": 2, "negative": -1} {
		check := unchanged(t, two)
		err := two.SavePartition(ctx, store.Partition{ID: 1, Revision: revision, States: map[string][]byte{"ann": []byte("stolen")}})
		if !errors.Is(err, store.ErrLostPartition) {
			t.Errorf("SavePartition(%s) = %v; want ErrLostPartition", name, err)
		}
		check()
	}

	// Two owners save at once, round after round: one of them wins each.
	for revision := int64(1); revision <= 5; revision++ {
		var won atomic.Int32
		var group sync.WaitGroup
		for _, s := range []*store.Store{one, two, one, two} {
			group.Go(func() {
				err := s.SavePartition(ctx, store.Partition{ID: 1, Revision: revision})
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, store.ErrLostPartition) {
					t.Errorf("SavePartition() = %v; want nil or ErrLostPartition", err)
				}
			})
		}
		group.Wait()
		if n := won.Load(); n != 1 {
			t.Errorf("%d owners saved revision %d; want 1", n, revision)
		}
	}
}

func revision(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	newAccount(t, s, "ann")
	newKey(t, s, "k", "ann")
	c, _ := file(t, s, finding("f1", "ann", bartizan.VerdictWatch, day(1)), bartizan.LevelNormal)
	steps := []struct {
		name  string
		rises bool
		do    func() error
	}{
		{"account", true, func() error {
			return s.CreateAccount(ctx, bartizan.Account{ID: "bob", Tier: bartizan.TierPublic, CreatedAt: day(0)})
		}},
		{"key", true, func() error { return s.CreateKey(ctx, bartizan.Key{ID: "k2", Account: "ann"}, mac("k2")) }},
		{"revoked", true, func() error { return s.RevokeKey(ctx, "k", day(1)) }},
		{"tier", true, func() error { return s.SetTier(ctx, "ann", bartizan.TierTrusted) }},
		{"same tier", false, func() error { return s.SetTier(ctx, "ann", bartizan.TierTrusted) }},
		{"level", true, func() error {
			_, _, err := s.SetLevel(ctx, "ann", bartizan.LevelWatch, "", day(1))
			return err
		}},
		{"finding", true, func() error {
			_, _, err := s.RecordFinding(ctx, finding("f2", "ann", bartizan.VerdictAlarm, day(1)), bartizan.LevelRestricted)
			return err
		}},
		{"ruling", true, func() error {
			_, err := s.Decide(ctx, c.ID, ruled(bartizan.RulingClear, "eve", "", day(2), time.Time{}))
			return err
		}},
		{"note", false, func() error { return s.Note(ctx, c.ID, bartizan.Note{At: day(2), By: "eve", Text: "x"}) }},
		{"snapshot", false, func() error { return s.SavePartition(ctx, store.Partition{ID: 1}) }},
	}
	for _, step := range steps {
		before := revisionOf(t, s)
		must(t, step.name, step.do())
		if after := revisionOf(t, s); after > before != step.rises || after < before {
			t.Errorf("%s: revision %d became %d; want rising: %t", step.name, before, after, step.rises)
		}
	}
}

// pages follows the changes of more accounts than a page holds, as a directory does.
func pages(t *testing.T, e Engine) {
	s := e.open(t)
	const n = 1100
	for i := range n {
		newAccount(t, s, fmt.Sprintf("a%04d", i))
	}
	seen := map[string]int{}
	from, after := int64(0), ""
	for {
		list, err := s.AccountChanges(t.Context(), from, after)
		must(t, "AccountChanges()", err)
		if len(list) == 0 {
			break
		}
		for _, c := range list {
			seen[c.Account.ID]++
		}
		last := list[len(list)-1]
		from, after = last.Changed, last.Account.ID
	}
	if len(seen) != n {
		t.Errorf("AccountChanges() gave %d accounts; want %d", len(seen), n)
	}
	for id, times := range seen {
		if times != 1 {
			t.Errorf("AccountChanges() gave %s %d times; want once", id, times)
		}
	}
}

func changes(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	for _, id := range []string{"ann", "bob", "eve"} {
		newAccount(t, s, id)
		newKey(t, s, "key-"+id, id)
	}
	known := revisionOf(t, s)
	must(t, "RevokeKey()", s.RevokeKey(ctx, "key-bob", day(1)))
	_, _, err := s.SetLevel(ctx, "ann", bartizan.LevelWatch, "why", day(1))
	must(t, "SetLevel()", err)

	ks, err := s.KeyChanges(ctx, known+1, "")
	must(t, "KeyChanges()", err)
	bob := store.KeyChange{
		Key:     bartizan.Key{ID: "key-bob", Account: "bob", CreatedAt: day(0), RevokedAt: day(1)},
		MAC:     [32]byte(mac("key-bob")),
		Changed: known + 1,
	}
	same(t, "KeyChanges()", ks, []store.KeyChange{bob})
	as, err := s.AccountChanges(ctx, known+1, "")
	must(t, "AccountChanges()", err)
	ann, err := s.Account(ctx, "ann")
	must(t, "Account()", err)
	same(t, "AccountChanges()", as, []store.AccountChange{
		{Account: ann, LevelVersion: 2, LevelReason: "why", Changed: known + 2},
	})
}

func prune(t *testing.T, e Engine) {
	s, ctx := e.open(t), t.Context()
	newAccount(t, s, "ann")
	newAccount(t, s, "bob")
	for id, at := range map[string]time.Time{"gone": day(1), "fresh": day(20), "ahead": day(90)} {
		newKey(t, s, id, "ann")
		must(t, "RevokeKey()", s.RevokeKey(ctx, id, at))
	}
	newKey(t, s, "good", "ann")
	old, _ := file(t, s, finding("f1", "ann", bartizan.VerdictAlarm, day(1)), bartizan.LevelWatch)
	_, err := s.Decide(ctx, old.ID, ruled(bartizan.RulingRestrict, "eve", "", day(2), time.Time{}))
	must(t, "Decide()", err)
	must(t, "Note()", s.Note(ctx, old.ID, bartizan.Note{At: day(2), By: "eve", Text: "noted"}))
	open, _ := file(t, s, finding("f2", "ann", bartizan.VerdictAlarm, day(3)), bartizan.LevelWatch)
	boxed, _ := file(t, s, finding("f3", "bob", bartizan.VerdictAlarm, day(1)), bartizan.LevelWatch)
	_, err = s.Decide(ctx, boxed.ID, ruled(bartizan.RulingRestrict, "eve", "", day(2), day(60)))
	must(t, "Decide()", err)
	must(t, "SavePartition()", s.SavePartition(ctx, store.Partition{ID: 1, States: map[string][]byte{"ann": nil}, SavedAt: day(1)}))
	must(t, "SavePartition()", s.SavePartition(ctx, store.Partition{ID: 2, States: map[string][]byte{"bob": nil}, SavedAt: day(20)}))
	before := revisionOf(t, s)

	n, err := s.Prune(ctx, day(10))
	must(t, "Prune()", err)
	// One key, one note, two events, one finding, one case, the replaced levels of both, one state.
	if want := int64(1 + 1 + 2 + 1 + 1 + 2 + 1); n != want {
		t.Errorf("Prune() deleted %d rows; want %d", n, want)
	}
	if n, err = s.Prune(ctx, day(10)); n != 0 || err != nil {
		t.Errorf("Prune() again = %d, %v; want 0, nil", n, err)
	}
	ks, err := s.Keys(ctx, "ann")
	must(t, "Keys()", err)
	left := map[string]bool{}
	for _, k := range ks {
		left[k.ID] = true
	}
	same(t, "the keys left", left, map[string]bool{"fresh": true, "ahead": true, "good": true})
	if _, err := s.Case(ctx, old.ID); !errors.Is(err, bartizan.ErrUnknownCase) {
		t.Errorf("Case(old) = %v; want ErrUnknownCase", err)
	}
	for _, id := range []string{open.ID, boxed.ID} {
		c, err := s.Case(ctx, id)
		must(t, "Case()", err)
		same(t, "its findings", len(c.Findings), 1)
	}
	if l := levelOf(t, s); l.Level != bartizan.LevelRestricted || l.At.IsZero() {
		t.Errorf("Level() = %+v; want restricted, with its time", l)
	}
	for id, want := range map[int]int{1: 0, 2: 1} {
		p, err := s.LoadPartition(ctx, id)
		must(t, "LoadPartition()", err)
		if len(p.States) != want || p.Revision != 1 {
			t.Errorf("LoadPartition(%d) = %d states, revision %d; want %d, 1", id, len(p.States), p.Revision, want)
		}
	}
	same(t, "the revision after a prune", revisionOf(t, s), before)
}

// writers lets many write at once through two handles; none may be told that the
// database is busy, and no change may be lost.
func writers(t *testing.T, e Engine) {
	name := e.New(t)
	handles := []*store.Store{e.Open(t, name), e.Open(t, name)}
	ctx := t.Context()
	const n = 200
	newAccount(t, handles[0], "shared")
	before := revisionOf(t, handles[0])
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			s := handles[i%2]
			id := fmt.Sprintf("account%d", i)
			var err error
			switch i % 4 {
			case 0, 1:
				err = s.CreateAccount(ctx, bartizan.Account{ID: id, Tier: bartizan.TierPublic, CreatedAt: day(0)})
			case 2:
				err = s.CreateKey(ctx, bartizan.Key{ID: fmt.Sprintf("k%d", i), Account: "shared"}, mac(id))
			default:
				err = s.SavePartition(ctx, store.Partition{ID: i, States: map[string][]byte{id: []byte(strings.Repeat("x", 2048))}})
			}
			if err != nil {
				t.Errorf("writer %d: %v", i, err)
			}
			if _, err := s.Account(ctx, "shared"); err != nil {
				t.Errorf("reader %d: %v", i, err)
			}
		})
	}
	group.Wait()
	if got, want := revisionOf(t, handles[1])-before, int64(n*3/4); got != want {
		t.Errorf("the revision rose by %d; want %d", got, want)
	}
	list, err := handles[0].Accounts(ctx, "", 0)
	must(t, "Accounts()", err)
	ks, err := handles[1].Keys(ctx, "shared")
	must(t, "Keys()", err)
	if len(list) != n/2+1 || len(ks) != n/4 {
		t.Errorf("%d accounts and %d keys; want %d and %d", len(list), len(ks), n/2+1, n/4)
	}
}
