package rig

import (
	"encoding/json"
	"strings"
	"testing"
)

// The sizes are those that earlier results were measured with; a few percent either
// way do not matter, a change of kind does.
func TestPayloads(t *testing.T) {
	t.Parallel()
	want := map[Mode]int{
		Small: smallBytes, Big: bigBytes, Burst: sseBytes, BurstLogprobs: sselpBytes,
		Paced: sseBytes, PacedLogprobs: sselpBytes,
	}
	for mode, size := range want {
		p := newPayload(mode)
		if off := float64(p.size())/float64(size) - 1; off < -0.03 || off > 0.03 {
			t.Errorf("payload %s has %d bytes; want %d within 3 %%", mode, p.size(), size)
		}
		if got, again := p.size(), newPayload(mode).size(); got != again {
			t.Errorf("payload %s has %d bytes, then %d; want the same every time", mode, got, again)
		}
		documents := []string{string(p.body)}
		if mode.Stream() {
			documents = nil
			for _, part := range append(p.parts, p.usage) {
				data, ok := strings.CutPrefix(string(part), "data: ")
				if !ok || !strings.HasSuffix(data, "\n\n") {
					t.Fatalf("payload %s: event %q is not one data line", mode, part)
				}
				documents = append(documents, data)
			}
		}
		for _, document := range documents {
			if !json.Valid([]byte(document)) {
				t.Errorf("payload %s: not JSON: %.200s", mode, document)
			}
		}
		if p.text == "" {
			t.Errorf("payload %s says nothing", mode)
		}
	}
}
