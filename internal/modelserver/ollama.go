package modelserver

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Ollama's sampling when nothing else is asked.
const (
	ollamaTemperature = 0.8
	ollamaTopP        = 0.9
	ollamaTopK        = 40
)

// ollamaRoutes serve the shape of Ollama.
func (s *Server) ollamaRoutes() []route {
	return []route{
		{http.MethodPost, "/api/generate", wordError, s.ollamaGenerate},
		{http.MethodPost, "/api/chat", wordError, s.ollamaChat},
		{http.MethodPost, "/api/embed", wordError, s.ollamaEmbed},
		{http.MethodPost, "/api/embeddings", wordError, s.ollamaEmbedding},
	}
}

// ollamaRequest is what generate and chat share.
type ollamaRequest struct {
	Model       string    `json:"model"`
	Prompt      string    `json:"prompt"`
	System      string    `json:"system"`
	Context     []int     `json:"context"`
	Raw         bool      `json:"raw"`
	Messages    []message `json:"messages"`
	Stream      *bool     `json:"stream"`
	Think       any       `json:"think"` // a bool or a level
	Logprobs    bool      `json:"logprobs"`
	TopLogprobs int       `json:"top_logprobs"`
	Options     struct {
		NumPredict  *int     `json:"num_predict"`
		Temperature *float64 `json:"temperature"`
		TopP        *float64 `json:"top_p"`
		TopK        *int     `json:"top_k"`
		Seed        *int64   `json:"seed"`
		Stop        stopList `json:"stop"`
		Presence    float64  `json:"presence_penalty"`
		Frequency   float64  `json:"frequency_penalty"`
	} `json:"options"`
}

// ollamaName is a model's name without the tag that stands for no tag.
func ollamaName(name string) string { return strings.TrimSuffix(name, ":latest") }

// ask says in no API's words what the request wants, but for the prompt.
func (r *ollamaRequest) ask(s *Server) (ask, error) {
	if err := s.checkModel(ollamaName(r.Model)); err != nil {
		return ask{}, err
	}
	if r.TopLogprobs < 0 || r.TopLogprobs > maxTop {
		return ask{}, invalid("top_logprobs", "top_logprobs must be between 0 and %d", maxTop)
	}
	o := &r.Options
	limit := o.NumPredict
	if limit != nil && *limit < 0 { // no limit
		limit = nil
	}
	a := ask{
		limit: limit, otherwise: contextTokens, limitName: "num_predict", seed: o.Seed, stops: o.Stop,
		how: sampling{
			temperature: valueOr(o.Temperature, ollamaTemperature), topP: valueOr(o.TopP, ollamaTopP), topK: valueOr(o.TopK, ollamaTopK),
			presence: o.Presence, frequency: o.Frequency,
		},
		want: wanted{logprobs: r.Logprobs, top: r.TopLogprobs},
	}
	level, _ := r.Think.(string)
	if on, _ := r.Think.(bool); on || level != "" || r.Think == nil && s.thinks(ollamaName(r.Model)) {
		a.think = defaultThink
	}
	return a, nil
}

func (s *Server) ollamaGenerate(x *exchange) error {
	var r ollamaRequest
	if err := x.read(&r); err != nil {
		return err
	}
	a, err := r.ask(s)
	if err != nil {
		return err
	}
	before, err := s.tokensIn(r.Context, contextTokens, "context")
	if err != nil {
		return err
	}
	text := r.Prompt
	if !r.Raw {
		text = "user\n" + r.Prompt + "\n\n"
		if r.System != "" {
			text = "system\n" + r.System + "\n\n" + text
		}
	}
	a.prompt = slices.Concat(before, s.model.vocabulary.encode(text))
	a.about, a.goesOn = s.model.vocabulary.decode(before)+r.Prompt, r.Raw
	return s.ollama(x, &r, a, false)
}

func (s *Server) ollamaChat(x *exchange) error {
	var r ollamaRequest
	if err := x.read(&r); err != nil {
		return err
	}
	a, err := r.ask(s)
	if err != nil {
		return err
	}
	text, err := conversation(r.Messages)
	if err != nil {
		return err
	}
	a.prompt, a.about = s.model.vocabulary.encode(text), topicOf(r.Messages)
	return s.ollama(x, &r, a, true)
}

