package store_test

import (
	"path/filepath"
	"testing"

	"bartizan/internal/store"
	"bartizan/internal/store/storetest"
)

func open(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "bartizan.db")
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Engine{New: newPath, Open: open})
}
