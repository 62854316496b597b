package rig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Expectation is what a proxy should do to an answer.
type Expectation uint8

// The expectations.
const (
	// Untouched: byte for byte what the upstream sent, but for the time in an id.
	Untouched Expectation = iota
	// Stripped: the same text, finish and number of events, and no log-probability
	// at any depth, because the client asked for none.
	Stripped
)

// verify reads the answer whole and compares it with what the upstream holds.
func (e Expectation) verify(want *payload, got []byte) error {
	if e == Untouched {
		return verifyUntouched(want, got)
	}
	if !want.mode.Stream() {
		text, finish, err := readAnswer(got, "message")
		if err != nil {
			return err
		}
		return compare(text, want.text, finish)
	}
	var text strings.Builder
	finish := ""
	for event := range strings.SplitSeq(strings.TrimSuffix(string(got), doneEvent), "\n\n") {
		if event == "" {
			continue
		}
		data, ok := strings.CutPrefix(event, "data: ")
		if !ok {
			return fmt.Errorf("event %.80q is not one data line", event)
		}
		part, ended, err := readAnswer([]byte(data), "delta")
		if err != nil {
			return err
		}
		text.WriteString(part)
		if ended != "" {
			finish = ended
		}
	}
	return compare(text.String(), want.text, finish)
}

func verifyUntouched(want *payload, got []byte) error {
	source := want.body
	if want.mode.Stream() {
		source = append(bytes.Join(want.parts, nil), doneEvent...)
	}
	if want.mode.Gap() > 0 {
		got = blankIDs(got)
	}
	if !bytes.Equal(got, source) {
		return fmt.Errorf("%d bytes that differ from the %d sent", len(got), len(source))
	}
	return nil
}

// blankIDs returns a copy with zeros for the digits of every id.
func blankIDs(body []byte) []byte {
	out := bytes.Clone(body)
	for rest := out; ; {
		i := bytes.Index(rest, []byte(idMark))
		if i < 0 || len(rest) < i+len(idMark)+idDigits {
			return out
		}
		rest = rest[i+len(idMark):]
		for j := range idDigits {
			rest[j] = '0'
		}
	}
}

func compare(text, want, finish string) error {
	switch {
	case text != want:
		return fmt.Errorf("text %.60q (%d bytes); want %.60q (%d bytes)", text, len(text), want, len(want))
	case finish != "stop":
		return fmt.Errorf("finish reason %q; want stop", finish)
	default:
		return nil
	}
}

// readAnswer parses one document and returns the text and finish of its first choice.
func readAnswer(document []byte, holder string) (text, finish string, err error) {
	if err := noScores(document); err != nil {
		return "", "", err
	}
	var answer struct {
		Choices []map[string]json.RawMessage `json:"choices"`
	}
	if err := json.Unmarshal(document, &answer); err != nil {
		return "", "", fmt.Errorf("parse answer: %w", err)
	}
	if len(answer.Choices) != 1 {
		return "", "", fmt.Errorf("%d choices; want 1", len(answer.Choices))
	}
	var said struct {
		Content string `json:"content"`
	}
	if err := json.Unmarshal(answer.Choices[0][holder], &said); err != nil {
		return "", "", fmt.Errorf("parse %s: %w", holder, err)
	}
	if raw := answer.Choices[0]["finish_reason"]; len(raw) > 0 {
		if err := json.Unmarshal(raw, &finish); err != nil {
			return "", "", fmt.Errorf("parse finish reason: %w", err)
		}
	}
	return said.Content, finish, nil
}

// noScores fails on a log-probability key with a value, at any depth.
func noScores(document []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(document))
	suspect := false
	for {
		tok, err := decoder.Token()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("parse answer: %w", err)
		case suspect && tok != nil:
			return errors.New("log-probabilities nobody asked for")
		}
		name, ok := tok.(string)
		suspect = ok && (name == "logprobs" || name == "top_logprobs" || name == "logprob")
	}
}
