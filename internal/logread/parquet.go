package logread

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/parquet-go/parquet-go"

	"bartizan"
)

// blockRows is the most rows in a [Block].
const blockRows = 4096

var (
	errNotParquet = errors.New("no Parquet file, or not one that can be read at any place: Parquet cannot come through a pipe")
	errNoColumns  = errors.New("none of the columns is one that is read; name them, as in account=customer,prompt=question")
	errDamaged    = errors.New("damaged Parquet file")
)

// isParquet reports whether r begins as a Parquet file and can be read at any place.
func isParquet(r io.Reader) bool {
	at, ok := r.(io.ReaderAt)
	if !ok {
		return false
	}
	var magic [4]byte
	n, _ := at.ReadAt(magic[:], 0)
	return n == len(magic) && string(magic[:]) == "PAR1"
}

// parquetRows reads the rows of a Parquet file as JSON objects, a group of rows at a
// time and of each column a page at a time.
type parquetRows struct {
	o        *Options
	groups   []parquet.RowGroup
	leaves   []parquetLeaf
	columns  []*parquetColumn // of the open group; nil between groups
	left     int64            // rows of the open group
	row, all int64
	size     int64
	consumed atomic.Int64
	bytes    int64
}

type parquetLeaf struct {
	key   string
	index int
	write func(dst []byte, v parquet.Value) []byte
}

// openParquet opens a Parquet file at a row.
func openParquet(r io.Reader, o *Options, row int64) (p *parquetRows, err error) {
	defer recovered(&err)
	size, err := sizeOf(r)
	if err != nil {
		return nil, err
	}
	at, ok := r.(io.ReaderAt)
	if !ok {
		return nil, errNotParquet
	}
	f, err := parquet.OpenFile(at, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(256<<10))
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller names the file
	}
	p = &parquetRows{o: o, groups: f.RowGroups(), all: f.NumRows(), size: size}
	if p.leaves, err = leavesOf(f.Schema(), o); err != nil {
		return nil, err
	}
	for len(p.groups) > 0 && row >= p.row+p.groups[0].NumRows() {
		p.row += p.groups[0].NumRows()
		p.groups = p.groups[1:]
	}
	if skip := row - p.row; skip > 0 && len(p.groups) > 0 {
		if err := p.open(skip); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// recovered turns a panic of the library over a damaged file into an error.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: %v", errDamaged, r)
	}
}

func sizeOf(r io.Reader) (int64, error) {
	switch r := r.(type) {
	case interface{ Size() int64 }:
		return r.Size(), nil
	case *os.File:
		info, err := r.Stat()
		if err != nil {
			return 0, err //nolint:wrapcheck // the caller names the file
		}
		return info.Size(), nil
	default:
		return 0, errNotParquet
	}
}

// parquetKeys are the keys of [FormatOpenAI], and those of its bodies that may have a
// column of their own.
func parquetKeys() []string {
	keys := slices.Concat(accountKeys(), startKeys(), endKeys())
	return append(keys, "id", "request_id", "custom_id", "model", "messages", "prompt", "input", "request", "body", "response",
		"metadata", "usage", "choices", "system", "answer", "completion", "instructions", "url", "path", "endpoint", "route",
		"status", "status_code", "http_status", "error", "latency_ms", "duration_ms", "latency", "duration",
		"prompt_tokens", "completion_tokens", "input_tokens", "output_tokens",
		"max_tokens", "max_completion_tokens", "temperature", "n", "top_logprobs", "logprobs", "stream", "tools")
}

// wantedColumns returns the keys that are read from each column.
func wantedColumns(o *Options) (map[string][]string, error) {
	keys := parquetKeys()
	wanted := make(map[string][]string, len(keys))
	for _, k := range keys {
		column := k
		if c := o.Columns[k]; c != "" {
			column = c
		}
		wanted[column] = append(wanted[column], k)
	}
	for k := range o.Columns {
		if !slices.Contains(keys, k) {
			return nil, fmt.Errorf("no key %q to map a column to; there are %s", k, strings.Join(keys, ", "))
		}
	}
	return wanted, nil
}

// leavesOf finds the columns to read.
func leavesOf(schema *parquet.Schema, o *Options) ([]parquetLeaf, error) {
	wanted, err := wantedColumns(o)
	if err != nil {
		return nil, err
	}
	var out []parquetLeaf
	found := map[string]bool{}
	for _, path := range schema.Columns() {
		leaf, ok := schema.Lookup(path...)
		if !ok || leaf.MaxRepetitionLevel > 0 {
			continue
		}
		column := strings.Join(path, ".")
		names := wanted[column]
		if o.Account != "" && !slices.Contains(names, column) && (column == o.Account || strings.HasPrefix(o.Account, column+".")) {
			names = append(names, column)
		}
		for _, key := range names {
			found[key] = true
			out = append(out, parquetLeaf{key: key, index: leaf.ColumnIndex, write: writerOf(leaf.Node.Type(), key)})
		}
	}
	for k, c := range o.Columns {
		if !found[k] {
			return nil, fmt.Errorf("no column %q that holds one value a row", c)
		}
	}
	if len(out) == 0 {
		return nil, errNoColumns
	}
	return out, nil
}

