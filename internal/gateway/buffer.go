package gateway

import (
	"errors"
	"io"
)

// buffer is a reusable byte buffer of a request or an answer.
type buffer struct{ bytes []byte }

// keepBuffer is the largest buffer that goes back to the pool: a few huge bodies
// must not stay in memory for good.
const keepBuffer = 1 << 20

// errTooLarge says that a body is longer than its bound.
var errTooLarge = errors.New("body too large")

// readAll fills b with all of r, at most limit bytes. hint is the announced length,
// or negative.
func (b *buffer) readAll(r io.Reader, hint, limit int64) error {
	if hint > limit {
		return errTooLarge
	}
	b.bytes = b.bytes[:0]
	if hint >= int64(cap(b.bytes)) && hint <= keepBuffer {
		b.bytes = make([]byte, 0, hint+1) // one more, so that the end is seen without growing
	}
	for {
		if len(b.bytes) == cap(b.bytes) {
			b.bytes = append(b.bytes, make([]byte, max(4096, len(b.bytes)))...)[:len(b.bytes)]
		}
		n, err := r.Read(b.bytes[len(b.bytes):cap(b.bytes)])
		b.bytes = b.bytes[:len(b.bytes)+n]
		if int64(len(b.bytes)) > limit {
			return errTooLarge
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err //nolint:wrapcheck // the caller names the body
		}
	}
}

func (g *Gateway) buffer() *buffer {
	b, ok := g.buffers.Get().(*buffer)
	if !ok {
		return new(buffer)
	}
	b.bytes = b.bytes[:0]
	return b
}

func (g *Gateway) release(b *buffer) {
	if b != nil && cap(b.bytes) <= keepBuffer {
		g.buffers.Put(b)
	}
}
