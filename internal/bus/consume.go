package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	ownerGroup    = "owner"
	pinnedTTL     = 3 * time.Second
	ackWait       = 10 * time.Second
	maxAckPending = 1000
	// pullExpiry is under pinnedTTL, so that an idle owner asks again in time to keep its
	// pin; a longer one would cost less and lose the pin at every pause.
	pullExpiry = 2 * time.Second
	// pullBatches bounds what waits in memory for a slow receiver, per partition.
	pullBatches = 16
	// forgetEvery is how many batches of a partition a stream in memory keeps after they
	// were dealt with.
	forgetEvery = 16
	headerPin   = "Nats-Pin-Id"
)

// Receive handles one batch. A nil error says that the batch is dealt with and need not
// come again.
type Receive func(ctx context.Context, partition int, batch Batch) error

// Consume hands the batches of the given partitions to fn until ctx ends, fn fails or
// the bus is closed, and returns why: the error of ctx, the error of fn, or [ErrClosed].
// When it has returned, fn is not running.
//
// Calls for one partition never overlap and follow the order of the stream, also when a
// predecessor died with batches in its hands: those come first. Different partitions run
// in parallel. A batch may come more than once, never again after one that followed it
// in the same call of Consume. Only one consumer on the whole bus is served per
// partition; a second one waits until the first stops asking.
func (b *Bus) Consume(ctx context.Context, partitions []int, fn Receive) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var owners []*owner
	defer func() {
		for _, o := range owners {
			o.running.Stop()
		}
		for _, o := range owners {
			o.wait()
		}
	}()
	for _, partition := range partitions {
		o, err := b.own(ctx, cancel, partition, fn)
		if err != nil {
			return fmt.Errorf("consume partition %d: %w", partition, closedError(err))
		}
		owners = append(owners, o)
	}
	<-ctx.Done()
	cancel(nil)
	return context.Cause(ctx)
}

// owner reads one partition. The client library calls handle from one goroutine.
type owner struct {
	bus       *Bus
	partition int
	fn        Receive
	fail      context.CancelCauseFunc
	consumer  jetstream.Consumer
	running   jetstream.ConsumeContext

	mu       sync.Mutex // held while fn runs
	stopped  bool
	pin      string
	delivery uint64 // consumer sequence of the newest delivery
	last     uint64 // stream sequence of the newest batch dealt with
	kept     int    // batches dealt with that the stream still has
}

func (b *Bus) own(ctx context.Context, fail context.CancelCauseFunc, partition int, fn Receive) (*owner, error) {
	if err := checkPartition(partition); err != nil {
		return nil, err
	}
	consumer, err := b.events.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: fmt.Sprintf("p%02d", partition), FilterSubject: subject(partition),
		DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckAllPolicy,
		AckWait: b.ackWait, MaxAckPending: maxAckPending,
		PriorityPolicy: jetstream.PriorityPolicyPinned, PinnedTTL: pinnedTTL, PriorityGroups: []string{ownerGroup},
	})
	if err != nil {
		return nil, fmt.Errorf("make consumer: %w", err)
	}
	o := &owner{bus: b, partition: partition, fn: fn, fail: fail, consumer: consumer}
	o.running, err = consumer.Consume(
		func(msg jetstream.Msg) {
			if err := o.handle(ctx, msg); err != nil {
				fail(err)
			}
		},
		jetstream.PullMaxMessages(pullBatches), jetstream.PullExpiry(pullExpiry), jetstream.PullPriorityGroup(ownerGroup),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) { o.trouble(ctx, err) }),
	)
	if err != nil {
		return nil, fmt.Errorf("start consumer: %w", err)
	}
	return o, nil
}

// trouble sorts what the client library reports: most passes by itself, some is final.
func (o *owner) trouble(ctx context.Context, err error) {
	switch {
	case errors.Is(err, jetstream.ErrConnectionClosed), errors.Is(err, nats.ErrConnectionClosed):
		o.fail(ErrClosed)
	case errors.Is(err, jetstream.ErrConsumerDeleted), errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrBadRequest):
		o.fail(fmt.Errorf("consume partition %d: %w", o.partition, err))
	default:
		o.bus.log.LogAttrs(ctx, slog.LevelDebug, "bus consumer trouble",
			slog.Int("partition", o.partition), slog.String("error", err.Error()))
	}
}

