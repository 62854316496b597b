package modelserver

import (
	"encoding/json"
	"net/http"
	"strings"
)

// moderationRoutes serve the topics in the shapes of OpenAI's moderations and
// Mistral's classifications.
func (s *Server) moderationRoutes() []route {
	return []route{
		{http.MethodPost, "/v1/moderations", openAIError, s.moderations},
		{http.MethodPost, "/v1/classifications", openAIError, s.classifications},
	}
}

// moderationCategories are OpenAI's names. The model knows nothing of harm: each name
// stands for one of its topics.
var moderationCategories = strings.Fields( //nolint:gochecknoglobals // a static table
	"harassment harassment/threatening hate hate/threatening illicit illicit/violent self-harm self-harm/intent " +
		"self-harm/instructions sexual sexual/minors violence violence/graphic")

const flaggedAt = 0.5

// moderationInput is a text, texts, or parts that are texts.
type moderationInput struct{ textInput }

// UnmarshalJSON reads any of the forms.
func (m *moderationInput) UnmarshalJSON(data []byte) error {
	var parts []struct {
		Type string  `json:"type"`
		Text *string `json:"text"`
	}
	if json.Unmarshal(data, &parts) != nil || len(parts) == 0 {
		return m.textInput.UnmarshalJSON(data)
	}
	for _, p := range parts {
		if p.Type != "text" || p.Text == nil {
			return invalid("input", "Invalid 'input': this model reads text only.")
		}
		m.texts = append(m.texts, *p.Text)
	}
	return nil
}

func (s *Server) moderations(x *exchange) error {
	var r struct {
		Model string          `json:"model"`
		Input moderationInput `json:"input"`
	}
	if err := x.read(&r); err != nil {
		return err
	}
	if r.Model != "" {
		if err := s.checkModel(r.Model); err != nil {
			return err
		}
	}
	texts, err := x.texts(r.Input.textInput, "input")
	if err != nil {
		return err
	}
	results := make([]object, len(texts))
	for i, text := range texts {
		results[i] = s.moderate(text)
	}
	return x.answer(object{"id": x.id("modr-"), "model": s.options.Name, "results": results})
}

// moderate is the verdict on one text. Where there are fewer topics than categories,
// several categories share one.
func (s *Server) moderate(text string) object {
	topics := s.model.Topics(text)
	flags, scores, types := map[string]bool{}, map[string]float64{}, map[string][]string{}
	flagged := false
	for i, category := range moderationCategories {
		p := topics[i%len(topics)]
		scores[category], flags[category], types[category] = p, p > flaggedAt, []string{"text"}
		flagged = flagged || p > flaggedAt
	}
	return object{"flagged": flagged, "categories": flags, "category_scores": scores, "category_applied_input_types": types}
}

// classifications answers as Mistral's trained classifiers do: all labels of one
// target.
func (s *Server) classifications(x *exchange) error {
	var r struct {
		Model string    `json:"model"`
		Input textInput `json:"input"`
	}
	if err := x.read(&r); err != nil {
		return err
	}
	if err := s.checkModel(r.Model); err != nil {
		return err
	}
	texts, err := x.texts(r.Input, "input")
	if err != nil {
		return err
	}
	results := make([]object, len(texts))
	for i, text := range texts {
		scores := map[string]float64{}
		for c, p := range s.model.Classify(text) {
			scores[s.model.embedder.classifier().labels[c]] = p
		}
		results[i] = object{"topic": object{"scores": scores}}
	}
	return x.answer(object{"id": x.id("mod-"), "model": s.options.Name, "results": results})
}
