package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/counters"
	"bartizan/internal/detect"
	"bartizan/internal/evidence"
	"bartizan/internal/gateway"
	"bartizan/internal/guard"
	"bartizan/internal/ledger"
	"bartizan/internal/policy"
	"bartizan/internal/ratelimit"
	"bartizan/internal/upstream"
)

// discard is a sink that keeps nothing.
type discard struct{}

func (discard) Admit() bool                            { return true }
func (discard) Record(context.Context, gateway.Record) {}

// BenchmarkSmall compares one small chat completion straight from a stub upstream,
// through a tuned [httputil.ReverseProxy], through the gateway with its guard, and
// through the gateway with features and ledger behind it. What a proxy costs is its
// row less the direct one.
func BenchmarkSmall(b *testing.B) {
	stub := httptest.NewServer(answer(completion))
	defer stub.Close()
	base, err := url.Parse(stub.URL)
	if err != nil {
		b.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(base) },
		Transport:  &http.Transport{MaxIdleConns: 2048, MaxIdleConnsPerHost: 1024, DisableCompression: true},
		BufferPool: new(copyBuffers), FlushInterval: -1,
	})
	defer proxy.Close()
	guarded := httptest.NewServer(benchGateway(b, base, discard{}))
	defer guarded.Close()
	recorded := httptest.NewServer(benchGateway(b, base, benchRecorder(b)))
	defer recorded.Close()
	for _, row := range []struct{ name, url string }{
		{"direct", stub.URL}, {"proxy", proxy.URL}, {"gateway", guarded.URL}, {"recorded", recorded.URL},
	} {
		b.Run(row.name, func(b *testing.B) { exchangeOn(b, row.url) })
	}
}

// copyBuffers are a proxy's buffers.
type copyBuffers struct{ pool sync.Pool }

func (c *copyBuffers) Get() []byte {
	if b, ok := c.pool.Get().(*[32 << 10]byte); ok {
		return b[:]
	}
	return make([]byte, 32<<10)
}

func (c *copyBuffers) Put(b []byte) { c.pool.Put((*[32 << 10]byte)(b)) }

// benchGateway is a gateway whose one account has limits that it never reaches.
func benchGateway(b *testing.B, base *url.URL, sink gateway.Sink) *gateway.Gateway {
	b.Helper()
	spec := policy.Default()
	partner := spec.Tiers[bartizan.TierPartner]
	partner.Limits = ratelimit.Limits{
		{Dimension: ratelimit.Requests, Window: ratelimit.Minute, Amount: 1e9},
		{Dimension: ratelimit.Tokens, Window: ratelimit.Minute, Amount: 1e12},
		{Dimension: ratelimit.Streams, Window: ratelimit.Concurrent, Amount: 1e6},
	}
	spec.Tiers[bartizan.TierPartner] = partner
	rules, err := policy.Compile(spec)
	if err != nil {
		b.Fatal(err)
	}
	client := upstream.New(upstream.Options{})
	b.Cleanup(client.Close)
	people := directory{"key-partner": {ID: "partner", Tier: bartizan.TierPartner}}
	return gateway.New(gateway.Options{Default: &upstream.Target{Name: "stub", URL: base, Key: upstreamKey}}, people,
		guard.New(rules, counters.NewMemory(), guard.Options{}), client, evidence.NewKeys([]byte("bench")), sink, slog.New(slog.DiscardHandler))
}

// benchRecorder records into a ledger on disk.
func benchRecorder(b *testing.B) *gateway.Recorder {
	b.Helper()
	keys := evidence.NewKeys([]byte("bench"))
	book, err := ledger.Open(b.TempDir(), ledger.Options{Salt: keys.Salt})
	if err != nil {
		b.Fatal(err)
	}
	r := gateway.NewRecorder(gateway.RecorderOptions{}, book, detect.NewExtractor([]byte("features")), keys, slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- r.Run() }()
	b.Cleanup(func() {
		r.Close()
		if err := errors.Join(<-done, book.Close()); err != nil || r.Lost() > 0 {
			b.Errorf("%v, %d records lost", err, r.Lost())
		}
	})
	return r
}

// exchangeOn sends the same request again and again on one connection, with as
// little of a client as will do.
func exchangeOn(b *testing.B, address string) {
	b.Helper()
	b.ReportAllocs()
	conn, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	request := []byte(fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key-partner\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(chat), chat))
	r := bufio.NewReader(conn)
	before := cpuTime(b)
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		length := 0
		for line := ""; line != "\r\n"; {
			if line, err = r.ReadString('\n'); err != nil {
				b.Fatal(err)
			}
			if value, ok := strings.CutPrefix(line, "Content-Length: "); ok {
				length, _ = strconv.Atoi(strings.TrimSpace(value))
			}
		}
		if n, err := io.CopyN(io.Discard, r, int64(length)); err != nil || n == 0 {
			b.Fatalf("%d bytes of body, %v", n, err)
		}
	}
	b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// cpuTime is the processor time that this process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
