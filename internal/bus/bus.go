// Package bus carries exchanges from gateways to those who judge them, and levels
// and rewind requests back, on NATS JetStream.
//
// By default the server runs inside the process, listens on no port and keeps
// everything in memory: the ledger is the durable copy and can send again whatever
// the bus loses. An external cluster differs only in how the connection is made and
// in storage and replicas; streams, buckets, consumers and batches are the same.
//
// A batch travels on the subject of its partition. Within a partition batches arrive
// in the order of the stream and at least once; a message id per batch removes the
// repeats of a sender, and the sequence numbers in [Batch] let a receiver drop the
// rest and see holes.
package bus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Partitions is the number of partitions of the stream of exchanges. All nodes of
// an installation must agree on it, so it is not a setting.
const Partitions = 64

// Partition returns the partition of an account. The MAC is keyed with a secret that
// all nodes share, so they agree, and nobody outside can aim at a partition.
func Partition(accountMAC [16]byte) int {
	return int(binary.BigEndian.Uint64(accountMAC[8:]) % Partitions)
}

// ErrClosed says that the bus was closed or that its connection is gone for good.
var ErrClosed = errors.New("bus is closed")

const (
	streamName     = "EV"
	subjectPrefix  = "ev."
	levelsBucket   = "levels"
	cursorsBucket  = "cursors"
	embeddedDedup  = 10 * time.Second
	defaultMemory  = 512 << 20
	defaultBacklog = 256 << 20
	startTimeout   = 10 * time.Second
	maxBatchBytes  = 8 << 20 // a decoded batch larger than this is not ours
)

// Options say how the embedded server runs. The zero value of each field but Dir is useful.
type Options struct {
	// Dir is the folder that the server may use, even though it stores nothing durable there.
	Dir string
	// MaxMemory bounds all streams and buckets together; 0 means 512 MiB. Half of it,
	// at most 256 MiB, is for exchanges on their way; the oldest give way first.
	MaxMemory int64
	// Log receives what an operator should know; nil discards it.
	Log *slog.Logger

	ackWait time.Duration // shorter in tests
}

// Bus is a connection to a JetStream server with the streams and buckets in place.
// Its methods may be called from many goroutines.
type Bus struct {
	conn    *nats.Conn
	js      jetstream.JetStream
	events  jetstream.Stream
	levels  jetstream.KeyValue
	cursors jetstream.KeyValue
	encoder *zstd.Encoder
	decoder *zstd.Decoder
	log     *slog.Logger

	forgets   bool // the stream lies in memory and drops what was dealt with
	malformed atomic.Int64
	ackWait   time.Duration
	stop      func() // what runs after the connection is closed
}

// Start runs a server inside the process and connects to it. It returns when the bus
// is ready; nothing of an earlier run is in it.
func Start(o Options) (*Bus, error) {
	if o.Dir == "" {
		return nil, errors.New("start bus: no folder given")
	}
	if o.MaxMemory < 0 {
		return nil, fmt.Errorf("start bus: memory limit %d is negative", o.MaxMemory)
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = defaultMemory
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("start bus: make folder: %w", err)
	}
	ns, err := server.NewServer(&server.Options{
		ServerName: "bartizan", DontListen: true, JetStream: true, NoSigs: true, NoLog: true,
		StoreDir: filepath.Clean(o.Dir), JetStreamMaxMemory: o.MaxMemory, DisableJetStreamBanner: true,
		MaxPayload: maxBatchBytes,
	})
	if err != nil {
		return nil, fmt.Errorf("make embedded bus server: %w", err)
	}
	ns.Start()
	stop := func() {
		ns.Shutdown()
		ns.WaitForShutdown()
	}
	if !ns.ReadyForConnections(startTimeout) || !ns.JetStreamEnabled() {
		stop()
		return nil, fmt.Errorf("start embedded bus server in %s: not ready after %s", o.Dir, startTimeout)
	}
	conn, err := nats.Connect("", nats.InProcessServer(ns), nats.Name("bartizan"), nats.MaxReconnects(-1))
	if err != nil {
		stop()
		return nil, fmt.Errorf("connect to embedded bus server: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	backlog := min(defaultBacklog, o.MaxMemory/2)
	b, err := attach(ctx, conn, topology{storage: jetstream.MemoryStorage, replicas: 1, maxBytes: backlog, maxAge: time.Hour, dedup: embeddedDedup}, o.Log)
	if err != nil {
		conn.Close()
		stop()
		return nil, err
	}
	b.stop = stop
	if o.ackWait > 0 {
		b.ackWait = o.ackWait
	}
	return b, nil
}

// topology is all that differs between the embedded server and a cluster.
type topology struct {
	storage  jetstream.StorageType
	replicas int
	maxBytes int64
	maxAge   time.Duration
	// dedup is how long repeats of a sender are known. In the process a sender repeats
	// within moments; the ids that are kept take memory.
	dedup time.Duration
}

// attach puts streams and buckets in place on whatever server conn leads to.
func attach(ctx context.Context, conn *nats.Conn, t topology, log *slog.Logger) (*Bus, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, fmt.Errorf("open bus: %w", err)
	}
	b := &Bus{
		conn: conn, js: js, log: log, ackWait: ackWait, forgets: t.storage == jetstream.MemoryStorage, stop: func() {},
	}
	b.events, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: streamName, Subjects: []string{subjectPrefix + "*"},
		Storage: t.storage, Replicas: t.replicas, MaxBytes: t.maxBytes, MaxAge: t.maxAge,
		Discard: jetstream.DiscardOld, Duplicates: t.dedup,
	})
	if err != nil {
		return nil, fmt.Errorf("make bus stream %s: %w", streamName, err)
	}
	for _, bucket := range []struct {
		name string
		into *jetstream.KeyValue
	}{{levelsBucket, &b.levels}, {cursorsBucket, &b.cursors}} {
		*bucket.into, err = js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: bucket.name, History: 1, Storage: t.storage, Replicas: t.replicas,
		})
		if err != nil {
			return nil, fmt.Errorf("make bus bucket %s: %w", bucket.name, err)
		}
	}
	if b.encoder, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2), zstd.WithWindowSize(256<<10)); err != nil {
		return nil, fmt.Errorf("make batch encoder: %w", err)
	}
	if b.decoder, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(maxBatchBytes)); err != nil {
		return nil, fmt.Errorf("make batch decoder: %w", err)
	}
	return b, nil
}

// Close ends the connection and the embedded server, if there is one, and returns
// when both are gone. What is still on the bus is lost; the ledger has it. Consumers
// and watchers return [ErrClosed]. Close may be called once.
func (b *Bus) Close() {
	b.conn.Close()
	b.stop()
	b.decoder.Close()
	_ = b.encoder.Close() // nothing is buffered: only whole blocks are encoded
}

// Malformed counts messages that were not batches of this program and were passed over.
func (b *Bus) Malformed() int64 { return b.malformed.Load() }

func subject(partition int) string { return subjectPrefix + strconv.Itoa(partition) }

func checkPartition(partition int) error {
	if partition < 0 || partition >= Partitions {
		return fmt.Errorf("partition %d: want 0 to %d", partition, Partitions-1)
	}
	return nil
}

// checkToken keeps node names and account MACs to what may stand in a subject.
func checkToken(what, s string) error {
	if s == "" || len(s) > 64 {
		return fmt.Errorf("%s %q: want 1 to 64 characters", what, s)
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return fmt.Errorf("%s %q: use letters, digits, - and _", what, s)
		}
	}
	return nil
}
