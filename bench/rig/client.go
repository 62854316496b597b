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
	"sync/atomic"
	"time"
)

// Load is one run of the client: a number of requests of one mode to one address.
type Load struct {
	// Addr is the host and port to ask.
	Addr string
	// Keys are the API keys; the requests are spread over them in turn.
	Keys []string
	Mode Mode
	// Requests is how many to send in all, Conns over how many connections.
	Requests, Conns int
	// Every is the time between two requests of an open loop; zero is a closed loop.
	// In an open loop a request's time counts from the moment it was due, so that a
	// slow answer is not hidden by the requests that it held back.
	Every time.Duration
	// CheckEvery is the distance between two answers that are read whole.
	CheckEvery int
	// Check is what such an answer is held to.
	Check Expectation
	// Times keeps the delay of each answer and of each paced event.
	Times bool
}

// Outcome is what a [Load] saw.
type Outcome struct {
	// Done counts answers with status 200 and the right number of events.
	Done int
	// Events counts the events in them, without the end mark.
	Events int
	// Checked counts answers that were read whole.
	Checked int
	// Statuses counts answers by status, Faults what was wrong by its message.
	Statuses map[int]int
	Faults   map[string]int
	Wall     time.Duration
	// Answers and EventDelays hold what [Load.Times] asks for.
	Answers, EventDelays []time.Duration
}

// Run sends the load and waits for every answer. It returns early, with what was seen,
// when the context ends.
func (l Load) Run(ctx context.Context) Outcome {
	expected := newPayload(l.Mode)
	requests := make([][]byte, len(l.Keys))
	for i, key := range l.Keys {
		requests[i] = requestBytes(l.Addr, key, l.Mode)
	}
	var (
		next  atomic.Int64
		mu    sync.Mutex
		total = Outcome{Statuses: map[int]int{}, Faults: map[string]int{}}
		wait  sync.WaitGroup
	)
	start := Now()
	for range min(l.Conns, l.Requests) {
		wait.Go(func() {
			w := &worker{load: l, expected: expected, out: Outcome{Statuses: map[int]int{}, Faults: map[string]int{}}}
			defer w.hangUp()
			for {
				i := int(next.Add(1)) - 1
				if i >= l.Requests || ctx.Err() != nil {
					break
				}
				due := Now()
				if l.Every > 0 {
					due = start.Add(time.Duration(i) * l.Every)
					if Pause(ctx, due.Sub(Now())) != nil {
						break
					}
				}
				w.do(ctx, requests[i%len(requests)], i, due)
			}
			mu.Lock()
			defer mu.Unlock()
			total.add(w.out)
		})
	}
	wait.Wait()
	total.Wall = Now().Sub(start)
	return total
}

func (o *Outcome) add(other Outcome) {
	o.Done += other.Done
	o.Events += other.Events
	o.Checked += other.Checked
	for status, n := range other.Statuses {
		o.Statuses[status] += n
	}
	for fault, n := range other.Faults {
		o.Faults[fault] += n
	}
	o.Answers = append(o.Answers, other.Answers...)
	o.EventDelays = append(o.EventDelays, other.EventDelays...)
}

