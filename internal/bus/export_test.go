package bus

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// WithAckWait makes batches that nobody acknowledged come again sooner.
func (o Options) WithAckWait(d time.Duration) Options {
	o.ackWait = d
	return o
}

// Attach connects to a server that was started elsewhere.
func Attach(ctx context.Context, url string) (*Bus, error) {
	conn, err := nats.Connect(url)
	if err != nil {
		return nil, err
	}
	return attach(ctx, conn, topology{storage: jetstream.MemoryStorage, replicas: 1, maxBytes: 64 << 20, maxAge: time.Hour, dedup: 2 * time.Minute}, nil)
}

// PublishRaw puts a message on a partition that no Publish would make.
func (b *Bus) PublishRaw(ctx context.Context, partition int, header map[string][]string, data []byte) error {
	_, err := b.js.PublishMsg(ctx, &nats.Msg{Subject: subject(partition), Header: header, Data: data})
	return err
}

// PutRaw puts a value into the bucket of levels.
func (b *Bus) PutRaw(ctx context.Context, key string, value []byte) error {
	_, err := b.levels.Put(ctx, key, value)
	return err
}

// Held returns how many batches the stream has.
func Held(t testing.TB, b *Bus) uint64 {
	t.Helper()
	info, err := b.events.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}
