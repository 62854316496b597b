package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrLostPartition says that somebody else wrote a partition since it was loaded: the
// caller does not own it any more and must drop what it holds of it.
var ErrLostPartition = errors.New("partition has another owner")

// Partition is the detectors' snapshot of one share of the accounts.
type Partition struct {
	ID int
	// Revision is that of the snapshot that was loaded, 0 before the first. A save
	// writes Revision+1, and the next save must carry that.
	Revision int64
	// Stream and StreamSeq are the place in the bus up to which the states go.
	Stream    string
	StreamSeq uint64
	// Cursors maps a node to its last record that is in the states.
	Cursors map[string]uint64
	// States maps an account to its encoded state. A save carries the changed ones.
	States map[string][]byte
	// SavedAt is when a save happens; states age from it. A load leaves it zero.
	SavedAt time.Time
}

// SavePartition writes the changed states and the cursors of a partition, all or none.
// It is refused with [ErrLostPartition], and writes nothing, when the stored revision is
// not p.Revision. A loss of power may take back the last saves, never a part of one:
// what they held is read again from the ledger.
func (s *Store) SavePartition(ctx context.Context, p Partition) error {
	cursors := p.Cursors
	if cursors == nil {
		cursors = map[string]uint64{}
	}
	encoded, err := json.Marshal(cursors)
	if err != nil {
		return fmt.Errorf("encode cursors of partition %d: %w", p.ID, err)
	}
	err = s.write(ctx, s.bulk, func(tx *sql.Tx) error {
		// A first save inserts; the guard stands for both, whoever comes second loses.
		query := `UPDATE partitions SET revision = revision + 1, stream = $3, stream_seq = $4, cursors = $5
			WHERE id = $1 AND revision = $2`
		if p.Revision == 0 {
			query = `INSERT INTO partitions (id, revision, stream, stream_seq, cursors)
				VALUES ($1, $2 + 1, $3, $4, $5) ON CONFLICT (id) DO NOTHING`
		}
		written, err := changes(tx.ExecContext(ctx, query,
			p.ID, p.Revision, p.Stream, int64(p.StreamSeq), string(encoded))) //nolint:gosec // A sequence stays far below 2^63.
		if err != nil {
			return err
		}
		if written == 0 {
			return ErrLostPartition
		}
		return saveStates(ctx, tx, p)
	})
	if err != nil {
		return fmt.Errorf("save partition %d at revision %d: %w", p.ID, p.Revision, err)
	}
	return nil
}

func saveStates(ctx context.Context, tx *sql.Tx, p Partition) (err error) {
	upsert, err := tx.PrepareContext(ctx,
		`INSERT INTO account_states (account, partition_id, state, saved_at) VALUES ($1, $2, $3, $4)
		 ON CONFLICT (account) DO UPDATE
		 SET partition_id = excluded.partition_id, state = excluded.state, saved_at = excluded.saved_at`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, upsert.Close()) }()
	for id, state := range p.States {
		if state == nil {
			state = []byte{} // nil would be NULL
		}
		if _, err := upsert.ExecContext(ctx, id, p.ID, state, micros(p.SavedAt)); err != nil {
			return fmt.Errorf("state of account %s: %w", id, err)
		}
	}
	return nil
}

// LoadPartition returns the last snapshot of a partition with the states of all its
// accounts; one that was never saved is empty, at revision 0.
func (s *Store) LoadPartition(ctx context.Context, id int) (Partition, error) {
	p := Partition{ID: id, Cursors: map[string]uint64{}, States: map[string][]byte{}}
	err := s.view(ctx, func(tx *sql.Tx) error {
		var cursors string
		var seq int64
		err := tx.QueryRowContext(ctx, `SELECT revision, stream, stream_seq, cursors FROM partitions WHERE id = $1`, id).
			Scan(&p.Revision, &p.Stream, &seq, &cursors)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		p.StreamSeq = uint64(seq) //nolint:gosec // Written from a uint64.
		if err := json.Unmarshal([]byte(cursors), &p.Cursors); err != nil {
			return fmt.Errorf("decode cursors: %w", err)
		}
		_, err = collect(ctx, tx, func(row scanner) (struct{}, error) {
			var account string
			var state []byte
			err := row.Scan(&account, &state)
			p.States[account] = state
			return struct{}{}, err
		}, `SELECT account, state FROM account_states WHERE partition_id = $1`, id)
		return err
	})
	if err != nil {
		return Partition{}, fmt.Errorf("load partition %d: %w", id, err)
	}
	return p, nil
}