// requestBytes is a request of about 0.6 KB, the size of a short question with its head.
func requestBytes(addr, key string, mode Mode) []byte {
	const question = "Explain in a few plain sentences how a harbour keeps ships apart when the fog is thick, " +
		"who decides which of them may move first, and what the pilots tell one another over the radio while they wait."
	stream := ""
	if mode.Stream() {
		stream = `"stream":true,`
	}
	body := fmt.Sprintf(`{%s%s",%s"max_tokens":128,"temperature":0.7,"messages":[`+
		`{"role":"system","content":"You are a helpful assistant."},{"role":"user","content":%q}]}`,
		modelMark, mode, stream, question)
	return fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nAccept: */*\r\nUser-Agent: bench\r\nContent-Length: %d\r\n\r\n%s", addr, key, len(body), body)
}

// answerLimit is how long one answer may take; a paced stream takes half a second.
const answerLimit = 60 * time.Second

// worker is one connection's loop.
type worker struct {
	load     Load
	expected *payload
	out      Outcome

	conn   net.Conn
	reader *bufio.Reader
	body   []byte
	seen   int // bytes of body whose events were timed
}

func (w *worker) hangUp() {
	if w.conn != nil {
		_ = w.conn.Close()
		w.conn = nil
	}
}

func (w *worker) fault(format string, args ...any) {
	w.out.Faults[fmt.Sprintf(format, args...)]++
}

func (w *worker) do(ctx context.Context, request []byte, index int, due time.Time) {
	if w.conn == nil {
		conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", w.load.Addr)
		if err != nil {
			if ctx.Err() == nil {
				w.fault("connect: %v", errors.Unwrap(err))
			}
			return
		}
		w.conn, w.reader = conn, bufio.NewReaderSize(conn, 64<<10)
	}
	_ = w.conn.SetDeadline(Now().Add(answerLimit))
	if _, err := w.conn.Write(request); err != nil {
		w.fault("send: %v", err)
		w.hangUp()
		return
	}
	status, again, err := w.read()
	if err != nil {
		w.fault("receive: %v", err)
		w.hangUp()
		return
	}
	if !again {
		w.hangUp()
	}
	w.judge(status, index)
	if w.load.Times {
		w.out.Answers = append(w.out.Answers, Now().Sub(due))
	}
}

// judge counts the answer, and reads one in so many whole.
func (w *worker) judge(status, index int) {
	w.out.Statuses[status]++
	if status != 200 {
		w.fault("status %d: %.160s", status, w.body)
		return
	}
	if w.load.Mode.Stream() {
		got := bytes.Count(w.body, []byte("\n\n")) - 1
		if got != len(w.expected.parts) || !bytes.HasSuffix(w.body, []byte(doneEvent)) {
			w.fault("%d events and end mark %t; want %d and true", got,
				bytes.HasSuffix(w.body, []byte(doneEvent)), len(w.expected.parts))
			return
		}
		w.out.Events += got
	}
	w.out.Done++
	if w.load.CheckEvery > 0 && index%w.load.CheckEvery == 0 {
		w.out.Checked++
		if err := w.load.Check.verify(w.expected, w.body); err != nil {
			w.fault("content: %v", err)
		}
	}
}

// read reads one answer into w.body.
func (w *worker) read() (status int, again bool, err error) {
	w.body, w.seen = w.body[:0], 0
	line, err := w.reader.ReadSlice('\n')
	if err != nil {
		return 0, false, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, false, fmt.Errorf("status line %q", line)
	}
	status, err = strconv.Atoi(string(line[9:12]))
	if err != nil {
		return 0, false, fmt.Errorf("status line %q", line)
	}
	length, chunked, again, err := w.readHead()
	switch {
	case err != nil:
		return 0, false, err
	case chunked:
		err = w.readChunks()
	case length >= 0:
		err = w.fill(length)
	default:
		return 0, false, errors.New("an answer with neither length nor chunks")
	}
	return status, again, err
}

func (w *worker) readHead() (length int, chunked, again bool, err error) {
	length, again = -1, true
	for {
		line, err := w.reader.ReadSlice('\n')
		if err != nil {
			return 0, false, false, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return length, chunked, again, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 || length > maxBody {
				return 0, false, false, fmt.Errorf("content length %q", value)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, []byte("Connection")):
			again = !bytes.EqualFold(value, []byte("close"))
		}
	}
}

func (w *worker) readChunks() error {
	for {
		line, err := w.reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseUint(string(bytes.TrimRight(line, "\r\n")), 16, 31)
		if err != nil || size > maxBody {
			return fmt.Errorf("chunk size %q", line)
		}
		if err := w.fill(int(size)); err != nil {
			return err
		}
		if _, err := w.reader.Discard(2); err != nil {
			return err
		}
		if size == 0 {
			return nil
		}
		if w.load.Times && w.load.Mode.Gap() > 0 {
			w.timeEvents()
		}
	}
}

func (w *worker) fill(n int) error {
	start := len(w.body)
	if cap(w.body) < start+n {
		w.body = append(make([]byte, 0, 2*(start+n)), w.body...)
	}
	w.body = w.body[:start+n]
	_, err := io.ReadFull(w.reader, w.body[start:])
	return err
}

// timeEvents notes the delay of the events that ended since the last chunk.
func (w *worker) timeEvents() {
	at := Now()
	for {
		event, _, whole := bytes.Cut(w.body[w.seen:], []byte("\n\n"))
		if !whole {
			return
		}
		w.seen += len(event) + 2
		if sent := stamped(event); !sent.IsZero() {
			w.out.EventDelays = append(w.out.EventDelays, at.Sub(sent))
		}
	}
}
