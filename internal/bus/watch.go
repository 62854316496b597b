package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bartizan"
)

// Level is an account's level on its way to the gateways.
type Level struct {
	Level bartizan.Level `json:"level"`
	// Version rises with every change in the store. Only a higher version than the one
	// already known may be applied; the bus promises no order between writers.
	Version int64  `json:"version"`
	Reason  string `json:"reason,omitempty"`
}

// PutLevel tells all watchers of an account's level. The account is named by its MAC
// in hexadecimal. The store must have the level first.
func (b *Bus) PutLevel(ctx context.Context, accountMAC string, l Level) error {
	if err := checkToken("account MAC", accountMAC); err != nil {
		return fmt.Errorf("put level: %w", err)
	}
	return put(ctx, b.levels, accountMAC, l)
}

// WatchLevels calls fn with every level that is on the bus and then with every new one,
// one call at a time, until ctx ends or the bus is closed. It returns the error of ctx
// or [ErrClosed].
func (b *Bus) WatchLevels(ctx context.Context, fn func(accountMAC string, l Level)) error {
	return b.watch(ctx, b.levels, func(key string, value []byte) error {
		var l Level
		if err := json.Unmarshal(value, &l); err != nil {
			return err
		}
		fn(key, l)
		return nil
	})
}

// Rewind asks a node to send the batches of a partition again, from the record after Seq.
type Rewind struct {
	Partition int
	Node      string
	Seq       uint64
}

// PutRewind asks node to send partition's records after seq again. Asking for the same
// again is a new request.
func (b *Bus) PutRewind(ctx context.Context, partition int, node string, seq uint64) error {
	if err := checkPartition(partition); err != nil {
		return fmt.Errorf("put rewind: %w", err)
	}
	if err := checkToken("node", node); err != nil {
		return fmt.Errorf("put rewind: %w", err)
	}
	return put(ctx, b.cursors, strconv.Itoa(partition)+"."+node, rewindValue{Seq: seq})
}

// WatchRewinds calls fn with the newest request of each partition and node that is on
// the bus and then with every new one, one call at a time, until ctx ends or the bus is
// closed. It returns the error of ctx or [ErrClosed].
func (b *Bus) WatchRewinds(ctx context.Context, fn func(Rewind)) error {
	return b.watch(ctx, b.cursors, func(key string, value []byte) error {
		p, node, _ := strings.Cut(key, ".")
		partition, err := strconv.Atoi(p)
		if err != nil {
			return err
		}
		if err := checkPartition(partition); err != nil {
			return err
		}
		var v rewindValue
		if err := json.Unmarshal(value, &v); err != nil {
			return err
		}
		fn(Rewind{Partition: partition, Node: node, Seq: v.Seq})
		return nil
	})
}

type rewindValue struct {
	Seq uint64 `json:"rewind_after"`
}

func put(ctx context.Context, bucket jetstream.KeyValue, key string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s/%s: %w", bucket.Bucket(), key, err)
	}
	if _, err := bucket.Put(ctx, key, data); err != nil {
		return fmt.Errorf("put %s/%s: %w", bucket.Bucket(), key, closedError(err))
	}
	return nil
}

// watch feeds a bucket to fn. A value that fn cannot read is counted and passed over:
// one bad writer must not blind all gateways.
func (b *Bus) watch(ctx context.Context, bucket jetstream.KeyValue, fn func(key string, value []byte) error) error {
	watcher, err := bucket.WatchAll(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("watch %s: %w", bucket.Bucket(), closedError(err))
	}
	defer func() { _ = watcher.Stop() }() // fails only when the connection is gone
	closed := b.conn.StatusChanged(nats.CLOSED)
	defer b.conn.RemoveStatusListener(closed)
	if b.conn.IsClosed() {
		return ErrClosed
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-closed:
			return ErrClosed
		case entry, open := <-watcher.Updates():
			if !open {
				if err := ctx.Err(); err != nil {
					return err
				}
				return ErrClosed
			}
			if entry == nil || entry.Operation() != jetstream.KeyValuePut {
				continue
			}
			if err := fn(entry.Key(), entry.Value()); err != nil {
				b.malformed.Add(1)
				b.log.LogAttrs(ctx, slog.LevelWarn, "bus value is not readable; passed over",
					slog.String("bucket", bucket.Bucket()), slog.String("key", entry.Key()), slog.String("error", err.Error()))
			}
		}
	}
}
