package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Batch is a run of records of one partition from one node.
type Batch struct {
	Node string
	// First and Last are the ledger sequence numbers of the first and the last record.
	First, Last uint64
	// Prev is the Last of the node's batch before this one in the same partition; 0 when
	// there was none. A receiver that has seen less than Prev has a hole.
	Prev uint64
	// Epoch rises with every rewind of the sender. Without that, a batch that was asked
	// for again would be swallowed as a repeat.
	Epoch   uint64
	Payload []byte
}

const (
	headerNode     = "Bz-Node"
	headerFirst    = "Bz-First"
	headerLast     = "Bz-Last"
	headerPrev     = "Bz-Prev"
	headerEpoch    = "Bz-Epoch"
	headerEncoding = "Bz-Encoding"
	encodingZstd   = "zstd"
	compressAbove  = 4 << 10

	attemptTimeout = 2 * time.Second
	firstBackoff   = 20 * time.Millisecond
	lastBackoff    = time.Second
)

// Publish sends a batch and returns nil when the bus has acknowledged it. A repeat of a
// batch that the bus has already is a success. Publish tries until ctx ends, however
// long the bus is away; it fails earlier only when the batch cannot be sent at all or
// the bus was closed.
//
// A partition's order holds only for callers that wait for one batch before they send
// the next.
func (b *Bus) Publish(ctx context.Context, partition int, batch Batch) error {
	msg, err := b.encode(partition, batch)
	if err != nil {
		return fmt.Errorf("publish batch: %w", err)
	}
	backoff := firstBackoff
	for {
		err = b.attempt(ctx, msg)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, nats.ErrMaxPayload):
			return fmt.Errorf("publish batch %s: %w", msg.Header.Get(jetstream.MsgIDHeader), err)
		case errors.Is(err, nats.ErrConnectionClosed):
			return fmt.Errorf("publish batch %s: %w", msg.Header.Get(jetstream.MsgIDHeader), ErrClosed)
		}
		wait := time.NewTimer(backoff)
		select {
		case <-ctx.Done():
			wait.Stop()
			return fmt.Errorf("publish batch %s: %w (last attempt: %w)", msg.Header.Get(jetstream.MsgIDHeader), ctx.Err(), err)
		case <-wait.C:
		}
		backoff = min(2*backoff, lastBackoff)
	}
}

func (b *Bus) attempt(ctx context.Context, msg *nats.Msg) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	_, err := b.js.PublishMsg(ctx, msg)
	return err
}

func (b *Bus) encode(partition int, batch Batch) (*nats.Msg, error) {
	if err := checkPartition(partition); err != nil {
		return nil, err
	}
	if err := checkToken("node", batch.Node); err != nil {
		return nil, err
	}
	if batch.Last < batch.First {
		return nil, fmt.Errorf("last record %d is before first record %d", batch.Last, batch.First)
	}
	if len(batch.Payload) > maxBatchBytes {
		return nil, fmt.Errorf("payload of %d bytes: want at most %d", len(batch.Payload), maxBatchBytes)
	}
	msg := nats.NewMsg(subject(partition))
	msg.Header.Set(headerNode, batch.Node)
	msg.Header.Set(headerFirst, strconv.FormatUint(batch.First, 10))
	msg.Header.Set(headerLast, strconv.FormatUint(batch.Last, 10))
	msg.Header.Set(headerPrev, strconv.FormatUint(batch.Prev, 10))
	msg.Header.Set(headerEpoch, strconv.FormatUint(batch.Epoch, 10))
	msg.Header.Set(jetstream.MsgIDHeader, fmt.Sprintf("%s/%d/%d/%d", batch.Node, partition, batch.Epoch, batch.First))
	msg.Data = batch.Payload
	if len(batch.Payload) > compressAbove {
		if packed := b.encoder.EncodeAll(batch.Payload, nil); len(packed) < len(batch.Payload) {
			msg.Header.Set(headerEncoding, encodingZstd)
			msg.Data = packed
		}
	}
	return msg, nil
}

func (b *Bus) decode(header nats.Header, data []byte) (Batch, error) {
	batch := Batch{Node: header.Get(headerNode), Payload: data}
	if err := checkToken("node", batch.Node); err != nil {
		return Batch{}, err
	}
	for _, field := range []struct {
		name string
		into *uint64
	}{{headerFirst, &batch.First}, {headerLast, &batch.Last}, {headerPrev, &batch.Prev}, {headerEpoch, &batch.Epoch}} {
		n, err := strconv.ParseUint(header.Get(field.name), 10, 64)
		if err != nil {
			return Batch{}, fmt.Errorf("read header %s: %w", field.name, err)
		}
		*field.into = n
	}
	switch encoding := header.Get(headerEncoding); encoding {
	case "":
	case encodingZstd:
		payload, err := b.decoder.DecodeAll(data, nil)
		if err != nil {
			return Batch{}, fmt.Errorf("decompress batch: %w", err)
		}
		batch.Payload = payload
	default:
		return Batch{}, fmt.Errorf("batch encoding %q is unknown", encoding)
	}
	return batch, nil
}
