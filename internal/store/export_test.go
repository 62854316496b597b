package store

import "io/fs"

// WithMigrations puts other migrations in place of the embedded ones.
func WithMigrations(files fs.FS) Options { return Options{migrations: files} }

// Embedded returns the migrations of this program.
func Embedded() fs.FS {
	sub, err := fs.Sub(embedded, "migrations/sqlite")
	if err != nil {
		panic(err)
	}
	return sub
}

// MaxStrange is how many unknown keys a directory remembers.
const MaxStrange = maxStrange

// Strange is how many unknown keys the directory remembers now.
func (d *Directory) Strange() int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.strange)
}
