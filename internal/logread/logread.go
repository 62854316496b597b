// Package logread turns request logs into exchanges: files that another gateway
// wrote, or that bartizan exported.
//
// A log is lines of JSON, each ended by byte 0x0A, plain or compressed with gzip or
// zstd, which is told from the first bytes. Two formats are read, told from the
// first usable line: bartizan's own (schema bartizan.exchange/1), and what people
// log around the OpenAI API, see [FormatOpenAI].
//
// A line that cannot be used is counted with its number and reason, and reading
// goes on. A line that names no account belongs to [UnknownAccount], which is never
// judged. A line without a time gives an exchange whose At is zero: it is counted,
// and says nothing of pace. Memory does not grow with the file.
package logread

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"bartizan"
)

// Format names a log format.
type Format string

// The formats.
const (
	// FormatAuto decides by the first usable line of the file.
	FormatAuto Format = ""
	// FormatBartizan is one bartizan.exchange/1 object a line.
	FormatBartizan Format = "bartizan"
	// FormatOpenAI is any of these objects a line:
	//
	//   - an envelope {"request": BODY, "response": ANSWER, ...};
	//   - a batch input {"custom_id", "url", "body": BODY} or batch output
	//     {"custom_id", "response": {"status_code", "body": ANSWER}};
	//   - a bare request body {"model", "messages" | "prompt" | "input", ...},
	//     with an answer's "choices" and "usage" beside them or not.
	//
	// The account is the first of these that is a non-empty text or number:
	// account, account_id, api_key_hash, key_hash, api_key_alias, key_alias, key_id,
	// user_api_key_hash, customer, customer_id, organization, organization_id,
	// org_id, user_id, user, end_user, api_key, key; looked for in the line, its
	// metadata, the request, and the request's metadata, in this order of places.
	// A value that looks like a secret key is replaced by "key-" and a part of its
	// SHA-256.
	//
	// The time is the first of at, timestamp, time, start_time, startTime,
	// request_time, created_at, created in the line, then created in the answer;
	// the end is end_time, endTime, end_at, completed_at, or the time plus
	// latency_ms, duration_ms (milliseconds), latency or duration (seconds), or
	// the time itself. Times are RFC 3339, "2006-01-02 15:04:05.999" in UTC, or a
	// number since 1970 in seconds, milliseconds, microseconds or nanoseconds,
	// told by its size.
	FormatOpenAI Format = "openai"
)

// UnknownAccount is the account of lines that name none.
const UnknownAccount = "unknown"

// Options say how to read. The zero value reads any known format and tolerates bad
// lines.
type Options struct {
	Format Format
	// Strict makes the first bad line an error.
	Strict bool
	// Name stands in made-up ids and in errors; usually the file's name.
	Name string
	// MaxLine caps a line in bytes; 0 means 16 MiB. A longer line is a bad line.
	MaxLine int
	// MaxBytes caps the decompressed size; 0 means 64 GiB.
	MaxBytes int64
	// MaxFaults caps the list in Stats.Faults; 0 means 20. All are counted.
	MaxFaults int
}

// Fault is a line that could not be used.
type Fault struct {
	Line   int64  `json:"line"`
	Reason string `json:"reason"`
}

// Stats counts what was read.
type Stats struct {
	Format    Format `json:"format"`
	Lines     int64  `json:"lines"` // blank ones are not counted
	Exchanges int64  `json:"exchanges"`
	Bad       int64  `json:"bad"`
	// Untimed and Unknown count exchanges without a time and without an account.
	Untimed int64 `json:"untimed"`
	Unknown int64 `json:"unknown"`
	// Bytes is the decompressed size.
	Bytes  int64   `json:"bytes"`
	Faults []Fault `json:"faults,omitempty"`
}

// Errors of a whole file.
var (
	// ErrTooLarge says that a file is larger, once decompressed, than was allowed.
	ErrTooLarge = errors.New("larger than the allowed decompressed size")
	// ErrBadLine is the error of a bad line under Options.Strict.
	ErrBadLine = errors.New("bad line")
)

