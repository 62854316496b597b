package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// mode says what a pool of connections is for.
type mode uint8

const (
	modeRead mode = iota
	modeBulk
	modeFirm
)

// source names the database file and the settings of every connection to it.
func source(path string, m mode) string {
	pragmas := []string{"busy_timeout(5000)", "journal_mode(WAL)", "foreign_keys(1)", "journal_size_limit(16777216)"}
	lock := "immediate"
	switch m {
	case modeRead:
		pragmas = append(pragmas, "query_only(1)")
		lock = "deferred"
	case modeBulk:
		pragmas = append(pragmas, "synchronous(NORMAL)")
	case modeFirm:
		pragmas = append(pragmas, "synchronous(FULL)")
	}
	// A path may hold any character; in the URI form some would end it.
	file := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}
	return file.String() + "?_pragma=" + strings.Join(pragmas, "&_pragma=") + "&_txlock=" + lock
}

func openSQLite(path string, m mode, conns int) (*sql.DB, error) {
	db, err := sql.Open("sqlite", source(path, m))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// createFile makes an empty database that only the owner can read; SQLite gives its
// side files the same mode.
func createFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // The operator chose the folder.
	if err != nil {
		return err
	}
	return file.Close()
}

// begin opens a transaction that may write. SQLite gives up on a lock that others hand
// round for the whole of the busy timeout; that is no reason to fail while ctx allows
// more, up to a minute.
func begin(ctx context.Context, db *sql.DB) (*sql.Tx, error) {
	const attempts = 12
	for n := 1; ; n++ {
		tx, err := db.BeginTx(ctx, nil)
		if err == nil || n == attempts || !busy(err) {
			return tx, err
		}
	}
}

// busy reports whether err says that another connection holds the lock.
func busy(err error) bool {
	fault, ok := errors.AsType[*sqlite.Error](err)
	return ok && fault.Code()&0xff == sqlite3.SQLITE_BUSY
}

// backup copies the database as it is now to the file to, at once and closed to others.
// An older copy of that name is replaced.
func backup(ctx context.Context, db *sql.DB, to string) error {
	tmp := to + ".tmp"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("back up database: %w", err)
	}
	if err := createFile(tmp); err != nil {
		return fmt.Errorf("back up database: %w", err)
	}
	if _, err := db.ExecContext(ctx, `VACUUM INTO $1`, tmp); err != nil {
		return fmt.Errorf("back up database to %s: %w", tmp, err)
	}
	if err := syncFile(tmp); err != nil {
		return fmt.Errorf("back up database: %w", err)
	}
	if err := os.Rename(tmp, to); err != nil {
		return fmt.Errorf("back up database: %w", err)
	}
	return nil
}

func syncFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // The operator chose the folder.
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
