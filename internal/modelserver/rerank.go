package modelserver

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"
)

const maxDocuments = 1000 // of one reranking request

// rerankRoutes serve the likeness of texts in the shapes of Cohere, vLLM and Text
// Embeddings Inference.
func (s *Server) rerankRoutes() []route {
	return []route{
		{http.MethodPost, "/v1/rerank", cohereError, func(x *exchange) error { return s.cohereRerank(x, "1") }},
		{http.MethodPost, "/v2/rerank", cohereError, func(x *exchange) error { return s.cohereRerank(x, "2") }},
		{http.MethodPost, "/rerank", openAIError, s.rerank},
		{http.MethodPost, "/score", openAIError, s.score2},
		{http.MethodPost, "/v1/score", openAIError, s.score2},
		{http.MethodPost, "/pooling", openAIError, s.pooling},
	}
}

// document is a text or an object with one.
type document string

// UnmarshalJSON reads either form.
func (d *document) UnmarshalJSON(data []byte) error {
	var text string
	var named struct {
		Text *string `json:"text"`
	}
	switch {
	case json.Unmarshal(data, &text) == nil:
		*d = document(text)
	case json.Unmarshal(data, &named) == nil && named.Text != nil:
		*d = document(*named.Text)
	default:
		return invalid("documents", "Invalid type for 'documents': expected strings or objects with a text.")
	}
	return nil
}

// relevance is how well a document answers a query, from 0 to 1.
type relevance struct {
	index int
	text  string
	score float64
}

// Similarity is the cosine of the embeddings of two texts, from -1 to 1.
func (m *Model) Similarity(a, b string) float64 {
	return max(-1, min(1, dot(m.Embed(a, EmbeddingDimensions), m.Embed(b, EmbeddingDimensions))))
}

// relevances orders documents by their likeness to the query, the most alike first.
// A score is the cosine, moved to the range from 0 to 1; raw leaves it where it is.
func (x *exchange) relevances(query string, documents []document, raw bool) ([]relevance, error) {
	if query == "" {
		return nil, invalid("query", "Invalid 'query': it cannot be empty.")
	}
	if len(documents) == 0 || len(documents) > maxDocuments {
		return nil, invalid("documents", "Invalid 'documents': expected between 1 and %d.", maxDocuments)
	}
	in := textInput{texts: []string{query}}
	for _, d := range documents {
		in.texts = append(in.texts, string(d))
	}
	if _, err := x.texts(in, "documents"); err != nil {
		return nil, err
	}
	out := make([]relevance, len(documents))
	for i, d := range documents {
		score := x.server.model.Similarity(query, string(d))
		if !raw {
			score = (1 + score) / 2
		}
		out[i] = relevance{i, string(d), score}
	}
	slices.SortStableFunc(out, func(a, b relevance) int { return cmp.Compare(b.score, a.score) })
	return out, nil
}

// rerankRequest is the body of Cohere and of vLLM.
type rerankRequest struct {
	Model     string     `json:"model"`
	Query     string     `json:"query"`
	Documents []document `json:"documents"`
	TopN      *int       `json:"top_n"`
	Return    bool       `json:"return_documents"`
}

// best returns what is asked for, at most top_n.
func (r *rerankRequest) best(x *exchange) ([]relevance, error) {
	if err := x.server.checkModel(r.Model); err != nil {
		return nil, err
	}
	all, err := x.relevances(r.Query, r.Documents, false)
	if err != nil {
		return nil, err
	}
	n := valueOr(r.TopN, len(all))
	if n < 1 {
		return all, nil // both take it for no limit
	}
	return all[:min(n, len(all))], nil
}

func (s *Server) cohereRerank(x *exchange, version string) error {
	var r rerankRequest
	if err := x.read(&r); err != nil {
		return err
	}
	best, err := r.best(x)
	if err != nil {
		return err
	}
	results := []object{}
	for _, b := range best {
		result := object{"index": b.index, "relevance_score": b.score}
		if r.Return {
			result["document"] = object{"text": b.text}
		}
		results = append(results, result)
	}
	return x.answer(object{"id": x.id("rerank-"), "results": results, "meta": object{
		"api_version": object{"version": version}, "billed_units": object{"search_units": 1},
	}})
}

