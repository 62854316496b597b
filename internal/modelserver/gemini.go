package modelserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

const (
	geminiTopP    = 0.95
	geminiTop     = 20 // alternatives of a token, at most
	geminiChoices = 8
)

// geminiRoutes serve the shape of Google's generateContent.
func (s *Server) geminiRoutes() []route {
	return []route{{http.MethodPost, "/v1beta/models/{call...}", geminiError, s.gemini}}
}

// geminiRequest is the body of a request, after its keys are in camel case.
type geminiRequest struct {
	Contents []geminiContent `json:"contents"`
	System   geminiContent   `json:"systemInstruction"`
	Config   struct {
		Temperature *float64 `json:"temperature"`
		TopP        *float64 `json:"topP"`
		TopK        *float64 `json:"topK"`
		MaxTokens   *int     `json:"maxOutputTokens"`
		Stop        []string `json:"stopSequences"`
		Choices     *int     `json:"candidateCount"`
		Seed        *int64   `json:"seed"`
		Presence    float64  `json:"presencePenalty"`
		Frequency   float64  `json:"frequencyPenalty"`
		Respond     bool     `json:"responseLogprobs"`
		Logprobs    *int     `json:"logprobs"`
		Thinking    *struct {
			Include bool `json:"includeThoughts"`
			Budget  *int `json:"thinkingBudget"`
		} `json:"thinkingConfig"`
	} `json:"generationConfig"`
}

type geminiContent struct {
	Role  string `json:"role"`
	Parts []struct {
		Text    *string `json:"text"`
		Thought bool    `json:"thought"`
	} `json:"parts"`
}

// camelKeys writes the keys of a body in camel case: the API reads both.
func camelKeys(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			parts := strings.Split(key, "_")
			for i, p := range parts[1:] {
				if p != "" {
					parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
				}
			}
			out[strings.Join(parts, "")] = camelKeys(value)
		}
		return out
	case []any:
		for i := range v {
			v[i] = camelKeys(v[i])
		}
		return v
	default:
		return v
	}
}

// readCamel reads a body whose keys are in either case.
func (x *exchange) readCamel(v any) error {
	var document any
	if err := x.read(&document); err != nil {
		return err
	}
	body, err := json.Marshal(camelKeys(document))
	if err != nil {
		return fmt.Errorf("rewrite body: %w", err)
	}
	original := x.body
	x.body = body
	err = x.decode(v)
	x.body = original // equal bodies get equal answers, and this is the caller's
	return err
}

// conversation puts the contents into the model's words.
func (r *geminiRequest) conversation() ([]message, error) {
	var out []message
	if len(r.Contents) == 0 {
		return nil, invalid("", "* GenerateContentRequest.contents: contents is not specified")
	}
	for i, c := range append([]geminiContent{r.System}, r.Contents...) {
		role := "user"
		var text strings.Builder
		switch {
		case i == 0:
			role = "system"
		case c.Role == "model":
			role = "assistant"
		case c.Role != "" && c.Role != "user":
			return nil, invalid("", "Please use a valid role: user, model.")
		}
		for _, p := range c.Parts {
			if p.Text == nil {
				return nil, invalid("", "This model reads text only.")
			}
			if !p.Thought {
				_, _ = text.WriteString(*p.Text) // a Builder does not fail
			}
		}
		if i == 0 && text.Len() == 0 {
			continue
		}
		out = append(out, message{Role: role, Content: messageText(text.String())})
	}
	return out, nil
}

// ask says in no API's words what the request wants.
func (r *geminiRequest) ask(s *Server, named bool) (ask, error) {
	said, err := r.conversation()
	if err != nil {
		return ask{}, err
	}
	text, err := conversation(said)
	if err != nil {
		return ask{}, err
	}
	c := &r.Config
	switch {
	case c.Logprobs != nil && !c.Respond:
		return ask{}, invalid("", "Logprobs is set but response_logprobs is not.")
	case valueOr(c.Logprobs, 0) < 0 || valueOr(c.Logprobs, 0) > geminiTop:
		return ask{}, invalid("", "logprobs must be between 0 and %d.", geminiTop)
	case valueOr(c.Choices, 1) < 1 || valueOr(c.Choices, 1) > geminiChoices:
		return ask{}, invalid("", "candidate_count must be between 1 and %d.", geminiChoices)
	}
	a := ask{
		prompt: s.model.vocabulary.encode(text), about: topicOf(said), choices: valueOr(c.Choices, 1), seed: c.Seed,
		limit: c.MaxTokens, otherwise: contextTokens, limitName: "max_output_tokens", stops: c.Stop,
		how: sampling{
			temperature: valueOr(c.Temperature, 1), topP: valueOr(c.TopP, geminiTopP), topK: int(valueOr(c.TopK, 0)),
			presence: c.Presence, frequency: c.Frequency,
		},
		want: wanted{logprobs: c.Respond, top: valueOr(c.Logprobs, 0)},
	}
	if c.Thinking != nil || named {
		a.think = defaultThink
	}
	if c.Thinking != nil && c.Thinking.Budget != nil && *c.Thinking.Budget >= 0 { // -1 leaves it to the model
		a.think = *c.Thinking.Budget
	}
	return a, nil
}

