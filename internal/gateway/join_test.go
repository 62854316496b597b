package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bartizan"
	"bartizan/internal/coarsen"
	"bartizan/internal/policy"
)

// TestJoinedStream: text is joined by time, and what is held back leaves in time though
// the upstream falls silent; every byte of text arrives.
func TestJoinedStream(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		control := http.NewResponseController(w)
		say := func(text string) {
			fmt.Fprintf(w, "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":%q}}]}\n\n", text)
			_ = control.Flush()
		}
		for word := range strings.FieldsSeq("one two three four") {
			say(word + " ")
		}
		<-goOn // the model thinks
		say("five")
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	}))
	defer server.Close()
	defer func() {
		select {
		case <-goOn:
		default:
			close(goOn)
		}
	}()
	spec := policy.Default()
	standard := spec.Tiers[bartizan.TierStandard]
	standard.Coarsen.Name = "joined"
	standard.Coarsen.Stream = coarsen.Stream{Wait: 30 * time.Millisecond, Pad: true}
	spec.Tiers[bartizan.TierStandard] = standard
	f := deploy(t, server.URL, deployment{spec: &spec})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/v1/chat/completions",
		strings.NewReader(`{"model":"m","stream":true,"messages":[{"role":"user","content":"count"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer key-standard")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var text strings.Builder
	events, resumed := 0, false
	scanner := bufio.NewScanner(response.Body)
	for scanner.Scan() {
		data, ok := strings.CutPrefix(scanner.Text(), "data: {")
		if !ok {
			continue
		}
		events++
		_, content, _ := strings.Cut(data, `"content":"`)
		content, _, _ = strings.Cut(content, `"`)
		text.WriteString(content)
		if strings.Contains(text.String(), "four") && !resumed { // it came while the model was thinking
			resumed = true
			close(goOn)
		}
	}
	if got := text.String(); got != "one two three four five" || !resumed {
		t.Errorf("text = %q, resumed %v; want all of it", got, resumed)
	}
	if events >= 5 {
		t.Errorf("%d events; want fewer than the upstream's 5", events)
	}
}
