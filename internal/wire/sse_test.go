package wire_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"bartizan/internal/wire"
)

// event is what a test sees of a wire.Event.
type event struct {
	Raw, Data string
	Done      bool
	Name      string
}

// readAll returns the events of r and the error that ended them.
func readAll(t testing.TB, r io.Reader) ([]event, error) {
	t.Helper()
	reader := wire.NewEventReader(r)
	var events []event
	for {
		ev, err := reader.Next()
		if err != nil {
			if len(ev.Raw) > 0 {
				events = append(events, event{string(ev.Raw), string(ev.Data), ev.Done, string(ev.Name)})
			}
			return events, err
		}
		events = append(events, event{string(ev.Raw), string(ev.Data), ev.Done, string(ev.Name)})
	}
}

// joined returns the raw bytes of the events.
func joined(events []event) string {
	var b strings.Builder
	for _, ev := range events {
		b.WriteString(ev.Raw)
	}
	return b.String()
}

var streams = map[string]string{
	"chat":             "data: {\"id\":\"1\"}\n\ndata: {\"id\":\"2\"}\n\ndata: [DONE]\n\n",
	"crlf":             "data: {\"id\":\"1\"}\r\n\r\ndata: [DONE]\r\n\r\n",
	"cr":               "data: {\"id\":\"1\"}\r\rdata: [DONE]\r\r",
	"mixed ends":       "data: a\r\n\ndata: b\n\r\ndata: c\r\r\ndata: d\n\n",
	"many lines":       "data: {\ndata: \"id\":1\ndata: }\n\ndata\n\n",
	"fields":           ": hello\nevent: message\nid: 7\ndata: x\nretry: 3\n\n: alone\n\n",
	"no space":         "data:x\n\ndata:  y\n\n",
	"leading blanks":   "\n\r\n\rdata: x\n\n\n\ndata: y\n\n",
	"byte order mark":  "\ufeffdata: x\n\n",
	"no last line end": "data: x\n\ndata: [DONE]",
	"no blank line":    "data: x\n",
	"cr at the end":    "data: x\r",
	"crlf cr":          "data: x\r\n\r",
	"empty":            "",
	"messages":         messageStream,
	"message stop":     "event: message_stop\ndata: {\"type\":\"message_stop\"}",
	"long":             "data: " + strings.Repeat("abcdefgh", 5000) + "\n\ndata: z\n\n",
}

