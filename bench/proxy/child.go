package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// childWord makes the program one of its own peers.
const childWord = "child"

// child serves one of the plain Go proxies until it is told to end.
func child(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet(childWord, flag.ContinueOnError)
	flags.SetOutput(os.Stderr)
	kind := flags.String("kind", "", "rp or nh")
	listen := flags.String("listen", "", "address")
	upstream := flags.String("upstream", "", "address to ask")
	if err := flags.Parse(args); err != nil {
		return err
	}
	target := &url.URL{Scheme: "http", Host: *upstream}
	var handler http.Handler
	switch *kind {
	case rowReverseProxy:
		handler = reverseProxy(target)
	case rowHandler:
		handler = &bufferedHandler{target: target, transport: tunedTransport()}
	default:
		return fmt.Errorf("child: no kind %q", *kind)
	}
	server := &http.Server{Addr: *listen, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
		return server.Close()
	}
}

// tunedTransport has what a proxy under load needs: idle connections for every
// client, no compression, large reads.
func tunedTransport() *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		MaxIdleConns:        2048,
		MaxIdleConnsPerHost: 1024,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
		ReadBufferSize:      16 << 10,
		WriteBufferSize:     4 << 10,
	}
}

// buffers lends copy buffers.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if buffer, ok := b.pool.Get().(*[]byte); ok {
		return *buffer
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(buffer []byte) { b.pool.Put(&buffer) }

// reverseProxy is the standard library's, told that answers may begin before the
// request has been read to its end. Without that word the server closes the request's
// body before it writes the answer's head, while the transport still asks that body
// for its end: the transport takes the error for a broken upload, drops the upstream's
// connection and cuts the answer short, once in some thousand requests.
func reverseProxy(target *url.URL) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     tunedTransport(),
		BufferPool:    &buffers{},
		FlushInterval: -1,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			http.Error(w, "no full duplex", http.StatusInternalServerError)
			return
		}
		proxy.ServeHTTP(w, r)
	})
}

// bufferedHandler is the least that a proxy of our kind does: read the request, ask,
// copy the answer and flush what arrives of a stream. It guards nothing.
type bufferedHandler struct {
	target    *url.URL
	transport *http.Transport
	buffers   buffers
	bodies    sync.Pool
}

func (h *bufferedHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, ok := h.bodies.Get().(*strings.Builder)
	if !ok {
		body = &strings.Builder{}
	}
	body.Reset()
	defer h.bodies.Put(body)
	if _, err := io.Copy(body, http.MaxBytesReader(w, r.Body, 32<<20)); err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	asked := h.target.JoinPath(r.URL.Path).String()
	out, err := http.NewRequestWithContext(r.Context(), r.Method, asked, strings.NewReader(body.String())) //nolint:gosec // a proxy asks what it is asked, of one fixed host
	if err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	out.Header = r.Header.Clone()
	out.Header.Del("Connection")
	out.Header.Set("Accept-Encoding", "identity")
	answer, err := h.transport.RoundTrip(out)
	if err != nil {
		http.Error(w, "bad gateway", http.StatusBadGateway)
		return
	}
	defer func() { _ = answer.Body.Close() }()
	maps.Copy(w.Header(), answer.Header)
	w.WriteHeader(answer.StatusCode)
	h.copy(w, answer)
}

func (h *bufferedHandler) copy(w http.ResponseWriter, answer *http.Response) {
	buffer := h.buffers.Get()
	defer h.buffers.Put(buffer)
	controller := http.NewResponseController(w)
	stream := strings.HasPrefix(answer.Header.Get("Content-Type"), "text/event-stream")
	for {
		n, err := answer.Body.Read(buffer)
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return
			}
			if stream && controller.Flush() != nil {
				return
			}
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler) // a cut answer must not look whole
		}
	}
}
