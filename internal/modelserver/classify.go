package modelserver

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// classifyRoutes serve the classifier in the shapes of vLLM, Hugging Face and Text
// Embeddings Inference.
func (s *Server) classifyRoutes() []route {
	return []route{
		{http.MethodPost, "/classify", openAIError, s.classify},
		{http.MethodPost, "/v1/classify", openAIError, s.classify},
		{http.MethodPost, "/{$}", wordError, s.pipeline},
		{http.MethodPost, "/models/{id...}", wordError, s.pipeline},
		{http.MethodPost, "/predict", textError, s.predict},
	}
}

// labelled is the score of one label.
type labelled struct {
	Label string  `json:"label"`
	Score float64 `json:"score"`
}

// ranked pairs scores with their labels, largest first.
func (m *Model) ranked(scores []float64) []labelled {
	out := make([]labelled, len(scores))
	for i, score := range scores {
		out[i] = labelled{m.embedder.classifier().labels[i], score}
	}
	slices.SortStableFunc(out, func(a, b labelled) int { return cmp.Compare(b.Score, a.Score) })
	return out
}

// argmax is the place of the largest score.
func argmax(scores []float64) int {
	best := 0
	for i, score := range scores {
		if score > scores[best] {
			best = i
		}
	}
	return best
}

// texts bounds the inputs of a request, counts their tokens and returns their texts.
func (x *exchange) texts(in textInput, param string) ([]string, error) {
	inputs, err := in.encode(x.server, param)
	if err != nil {
		return nil, err
	}
	if len(inputs) == 0 || len(inputs) > maxInputs {
		return nil, invalid(param, "Invalid '%s': expected between 1 and %d inputs.", param, maxInputs)
	}
	out := make([]string, len(inputs))
	for i, tokens := range inputs {
		if len(tokens) > contextTokens {
			return nil, tooLong(len(tokens), 0, param)
		}
		out[i] = x.server.model.vocabulary.decode(tokens)
		x.usage.PromptTokens += len(tokens)
	}
	x.usage.TotalTokens = x.usage.PromptTokens
	return out, nil
}

// poolingUsage is the usage of an answer without text.
func (x *exchange) poolingUsage() object {
	return object{
		"prompt_tokens": x.usage.PromptTokens, "total_tokens": x.usage.PromptTokens,
		"completion_tokens": 0, "prompt_tokens_details": nil,
	}
}

// classify answers as vLLM does.
func (s *Server) classify(x *exchange) error {
	var r struct {
		Model      string    `json:"model"`
		Input      textInput `json:"input"`
		Activation *bool     `json:"use_activation"`
	}
	if err := x.read(&r); err != nil {
		return err
	}
	if r.Model != "" { // vLLM serves one model and needs no name
		if err := s.checkModel(r.Model); err != nil {
			return err
		}
	}
	texts, err := x.texts(r.Input, "input")
	if err != nil {
		return err
	}
	data := make([]object, len(texts))
	for i, text := range texts {
		scores := s.model.Classify(text)
		label := s.model.embedder.classifier().labels[argmax(scores)]
		if !valueOr(r.Activation, true) {
			scores = s.model.Logits(text)
		}
		data[i] = object{"index": i, "label": label, "probs": scores, "num_classes": len(scores)}
	}
	return x.answer(object{
		"id": x.id("classify-"), "object": "list", "created": time.Now().Unix(), "model": s.options.Name,
		"data": data, "usage": x.poolingUsage(),
	})
}

// activations are what function_to_apply and its like may name.
var activations = map[string]func([]float64) []float64{ //nolint:gochecknoglobals // a static table
	"": softmax, "softmax": softmax, "sigmoid": sigmoids, "none": identity,
}

// pipeline answers as a text-classification pipeline of Hugging Face does: one list
// of labels for each input.
func (s *Server) pipeline(x *exchange) error {
	var r struct {
		Inputs     textInput `json:"inputs"`
		Parameters struct {
			TopK     *int   `json:"top_k"`
			Function string `json:"function_to_apply"`
		} `json:"parameters"`
	}
	if id := x.r.PathValue("id"); id != "" {
		if err := s.checkModel(id); err != nil {
			return err
		}
	}
	if err := x.read(&r); err != nil {
		return err
	}
	activate, ok := activations[r.Parameters.Function]
	if !ok {
		return invalid("function_to_apply", "Invalid 'function_to_apply': expected 'sigmoid', 'softmax' or 'none'.")
	}
	k := valueOr(r.Parameters.TopK, len(s.model.embedder.classifier().labels))
	if k < 1 {
		return invalid("top_k", "Invalid 'top_k': expected a value of at least 1.")
	}
	texts, err := x.texts(r.Inputs, "inputs")
	if err != nil {
		return err
	}
	out := make([][]labelled, len(texts))
	for i, text := range texts {
		all := s.model.ranked(activate(s.model.Logits(text)))
		out[i] = all[:min(k, len(all))]
	}
	return x.answer(out)
}

// predictInput is one text, or a batch of texts, pairs of texts or lists of one text.
type predictInput struct {
	texts []string
	batch bool
}

// UnmarshalJSON reads any of the forms; a pair is read as one text.
func (p *predictInput) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		p.texts = []string{one}
		return nil
	}
	var items []stopList
	if json.Unmarshal(data, &items) != nil {
		return invalid("inputs", "Invalid type for 'inputs': expected a string or a list of strings.")
	}
	p.batch = true
	for _, item := range items {
		p.texts = append(p.texts, strings.Join(item, "\n"))
	}
	return nil
}

// predict answers as Text Embeddings Inference does.
func (s *Server) predict(x *exchange) error {
	var r struct {
		Inputs predictInput `json:"inputs"`
		Raw    bool         `json:"raw_scores"`
	}
	if err := x.read(&r); err != nil {
		return err
	}
	texts, err := x.texts(textInput{texts: r.Inputs.texts}, "inputs")
	if err != nil {
		return err
	}
	activate := softmax
	if r.Raw {
		activate = identity
	}
	out := make([][]labelled, len(texts))
	for i, text := range texts {
		out[i] = s.model.ranked(activate(s.model.Logits(text)))
	}
	if !r.Inputs.batch {
		return x.answer(out[0])
	}
	return x.answer(out)
}
