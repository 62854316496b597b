package store

import (
	"context"
	"fmt"

	"bartizan"
)

// AccountsByLevel counts the accounts at each level; a level that nobody is at is absent.
func (s *Store) AccountsByLevel(ctx context.Context) (counts map[bartizan.Level]int, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("count accounts by level: %w", err)
		}
	}()
	rows, err := s.read.QueryContext(ctx, `SELECT level, COUNT(*) FROM accounts GROUP BY level`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	counts = make(map[bartizan.Level]int)
	for rows.Next() {
		var level bartizan.Level
		var n int
		if err := rows.Scan(&level, &n); err != nil {
			return nil, err
		}
		counts[level] = n
	}
	return counts, rows.Err()
}

// OpenCases counts the cases that wait for a person.
func (s *Store) OpenCases(ctx context.Context) (n int, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT COUNT(*) FROM cases WHERE status = $1`, bartizan.CaseOpen).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count open cases: %w", err)
	}
	return n, nil
}