// rerank answers as vLLM does, or as Text Embeddings Inference does when the request
// is its own.
func (s *Server) rerank(x *exchange) error {
	if err := x.load(); err != nil {
		return err
	}
	if x.has("texts") {
		return s.textRerank(x)
	}
	var r rerankRequest
	if err := x.decode(&r); err != nil {
		return err
	}
	if r.Model == "" {
		r.Model = s.options.Name
	}
	best, err := r.best(x)
	if err != nil {
		return err
	}
	results := []object{}
	for _, b := range best {
		results = append(results, object{"index": b.index, "document": object{"text": b.text}, "relevance_score": b.score})
	}
	return x.answer(object{
		"id": x.id("rerank-"), "model": s.options.Name, "results": results,
		"usage": object{"total_tokens": x.usage.PromptTokens},
	})
}

func (s *Server) textRerank(x *exchange) error {
	var r struct {
		Query  string     `json:"query"`
		Texts  []document `json:"texts"`
		Raw    bool       `json:"raw_scores"`
		Return bool       `json:"return_text"`
	}
	if err := x.decode(&r); err != nil {
		return err
	}
	all, err := x.relevances(r.Query, r.Texts, r.Raw)
	if err != nil {
		return err
	}
	out := []object{}
	for _, b := range all {
		entry := object{"index": b.index, "score": b.score}
		if r.Return {
			entry["text"] = b.text
		}
		out = append(out, entry)
	}
	return x.answer(out)
}

// score2 compares two texts, one with many, or many with as many, as vLLM does.
func (s *Server) score2(x *exchange) error {
	var r struct {
		Model string   `json:"model"`
		Text1 stopList `json:"text_1"`
		Text2 stopList `json:"text_2"`
	}
	if err := x.read(&r); err != nil {
		return err
	}
	if r.Model != "" {
		if err := s.checkModel(r.Model); err != nil {
			return err
		}
	}
	if len(r.Text1) == 1 && len(r.Text2) > 1 && len(r.Text2) <= maxInputs {
		r.Text1 = slices.Repeat(r.Text1, len(r.Text2))
	}
	if len(r.Text1) == 0 || len(r.Text1) != len(r.Text2) {
		return invalid("text_1", "Input lengths must be either 1:1, 1:N or N:N")
	}
	if _, err := x.texts(textInput{texts: slices.Concat(r.Text1, r.Text2)}, "text_1"); err != nil {
		return err
	}
	data := make([]object, len(r.Text1))
	for i := range data {
		data[i] = object{"index": i, "object": "score", "score": (1 + s.model.Similarity(r.Text1[i], r.Text2[i])) / 2}
	}
	return x.answer(object{
		"id": x.id("score-"), "object": "list", "created": time.Now().Unix(), "model": s.options.Name,
		"data": data, "usage": x.poolingUsage(),
	})
}

// pooling answers as vLLM does with what the model computes for a text: its vector,
// the vector of each token before it is normalised, or the classifier's outputs.
func (s *Server) pooling(x *exchange) error {
	var r struct {
		Model      string    `json:"model"`
		Input      textInput `json:"input"`
		Task       string    `json:"task"`
		Activation *bool     `json:"use_activation"`
	}
	if err := x.read(&r); err != nil {
		return err
	}
	if r.Model != "" {
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
		var value any
		switch r.Task {
		case "", "embed":
			value = s.model.Embed(text, EmbeddingDimensions)
		case "token_embed":
			value = s.model.embedTokens(text)
		case "classify":
			activate := softmax
			if !valueOr(r.Activation, true) {
				activate = identity
			}
			value = activate(s.model.Logits(text))
		default:
			return invalid("task", "Unsupported task: %s", strconv.Quote(r.Task))
		}
		data[i] = object{"index": i, "object": "pooling", "data": value}
	}
	return x.answer(object{
		"id": x.id("pool-"), "object": "list", "created": time.Now().Unix(), "model": s.options.Name,
		"data": data, "usage": x.poolingUsage(),
	})
}

// embedTokens returns the vector of each token of a text, before anything is taken
// away or normalised. A token that is no word has the zero vector.
func (m *Model) embedTokens(text string) [][]float64 {
	out := [][]float64{}
	for _, t := range m.vocabulary.encode(text) {
		out = append(out, m.embedder.mean(slices.Collect(stems(m.vocabulary.pieces[t]))))
	}
	return out
}
