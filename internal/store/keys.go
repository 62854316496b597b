package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"bartizan"
)

// A key looks like bz_ID_SECRET: the id is public and finds the key, the secret proves it.
const (
	keyPrefix     = "bz_"
	keyIDSize     = 12 // 60 random bits in base32
	keySecretSize = 43 // 256 random bits in base64url
	keySize       = len(keyPrefix) + keyIDSize + 1 + keySecretSize
)

// idEncoding is base32 in lower case, without characters that need care in a shell.
func idEncoding() *base32.Encoding {
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
}

// NewKeySecret makes a key from 40 bytes of random. Only [KeyMAC] of it may be stored.
// It panics when random fails, as [crypto/rand.Read] does: no key is better than a weak one.
func NewKeySecret(random io.Reader) (id, key string) {
	var b [8 + 32]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		panic("no randomness for a key: " + err.Error())
	}
	id = idEncoding().EncodeToString(b[:8])[:keyIDSize]
	return id, keyPrefix + id + "_" + base64.RawURLEncoding.EncodeToString(b[8:])
}

// keyID returns the id of a key; ok is false for what cannot be a key.
func keyID(key string) (id string, ok bool) {
	if len(key) != keySize || !strings.HasPrefix(key, keyPrefix) || key[len(keyPrefix)+keyIDSize] != '_' {
		return "", false
	}
	return key[len(keyPrefix) : len(keyPrefix)+keyIDSize], true
}

// printable returns what an error may say of a key's id. People paste whole keys where
// an id is wanted; those must not end up in a log.
func printable(id string) string {
	if len(id) > keyIDSize || strings.HasPrefix(id, keyPrefix) {
		return "(not an id: an id is the middle part of a key)"
	}
	return id
}

// KeyMAC is what is stored of a key: HMAC-SHA256 under the installation's secret.
func KeyMAC(secret []byte, key string) []byte {
	mac := hmac.New(sha256.New, secret)
	io.WriteString(mac, key) //nolint:errcheck,gosec // A hash never returns an error.
	return mac.Sum(nil)
}

const keyColumns = `id, account, created_at, revoked_at`

func scanKey(row scanner) (k bartizan.Key, err error) {
	var created, revoked int64
	err = row.Scan(&k.ID, &k.Account, &created, &revoked)
	k.CreatedAt, k.RevokedAt = instant(created), instant(revoked)
	return k, err
}

// CreateKey adds a key with the hash that [KeyMAC] made of it. The account must exist;
// an id that is taken is [bartizan.ErrExists].
func (s *Store) CreateKey(ctx context.Context, k bartizan.Key, mac []byte) error {
	err := s.write(ctx, s.firm, func(tx *sql.Tx) error {
		revision, err := bump(ctx, tx)
		if err != nil {
			return err
		}
		return createKey(ctx, tx, k, mac, revision)
	})
	if err != nil {
		return fmt.Errorf("create key %s of account %s: %w", printable(k.ID), k.Account, err)
	}
	return nil
}

func createKey(ctx context.Context, tx *sql.Tx, k bartizan.Key, mac []byte, revision int64) error {
	if k.ID == "" || len(mac) != sha256.Size {
		return fmt.Errorf("its id is empty or its hash has %d bytes, want %d", len(mac), sha256.Size)
	}
	if _, err := account(ctx, tx, k.Account); err != nil {
		return err
	}
	added, err := changes(tx.ExecContext(ctx,
		`INSERT INTO api_keys (id, account, mac, created_at, revoked_at, changed)
		 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING`,
		k.ID, k.Account, mac, micros(k.CreatedAt), micros(k.RevokedAt), revision))
	if err == nil && added == 0 {
		err = bartizan.ErrExists
	}
	return err
}

// RevokeKey makes a key stop to work at the given time, which may lie ahead. A key that
// stops earlier already is left alone, so that a revocation cannot be undone.
func (s *Store) RevokeKey(ctx context.Context, id string, at time.Time) error {
	err := s.write(ctx, s.firm, func(tx *sql.Tx) error {
		revision, err := bump(ctx, tx)
		if err != nil {
			return err
		}
		return revokeKey(ctx, tx, id, at, revision)
	})
	if err != nil {
		return fmt.Errorf("revoke key %s: %w", printable(id), err)
	}
	return nil
}

