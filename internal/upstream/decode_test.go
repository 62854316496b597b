package upstream_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"

	"bartizan/internal/upstream"
)

type flusher interface {
	io.WriteCloser
	Flush() error
}

// encoders make the codings that Decode reads, by their names in the header.
func encoders() map[string]func(io.Writer) flusher {
	return map[string]func(io.Writer) flusher{
		"gzip":    func(w io.Writer) flusher { return gzip.NewWriter(w) },
		"deflate": func(w io.Writer) flusher { return zlib.NewWriter(w) },
		"Deflate": func(w io.Writer) flusher {
			f, _ := flate.NewWriter(w, 5)
			return f
		},
		"zstd": func(w io.Writer) flusher {
			z, _ := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
			return z
		},
	}
}

func encode(t *testing.T, coding string, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := encoders()[coding](&out)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type closer struct {
	io.Reader
	closed int
}

func (c *closer) Close() error { c.closed++; return nil }

func answer(coding string, body io.Reader) (*http.Response, *closer) {
	c := &closer{Reader: body}
	r := &http.Response{Header: http.Header{"Content-Length": {"1"}}, Body: c, ContentLength: 1}
	if coding != "" {
		r.Header.Set("Content-Encoding", coding)
	}
	return r, c
}

func TestDecode(t *testing.T) {
	t.Parallel()
	text := []byte(strings.Repeat(`{"logprob": -0.25, "token": "lorem"}`, 2_000))
	for coding := range encoders() {
		t.Run(coding, func(t *testing.T) {
			t.Parallel()
			response, body := answer(coding, iotest.OneByteReader(bytes.NewReader(encode(t, coding, text))))
			plain, err := upstream.Decode(response, int64(len(text)))
			if err != nil {
				t.Fatal(err)
			}
			if response.ContentLength != -1 || len(response.Header) != 0 {
				t.Errorf("length %d, header %v; want none of the encoded body's", response.ContentLength, response.Header)
			}
			got, err := io.ReadAll(plain)
			if err != nil || !bytes.Equal(got, text) {
				t.Errorf("decoded %d bytes, %v; want the %d that were encoded", len(got), err, len(text))
			}
			if plain.Close(); body.closed != 1 {
				t.Errorf("the answer was closed %d times; want once", body.closed)
			}
		})
	}
}

func TestDecodeIdentity(t *testing.T) {
	t.Parallel()
	for _, coding := range []string{"", "identity", "Identity, identity"} {
		response, body := answer(coding, strings.NewReader("as it is"))
		plain, err := upstream.Decode(response, 1)
		if err != nil || plain != io.ReadCloser(body) {
			t.Errorf("Decode of coding %q = %v, %v; want the body itself", coding, plain, err)
		}
	}
}

func TestDecodeUnknown(t *testing.T) {
	t.Parallel()
	for _, coding := range []string{"br", "gzip, gzip", "gzip, br", "compress", "aws-chunked", strings.Repeat("x", 10_000)} {
		response, _ := answer(coding, strings.NewReader("?"))
		_, err := upstream.Decode(response, 0)
		if !errors.Is(err, upstream.ErrEncoding) {
			t.Errorf("Decode of coding %.20q = %v; want ErrEncoding", coding, err)
		}
		if len(err.Error()) > 200 {
			t.Errorf("the error repeats %d bytes of the header", len(err.Error()))
		}
	}
}

func TestDecodeBombs(t *testing.T) {
	t.Parallel()
	zeros := make([]byte, 64<<20)
	for coding := range encoders() {
		t.Run(coding, func(t *testing.T) {
			t.Parallel()
			bomb := encode(t, coding, zeros)
			for limit, most := range map[int64]int{0: 1<<20 + 100*len(bomb), 100_000: 100_000} {
				response, _ := answer(coding, bytes.NewReader(bomb))
				plain, err := upstream.Decode(response, limit)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(plain)
				if !errors.Is(err, upstream.ErrTooLarge) {
					t.Errorf("limit %d: error = %v; want ErrTooLarge", limit, err)
				}
				if len(got) > most {
					t.Errorf("limit %d: a bomb of %d bytes gave %d; want at most %d", limit, len(bomb), len(got), most)
				}
				if n, again := plain.Read(make([]byte, 10)); n != 0 || !errors.Is(again, upstream.ErrTooLarge) {
					t.Errorf("limit %d: reading on = %d, %v; want the same error", limit, n, again)
				}
				plain.Close()
			}
		})
	}
}

func TestDecodeGarbage(t *testing.T) {
	t.Parallel()
	for coding := range encoders() {
		whole := encode(t, coding, []byte(strings.Repeat("some text ", 100)))
		broken := errors.New("connection reset")
		tests := map[string]struct {
			body io.Reader
			want error
		}{
			"garbage":   {strings.NewReader("this is no compressed body at all, is it"), upstream.ErrEncoding},
			"empty":     {strings.NewReader(""), nil},
			"cut short": {bytes.NewReader(whole[:len(whole)/2]), io.ErrUnexpectedEOF},
			"broken":    {io.MultiReader(bytes.NewReader(whole[:len(whole)/2]), iotest.ErrReader(broken)), broken},
		}
		for name, test := range tests {
			response, _ := answer(coding, test.body)
			plain, err := upstream.Decode(response, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(plain); !errors.Is(err, test.want) || (test.want == nil) != (err == nil) {
				t.Errorf("%s, %s: error = %v; want %v", coding, name, err, test.want)
			}
			plain.Close()
		}
	}
}

// TestDecodeStreams: what the server flushed is readable before the answer goes on.
func TestDecodeStreams(t *testing.T) {
	t.Parallel()
	for coding, encoder := range encoders() {
		t.Run(coding, func(t *testing.T) {
			t.Parallel()
			next := make(chan struct{})
			c, to := server(t, upstream.Options{}, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Encoding", coding)
				e := encoder(w)
				for range 3 {
					_, _ = io.WriteString(e, "data: event\n\n")
					_ = e.Flush()
					_ = http.NewResponseController(w).Flush()
					select {
					case <-next:
					case <-r.Context().Done():
						return
					}
				}
				_ = e.Close()
			})
			response, err := c.Do(t.Context(), to, http.MethodGet, "/", "", nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			plain, err := upstream.Decode(response, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer plain.Close()
			event := make([]byte, len("data: event\n\n"))
			for i := range 3 {
				if _, err := io.ReadFull(plain, event); err != nil || string(event) != "data: event\n\n" {
					t.Fatalf("event %d = %q, %v", i, event, err)
				}
				next <- struct{}{}
			}
			if rest, err := io.ReadAll(plain); err != nil || len(rest) != 0 {
				t.Errorf("after the events: %q, %v; want the end", rest, err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for coding := range encoders() {
		var out bytes.Buffer
		w := encoders()[coding](&out)
		_, _ = io.WriteString(w, "some text")
		_ = w.Close()
		f.Add(coding, out.Bytes())
	}
	f.Fuzz(func(t *testing.T, coding string, body []byte) {
		response, c := answer(coding, bytes.NewReader(body))
		plain, err := upstream.Decode(response, 1<<20)
		if err != nil {
			if !errors.Is(err, upstream.ErrEncoding) {
				t.Fatalf("Decode = %v; want ErrEncoding", err)
			}
			return
		}
		n, _ := io.Copy(io.Discard, plain)
		if plain != io.ReadCloser(c) && n > 1<<20 {
			t.Fatalf("decoded %d bytes; want at most 1 MiB", n)
		}
		plain.Close()
	})
}
