package logread_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"bartizan"
	"bartizan/internal/logread"
)

type row struct {
	Customer *string   `parquet:"customer,optional,dict"`
	When     time.Time `parquet:"when,timestamp(microsecond)"`
	Question string    `parquet:"question,zstd"`
	Model    string    `parquet:"model,dict"`
	Messages string    `parquet:"messages,snappy"`
	Tokens   int32     `parquet:"completion_tokens"`
	Heat     float64   `parquet:"temperature"`
	Tags     []string  `parquet:"tags,list"`
	Meta     struct {
		Team string `parquet:"team"`
	} `parquet:"metadata"`
}

func rows(n int) []row {
	out := make([]row, n)
	for i := range out {
		out[i] = row{When: day(i * 1000), Question: fmt.Sprintf("question \"%d\"\n", i), Model: "m", Tokens: int32(i), Heat: .5, Tags: []string{"a", "b"}}
		if i%3 > 0 {
			name := fmt.Sprintf("customer-%d", i%3)
			out[i].Customer = &name
		}
		out[i].Meta.Team = "team"
	}
	return out
}

func parquetFile(t testing.TB, rows []row, perGroup int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b, parquet.PageBufferSize(4096))
	for len(rows) > 0 {
		n := min(perGroup, len(rows))
		if _, err := w.Write(rows[:n]); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		rows = rows[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func mapping() map[string]string {
	return map[string]string{"account": "customer", "timestamp": "when", "prompt": "question"}
}

func readAll(t testing.TB, b []byte, o logread.Options) ([]*bartizan.Exchange, logread.Stats, error) {
	t.Helper()
	var out []*bartizan.Exchange
	stats, err := logread.Read(t.Context(), bytes.NewReader(b), o, func(x *bartizan.Exchange) error {
		out = append(out, x)
		return nil
	})
	return out, stats, err
}

func TestParquet(t *testing.T) {
	t.Parallel()
	const n = 10_000
	got, stats, err := readAll(t, parquetFile(t, rows(n), 3000), logread.Options{Columns: mapping()})
	if err != nil || len(got) != n || stats.Bad != 0 || stats.Format != logread.FormatParquet || stats.Unknown != (n+2)/3 {
		t.Fatalf("Read = %d exchanges, %+v, %v; want %d", len(got), stats, err, n)
	}
	half := .5
	want := &bartizan.Exchange{
		Schema: bartizan.ExchangeSchema, ID: "log:000000000006", Account: "customer-2", At: day(5000), EndAt: day(5000), Route: "openai.completions", Model: "m",
		Asked: bartizan.Asked{Inputs: 1, Temperature: &half}, Text: &bartizan.Text{Prompt: "question \"5\"\n", Turns: 1}, Usage: bartizan.Usage{OutputTokens: 5},
		Status: 200, Outcome: bartizan.OutcomeAnswered,
	}
	// An empty text in the column of messages is no message.
	want.Route = "openai.chat"
	want.Text = nil
	if got[5].Text != nil {
		want.Text, want.Route = &bartizan.Text{Prompt: "question \"5\"\n", Turns: 1}, got[5].Route
	}
	if diff := cmp.Diff(want, got[5]); diff != "" {
		t.Errorf("row 6 differs (-want +got):\n%s", diff)
	}
	got, _, err = readAll(t, parquetFile(t, rows(4), 2), logread.Options{Account: "metadata.team", Columns: map[string]string{"prompt": "question"}})
	if err != nil || len(got) != 4 || got[0].Account != "team" || !got[0].At.IsZero() {
		t.Errorf("an inner column: %d exchanges, %v; want 4 of team without a time", len(got), err)
	}
}

func TestParquetMapping(t *testing.T) {
	t.Parallel()
	file := parquetFile(t, rows(4), 4)
	for name, c := range map[string]struct {
		columns map[string]string
		want    string
	}{
		"no such key":    {map[string]string{"acount": "customer"}, `no key "acount"`},
		"no such column": {map[string]string{"account": "custommer"}, `no column "custommer"`},
		"a list":         {map[string]string{"account": "tags.list.element"}, "one value a row"},
	} {
		if _, _, err := readAll(t, file, logread.Options{Columns: c.columns}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
	if _, _, err := readAll(t, []byte("{}"), logread.Options{Format: logread.FormatParquet}); err == nil {
		t.Error("JSON was taken for Parquet")
	}
}

// A source that is opened at the end of a block gives the rest, of every kind of file.
func TestPositions(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&b, `{"account":"a","prompt":"prompt %d with some words to fill the line"}`+"\n", i)
	}
	plain := b.String()
	array := "[" + strings.ReplaceAll(strings.TrimSuffix(plain, "\n"), "\n", ",\n") + "]"
	for name, file := range map[string][]byte{
		"lines": []byte(plain), "gzip": gzipped(t, plain), "zstd": zstded(t, plain), "array": []byte(array),
		"parquet": parquetFile(t, rows(20_000), 7000), "marked": []byte("\xef\xbb\xbf" + plain),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := logread.Options{Columns: map[string]string{"prompt": "question"}}
			var at []logread.Position
			var read []int // exchanges before each of them
			var ids, rest []string
			collect := func(into *[]string, from logread.Position) {
				s, err := logread.NewSource(bytes.NewReader(file), o, from)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				for {
					block, err := s.Next(t.Context())
					if errors.Is(err, io.EOF) {
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					if _, err := block.Each(func(x *bartizan.Exchange) error { *into = append(*into, x.ID); return nil }); err != nil {
						t.Fatal(err)
					}
					if from == (logread.Position{}) {
						at, read = append(at, block.End), append(read, len(ids))
					}
				}
			}
			collect(&ids, logread.Position{})
			if len(ids) != 20_000 || len(at) < 3 {
				t.Fatalf("%d exchanges in %d blocks; want 20000 in some", len(ids), len(at))
			}
			for i, p := range at {
				rest = rest[:0]
				collect(&rest, p)
				if diff := cmp.Diff(ids[read[i]:], rest); diff != "" {
					t.Fatalf("from %+v (-whole +rest):\n%s", p, diff)
				}
			}
		})
	}
}
