package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Sentinels of [Client.Do] and [Decode], to be matched with [errors.Is].
var (
	// ErrConnect says that no connection came about; nothing was sent.
	ErrConnect = errors.New("no connection to the upstream")
	// ErrTimeout says that the upstream did not begin its answer in time.
	ErrTimeout = errors.New("upstream did not answer in time")
	// ErrBroken says that the connection broke before the answer began. The request
	// may have been carried out.
	ErrBroken = errors.New("upstream broke off")
	// ErrEncoding says that an answer is encoded in a way that cannot be read.
	ErrEncoding = errors.New("answer has an unreadable encoding")
	// ErrTooLarge says that a decoded answer exceeds the bound given, or has grown
	// beyond all reason in decoding.
	ErrTooLarge = errors.New("answer is too large")
)

// Options tune a [Client]; the zero value is good.
type Options struct {
	// ConnectTimeout bounds one attempt to connect, TLS included; 0 means 5 s.
	ConnectTimeout time.Duration
	// HeaderTimeout bounds the wait for an answer to begin; 0 means 10 min. An answer
	// that is not streamed begins when the model is done.
	HeaderTimeout time.Duration
	// Retries is how often a failed connect is tried again; 0 means 2, below 0 never.
	Retries int
	// Forward names request headers that are passed on besides the usual ones, such
	// as "Traceparent" or "X-Forwarded-For". Names of credentials, of headers that
	// hold for one connection and of those that the client sets are ignored.
	Forward []string
	// RootCAs verifies https targets; nil means the system's.
	RootCAs *x509.CertPool
}

// Client speaks to model servers and keeps connections to them. It is safe for
// concurrent use.
type Client struct {
	transport     *http.Transport
	passed        []string
	headerTimeout time.Duration
	retries       int
}

// New returns a client.
func New(o Options) *Client {
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = 5 * time.Second
	}
	if o.HeaderTimeout == 0 {
		o.HeaderTimeout = 10 * time.Minute
	}
	if o.Retries == 0 {
		o.Retries = 2
	}
	d := &dialer{
		plain:   net.Dialer{KeepAlive: 30 * time.Second},
		timeout: o.ConnectTimeout,
		tls:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs, NextProtos: []string{"http/1.1"}},
	}
	return &Client{
		transport: &http.Transport{
			DialContext:            d.dial,
			DialTLSContext:         d.dialTLS,
			MaxIdleConns:           2048,
			MaxIdleConnsPerHost:    1024,
			IdleConnTimeout:        90 * time.Second,
			DisableCompression:     true,
			ReadBufferSize:         16 << 10,
			WriteBufferSize:        4 << 10,
			MaxResponseHeaderBytes: 64 << 10,
		},
		passed:        passedNames(o.Forward),
		headerTimeout: o.HeaderTimeout,
		retries:       max(0, o.Retries),
	}
}

// Close drops idle connections. Answers under way are not touched.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Do sends one request to t and returns the answer as soon as its header is there.
// The path is given in its escaped form. Of h and rawQuery only what an upstream may
// see is sent.
//
// The answer's body has to be closed. The bytes of body must never be changed again:
// an upstream that answers early may still be reading them. When ctx ends, the request and the reading of its answer end at once with its error. Other errors
// match [ErrConnect], [ErrTimeout] or [ErrBroken]; their texts are for the operator.
func (c *Client) Do(
	ctx context.Context, t *Target, method, path, rawQuery string, h http.Header, body []byte,
) (*http.Response, error) {
	address, err := t.address(path, rawQuery)
	if err != nil {
		return nil, fmt.Errorf("ask upstream %s: %w", t.Name, err)
	}
	request := &http.Request{
		Method: method, URL: address, Host: address.Host, Header: c.requestHeader(t, h),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: int64(len(body)), Body: http.NoBody,
	}
	if len(body) > 0 {
		// A known kind of reader: headers and a small body then leave in one write.
		request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	timeout := t.HeaderTimeout
	if timeout == 0 {
		timeout = c.headerTimeout
	}
	inner, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(timeout, func() { cancel(ErrTimeout) })
	response, err := c.send(inner, request)
	if !timer.Stop() && err == nil {
		_ = response.Body.Close()
		err = ErrTimeout
	}
	if err != nil {
		err = fmt.Errorf("ask upstream %s: %w", t.Name, classify(ctx, inner, err))
		cancel(nil)
		return nil, err
	}
	response.Body = &answerBody{ReadCloser: response.Body, cancel: cancel}
	return response, nil
}

// answerBody ends its request when it is closed.
type answerBody struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

// Close closes the body.
func (b *answerBody) Close() error {
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err //nolint:wrapcheck // a body's own error
}

// classify makes err match one of the sentinels, or the error of ctx.
func classify(ctx, inner context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err() //nolint:wrapcheck // wrapped by the caller
	case errors.Is(context.Cause(inner), ErrTimeout):
		return ErrTimeout
	case errors.Is(err, ErrConnect), errors.Is(err, ErrBroken):
		return err
	default:
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
}

// send tries until a connection comes about, and then once. The transport may repeat
// it on another connection if one that had been idle took nothing of it.
func (c *Client) send(ctx context.Context, request *http.Request) (*http.Response, error) {
	for attempt := 0; ; attempt++ {
		try := request.WithContext(ctx)
		if request.GetBody != nil {
			try.Body, _ = request.GetBody()
		}
		response, err := c.transport.RoundTrip(try)
		if err == nil && response.StatusCode < http.StatusOK {
			_ = response.Body.Close()
			return nil, fmt.Errorf("%w: it wants to switch protocols", ErrBroken)
		}
		if err == nil || !errors.Is(err, ErrConnect) || attempt >= c.retries {
			return response, err //nolint:wrapcheck // wrapped by the caller
		}
		pause := time.NewTimer(50 * time.Millisecond << attempt)
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil, context.Cause(ctx) //nolint:wrapcheck // wrapped by the caller
		case <-pause.C:
		}
	}
}

// dialer makes connections. All its errors match ErrConnect.
type dialer struct {
	plain   net.Dialer
	timeout time.Duration
	tls     *tls.Config
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	conn, err := d.plain.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConnect, err)
	}
	return conn, nil
}

func (d *dialer) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	secure := tls.Dialer{NetDialer: &d.plain, Config: d.tls}
	conn, err := secure.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConnect, err)
	}
	return conn, nil
}
