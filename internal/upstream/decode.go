package upstream

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/zstd"
)

const (
	// maxRatio and freeSize bound how an answer may grow in decoding: to maxRatio
	// times what was received, and freeSize more. Text that a model writes does not
	// come near it; a bomb does so within its first kilobytes.
	maxRatio = 100
	freeSize = 1 << 20
	// maxWindow bounds the memory of a zstd decoder.
	maxWindow = 8 << 20
)

// Decode returns the answer's body with its content encoding undone: gzip, deflate
// or zstd, which some servers send though nobody asked. Anything else, more than one,
// or a body that is not what it says is [ErrEncoding]. A body that decodes to more
// than limit bytes (0 is no limit), or to more than a hundred times its size, is
// [ErrTooLarge]. An answer without an encoding is returned as it is, without a bound.
//
// The answer's header and length are changed to those of the decoded body. Closing
// the result closes the answer.
func Decode(response *http.Response, limit int64) (io.ReadCloser, error) {
	coding, err := coding(response.Header)
	if err != nil || coding == "" {
		return response.Body, err
	}
	var open func(io.Reader) (io.ReadCloser, error)
	switch coding {
	case "gzip", "x-gzip":
		open = func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }
	case "deflate":
		open = openDeflate
	case "zstd":
		open = openZstd
	default:
		return nil, fmt.Errorf("decode %.40q: %w", coding, ErrEncoding)
	}
	response.Header.Del("Content-Encoding")
	response.Header.Del("Content-Length")
	response.ContentLength = -1
	source := &counter{r: response.Body}
	return &decoded{body: response.Body, source: source, open: open, limit: limit}, nil
}

// coding returns the one encoding that the header names, in lower case.
func coding(h http.Header) (string, error) {
	found := ""
	for _, line := range h.Values("Content-Encoding") {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			switch {
			case name == "" || name == "identity":
			case found != "":
				return "", fmt.Errorf("decode %.40q over %.40q: %w", name, found, ErrEncoding)
			default:
				found = name
			}
		}
	}
	return found, nil
}

// openDeflate reads what "deflate" means by the standard, zlib, and what some servers
// take it for, bare deflate.
func openDeflate(r io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReader(r)
	head, err := buffered.Peek(2)
	if len(head) == 1 && errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err //nolint:wrapcheck // wrapped by decoded
	}
	if head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(buffered) //nolint:wrapcheck // wrapped by decoded
	}
	return flate.NewReader(buffered), nil
}

func openZstd(r io.Reader) (io.ReadCloser, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err //nolint:wrapcheck // wrapped by decoded
	}
	return d.IOReadCloser(), nil
}

// counter counts what was received, and keeps the error that ended it.
type counter struct {
	r   io.Reader
	n   int64
	err error
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	if err != nil {
		c.err = err
	}
	return n, err //nolint:wrapcheck // passed through a decoder
}

// decoded is a body whose encoding is undone as it is read.
type decoded struct {
	body   io.Closer
	source *counter
	open   func(io.Reader) (io.ReadCloser, error)
	plain  io.ReadCloser // made by the first Read, which may have to wait
	limit  int64
	n      int64
	err    error
}

func (d *decoded) Read(b []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	if d.plain == nil {
		if d.plain, d.err = d.open(d.source); d.err != nil {
			d.plain = nil
			d.err = d.explain(d.err)
			return 0, d.err
		}
	}
	n, err := d.plain.Read(b)
	d.n += int64(n)
	switch {
	case d.limit > 0 && d.n > d.limit:
		d.err = fmt.Errorf("decode more than %d bytes: %w", d.limit, ErrTooLarge)
	case d.n > freeSize+maxRatio*d.source.n:
		d.err = fmt.Errorf("decode %d bytes to more than %d: %w", d.source.n, d.n, ErrTooLarge)
	case err != nil:
		d.err = d.explain(err)
		return n, d.err
	}
	if d.err != nil {
		return 0, d.err
	}
	return n, nil
}

// explain tells a body that cannot be decoded from one that broke off.
func (d *decoded) explain(err error) error {
	switch {
	case d.source.err != nil && !errors.Is(d.source.err, io.EOF):
		return d.source.err
	case errors.Is(err, io.EOF):
		return io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		return io.ErrUnexpectedEOF
	default:
		return fmt.Errorf("%w: %w", ErrEncoding, err)
	}
}

func (d *decoded) Close() error {
	if d.plain != nil {
		_ = d.plain.Close()
	}
	return d.body.Close() //nolint:wrapcheck // a body's own error
}