func revokeKey(ctx context.Context, tx *sql.Tx, id string, at time.Time, revision int64) error {
	if at.IsZero() {
		return errors.New("the time is missing")
	}
	if _, err := key(ctx, tx, id); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx,
		`UPDATE api_keys SET revoked_at = $2, changed = $3 WHERE id = $1 AND (revoked_at = 0 OR revoked_at > $2)`,
		id, micros(at), revision)
	return err
}

// RotateKey adds the key fresh in place of the key old, which works until the given
// time: either both happen or none. They must belong to one account. A key that is
// revoked already cannot be rotated.
func (s *Store) RotateKey(ctx context.Context, old string, until time.Time, fresh bartizan.Key, mac []byte) error {
	err := s.write(ctx, s.firm, func(tx *sql.Tx) error {
		k, err := key(ctx, tx, old)
		if err != nil {
			return err
		}
		if k.Account != fresh.Account {
			return fmt.Errorf("it belongs to account %s, the new one to %s", k.Account, fresh.Account)
		}
		if !k.RevokedAt.IsZero() && !k.RevokedAt.After(fresh.CreatedAt) {
			return fmt.Errorf("it was revoked at %s; create a new one", k.RevokedAt.Format(time.RFC3339))
		}
		revision, err := bump(ctx, tx)
		if err != nil {
			return err
		}
		if err := createKey(ctx, tx, fresh, mac, revision); err != nil {
			return err
		}
		return revokeKey(ctx, tx, old, until, revision)
	})
	if err != nil {
		return fmt.Errorf("rotate key %s: %w", printable(old), err)
	}
	return nil
}

// Key returns the key with the given id, or [bartizan.ErrUnknownKey].
func (s *Store) Key(ctx context.Context, id string) (bartizan.Key, error) {
	k, err := key(ctx, s.read, id)
	if err != nil {
		return bartizan.Key{}, fmt.Errorf("read key %s: %w", printable(id), err)
	}
	return k, nil
}

func key(ctx context.Context, q querier, id string) (bartizan.Key, error) {
	k, err := scanKey(q.QueryRowContext(ctx, `SELECT `+keyColumns+` FROM api_keys WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = bartizan.ErrUnknownKey
	}
	return k, err
}

// Keys returns every key of an account, revoked ones too, the oldest first; none for an
// account that does not exist.
func (s *Store) Keys(ctx context.Context, id string) ([]bartizan.Key, error) {
	list, err := collect(ctx, s.read, scanKey,
		`SELECT `+keyColumns+` FROM api_keys WHERE account = $1 ORDER BY created_at, id`, id)
	if err != nil {
		return nil, fmt.Errorf("list keys of account %s: %w", id, err)
	}
	return list, nil
}

// KeyChange is a key as it stands after its last change, with its hash.
type KeyChange struct {
	Key bartizan.Key
	MAC [sha256.Size]byte
	// Changed is the revision of the last change.
	Changed int64
}

// LogValue keeps the hash out of logs.
func (c KeyChange) LogValue() slog.Value { return slog.StringValue(c.Key.ID) }

// String keeps the hash out of texts.
func (c KeyChange) String() string { return c.Key.ID }

// KeyChanges returns up to 1,000 keys in the order of changes, from a place that is
// given and goes on as in [Store.AccountChanges].
func (s *Store) KeyChanges(ctx context.Context, revision int64, id string) ([]KeyChange, error) {
	list, err := collect(ctx, s.read, func(row scanner) (c KeyChange, err error) {
		var created, revoked int64
		var mac []byte
		err = row.Scan(&c.Key.ID, &c.Key.Account, &created, &revoked, &mac, &c.Changed)
		c.Key.CreatedAt, c.Key.RevokedAt = instant(created), instant(revoked)
		if err == nil && copy(c.MAC[:], mac) != len(c.MAC) {
			err = fmt.Errorf("key %s: its stored hash has %d bytes, want %d", c.Key.ID, len(mac), len(c.MAC))
		}
		return c, err
	}, `SELECT `+keyColumns+`, mac, changed FROM api_keys
		WHERE (changed, id) > ($1, $2) ORDER BY changed, id LIMIT $3`, revision, id, maxPage)
	if err != nil {
		return nil, fmt.Errorf("list changed keys: %w", err)
	}
	return list, nil
}