// wait returns when the partition's goroutines are done and fn is not running.
func (o *owner) wait() {
	o.mu.Lock()
	o.stopped = true
	o.mu.Unlock()
	<-o.running.Closed()
}

func (o *owner) handle(ctx context.Context, msg jetstream.Msg) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stopped || ctx.Err() != nil {
		return nil
	}
	meta, err := msg.Metadata()
	if err != nil {
		return fmt.Errorf("consume partition %d: read message metadata: %w", o.partition, err)
	}
	// A new pin means that somebody, perhaps ourselves, may have left batches
	// unacknowledged; a jump of the delivery number means that one got lost on the way to
	// us. Either way what was delivered must be dealt with first, in order: all before
	// this one or, when this one comes again, all, since younger ones may come before the
	// rest of those that come again.
	if pin := msg.Headers().Get(headerPin); pin != o.pin || meta.Sequence.Consumer != o.delivery+1 {
		if err := o.catchUp(ctx, meta.Sequence.Stream, meta.NumDelivered > 1); err != nil {
			return err
		}
		o.pin = pin
	}
	o.delivery = meta.Sequence.Consumer
	if meta.Sequence.Stream > o.last {
		if err := o.apply(ctx, meta.Sequence.Stream, msg.Headers(), msg.Data()); err != nil {
			return err
		}
	}
	if err := msg.Ack(); err != nil {
		return fmt.Errorf("acknowledge batch of partition %d: %w", o.partition, closedError(err))
	}
	o.forget(ctx)
	return nil
}

// forget lets the stream drop batches that are dealt with, now and then. Where streams
// lie in memory nobody reads them again: what a new process lacks it reads from the
// ledger. A failure costs memory until the next time and nothing else.
func (o *owner) forget(ctx context.Context) {
	if o.kept++; !o.bus.forgets || o.kept < forgetEvery {
		return
	}
	o.kept = 0
	err := o.bus.events.Purge(ctx, jetstream.WithPurgeSubject(subject(o.partition)), jetstream.WithPurgeSequence(o.last))
	if err != nil {
		o.trouble(ctx, fmt.Errorf("drop batches: %w", err))
	}
}

// catchUp reads from the stream what the consumer has handed out before message next and
// nobody has acknowledged, or with all what it has handed out at all, and applies it. The
// acknowledgement of the next message covers it.
func (o *owner) catchUp(ctx context.Context, next uint64, all bool) error {
	info, err := o.consumer.Info(ctx)
	if err != nil {
		return fmt.Errorf("read consumer of partition %d: %w", o.partition, closedError(err))
	}
	end := next - 1
	if all {
		end = info.Delivered.Stream
	}
	for seq := max(o.last, info.AckFloor.Stream) + 1; seq <= end; seq = o.last + 1 {
		raw, err := o.bus.events.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(subject(o.partition)))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read partition %d from %d: %w", o.partition, seq, closedError(err))
		}
		if raw.Sequence > end {
			return nil
		}
		if err := o.apply(ctx, raw.Sequence, raw.Header, raw.Data); err != nil {
			return err
		}
	}
	return nil
}

func (o *owner) apply(ctx context.Context, seq uint64, header nats.Header, data []byte) error {
	batch, err := o.bus.decode(header, data)
	if err != nil {
		// It would come again for ever. The ledger has the records, and the next batch
		// tells of the hole.
		o.bus.malformed.Add(1)
		o.bus.log.LogAttrs(ctx, slog.LevelWarn, "bus message is not a batch; passed over",
			slog.Int("partition", o.partition), slog.Uint64("seq", seq), slog.String("error", err.Error()))
		o.last = seq
		return nil
	}
	if err := o.fn(ctx, o.partition, batch); err != nil {
		return err
	}
	o.last = seq
	return nil
}

// closedError says [ErrClosed] for the ways in which a closed connection shows.
func closedError(err error) error {
	if errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, jetstream.ErrConnectionClosed) {
		return ErrClosed
	}
	return err
}
