package guard_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"bartizan/internal/coarsen"
	"bartizan/internal/guard"
	"bartizan/internal/wire"
)

// text joins the pieces of text in the events of a stream.
func streamedText(t *testing.T, r *wire.Route, f wire.Framing, stream string) (text string, events int, sizes map[int]bool) {
	t.Helper()
	reader := wire.NewReader(f, strings.NewReader(stream))
	sizes = map[int]bool{}
	for {
		ev, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return text, events, sizes
		}
		if err != nil {
			t.Fatalf("read joined stream: %v\n%s", err, stream)
		}
		events++
		sizes[len(ev.Raw)%256] = true
		if ev.Done || len(ev.Data) == 0 {
			continue
		}
		if from, to, ok := r.TextSpan(ev.Data); ok {
			text += string(ev.Data[from:to])
		}
	}
}

// TestJoiner: whatever the framing, joined and padded streams carry the same text in fewer
// events of few sizes, and what cannot be joined keeps its place.
func TestJoiner(t *testing.T) {
	t.Parallel()
	const pieces = 10
	var events, documents strings.Builder
	for i := range pieces {
		fmt.Fprintf(&events, "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"w%d \"}}]}\n\n", i)
		fmt.Fprintf(&documents, "{\"model\":\"m\",\"response\":\"w%d \",\"done\":false}\n", i)
	}
	chat := events.String() + "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
	lines := documents.String() + "{\"model\":\"m\",\"response\":\"\",\"done\":true,\"eval_count\":10}\n"
	streams := map[string]struct {
		route   string
		framing wire.Framing
		stream  string
		ends    int // events that cannot be joined
	}{
		"sse":   {"openai.chat", wire.FramingSSE, chat, 2},
		"lines": {"ollama.generate", wire.FramingLines, lines, 1},
	}
	for name, s := range streams {
		for _, rules := range []coarsen.Stream{{Join: 4}, {Wait: time.Second}, {Pad: true}, {Join: 3, Pad: true}} {
			t.Run(fmt.Sprintf("%s %+v", name, rules), func(t *testing.T) {
				t.Parallel()
				r := route(t, s.route)
				j := guard.NewJoiner(r, rules, s.framing)
				reader := wire.NewReader(s.framing, strings.NewReader(s.stream))
				var out []byte
				for {
					ev, err := reader.Next()
					if err != nil {
						break
					}
					out = j.Add(out, ev.Raw)
				}
				out = j.Flush(out)
				text, events, sizes := streamedText(t, r, s.framing, string(out))
				want, _, _ := streamedText(t, r, s.framing, s.stream)
				if text != want {
					t.Errorf("text = %q; want %q", text, want)
				}
				joined := pieces
				switch {
				case rules.Join > 1:
					joined = (pieces + rules.Join - 1) / rules.Join
				case rules.Wait > 0:
					joined = 1
				}
				if events != joined+s.ends {
					t.Errorf("%d events; want %d\n%s", events, joined+s.ends, out)
				}
				if rules.Pad && (len(sizes) != 1 || !sizes[0]) {
					t.Errorf("sizes leave %v when divided by 256; want 0 only", sizes)
				}
			})
		}
	}
	if guard.NewJoiner(route(t, "openai.chat"), coarsen.Stream{}, wire.FramingSSE) != nil {
		t.Error("rules that change nothing have a joiner")
	}
}

// TestJoinerKeepsApart: choices, tools and log-probabilities are never joined.
func TestJoinerKeepsApart(t *testing.T) {
	t.Parallel()
	apart := []string{
		`{"choices":[{"index":0,"delta":{"content":"a"}}]}`,
		`{"choices":[{"index":1,"delta":{"content":"b"}}]}`,
		`{"choices":[{"index":1,"delta":{"content":"c"},"logprobs":{"content":[{"token":"c","logprob":-1,"bytes":null,"top_logprobs":[]}]}}]}`,
		`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{"}}]}}]}`,
		`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"{"}}]}}]}`,
	}
	j := guard.NewJoiner(route(t, "openai.chat"), coarsen.Stream{Join: 100}, wire.FramingSSE)
	var out []byte
	var want strings.Builder
	for _, doc := range apart {
		event := "data: " + doc + "\n\n"
		want.WriteString(event)
		out = j.Add(out, []byte(event))
	}
	if out = j.Flush(out); string(out) != want.String() {
		t.Errorf("joined to\n%s; want\n%s", out, want.String())
	}
	if j.Holds() {
		t.Error("something is held after a flush")
	}
}