// open begins the first of the groups that are left, after the first skip of its rows.
func (p *parquetRows) open(skip int64) error {
	group := p.groups[0]
	p.groups = p.groups[1:]
	chunks := group.ColumnChunks()
	p.left = group.NumRows() - skip
	p.row += skip
	for i := range p.leaves {
		if p.leaves[i].index >= len(chunks) {
			return errDamaged
		}
		c := &parquetColumn{pages: chunks[p.leaves[i].index].Pages()}
		p.columns = append(p.columns, c)
		if skip > 0 {
			if err := c.pages.SeekToRow(skip); err != nil {
				return fmt.Errorf("go to row %d: %w", p.row, err)
			}
		}
	}
	return nil
}

func (p *parquetRows) close() {
	for _, c := range p.columns {
		c.close()
	}
	p.columns = nil
}

// next fills b with rows as lines. It returns io.EOF when there are no more.
func (p *parquetRows) next(b *Block) (err error) {
	defer recovered(&err)
	for p.columns == nil || p.left == 0 {
		p.close()
		if len(p.groups) == 0 {
			return io.EOF
		}
		if err := p.open(0); err != nil {
			return err
		}
	}
	b.spans = []span{}
	for p.left > 0 && len(b.spans) < blockRows && len(b.data) < blockSize {
		start := len(b.data)
		b.data = append(b.data, '{')
		for i, c := range p.columns {
			v, err := c.next()
			if err != nil {
				return fmt.Errorf("row %d, column %s: %w", p.row+1, p.leaves[i].key, err)
			}
			if v.IsNull() {
				continue
			}
			if len(b.data) > start+1 {
				b.data = append(b.data, ',')
			}
			b.data = append(quote(b.data, p.leaves[i].key), ':')
			b.data = p.leaves[i].write(b.data, v)
		}
		b.data = append(b.data, '}')
		p.row++
		p.left--
		b.spans = append(b.spans, span{start: start, end: len(b.data), line: p.row, cut: len(b.data)-start > p.o.MaxLine})
	}
	b.bytes = int64(len(b.data))
	if p.bytes += b.bytes; p.bytes > p.o.MaxBytes {
		return ErrTooLarge
	}
	b.End = Position{Offset: p.row, Line: p.row, Format: FormatParquet}
	p.consumed.Store(int64(float64(p.size) * float64(p.row) / float64(max(1, p.all))))
	return nil
}

// parquetColumn reads one column of a group of rows.
type parquetColumn struct {
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader
	buf    [128]parquet.Value
	at, n  int
}

func (c *parquetColumn) close() {
	if c.page != nil {
		parquet.Release(c.page)
		c.page = nil
	}
	_ = c.pages.Close()
}

// next returns the next value, which is sound until the next call.
func (c *parquetColumn) next() (parquet.Value, error) {
	for c.at == c.n {
		if c.page == nil {
			page, err := c.pages.ReadPage()
			if err != nil {
				if errors.Is(err, io.EOF) {
					err = errDamaged // fewer values than rows
				}
				return parquet.Value{}, err //nolint:wrapcheck // the caller names row and column
			}
			c.page, c.values = page, page.Values()
		}
		n, err := c.values.ReadValues(c.buf[:])
		c.at, c.n = 0, n
		if err != nil && !errors.Is(err, io.EOF) {
			return parquet.Value{}, err //nolint:wrapcheck // the caller names row and column
		}
		if n == 0 {
			parquet.Release(c.page)
			c.page = nil
		}
	}
	c.at++
	return c.buf[c.at-1], nil
}

// parseRow makes an exchange of a row.
func parseRow(row object, o *Options) record {
	rec := parseOpenAI(row, o)
	if rec.reason != "" {
		return rec
	}
	x := rec.exchanges[0]
	system, answer := row.text("system"), first([]string{"answer", "completion"}, row.text)
	if x.Text == nil && (system != "" || answer != "") {
		x.Text = &bartizan.Text{}
	}
	if x.Text != nil {
		if x.Text.System == "" {
			x.Text.System = system
		}
		if x.Text.Answer == "" {
			x.Text.Answer = answer
		}
	}
	if n, ok := row.whole("input_tokens", maxTokens); ok {
		x.Usage.InputTokens = n
	}
	if n, ok := row.whole("output_tokens", maxTokens); ok {
		x.Usage.OutputTokens = n
	}
	if x.Asked.MaxTokens == 0 && x.Asked.Temperature == nil {
		inputs := x.Asked.Inputs
		x.Asked = asked(row)
		x.Asked.Inputs = inputs
	}
	return rec
}

// nested are the keys whose column may hold JSON as text.
func nested(key string) bool {
	switch key {
	case "messages", "prompt", "input", "request", "body", "response", "metadata", "usage", "choices", "tools", "error":
		return true
	default:
		return false
	}
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
