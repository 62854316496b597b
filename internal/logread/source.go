package logread

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"bartizan"
)

// blockSize is about the number of decompressed bytes in a [Block].
const blockSize = 256 << 10

// Position is a place in a log between two blocks, from which it can be read on.
type Position struct {
	// Offset is in decompressed bytes, or in rows of Parquet.
	Offset int64
	// Line is the number of lines, or rows, before it.
	Line int64
	// Format is what the log was found to be; FormatAuto before anything usable.
	Format Format
	// Values is set when the log is not one object a line.
	Values bool
}

// Source reads a log block by block, so that the blocks can be parsed side by side.
// It is not safe for concurrent use, except for [Source.Consumed].
type Source struct {
	o      Options
	file   io.Closer
	in     *counter
	plain  *plainReader
	parts  splitter
	rows   *parquetRows
	format Format
	begun  bool
	err    error // what Next returns when there is no more data
}

// OpenSource opens the file at path at a position that a block of it had; the zero
// Position is its beginning. An empty Options.Name becomes the file's name.
func OpenSource(path string, o Options, at Position) (*Source, error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	if o.Name == "" {
		o.Name = filepath.Base(path)
	}
	s, err := NewSource(f, o, at)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	s.file = f
	return s, nil
}

// NewSource reads r, which stays the caller's to close.
func NewSource(r io.Reader, o Options, at Position) (*Source, error) {
	s := &Source{o: o.withDefaults(), in: &counter{r: r}}
	s.format = s.o.Format
	if at.Format != FormatAuto {
		s.format = at.Format
	}
	fail := func(err error) (*Source, error) {
		s.Close()
		return nil, fmt.Errorf("read log %s: %w", s.o.Name, err)
	}
	var err error
	columnar := isParquet(r)
	if s.format == FormatParquet && !columnar {
		return fail(errNotParquet)
	}
	if columnar {
		s.format = FormatParquet
		if s.rows, err = openParquet(r, &s.o, at.Offset); err != nil {
			return fail(err)
		}
		return s, nil
	}
	if s.plain, err = decompress(s.in, s.o.MaxBytes); err != nil {
		return fail(err)
	}
	s.parts = splitter{in: s.plain, limit: s.o.MaxLine, values: at.Values, line: at.Line, offset: at.Offset}
	if at.Offset > 0 {
		s.begun = true
		if _, err := io.CopyN(io.Discard, s.plain, at.Offset); err != nil {
			return fail(fmt.Errorf("go to byte %d: %w", at.Offset, err))
		}
	}
	return s, nil
}

// Consumed returns how many bytes of the file, as it is stored, have been read.
func (s *Source) Consumed() int64 {
	if s.rows != nil {
		return s.rows.consumed.Load()
	}
	return s.in.n.Load()
}

// Format returns what the log is; FormatAuto as long as nothing usable was found.
func (s *Source) Format() Format { return s.format }

// Close closes the source.
func (s *Source) Close() {
	if s.plain != nil {
		s.plain.close()
	}
	if s.rows != nil {
		s.rows.close()
	}
	if s.file != nil {
		_ = s.file.Close()
	}
}

// Next returns the next block, and [io.EOF] after the last. Any other error is that of
// a file that cannot be read to its end; the blocks before it are sound.
func (s *Source) Next(ctx context.Context) (*Block, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("read log %s: %w", s.o.Name, err)
	}
	if s.err != nil {
		return nil, s.err
	}
	if s.rows != nil {
		return s.nextRows()
	}
	if !s.begun {
		s.begin()
	}
	b := &Block{o: &s.o, before: s.parts.line}
	start := s.parts.offset
	err := s.parts.next(b)
	if err != nil {
		s.err = err
		if !errors.Is(err, io.EOF) {
			s.err = fmt.Errorf("read log %s after line %d: %w", s.o.Name, s.parts.line, err)
		}
		if len(b.data) == 0 {
			return nil, s.err
		}
	}
	if s.format == FormatAuto {
		s.format = b.sniff()
	}
	b.format, b.bytes = s.format, s.parts.offset-start
	b.End = Position{Offset: s.parts.offset, Line: s.parts.line, Format: s.format, Values: s.parts.values}
	return b, nil
}

// begin looks at the first bytes to tell lines from objects over several lines, and
// passes over a byte order mark.
func (s *Source) begin() {
	s.begun = true
	s.parts.fill(4096)
	if mark := []byte("\xef\xbb\xbf"); bytes.HasPrefix(s.parts.rest, mark) {
		s.parts.rest = s.parts.rest[len(mark):]
		s.parts.offset += int64(len(mark))
	}
	s.parts.values = hasValues(s.parts.rest)
}

// hasValues tells by the beginning of a log whether it is an array, or objects over
// several lines: then the first line does not end its object, and the second one begins
// none.
func hasValues(head []byte) bool {
	head = bytes.TrimLeft(head, " \t\r\n")
	if len(head) == 0 || head[0] == '[' {
		return len(head) > 0
	}
	line, rest, more := bytes.Cut(head, []byte{'\n'})
	return line[0] == '{' && more && skipNested(line, 0) < 0 && !bytes.HasPrefix(rest, []byte{'{'})
}

func (s *Source) nextRows() (*Block, error) {
	b := &Block{o: &s.o, format: FormatParquet}
	err := s.rows.next(b)
	if err != nil {
		s.err = err
		if !errors.Is(err, io.EOF) {
			s.err = fmt.Errorf("read log %s: %w", s.o.Name, err)
		}
		return nil, s.err
	}
	return b, nil
}

// Peek returns the time of the first exchange in the first part of the log at path that
// has one; the zero time when there is none, or when it cannot be read. It tells where
// a log begins, and nothing of what is wrong with it.
func Peek(ctx context.Context, path string, o Options) Start {
	var start Start
	s, err := OpenSource(path, o, Position{})
	if err != nil {
		return start
	}
	defer s.Close()
	s.o.Strict = false
	b, err := s.Next(ctx)
	if err != nil {
		return start
	}
	enough := errors.New("enough")
	_, _ = b.Each(func(x *bartizan.Exchange) error {
		start.At = x.At
		if x.At.IsZero() {
			return nil
		}
		return enough
	})
	start.Format = s.format
	return start
}
