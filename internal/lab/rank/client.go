package rank

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// request is one question.
type request struct {
	Prompt      string
	Tokens      int
	Temperature float64
	Top         int
	Choices     int
	IDs         []int // whose log-probabilities are wanted
	Force       *int  // a token that is to be drawn
}

// choice is what the attack reads of an answer.
type choice struct {
	Logprobs struct {
		Content []struct {
			alternative

			Top []alternative `json:"top_logprobs"`
		} `json:"content"`
	} `json:"logprobs"`
}

type alternative struct {
	Token   string  `json:"token"`
	Logprob float64 `json:"logprob"`
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 20

// body writes a request in the API's words.
func (s *session) body(r request) ([]byte, error) {
	fields := map[string]any{
		"model":       s.Model,
		"messages":    []map[string]string{{"role": "user", "content": r.Prompt}},
		"max_tokens":  r.Tokens,
		"temperature": r.Temperature,
		"logprobs":    true,
	}
	if r.Top > 0 {
		fields["top_logprobs"] = r.Top
	}
	if r.Choices > 1 {
		fields["n"] = r.Choices
	}
	if len(r.IDs) > 0 {
		fields["logprob_token_ids"] = r.IDs
	}
	if r.Force != nil {
		const strongest = 100
		fields["logit_bias"] = map[string]int{strconv.Itoa(*r.Force): strongest}
	}
	return json.Marshal(fields) //nolint:wrapcheck // the caller does
}

// ask sends a request; a nil answer is a refusal or a failure of the server.
func (s *session) ask(r request, cost *Cost) ([]choice, error) {
	if s.sent >= s.Requests {
		return nil, errors.New("no request is left")
	}
	body, err := s.body(r)
	if err != nil {
		return nil, fmt.Errorf("write request: %w", err)
	}
	q, err := http.NewRequestWithContext(s.ctx, http.MethodPost, s.URL+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	q.Header.Set("Content-Type", "application/json")
	if s.Key != "" {
		q.Header.Set("Authorization", "Bearer "+s.Key)
	}
	s.sent++
	cost.Requests++
	answer, err := s.Client.Do(q)
	if err != nil {
		return nil, fmt.Errorf("send request: %w", err)
	}
	defer answer.Body.Close()
	read, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		cost.Refused++
		return nil, nil
	}
	var a struct {
		Choices []choice `json:"choices"`
		Usage   struct {
			CompletionTokens int `json:"completion_tokens"`
		} `json:"usage"`
	}
	if err := json.Unmarshal(read, &a); err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	cost.OutputTokens += a.Usage.CompletionTokens
	if a.Choices == nil {
		a.Choices = []choice{}
	}
	return a.Choices, nil
}
