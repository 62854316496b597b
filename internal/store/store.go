// Package store keeps what must outlive a process and is not a record of traffic:
// accounts, keys, levels, findings, cases with their log, grants, usage per day, networks,
// accepted terms, traffic that was cleared and the detectors' snapshots.
//
// It keeps them in SQLite, in one file that any number of processes may open at once:
// the server and the commands beside it. [Directory] is the view of it that requests
// use; they never wait for the database.
//
// Whatever the request path must see bumps one counter, the revision, in the same
// transaction, and stamps the changed rows with it. A reader that remembers a revision
// can ask for what changed since ([Store.AccountChanges], [Store.KeyChanges]).
//
// The SQL is the part that SQLite and PostgreSQL share; what is particular to SQLite
// is in sqlite.go and its migrations. Times are arguments and are stored in UTC to the
// microsecond. No error carries a key, a hash of one or a secret.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"
)

var (
	// ErrUnavailable says that the store could not be asked, or was away for too long.
	ErrUnavailable = errors.New("store unavailable")
	// ErrNewer says that a newer program wrote the database.
	ErrNewer = errors.New("written by a newer bartizan")
)

// Options are the settings of a store; the zero value is ready to use.
type Options struct {
	// Logger hears of migrations; nil discards.
	Logger *slog.Logger

	// migrations stands in for the embedded ones in tests.
	migrations fs.FS
}

// Store is an open database. It is safe for use by several goroutines, and several
// processes may have the same database open.
type Store struct {
	path string
	// read is a pool that cannot write. Two connections write: bulk forgets the last
	// moments after a loss of power and is for what can be made again, firm does not.
	read, bulk, firm *sql.DB
	// gate lets one transaction of this process write at a time, so that writers queue
	// here, in order, and not in the database's polling.
	gate chan struct{}
}

// Open opens the database at path. A missing one is made, readable by the owner alone;
// one with an older schema is copied aside and then migrated; one with a newer schema
// is refused with [ErrNewer], untouched. Processes that open at once wait for each
// other's migration.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := prepare(ctx, path, o); err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	s := &Store{path: path, gate: make(chan struct{}, 1)}
	for _, pool := range []struct {
		db    **sql.DB
		mode  mode
		conns int
	}{{&s.read, modeRead, readers}, {&s.bulk, modeBulk, 1}, {&s.firm, modeFirm, 1}} {
		db, err := openSQLite(path, pool.mode, pool.conns)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open database %s: %w", path, err), s.Close())
		}
		*pool.db = db
	}
	return s, nil
}

// readers is the size of the pool that reads. Reads are short and never wait for a writer.
const readers = 4

// Close closes the database. Calls that are under way end with an error.
func (s *Store) Close() error {
	var faults []error
	for _, db := range []*sql.DB{s.read, s.bulk, s.firm} {
		if db != nil {
			faults = append(faults, db.Close())
		}
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("close database %s: %w", s.path, err)
	}
	return nil
}

// Revision returns the counter of changes that the request path must see. Within one
// database it never falls.
func (s *Store) Revision(ctx context.Context) (int64, error) {
	var revision int64
	err := s.read.QueryRowContext(ctx, `SELECT revision FROM revision WHERE id = 1`).Scan(&revision)
	if err != nil {
		return 0, fmt.Errorf("read revision: %w", err)
	}
	return revision, nil
}

// bump raises the revision and returns the new one, for the rows that tx changes.
func bump(ctx context.Context, tx *sql.Tx) (int64, error) {
	var revision int64
	err := tx.QueryRowContext(ctx,
		`UPDATE revision SET revision = revision + 1 WHERE id = 1 RETURNING revision`).Scan(&revision)
	if err != nil {
		return 0, fmt.Errorf("raise revision: %w", err)
	}
	return revision, nil
}

// write runs fn in one transaction of db, alone in this process. It waits for other
// processes' transactions for as long as ctx allows.
func (s *Store) write(ctx context.Context, db *sql.DB, fn func(tx *sql.Tx) error) error {
	select {
	case s.gate <- struct{}{}:
		defer func() { <-s.gate }()
	case <-ctx.Done():
		return fmt.Errorf("wait to write: %w", ctx.Err())
	}
	tx, err := begin(ctx, db)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := fn(tx); err != nil {
		// A transaction that ctx ended is rolled back already.
		if undo := tx.Rollback(); undo != nil && !errors.Is(undo, sql.ErrTxDone) {
			return errors.Join(err, fmt.Errorf("roll back: %w", undo))
		}
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// view runs fn on one state of the database, whatever others write meanwhile.
func (s *Store) view(ctx context.Context, fn func(tx *sql.Tx) error) (err error) {
	tx, err := s.read.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() {
		// Nothing was written; to roll back is how to end it.
		if end := tx.Rollback(); end != nil && !errors.Is(end, sql.ErrTxDone) && err == nil {
			err = end
		}
	}()
	return fn(tx)
}

// batch bounds how many rows one transaction of a long job changes, so that others get
// their turn.
const batch = 500

// micros and instant convert between times and columns; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func instant(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// querier is what reads rows: a pool or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// collect reads every row of a query by scan.
func collect[T any](ctx context.Context, q querier, scan func(row scanner) (T, error), query string, args ...any,
) (items []T, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, rows.Err()
}

// scanner is one row.
type scanner interface{ Scan(into ...any) error }
