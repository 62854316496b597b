package evidence_test

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"bartizan/internal/evidence"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func at(seconds int64) time.Time { return time.Unix(1_700_000_000+seconds, 123_456_789).UTC() }

// fill returns bytes that count up from first.
func fill[T [8]byte | [16]byte | [32]byte](first byte) (v T) {
	switch p := any(&v).(type) {
	case *[8]byte:
		count(p[:], first)
	case *[16]byte:
		count(p[:], first)
	case *[32]byte:
		count(p[:], first)
	}
	return v
}

func count(b []byte, first byte) {
	for i := range b {
		b[i] = first + byte(i)
	}
}

func header() evidence.Header {
	node, err := evidence.NodeID("gw-1")
	if err != nil {
		panic(err)
	}
	return evidence.Header{
		Flags: 0, Ledger: fill[[16]byte](0x10), Node: node, Number: 7, FirstSeq: 1001, Opened: at(0),
		PrevRoot: fill[[32]byte](0x20), Config: fill[[32]byte](0x40),
	}
}

func record(seq uint64) evidence.Record {
	return evidence.Record{
		Seq: seq, Time: at(1), Account: fill[[16]byte](0x01), Key: fill[[8]byte](0x11),
		Route: 0x0102, Model: 0x0304, TokensIn: 12, TokensOut: 345, Status: 200,
		Decision: evidence.DecisionAllow, Level: 1, Flags: evidence.FlagStreamed | evidence.FlagCoarsened,
		Duration: 1500 * time.Millisecond, PromptMAC: fill[[16]byte](0x21), Sketch: fill[[16]byte](0x31),
		OutputMAC: fill[[16]byte](0x41), Salt: fill[[16]byte](0x51),
		WatermarkKey: 3, WatermarkScheme: 2, Disclosed: 77,
		Scores: []evidence.Score{{Detector: 1, Value: 0.5}, {Detector: 9, Value: -2}},
	}
}

func gap() evidence.Gap {
	return evidence.Gap{
		First: at(2), Last: at(3), Count: 9, Reason: evidence.GapDiskFull, TokensIn: 1000, TokensOut: 2000,
	}
}

type appender interface {
	AppendBinary(dst []byte) ([]byte, error)
}

func encode(tb testing.TB, a appender) []byte {
	tb.Helper()
	b, err := a.AppendBinary(nil)
	if err != nil {
		tb.Fatalf("AppendBinary of %T: %v", a, err)
	}
	return b
}

type frame struct {
	kind    evidence.Kind
	payload []byte
}

// frames is one frame of every kind.
func frames(tb testing.TB) []frame {
	tb.Helper()
	first, second, g := record(1001), record(1003), gap()
	second.Scores = nil
	features := evidence.Features{
		Exchange: fill[[16]byte](0x61), Account: first.Account, Encoded: []byte("\x01features"),
	}
	erased := evidence.LeafHash(evidence.KindFeatures, []byte("gone"))
	return []frame{
		{evidence.KindRecord, encode(tb, &first)},
		{evidence.KindFeatures, encode(tb, &features)},
		{evidence.KindRecord, encode(tb, &second)},
		{evidence.KindErased, erased[:]},
		{evidence.KindGap, encode(tb, &g)},
	}
}

// segment encodes a segment and says where each frame and the footer begin.
func segment(tb testing.TB, h evidence.Header, fs []frame) (b []byte, starts []int) {
	tb.Helper()
	s := evidence.NewSegment(h)
	b = encode(tb, &h)
	for _, f := range fs {
		starts = append(starts, len(b))
		var err error
		if b, err = evidence.AppendFrame(b, f.kind, f.payload); err != nil {
			tb.Fatalf("AppendFrame(%s): %v", f.kind, err)
		}
		s.Add(f.kind, f.payload)
	}
	starts = append(starts, len(b))
	footer := s.Footer(at(10))
	return append(b, encode(tb, &footer)...), starts
}

// read returns all frames up to the error that ends reading.
func read(r io.Reader) (*evidence.SegmentReader, []evidence.Frame, error) {
	s, err := evidence.NewSegmentReader(r)
	var found []evidence.Frame
	for err == nil {
		var f evidence.Frame
		if f, err = s.Next(); err == nil {
			f.Payload = append([]byte(nil), f.Payload...)
			found = append(found, f)
		}
	}
	return s, found, err
}