// gemini answers MODEL:generateContent, :streamGenerateContent and :countTokens.
func (s *Server) gemini(x *exchange) error {
	name, verb, _ := strings.Cut(x.r.PathValue("call"), ":")
	if err := s.checkModel(name); err != nil {
		return err
	}
	if verb != "generateContent" && verb != "streamGenerateContent" && verb != "countTokens" {
		return &apiError{Status: http.StatusNotFound, Message: "The method " + verb + " is not found."}
	}
	var r geminiRequest
	if err := x.readCamel(&r); err != nil {
		return err
	}
	a, err := r.ask(s, s.thinks(name))
	if err != nil {
		return err
	}
	if verb == "countTokens" {
		return x.answer(object{"totalTokens": len(a.prompt), "promptTokensDetails": []object{{"modality": "TEXT", "tokenCount": len(a.prompt)}}})
	}
	j, err := x.begin(a)
	if err != nil {
		return err
	}
	g := &geminiJob{job: j, model: name, id: j.id(""), include: r.Config.Thinking != nil && r.Config.Thinking.Include}
	if verb == "streamGenerateContent" {
		return g.stream(x.r.URL.Query().Get("alt") == "sse")
	}
	return g.whole()
}

// geminiJob is a request that is being answered.
type geminiJob struct {
	*job

	model   string
	id      string
	include bool // thoughts are shown
}

// geminiToken is what is known about a token.
type geminiToken struct {
	Token   string  `json:"token"`
	ID      int     `json:"tokenId"`
	Logprob float64 `json:"logProbability"`
}

func (g *geminiJob) token(t token, logprob float64) geminiToken {
	return geminiToken{g.server.model.vocabulary.shown(t), int(t), logprob}
}

// logprobs are the tokens of a piece with their alternatives.
func (g *geminiJob) logprobs(p piece) object {
	chosen, tops := []geminiToken{}, []object{}
	for _, r := range p.tokens {
		chosen = append(chosen, g.token(r.token, r.logprob))
		alternatives := []geminiToken{}
		for _, a := range r.top {
			alternatives = append(alternatives, g.token(a.token, a.logprob))
		}
		tops = append(tops, object{"candidates": alternatives})
	}
	return object{"chosenCandidates": chosen, "topCandidates": tops}
}

// candidate is a choice or a part of one. The mean log-probability comes with its
// end, whether it was asked for or not.
func (g *geminiJob) candidate(index int, parts []object, p piece) object {
	c := object{"index": index, "content": object{"role": "model", "parts": parts}}
	if p.finish != "" {
		c["finishReason"] = "STOP"
		if p.finish == finishLength {
			c["finishReason"] = "MAX_TOKENS"
		}
		c["avgLogprobs"] = g.gens[index].meanLogprob()
	}
	if g.want.logprobs && len(p.tokens) > 0 && !p.thought {
		c["logprobsResult"] = g.logprobs(p)
	}
	return c
}

// parts are what a piece or a whole choice shows.
func (g *geminiJob) parts(index int, thought, text string) []object {
	parts := []object{}
	if thought != "" && g.include {
		parts = append(parts, object{"text": thought, "thought": true})
	}
	if text != "" {
		part := object{"text": text}
		if g.include && g.gens[index].thinking != nil {
			part["thoughtSignature"] = g.server.seal(g.gens[index].thought.String())
		}
		parts = append(parts, part)
	}
	return parts
}

// response is an answer or an event with these candidates.
func (g *geminiJob) response(candidates ...object) object {
	drawn, thoughts := 0, thoughtTokens(g.gens)
	for _, each := range g.gens {
		drawn += each.drawn
	}
	u := object{
		"promptTokenCount": len(g.prompt), "candidatesTokenCount": drawn, "totalTokenCount": len(g.prompt) + drawn + thoughts,
		"promptTokensDetails": []object{{"modality": "TEXT", "tokenCount": len(g.prompt)}},
	}
	if thoughts > 0 {
		u["thoughtsTokenCount"] = thoughts
	}
	return object{"candidates": candidates, "usageMetadata": u, "modelVersion": g.model, "responseId": g.id}
}

func (g *geminiJob) whole() error {
	wholes, err := g.wholes()
	if err != nil {
		return err
	}
	candidates := make([]object, len(wholes))
	for i, w := range wholes {
		candidates[i] = g.candidate(i, g.parts(i, w.reasoning.text, w.text), w.piece)
	}
	return g.answer(g.response(candidates...))
}

// stream answers with events, or with the elements of one JSON array.
func (g *geminiJob) stream(events bool) error {
	separator := "["
	err := g.job.stream(func(i int, p piece) error {
		thought, text := "", p.text
		if p.thought {
			thought, text = p.text, ""
		}
		parts := g.parts(i, thought, text)
		if len(parts) == 0 && p.finish == "" && (p.thought || len(p.tokens) == 0) {
			return nil
		}
		response := g.response(g.candidate(i, parts, p))
		if events {
			return g.event(response)
		}
		body, err := json.Marshal(response)
		if err != nil {
			return fmt.Errorf("encode element: %w", err)
		}
		body = append([]byte(separator), body...)
		separator = ",\r\n"
		return g.part(typeJSON, string(body))
	})
	if err != nil || events {
		return err
	}
	return g.part(typeJSON, "]\n")
}
