package modelserver

import "strings"

// responseStream sends the events of a responses request, numbered from zero.
type responseStream struct {
	*responseJob

	number int
	item   int // place of the item that the stream is in
	all    whole
	text   strings.Builder
	within bool // the message has begun
}

// send sends one event, whose type is its name.
func (r *responseStream) send(name string, v object) error {
	v["type"], v["sequence_number"] = name, r.number
	r.number++
	return r.named(name, v)
}

// of adds the place of an event in the answer.
func (r *responseStream) of(id string, v object) object {
	v["item_id"], v["output_index"], v["content_index"] = id, r.item, 0
	return v
}

// each sends events until one fails.
func (r *responseStream) each(events ...responseEvent) error {
	for _, e := range events {
		if err := r.send(e.name, e.value); err != nil {
			return err
		}
	}
	return nil
}

type responseEvent struct {
	name  string
	value object
}

func (r *responseJob) stream() error {
	s := &responseStream{responseJob: r}
	if err := s.each(
		responseEvent{"response.created", object{"response": r.response("in_progress", []object{})}},
		responseEvent{"response.in_progress", object{"response": r.response("in_progress", []object{})}},
	); err != nil {
		return err
	}
	if r.think > 0 {
		started := r.reasoningItem("")
		started["status"], started["summary"] = "in_progress", []object{}
		delete(started, "encrypted_content")
		delete(started, "content")
		if err := s.send("response.output_item.added", object{"output_index": 0, "item": started}); err != nil {
			return err
		}
	}
	if err := r.job.stream(func(_ int, p piece) error { return s.piece(p) }); err != nil {
		return err
	}
	s.all.text = s.text.String()
	return s.end()
}

// piece sends a part of the thought or of the message.
func (r *responseStream) piece(p piece) error {
	if p.thought {
		r.all.reasoning.text += p.text
		if !r.open || p.text == "" {
			return nil
		}
		return r.send("response.reasoning_text.delta", r.of(r.thoughtID, object{"delta": p.text}))
	}
	if !r.within {
		if err := r.beginMessage(); err != nil {
			return err
		}
	}
	_, _ = r.text.WriteString(p.text) // a Builder does not fail
	r.all.tokens = append(r.all.tokens, p.tokens...)
	r.all.finish = p.finish
	if p.text == "" && len(p.tokens) == 0 {
		return nil
	}
	return r.send("response.output_text.delta", r.of(r.messageID, object{"delta": p.text, "logprobs": r.logprobs(p)}))
}

// beginMessage ends the thought, if there was one, and opens the message.
func (r *responseStream) beginMessage() error {
	r.within = true
	if r.think > 0 {
		if err := r.endThought(); err != nil {
			return err
		}
		r.item++
	}
	return r.each(
		responseEvent{"response.output_item.added", object{"output_index": r.item, "item": r.messageItem("in_progress")}},
		responseEvent{"response.content_part.added", r.of(r.messageID, object{"part": object{"type": "output_text", "text": "", "annotations": []any{}, "logprobs": []any{}}})},
	)
}

func (r *responseStream) endThought() error {
	thought := r.all.reasoning.text
	var events []responseEvent
	if r.open {
		events = append(events, responseEvent{"response.reasoning_text.done", r.of(r.thoughtID, object{"text": thought})})
	}
	if summary := r.summary(thought); summary != "" {
		at := func(v object) object {
			v["item_id"], v["output_index"], v["summary_index"] = r.thoughtID, r.item, 0
			return v
		}
		events = append(
			events,
			responseEvent{"response.reasoning_summary_part.added", at(object{"part": object{"type": "summary_text", "text": ""}})},
			responseEvent{"response.reasoning_summary_text.delta", at(object{"delta": summary})},
			responseEvent{"response.reasoning_summary_text.done", at(object{"text": summary})},
			responseEvent{"response.reasoning_summary_part.done", at(object{"part": object{"type": "summary_text", "text": summary}})},
		)
	}
	return r.each(append(events, responseEvent{"response.output_item.done", object{"output_index": r.item, "item": r.reasoningItem(thought)}})...)
}

// end closes the message and the response.
func (r *responseStream) end() error {
	status := statusOf(r.all.finish)
	part := r.textPart(r.all.piece)
	return r.each(
		responseEvent{"response.output_text.done", r.of(r.messageID, object{"text": r.all.text, "logprobs": part["logprobs"]})},
		responseEvent{"response.content_part.done", r.of(r.messageID, object{"part": part})},
		responseEvent{"response.output_item.done", object{"output_index": r.item, "item": r.messageItem(status, part)}},
		responseEvent{"response." + status, object{"response": r.response(status, r.output(r.all))}},
	)
}
