package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/sqlite/*.sql
var embedded embed.FS

// prepare brings the database at path to the schema that this program knows. Every
// migration is one transaction: a process that dies on the way leaves the schema of
// before or of after, never one between.
func prepare(ctx context.Context, path string, o Options) (err error) {
	unlock, err := guard(ctx, path+".lock")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := createFile(path); err != nil {
		return err
	}
	// Whoever opens a new database comes through the guard, so that the switch to
	// write-ahead logging, which no timeout covers, meets nobody.
	db, err := openSQLite(path, modeFirm, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return migrate(ctx, db, path, o)
}

func migrate(ctx context.Context, db *sql.DB, path string, o Options) error {
	files := o.migrations
	if files == nil {
		sub, err := fs.Sub(embedded, "migrations/sqlite")
		if err != nil {
			return err
		}
		files = sub
	}
	// The table is ours: no other tool's idea of a version may be mistaken for it.
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files,
		goose.WithTableName("schema_version"), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	have, want, err := provider.GetVersions(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("read schema version: %w", err)
	case have == want:
		return nil
	case have > want:
		return fmt.Errorf("it has schema %d, this program knows up to %d: %w; use that one, or restore a backup", have, want, ErrNewer)
	}
	if have > 0 {
		copied := fmt.Sprintf("%s.schema-%d.bak", path, have)
		if err := backup(ctx, db, copied); err != nil {
			return err
		}
		o.Logger.LogAttrs(ctx, slog.LevelInfo, "database backed up before migration",
			slog.String("backup", copied), slog.Int64("schema", have))
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate from schema %d to %d: %w", have, want, err)
	}
	o.Logger.LogAttrs(ctx, slog.LevelInfo, "database migrated",
		slog.Int64("from", have), slog.Int64("to", want))
	return nil
}

// guard takes the lock on the file name, waiting for others for as long as ctx allows.
// The lock ends with the process.
func guard(ctx context.Context, name string) (unlock func() error, err error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // The operator chose the folder.
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			// To close it is not enough: a process that is just being started has it open too.
			return func() error {
				return errors.Join(syscall.Flock(int(file.Fd()), syscall.LOCK_UN), file.Close())
			}, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), file.Close())
		}
		timer := time.NewTimer(10 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, errors.Join(fmt.Errorf("wait for a migration by another process: %w", ctx.Err()), file.Close())
		}
	}
}