func TestEventReaderEvents(t *testing.T) {
	t.Parallel()
	cases := map[string][]event{
		"chat": {
			{"data: {\"id\":\"1\"}\n\n", `{"id":"1"}`, false, ""},
			{"data: {\"id\":\"2\"}\n\n", `{"id":"2"}`, false, ""},
			{"data: [DONE]\n\n", "[DONE]", true, ""},
		},
		"crlf":       {{"data: {\"id\":\"1\"}\r\n\r\n", `{"id":"1"}`, false, ""}, {"data: [DONE]\r\n\r\n", "[DONE]", true, ""}},
		"cr":         {{"data: {\"id\":\"1\"}\r\r", `{"id":"1"}`, false, ""}, {"data: [DONE]\r\r", "[DONE]", true, ""}},
		"mixed ends": {{"data: a\r\n\n", "a", false, ""}, {"data: b\n\r\n", "b", false, ""}, {"data: c\r\r", "c", false, ""}, {"\ndata: d\n\n", "d", false, ""}},
		"many lines": {{"data: {\ndata: \"id\":1\ndata: }\n\n", "{\n\"id\":1\n}", false, ""}, {"data\n\n", "", false, ""}},
		"fields": {
			{": hello\nevent: message\nid: 7\ndata: x\nretry: 3\n\n", "x", false, "message"},
			{": alone\n\n", "", false, ""},
		},
		"no space":         {{"data:x\n\n", "x", false, ""}, {"data:  y\n\n", " y", false, ""}},
		"leading blanks":   {{"\n\r\n\rdata: x\n\n", "x", false, ""}, {"\n\ndata: y\n\n", "y", false, ""}},
		"byte order mark":  {{"\ufeffdata: x\n\n", "x", false, ""}},
		"no last line end": {{"data: x\n\n", "x", false, ""}, {"data: [DONE]", "[DONE]", true, ""}},
		"no blank line":    {{"data: x\n", "x", false, ""}},
		"cr at the end":    {{"data: x\r", "x", false, ""}},
		"crlf cr":          {{"data: x\r\n\r", "x", false, ""}},
		"empty":            nil,
	}
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := readAll(t, strings.NewReader(streams[name]))
			if !errors.Is(err, io.EOF) {
				t.Errorf("reading ended with %v; want io.EOF", err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// TestEventReaderSplits cuts every stream at every byte, and into single bytes: the
// events stay the same, and their raw bytes joined are the stream.
func TestEventReaderSplits(t *testing.T) {
	t.Parallel()
	for name, stream := range streams {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, wantErr := readAll(t, strings.NewReader(stream))
			if got := joined(want); got != stream {
				t.Errorf("raw events joined = %q; want %q", got, stream)
			}
			step := 1 + len(stream)/2000
			for at := 0; at <= len(stream); at += step {
				got, err := readAll(t, io.MultiReader(strings.NewReader(stream[:at]), strings.NewReader(stream[at:])))
				if diff := cmp.Diff(want, got); diff != "" || !errors.Is(err, wantErr) {
					t.Fatalf("cut at %d: error %v, events (-want +got):\n%s", at, err, diff)
				}
			}
			got, err := readAll(t, iotest.OneByteReader(strings.NewReader(stream)))
			if diff := cmp.Diff(want, got); diff != "" || !errors.Is(err, wantErr) {
				t.Fatalf("byte by byte: error %v, events (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestEventReaderCutLine(t *testing.T) {
	t.Parallel()
	got, err := readAll(t, strings.NewReader("data: x\n\ndata: {\"a\":"))
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a stream cut within a line ended with %v; want io.ErrUnexpectedEOF", err)
	}
	if len(got) != 2 {
		t.Errorf("got %d events; want the whole one and the cut one", len(got))
	}
}

// A stream that ends within a line is whole if that line is a whole end mark.
func TestEventReaderEndMark(t *testing.T) {
	t.Parallel()
	for stream, want := range map[string]error{
		"event: message_stop\ndata: {\"type\":\"message_stop\"}":   io.EOF,
		"event: message_stop\r\ndata: {\"type\":\"message_stop\"}": io.EOF,
		"event: message_stop\ndata: {\"type\":\"message_st":        io.ErrUnexpectedEOF,
		"event: message_stop\ndata: ":                              io.ErrUnexpectedEOF,
		"event: message_stop\ndata":                                io.ErrUnexpectedEOF,
		"event: message_stop":                                      io.ErrUnexpectedEOF,
		"event: message_delta\ndata: {\"type\":\"message_stop\"}":  io.ErrUnexpectedEOF,
		"data: {\"type\":\"message_stop\"}":                        io.ErrUnexpectedEOF,
		"data: [DONE":                                              io.ErrUnexpectedEOF,
		"data: [DONE]":                                             io.EOF,
	} {
		if _, err := readAll(t, strings.NewReader(stream)); !errors.Is(err, want) {
			t.Errorf("%q ended with %v; want %v", stream, err, want)
		}
	}
}

func TestRouteAppendEvent(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		route, raw string
		keep       bool
		want       string
		plain      bool
	}{
		"known name":        {"anthropic.messages", "event: ping\ndata: x\n\n", false, "event: ping\ndata: NEW\n\n", true},
		"known name, crlf":  {"anthropic.messages", "event:ping\r\ndata: x\r\n\r\n", false, "event: ping\ndata: NEW\n\n", true},
		"name behind":       {"anthropic.messages", "data: x\nevent: ping\n\n", false, "event: ping\ndata: NEW\n\n", true},
		"name and more":     {"anthropic.messages", ": hm\nevent: ping\nid: 7\ndata: x\n\n", false, "event: ping\ndata: NEW\n\n", false},
		"two names":         {"anthropic.messages", "event: error\nevent: ping\ndata: x\n\n", false, "event: ping\ndata: NEW\n\n", false},
		"name kept":         {"anthropic.messages", "event: zz\ndata: x\n\n", true, "event: zz\ndata: NEW\n\n", false},
		"unknown name":      {"anthropic.messages", "event: zz\ndata: x\n\n", false, "data: NEW\n\n", false},
		"name in words":     {"anthropic.messages", "event: ping logprob\ndata: x\n\n", false, "data: NEW\n\n", false},
		"no name":           {"anthropic.messages", "data: x\n\n", false, "data: NEW\n\n", true},
		"empty name":        {"anthropic.messages", "event\ndata: x\n\n", false, "data: NEW\n\n", false},
		"another's name":    {"openai.chat", "event: ping\ndata: x\n\n", false, "data: NEW\n\n", false},
		"data in two lines": {"anthropic.messages", "data: x\nevent: ping\ndata: y\n\n", false, "event: ping\ndata: NEW\n\n", true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := route(t, c.route)
			ev, err := wire.NewEventReader(strings.NewReader(c.raw)).Next()
			if err != nil {
				t.Fatal(err)
			}
			if got := string(r.AppendEvent(nil, ev, []byte("NEW"), c.keep)); got != c.want || r.IsPlain(ev) != c.plain {
				t.Errorf("AppendEvent of %q = %q, plain %v; want %q, %v", c.raw, got, r.IsPlain(ev), c.want, c.plain)
			}
		})
	}
}

func TestEventReaderPassesErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	got, err := readAll(t, io.MultiReader(strings.NewReader("data: x\n\ndata: y\n"), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || len(got) != 1 {
		t.Errorf("got %d events and %v; want 1 event and the reader's error", len(got), err)
	}
	if _, err := wire.NewEventReader(stuck{}).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that gives nothing: %v; want io.ErrNoProgress", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestEventReaderCap(t *testing.T) {
	t.Parallel()
	const frame = len("data: \n\n")
	cases := map[string]struct {
		size int
		want error
	}{
		"just fits":  {wire.MaxEvent - frame, io.EOF},
		"too long":   {wire.MaxEvent - frame + 1, wire.ErrEventTooLarge},
		"far beyond": {4 * wire.MaxEvent, wire.ErrEventTooLarge},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := readAll(t, strings.NewReader("data: "+strings.Repeat("x", c.size)+"\n\n"))
			if !errors.Is(err, c.want) {
				t.Errorf("an event with %d bytes of data ended with %v; want %v", c.size, err, c.want)
			}
		})
	}
}

func TestEventReaderBuffered(t *testing.T) {
	t.Parallel()
	reader := wire.NewEventReader(strings.NewReader("data: a\n\ndata: b\n\ndata: c"))
	want := []bool{true, false}
	for i, buffered := range want {
		ev, err := reader.Next()
		if err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		raw := string(ev.Raw)
		if got := reader.Buffered(); got != buffered {
			t.Errorf("after event %d Buffered() = %v; want %v", i, got, buffered)
		}
		if string(ev.Raw) != raw {
			t.Errorf("Buffered changed the event %q to %q", raw, ev.Raw)
		}
	}
}

func TestEventReaderReset(t *testing.T) {
	t.Parallel()
	reader := wire.NewEventReader(strings.NewReader("data: a\n\ndata: left"))
	if _, err := reader.Next(); err != nil {
		t.Fatal(err)
	}
	reader.Reset(strings.NewReader("data: b\n\n"))
	ev, err := reader.Next()
	if err != nil || string(ev.Data) != "b" {
		t.Errorf("after Reset: %q, %v; want b", ev.Data, err)
	}
}

func TestEventAppendWith(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		raw  string
		keep bool
		want string
	}{
		"plain":                {"data: x\n\n", false, "data: NEW\n\n"},
		"crlf stays":           {"data:x\r\n\r\n", false, "data:NEW\r\n\r\n"},
		"fields stay":          {"event: e\ndata: x\nid: 1\n\n", true, "event: e\ndata: NEW\nid: 1\n\n"},
		"fields go":            {": note\nevent: e\ndata: x\nid: 1\n\n", false, "data: NEW\n\n"},
		"lines become one":     {"data: x\ndata: y\n\n", false, "data: NEW\n\n"},
		"lines and fields":     {"event: e\ndata: x\ndata: y\n\n", true, "event: e\ndata: NEW\n\n"},
		"no end":               {"data: x\n", false, "data: NEW\n"},
		"byte order mark stay": {"\ufeffdata: x\n\n", false, "\ufeffdata: NEW\n\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ev, err := wire.NewEventReader(strings.NewReader(c.raw)).Next()
			if err != nil {
				t.Fatal(err)
			}
			if got := string(ev.AppendWith(nil, []byte("NEW"), c.keep)); got != c.want {
				t.Errorf("AppendWith of %q = %q; want %q", c.raw, got, c.want)
			}
		})
	}
}

func FuzzEvents(f *testing.F) {
	for _, stream := range streams {
		f.Add([]byte(stream), 3)
	}
	f.Fuzz(func(t *testing.T, stream []byte, at int) {
		want, wantErr := readAll(t, bytes.NewReader(stream))
		if got := joined(want); got != string(stream) {
			t.Fatalf("raw events joined = %q; want %q", got, stream)
		}
		at = min(max(at, 0), len(stream))
		got, err := readAll(t, io.MultiReader(bytes.NewReader(stream[:at]), bytes.NewReader(stream[at:])))
		if diff := cmp.Diff(want, got); diff != "" || err.Error() != wantErr.Error() {
			t.Fatalf("cut at %d: error %v, want %v; events (-want +got):\n%s", at, err, wantErr, diff)
		}
	})
}
