package modelserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// The media types of streams.
const (
	typeEvents = "text/event-stream; charset=utf-8"
	typeLines  = "application/x-ndjson"
	typeJSON   = "application/json; charset=UTF-8"
)

// doneMark ends the streams of the OpenAI family.
const doneMark = "[DONE]"

// part writes a part of a stream and sends it at once.
func (x *exchange) part(mediaType, text string) error {
	if !x.begun {
		x.begun = true
		x.w.Header().Set("Content-Type", mediaType)
		x.w.Header().Set("Cache-Control", "no-cache")
	}
	if _, err := io.WriteString(x.w, text); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	if err := http.NewResponseController(x.w).Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("flush event: %w", err)
	}
	return nil
}

// event sends one event; a string is sent as it is, anything else as JSON.
func (x *exchange) event(v any) error { return x.named("", v) }

// named sends one event that has a name.
func (x *exchange) named(name string, v any) error {
	data, ok := v.(string)
	if !ok {
		body, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("encode event: %w", err)
		}
		data = string(body)
	}
	if name != "" {
		name = "event: " + name + "\n"
	}
	return x.part(typeEvents, name+"data: "+data+"\n\n")
}

// line sends one line of JSON.
func (x *exchange) line(v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode line: %w", err)
	}
	return x.part(typeLines, string(body)+"\n")
}
