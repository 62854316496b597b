package logread

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// zstdWindow is the greatest window that a zstd file may ask memory for.
const zstdWindow = 64 << 20

const (
	// bombFrom is the decompressed size from which the growth is looked at.
	bombFrom = 256 << 20
	// bombRatio is the growth that is refused. Logs of equal prompts reach some hundred.
	bombRatio = 1000
)

// counter counts the bytes that are read from a file. The count may be read meanwhile.
type counter struct {
	r io.Reader
	n atomic.Int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n.Add(int64(n))
	return n, err //nolint:wrapcheck // the reader's own
}

// plainReader reads decompressed bytes, counts them, and refuses to go past a bound.
type plainReader struct {
	r        io.Reader
	closing  func()
	packed   *counter // nil when nothing was compressed
	n, limit int64
}

// decompress looks at the first bytes of r and undoes gzip or zstd.
func decompress(r *counter, limit int64) (*plainReader, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	magic, err := in.Peek(4)
	if err != nil && len(magic) == 0 {
		if errors.Is(err, io.EOF) {
			return &plainReader{r: in, closing: func() {}, limit: limit}, nil
		}
		return nil, err //nolint:wrapcheck // the caller names the file
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("gzip header: %w", err)
		}
		return &plainReader{r: z, closing: func() { _ = z.Close() }, packed: r, limit: limit}, nil
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return nil, fmt.Errorf("zstd header: %w", err)
		}
		return &plainReader{r: z, closing: z.Close, packed: r, limit: limit}, nil
	default:
		return &plainReader{r: in, closing: func() {}, limit: limit}, nil
	}
}

func (p *plainReader) Read(b []byte) (int, error) {
	if p.n >= p.limit {
		// One more byte tells a file that just fits from one that does not.
		var probe [1]byte
		if n, err := p.r.Read(probe[:]); n == 0 {
			return 0, err //nolint:wrapcheck // the reader's own
		}
		return 0, ErrTooLarge
	}
	n, err := p.r.Read(b[:min(int64(len(b)), p.limit-p.n)])
	p.n += int64(n)
	if p.packed != nil && p.n > bombFrom && p.n/bombRatio > p.packed.n.Load() {
		return n, ErrBomb
	}
	return n, err //nolint:wrapcheck // the reader's own
}

func (p *plainReader) close() { p.closing() }