// Open opens the file at path and reads it as [Read] does; an empty Options.Name
// becomes the file's name.
func Open(ctx context.Context, path string, o Options, fn func(*bartizan.Exchange) error) (Stats, error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return Stats{}, fmt.Errorf("open log: %w", err)
	}
	defer func() { _ = f.Close() }()
	if o.Name == "" {
		o.Name = filepath.Base(path)
	}
	return Read(ctx, f, o, fn)
}

// Read calls fn for every exchange of r, in the order of the lines. An error of fn
// ends the reading and is returned as it is. What was read until an error is in the
// returned Stats.
func Read(ctx context.Context, r io.Reader, o Options, fn func(*bartizan.Exchange) error) (Stats, error) {
	o = o.withDefaults()
	plain, err := decompress(r, o.MaxBytes)
	if err != nil {
		return Stats{}, fmt.Errorf("read log %s: %w", o.Name, err)
	}
	defer plain.close()
	run := &reading{o: o, fn: fn, stats: Stats{Format: o.Format}}
	err = run.lines(ctx, plain)
	run.stats.Bytes = plain.n
	return run.stats, err
}

func (o Options) withDefaults() Options {
	if o.MaxLine <= 0 {
		o.MaxLine = 16 << 20
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 64 << 30
	}
	if o.MaxFaults <= 0 {
		o.MaxFaults = 20
	}
	if o.Name == "" {
		o.Name = "log"
	}
	return o
}

// reading is one pass over a log.
type reading struct {
	o     Options
	fn    func(*bartizan.Exchange) error
	stats Stats
	line  int64 // of the file, blank ones included
}

func (r *reading) lines(ctx context.Context, plain io.Reader) error {
	in := bufio.NewReaderSize(plain, 64<<10)
	var buf []byte
	for {
		if r.line%256 == 0 {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("read log %s: %w", r.o.Name, err)
			}
		}
		line, tooLong, err := readLine(in, buf[:0], r.o.MaxLine)
		buf = line
		if len(line) > 0 || err == nil {
			r.line++
		}
		if use := r.use(line, tooLong); use != nil {
			return use
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read log %s after line %d: %w", r.o.Name, r.line, err)
		}
	}
}

// readLine appends the next line to buf, without its end. Of a line longer than
// limit only the beginning is kept.
func readLine(in *bufio.Reader, buf []byte, limit int) (line []byte, tooLong bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if len(buf)+len(part) > limit+1 {
			tooLong = true
			part = part[:max(0, min(len(part), limit+1-len(buf)))]
		}
		buf = append(buf, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return bytes.TrimSuffix(buf, []byte{'\n'}), tooLong, err
	}
}

// use makes an exchange of a line and hands it on.
func (r *reading) use(line []byte, tooLong bool) error {
	if r.line == 1 {
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return nil
	}
	r.stats.Lines++
	if tooLong {
		return r.bad(fmt.Sprintf("longer than %d bytes", r.o.MaxLine))
	}
	x, format, reason := parse(line, r.stats.Format)
	if reason != "" {
		return r.bad(reason)
	}
	r.stats.Format = format
	if x.ID == "" {
		x.ID = fmt.Sprintf("%s:%012d", r.o.Name, r.line)
	}
	if x.At.IsZero() {
		r.stats.Untimed++
	}
	if x.Account == UnknownAccount {
		r.stats.Unknown++
	}
	r.stats.Exchanges++
	return r.fn(x)
}

func (r *reading) bad(reason string) error {
	r.stats.Bad++
	if len(r.stats.Faults) < r.o.MaxFaults {
		r.stats.Faults = append(r.stats.Faults, Fault{Line: r.line, Reason: reason})
	}
	if r.o.Strict {
		return fmt.Errorf("read log %s: line %d: %s: %w", r.o.Name, r.line, reason, ErrBadLine)
	}
	return nil
}
