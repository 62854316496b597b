package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"bartizan"
)

const (
	// NetworksPerDay is how many networks the store keeps of an account on a day; the
	// first ones stay.
	NetworksPerDay = 8
	// NetworksKept is how long the store keeps networks.
	NetworksKept = 31 * 24 * time.Hour
	// CrowdedNetwork is how many accounts may share a network that links them: one with
	// more is a mobile carrier or a cloud and says nothing.
	CrowdedNetwork = 50
)

// Sighting says that an account was seen from a network on a day.
type Sighting struct {
	Account string
	// Day is its midnight in UTC.
	Day time.Time
	// Network is a keyed hash: the store must not know networks.
	Network [16]byte
}

// SaveSightings adds sightings; those that are known, and those beyond [NetworksPerDay],
// change nothing. An account need not be known. A loss of power may take back the last
// ones.
func (s *Store) SaveSightings(ctx context.Context, list []Sighting) error {
	for _, x := range list {
		if err := checkDay(x.Account, x.Day); err != nil {
			return fmt.Errorf("save networks: %w", err)
		}
	}
	for part := range slices.Chunk(list, batch) {
		if err := s.write(ctx, s.bulk, func(tx *sql.Tx) error { return saveSightings(ctx, tx, part) }); err != nil {
			return fmt.Errorf("save networks: %w", err)
		}
	}
	return nil
}

func saveSightings(ctx context.Context, tx *sql.Tx, list []Sighting) (err error) {
	insert, err := tx.PrepareContext(ctx,
		`INSERT INTO account_networks (account, day, network)
		 SELECT $1, $2, $3 WHERE (SELECT COUNT(*) FROM account_networks WHERE account = $1 AND day = $2) < $4
		 ON CONFLICT (account, day, network) DO NOTHING`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, insert.Close()) }()
	for _, x := range list {
		if _, err := insert.ExecContext(ctx, x.Account, micros(x.Day), x.Network[:], NetworksPerDay); err != nil {
			return fmt.Errorf("network of account %s: %w", x.Account, err)
		}
	}
	return nil
}

// Link is another account that may belong together with one.
type Link struct {
	Account string
	Level   bartizan.Level
	// Organisation says that both belong to the same one.
	Organisation bool
	// Days are those on which the other account was seen from a network of the first
	// one; 0 is none. Others is how many accounts besides the first one share that
	// network, the fewest where there are several.
	Days, Others int
}

// Links returns up to limit accounts, at most 1,000, that belong to the organisation of an
// account, or were seen since the given time from a network from which it was seen since
// then too; networks of more than [CrowdedNetwork] accounts do not count. Those seen on most
// days come first. Total is how many there are.
func (s *Store) Links(ctx context.Context, name string, since time.Time, limit int) (list []Link, total int, err error) {
	list, err = collect(ctx, s.read, func(row scanner) (l Link, err error) {
		err = row.Scan(&l.Account, &l.Level, &l.Organisation, &l.Days, &l.Others, &total)
		return l, err
	}, `WITH mine AS (SELECT DISTINCT network FROM account_networks WHERE account = $1 AND day >= $2),
		shared AS (SELECT m.network,
		                  (SELECT COUNT(*) FROM (SELECT DISTINCT n.account FROM account_networks n
		                                         WHERE n.network = m.network AND n.day >= $2 LIMIT $3 + 1) few) AS accounts
		           FROM mine m),
		seen AS (SELECT n.account, COUNT(DISTINCT n.day) AS days, MIN(s.accounts) - 1 AS others
		         FROM shared s JOIN account_networks n ON n.network = s.network
		         WHERE s.accounts <= $3 AND n.day >= $2 AND n.account <> $1 GROUP BY n.account),
		same AS (SELECT o.id FROM accounts o JOIN accounts a ON o.organisation = a.organisation
		         WHERE a.id = $1 AND a.organisation <> '' AND o.id <> $1)
		SELECT x.id, x.level, CASE WHEN x.id IN (SELECT id FROM same) THEN 1 ELSE 0 END,
		       COALESCE(seen.days, 0), COALESCE(seen.others, 0), COUNT(*) OVER ()
		FROM accounts x LEFT JOIN seen ON seen.account = x.id
		WHERE x.id IN (SELECT account FROM seen UNION SELECT id FROM same)
		ORDER BY COALESCE(seen.days, 0) DESC, x.id LIMIT $4`,
		name, micros(since), CrowdedNetwork, page(limit))
	if err != nil {
		return nil, 0, fmt.Errorf("list accounts linked with %s: %w", name, err)
	}
	return list, total, nil
}
