package evidence_test

import (
	"crypto/sha256"
	"testing"

	"bartizan/internal/evidence"

	"golang.org/x/mod/sumdb/tlog"
)

// TestTreeIsRFC6962 compares with the tree of the Go checksum database.
func TestTreeIsRFC6962(t *testing.T) {
	t.Parallel()
	var (
		tree   evidence.Tree
		stored []tlog.Hash
	)
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			out[i] = stored[x]
		}
		return out, nil
	})
	if got := tree.Root(); got != sha256.Sum256(nil) {
		t.Errorf("root of no leaf = %x; want the hash of nothing", got)
	}
	for n := range int64(300) {
		payload := []byte{byte(n), byte(n >> 8)}
		data := append([]byte{byte(evidence.KindGap)}, payload...)
		leaf := evidence.LeafHash(evidence.KindGap, payload)
		if want := tlog.RecordHash(data); leaf != evidence.Hash(want) {
			t.Fatalf("leaf %d = %x; want %x", n, leaf, want)
		}
		before := tree.Root()
		kept := tree
		tree.Add(leaf)
		if kept.Root() != before {
			t.Fatalf("leaf %d changed a copy of the tree", n)
		}
		more, err := tlog.StoredHashes(n, data, reader)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, more...)
		want, err := tlog.TreeHash(n+1, reader)
		if err != nil {
			t.Fatal(err)
		}
		if got := tree.Root(); got != evidence.Hash(want) {
			t.Fatalf("root of %d leaves = %x; want %x", n+1, got, want)
		}
	}
	if tree.Leaves() != 300 {
		t.Errorf("Leaves() = %d; want 300", tree.Leaves())
	}
}

// TestErasureKeepsTheRoot: a frame may be replaced by its leaf.
func TestErasureKeepsTheRoot(t *testing.T) {
	t.Parallel()
	whole, erased := evidence.NewSegment(header()), evidence.NewSegment(header())
	for _, f := range frames(t) {
		whole.Add(f.kind, f.payload)
		if f.kind != evidence.KindFeatures {
			erased.Add(f.kind, f.payload)
			continue
		}
		leaf := evidence.LeafHash(f.kind, f.payload)
		erased.Add(evidence.KindErased, leaf[:])
	}
	if got, want := erased.Footer(at(9)), whole.Footer(at(9)); got != want {
		t.Errorf("footer after erasure = %+v; want %+v", got, want)
	}
}

// TestRootCoversEverything: no field of header or footer can change under a root.
func TestRootCoversEverything(t *testing.T) {
	t.Parallel()
	plain := evidence.NewSegment(header())
	want := plain.Footer(at(9)).Root
	for name, change := range map[string]func(*evidence.Header){
		"flags":     func(h *evidence.Header) { h.Flags++ },
		"ledger":    func(h *evidence.Header) { h.Ledger[0]++ },
		"node":      func(h *evidence.Header) { h.Node[0]++ },
		"number":    func(h *evidence.Header) { h.Number++ },
		"first seq": func(h *evidence.Header) { h.FirstSeq++ },
		"opened":    func(h *evidence.Header) { h.Opened = h.Opened.Add(1) },
		"prev root": func(h *evidence.Header) { h.PrevRoot[0]++ },
		"config":    func(h *evidence.Header) { h.Config[0]++ },
	} {
		h := header()
		change(&h)
		s := evidence.NewSegment(h)
		if s.Footer(at(9)).Root == want {
			t.Errorf("%s of the header changed and the root did not", name)
		}
	}
	if plain.Footer(at(9).Add(1)).Root == want {
		t.Error("closing time changed and the root did not")
	}
}