// TestFormat pins every byte: a change of the format needs a new version number.
func TestFormat(t *testing.T) {
	t.Parallel()
	b, starts := segment(t, header(), frames(t))
	var out strings.Builder
	line := func(name string, b []byte) { fmt.Fprintf(&out, "%s\n%s", name, hex.Dump(b)) }
	line("header", b[:evidence.HeaderSize])
	for i, f := range frames(t) {
		line("frame "+f.kind.String(), b[starts[i]:starts[i+1]])
	}
	line("footer", b[starts[len(starts)-1]:])

	const golden = "testdata/segment.golden"
	if *update {
		if err := os.MkdirAll("testdata", 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("bytes of a segment (-golden +now):\n%s", diff)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	h, bare, full, g := header(), record(1), record(1), gap()
	bare.Scores, full.Scores = nil, make([]evidence.Score, evidence.MaxScores)
	footer := evidence.Footer{}
	for name, c := range map[string]struct {
		value appender
		want  int
	}{
		"header":                {&h, 128},
		"footer":                {&footer, 56},
		"record without scores": {&bare, 136},
		"record with 10 scores": {&full, 196},
		"gap":                   {&g, 41},
	} {
		if got := len(encode(t, c.value)); got != c.want {
			t.Errorf("%s takes %d bytes; want %d", name, got, c.want)
		}
	}
	full.Scores = make([]evidence.Score, evidence.MaxScores+1)
	if _, err := full.AppendBinary(nil); !errors.Is(err, evidence.ErrLength) {
		t.Errorf("record with 11 scores: error %v; want ErrLength", err)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	r := record(5)
	gotRecord, err := evidence.ParseRecord(encode(t, &r))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, gotRecord); diff != "" {
		t.Errorf("record (-in +out):\n%s", diff)
	}
	g := gap()
	gotGap, err := evidence.ParseGap(encode(t, &g))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(g, gotGap); diff != "" {
		t.Errorf("gap (-in +out):\n%s", diff)
	}
	h := header()
	gotHeader, err := evidence.ParseHeader(encode(t, &h))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(h, gotHeader); diff != "" {
		t.Errorf("header (-in +out):\n%s", diff)
	}
	footer := evidence.Footer{Count: 3, LastSeq: 9, Closed: at(4), Root: fill[[32]byte](1)}
	gotFooter, err := evidence.ParseFooter(encode(t, &footer))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(footer, gotFooter); diff != "" {
		t.Errorf("footer (-in +out):\n%s", diff)
	}
	f := evidence.Features{Exchange: fill[[16]byte](3), Account: fill[[16]byte](4), Encoded: []byte{1}}
	gotFeatures, err := evidence.ParseFeatures(encode(t, &f))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f, gotFeatures); diff != "" {
		t.Errorf("features (-in +out):\n%s", diff)
	}
}

// TestRecordBytes: whatever ParseRecord accepts is encoded to the same bytes.
func TestRecordBytes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		scores := rapid.IntRange(0, evidence.MaxScores).Draw(t, "scores")
		size := evidence.RecordSize + 6*scores
		b := rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "bytes")
		b[evidence.RecordSize-1] = byte(scores)
		r, err := evidence.ParseRecord(b)
		if err != nil {
			t.Fatalf("ParseRecord: %v", err)
		}
		back, err := r.AppendBinary(nil)
		if err != nil {
			t.Fatalf("AppendBinary: %v", err)
		}
		if !cmp.Equal(b, back) {
			t.Fatalf("record changed:\n%x\n%x", b, back)
		}
	})
}

func TestDurationIsBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want time.Duration }{
		"negative": {-time.Second, 0},
		"fraction": {1999 * time.Microsecond, time.Millisecond},
		"huge":     {1 << 62, (1<<32 - 1) * time.Millisecond},
	} {
		r := evidence.Record{Time: at(0), Duration: c.in}
		got, err := evidence.ParseRecord(encode(t, &r))
		if err != nil || got.Duration != c.want {
			t.Errorf("%s: duration %v, error %v; want %v", name, got.Duration, err, c.want)
		}
	}
}

func TestNodeID(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "local", "gw-1.eu_west", "0123456789abcdef"} {
		id, err := evidence.NodeID(name)
		if err != nil || evidence.NodeName(id) != name {
			t.Errorf("NodeID(%q) = %x, %v; NodeName gives %q", name, id, err, evidence.NodeName(id))
		}
	}
	for _, name := range []string{"", ".", "..", ".a", "a/b", "a b", "ä", "0123456789abcdefg", "a\x00"} {
		if id, err := evidence.NodeID(name); err == nil {
			t.Errorf("NodeID(%q) = %x; want an error", name, id)
		}
	}
	if got := evidence.NodeName([16]byte{'a', 0, 'b'}); got != "" {
		t.Errorf("NodeName of an impossible id = %q; want none", got)
	}
}
