package rig

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// Upstream answers POST requests with canned bytes over raw sockets. What it answers
// hangs on the request's model alone.
type Upstream struct {
	listener net.Listener
	payloads map[Mode]*payload
	wait     sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// StartUpstream listens on a free loopback port until [Upstream.Close].
func StartUpstream(ctx context.Context) (*Upstream, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start upstream: %w", err)
	}
	u := &Upstream{listener: listener, payloads: map[Mode]*payload{}, conns: map[net.Conn]bool{}}
	for _, mode := range Modes() {
		u.payloads[mode] = newPayload(mode)
	}
	u.wait.Go(u.accept)
	return u, nil
}

// Addr is the host and port the upstream listens on.
func (u *Upstream) Addr() string { return u.listener.Addr().String() }

// Size is the number of bytes in an answer of the mode.
func (u *Upstream) Size(mode Mode) int { return u.payloads[mode].size() }

// Close ends the upstream and all its connections, and waits for them.
func (u *Upstream) Close() {
	_ = u.listener.Close()
	u.mu.Lock()
	for conn := range u.conns {
		_ = conn.Close()
	}
	u.mu.Unlock()
	u.wait.Wait()
}

func (u *Upstream) accept() {
	for {
		conn, err := u.listener.Accept()
		if err != nil {
			return
		}
		u.mu.Lock()
		u.conns[conn] = true
		u.mu.Unlock()
		u.wait.Go(func() {
			_ = u.serve(conn)
			_ = conn.Close()
			u.mu.Lock()
			delete(u.conns, conn)
			u.mu.Unlock()
		})
	}
}

const (
	maxHead = 64 << 10
	maxBody = 8 << 20
)

func (u *Upstream) serve(conn net.Conn) error {
	reader := bufio.NewReaderSize(conn, maxHead)
	var body, out []byte
	for {
		post, length, err := readRequestHead(reader)
		if err != nil {
			return err
		}
		if cap(body) < length {
			body = make([]byte, length)
		}
		body = body[:length]
		if _, err := io.ReadFull(reader, body); err != nil {
			return err
		}
		out, err = u.answer(conn, out[:0], post, body)
		if err != nil {
			return err
		}
	}
}

func readRequestHead(reader *bufio.Reader) (post bool, length int, err error) {
	for first := true; ; first = false {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return false, 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if first {
			post = bytes.HasPrefix(line, []byte("POST "))
			continue
		}
		if len(line) == 0 {
			return post, length, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
			if err != nil || length < 0 || length > maxBody {
				return false, 0, fmt.Errorf("content length %q: not in 0 to %d", value, maxBody)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			return false, 0, errors.New("a chunked request body: this upstream takes a content length only")
		}
	}
}

const modelMark = `"model":"bench-`

func (u *Upstream) answer(conn net.Conn, out []byte, post bool, body []byte) ([]byte, error) {
	if !post {
		const list = `{"object":"list","data":[{"id":"bench-small","object":"model","created":1760000000,"owned_by":"bench"}]}`
		out = fmt.Appendf(out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(list), list)
		_, err := conn.Write(out)
		return out, err
	}
	_, rest, _ := bytes.Cut(body, []byte(modelMark))
	name, _, _ := bytes.Cut(rest, []byte(`"`))
	p := u.payloads[Mode(name)]
	switch {
	case p == nil:
		const message = `{"error":{"message":"no such model","type":"invalid_request_error","param":"model","code":"model_not_found"}}`
		out = fmt.Appendf(out, "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(message), message)
	case !p.mode.Stream():
		out = append(out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "...)
		out = strconv.AppendInt(out, int64(len(p.body)), 10)
		out = append(out, "\r\n\r\n"...)
		out = append(out, p.body...)
	default:
		return u.stream(conn, out, p, bytes.Contains(body, []byte(`"include_usage":true`)))
	}
	_, err := conn.Write(out)
	return out, err
}

// stream writes one chunk per event. Paced events carry the time they were sent.
func (u *Upstream) stream(conn net.Conn, out []byte, p *payload, usage bool) ([]byte, error) {
	out = append(out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"...)
	gap := p.mode.Gap()
	due := Now()
	for _, part := range p.parts {
		start := len(out)
		out = appendChunk(out, part)
		if gap == 0 {
			continue
		}
		due = due.Add(gap)
		_ = Pause(context.Background(), due.Sub(Now())) // ends soon: at most one gap
		stamp(out[start:], Now())
		if _, err := conn.Write(out); err != nil {
			return out, err
		}
		out = out[:0]
	}
	if usage {
		out = appendChunk(out, p.usage)
	}
	out = appendChunk(out, []byte(doneEvent))
	out = append(out, "0\r\n\r\n"...)
	_, err := conn.Write(out)
	return out, err
}

func appendChunk(out, data []byte) []byte {
	out = strconv.AppendInt(out, int64(len(data)), 16)
	out = append(out, "\r\n"...)
	out = append(out, data...)
	return append(out, "\r\n"...)
}

// stamp writes the time into the id of the event.
func stamp(event []byte, at time.Time) {
	_, rest, ok := bytes.Cut(event, []byte(idMark))
	if !ok {
		return
	}
	digits := rest[:idDigits]
	n := at.UnixNano()
	for j := idDigits - 1; j >= 0; j-- {
		digits[j] = byte('0' + n%10)
		n /= 10
	}
}

// stamped returns the time in the id of an event; zero when it carries none.
func stamped(event []byte) time.Time {
	_, rest, ok := bytes.Cut(event, []byte(idMark))
	if !ok || len(rest) < idDigits {
		return time.Time{}
	}
	n, err := strconv.ParseInt(string(rest[:idDigits]), 10, 64)
	if err != nil || n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}
