// Package upstream carries requests to the model servers and their answers back,
// and keeps either side's secrets from the other.
package upstream

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Sentinels of [Client.Do] and [Decode], to be matched with [errors.Is].
var (
	// ErrConnect says that no connection came about; nothing was sent.
	ErrConnect = errors.New("no connection to the upstream")
	// ErrTimeout says that the upstream did not begin its answer in time.
	ErrTimeout = errors.New("upstream did not answer in time")
	// ErrBroken says that the connection broke before the answer began.
	ErrBroken = errors.New("upstream broke off")
	// ErrEncoding says that an answer is encoded in a way that cannot be read.
	ErrEncoding = errors.New("answer has an unreadable encoding")
	// ErrTooLarge says that a decoded answer exceeds the bound given.
	ErrTooLarge = errors.New("answer is too large")
)

// Target is one model server.
type Target struct {
	// Name stands for the target in errors and logs.
	Name string
	// URL is the base to which paths are appended.
	URL *url.URL
	// Key is the upstream's own credential.
	Key string
	// KeyHeader is the header that carries Key; empty means Authorization: Bearer.
	KeyHeader string
	// Header is added to every request.
	Header http.Header
	// HeaderTimeout bounds the wait for the answer to begin; 0 means that of [Options].
	HeaderTimeout time.Duration
}

// Options tune a [Client]; the zero value is good.
type Options struct {
	// ConnectTimeout bounds one attempt to connect; 0 means 5 s.
	ConnectTimeout time.Duration
	// HeaderTimeout bounds the wait for an answer to begin; 0 means 10 min.
	HeaderTimeout time.Duration
	// Retries is how often a failed connect is tried again; 0 means 2, below 0 never.
	Retries int
	// Forward names request headers that are passed on besides the usual ones.
	Forward []string
	// RootCAs verifies https targets; nil means the system's.
	RootCAs *x509.CertPool
}

// Client speaks to model servers. It is safe for concurrent use.
type Client struct{ _ int }

// New returns a client.
func New(o Options) *Client {
	_ = o
	return &Client{}
}

// Do sends one request and returns the answer as soon as its header is there.
func (c *Client) Do(ctx context.Context, t *Target, method, path, rawQuery string, h http.Header, body []byte) (*http.Response, error) {
	_, _, _, _, _, _, _ = ctx, t, method, path, rawQuery, h, body
	return nil, ErrConnect
}

// Close drops idle connections.
func (c *Client) Close() {}

// Decode returns the answer's body with its content encoding undone.
func Decode(resp *http.Response, limit int64) (io.ReadCloser, error) {
	_ = limit
	return resp.Body, nil
}

// ClientHeader copies to dst those headers of an upstream's answer that a client may see.
func ClientHeader(dst, src http.Header, status int) { _, _, _ = dst, src, status }
