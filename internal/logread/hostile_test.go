package logread_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"bartizan"
	"bartizan/internal/logread"
)

// repeat is a reader of n times the same bytes.
type repeat struct {
	what []byte
	n    int
	rest []byte
}

func (r *repeat) Read(b []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.n == 0 {
			return 0, io.EOF
		}
		r.n--
		r.rest = r.what
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// A line of 200 MB costs no more memory than a line may have.
func TestEndlessLine(t *testing.T) { //nolint:paralleltest // it measures the heap
	if testing.Short() {
		t.Skip("reads 600 MB")
	}
	part := bytes.Repeat([]byte(`{"a":[`), 1<<17)
	for name, in := range map[string]io.Reader{
		"a line": io.MultiReader(strings.NewReader(`{"prompt":"`), &repeat{bytes.Repeat([]byte("x"), 1<<20), 200, nil}, strings.NewReader("\"}\n"+own(t))),
		"a text in an array": io.MultiReader(strings.NewReader("[\n{\"prompt\":\""), &repeat{bytes.Repeat([]byte("x"), 1<<20), 200, nil},
			strings.NewReader("\"},\n"+own(t)+"]")),
		"a depth": io.MultiReader(strings.NewReader("["), &repeat{part, 200, nil}),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		peak := uint64(0)
		watch := func(*bartizan.Exchange) error {
			runtime.ReadMemStats(&after)
			peak = after.HeapSys
			return nil
		}
		stats, err := logread.Read(t.Context(), in, logread.Options{MaxLine: 1 << 20}, watch)
		if err != nil || stats.Bad != 1 {
			t.Errorf("%s: %+v, %v; want one bad line", name, stats, err)
		}
		if name != "a depth" && stats.Exchanges != 1 {
			t.Errorf("%s: the exchange after it was not read", name)
		}
		if peak > before.HeapSys+64<<20 {
			t.Errorf("%s: the heap grew from %d to %d bytes", name, before.HeapSys, peak)
		}
	}
}

func TestDeepNesting(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat(`{"a":[`, n) + strings.Repeat("]}", n) }
	got, stats, err := read(t, `{"prompt":"p","x":`+deep(200)+"}\n"+`{"prompt":"p","x":`+deep(1000)+"}\n"+strings.Repeat("[", 100_000), logread.Options{})
	if err != nil || len(got) != 1 || stats.Bad != 2 || stats.Faults[0].Reason != "nested too deep" {
		t.Errorf("Read = %d exchanges, %+v, %v; want one, and two bad lines", len(got), stats, err)
	}
}

// A bomb is refused by how it grows, long before the bound on size.
func TestBombIsRefusedByItsGrowth(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	z, err := zstd.NewWriter(&packed, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(z, &repeat{bytes.Repeat([]byte(" "), 1<<20), 290, nil}); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	stats, err := logread.Read(t.Context(), &packed, logread.Options{}, nil)
	if !errors.Is(err, logread.ErrBomb) || stats.Bytes > 300<<20 {
		t.Errorf("Read = %d bytes, %v; want ErrBomb within 300 MB", stats.Bytes, err)
	}
}

// A file that is cut at any place gives what was before and an error, or less of it, and
// never a panic.
func TestCutFiles(t *testing.T) {
	t.Parallel()
	plain := strings.Repeat(own(t)+"\n", 200)
	for name, whole := range map[string][]byte{
		"gzip": gzipped(t, plain), "zstd": zstded(t, plain), "parquet": parquetFile(t, rows(100), 40),
	} {
		for cut := 5; cut < len(whole); cut += 1 + len(whole)/97 {
			got, stats, err := readAll(t, whole[:cut], logread.Options{Columns: map[string]string{"prompt": "question"}})
			if name == "parquet" && stats.Format != logread.FormatParquet && err == nil {
				t.Fatalf("parquet cut at %d was read as %s", cut, stats.Format)
			}
			if err == nil || len(got) > 200 {
				t.Errorf("%s cut at %d: %d exchanges, %v; want an error", name, cut, len(got), err)
			}
		}
	}
}

func TestDamagedParquet(t *testing.T) {
	t.Parallel()
	whole := parquetFile(t, rows(50), 20)
	for i := 0; i < len(whole); i += 5 {
		b := bytes.Clone(whole)
		b[i] ^= 0x55
		// What counts is that it comes back.
		_, stats, err := readAll(t, b, logread.Options{Columns: map[string]string{"prompt": "question"}, MaxBytes: 1 << 24})
		if err == nil && stats.Lines > 1000 {
			t.Errorf("byte %d: %d rows of 50", i, stats.Lines)
		}
	}
}