// ollama answers with lines, or with one document.
func (s *Server) ollama(x *exchange, r *ollamaRequest, a ask, chat bool) error {
	j, err := x.begin(a)
	if err != nil {
		return err
	}
	o := &ollamaJob{job: j, model: r.Model, chat: chat}
	if !valueOr(r.Stream, true) {
		wholes, err := o.wholes()
		if err != nil {
			return err
		}
		w := wholes[0]
		o.given = tokensOf(w.piece)
		return o.answer(o.last(o.entry(w.reasoning.text, w.text, w.piece), w.finish))
	}
	finish := ""
	err = o.stream(func(_ int, p piece) error {
		finish = p.finish
		if p.text == "" && len(p.tokens) == 0 {
			return nil
		}
		if p.thought {
			return o.line(o.entry(p.text, "", p))
		}
		o.given = append(o.given, tokensOf(p)...)
		return o.line(o.entry("", p.text, p))
	})
	if err != nil {
		return err
	}
	return o.line(o.last(o.entry("", "", piece{}), finish))
}

// ollamaJob is a request that is being answered.
type ollamaJob struct {
	*job

	model string
	chat  bool
	given []int // tokens of the answer
}

// entry is one line, or the beginning of the one document.
func (o *ollamaJob) entry(thought, text string, p piece) object {
	v := object{"model": o.model, "created_at": time.Now().UTC().Format(time.RFC3339Nano), "done": false}
	if o.chat {
		m := object{"role": "assistant", "content": text}
		if thought != "" {
			m["thinking"] = thought
		}
		v["message"] = m
	} else {
		v["response"] = text
		if thought != "" {
			v["thinking"] = thought
		}
	}
	if o.want.logprobs && len(p.tokens) > 0 {
		scores := []chatScore{}
		for _, r := range p.tokens {
			scores = append(scores, o.server.model.vocabulary.chatScore(r))
		}
		v["logprobs"] = scores
	}
	return v
}

// last adds what is known at the end: the time spent, and the ids of the whole
// conversation.
func (o *ollamaJob) last(v object, finish string) object {
	now := time.Now()
	if o.first.IsZero() {
		o.first = now
	}
	v["done"], v["done_reason"] = true, finish
	v["total_duration"], v["load_duration"] = now.Sub(o.began).Nanoseconds(), 0
	v["prompt_eval_count"], v["prompt_eval_duration"] = len(o.prompt), o.first.Sub(o.began).Nanoseconds()
	v["eval_count"], v["eval_duration"] = o.usage.CompletionTokens, now.Sub(o.first).Nanoseconds()
	if !o.chat {
		v["context"] = append(ids(o.prompt), o.given...)
	}
	return v
}

// ollamaEmbed embeds one text or several.
func (s *Server) ollamaEmbed(x *exchange) error {
	var r struct {
		Model      string    `json:"model"`
		Input      textInput `json:"input"`
		Dimensions *int      `json:"dimensions"`
	}
	if err := x.read(&r); err != nil {
		return err
	}
	if err := s.checkModel(ollamaName(r.Model)); err != nil {
		return err
	}
	d := valueOr(r.Dimensions, EmbeddingDimensions)
	if d < 1 || d > EmbeddingDimensions {
		return invalid("dimensions", "dimensions must be between 1 and %d", EmbeddingDimensions)
	}
	texts, err := x.texts(r.Input, "input")
	if err != nil {
		return err
	}
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		vectors[i] = s.model.Embed(text, d)
	}
	return x.answer(object{
		"model": r.Model, "embeddings": vectors, "total_duration": time.Since(x.began).Nanoseconds(), "load_duration": 0,
		"prompt_eval_count": x.usage.PromptTokens,
	})
}

// ollamaEmbedding is the older form, for one text.
func (s *Server) ollamaEmbedding(x *exchange) error {
	var r struct {
		Model  string `json:"model"`
		Prompt string `json:"prompt"`
	}
	if err := x.read(&r); err != nil {
		return err
	}
	if err := s.checkModel(ollamaName(r.Model)); err != nil {
		return err
	}
	texts, err := x.texts(textInput{texts: []string{r.Prompt}}, "prompt")
	if err != nil {
		return err
	}
	return x.answer(object{"embedding": s.model.Embed(texts[0], EmbeddingDimensions)})
}
