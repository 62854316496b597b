package modelserver

import "net/http"

// tokenizeRoutes serve the vocabulary in the shapes of vLLM, llama.cpp and Text
// Generation Inference, which share their paths.
func (s *Server) tokenizeRoutes() []route {
	return []route{
		{http.MethodPost, "/tokenize", openAIError, s.tokenize},
		{http.MethodPost, "/detokenize", openAIError, s.detokenize},
	}
}

// tokenize tells the engines apart by the field with the text.
func (s *Server) tokenize(x *exchange) error {
	if err := x.load(); err != nil {
		return err
	}
	switch {
	case x.has("content"):
		return s.llamaTokenize(x)
	case x.has("inputs"):
		return s.textTokenize(x)
	default:
		return s.vllmTokenize(x)
	}
}

func (s *Server) vllmTokenize(x *exchange) error {
	var r struct {
		Model    string    `json:"model"`
		Prompt   *string   `json:"prompt"`
		Messages []message `json:"messages"`
		Strings  bool      `json:"return_token_strs"`
	}
	if err := x.decode(&r); err != nil {
		return err
	}
	if r.Model != "" {
		if err := s.checkModel(r.Model); err != nil {
			return err
		}
	}
	text := valueOr(r.Prompt, "")
	if r.Prompt == nil {
		var err error
		if text, err = conversation(r.Messages); err != nil {
			return err
		}
	}
	tokens := s.model.vocabulary.encode(text)
	answer := object{"count": len(tokens), "max_model_len": contextTokens, "tokens": ids(tokens), "token_strs": nil}
	if r.Strings {
		shown := make([]string, len(tokens))
		for i, t := range tokens {
			shown[i] = s.model.vocabulary.shown(t)
		}
		answer["token_strs"] = shown
	}
	return x.answer(answer)
}

func (s *Server) llamaTokenize(x *exchange) error {
	var r struct {
		Content string `json:"content"`
		Pieces  bool   `json:"with_pieces"`
	}
	if err := x.decode(&r); err != nil {
		return err
	}
	tokens := s.model.vocabulary.encode(r.Content)
	if !r.Pieces {
		return x.answer(object{"tokens": ids(tokens)})
	}
	pieces := make([]object, len(tokens))
	for i, t := range tokens {
		pieces[i] = object{"id": int(t), "piece": s.model.vocabulary.shown(t)}
	}
	return x.answer(object{"tokens": pieces})
}

func (s *Server) textTokenize(x *exchange) error {
	var r struct {
		Inputs string `json:"inputs"`
	}
	if err := x.decode(&r); err != nil {
		return err
	}
	out, at := []object{}, 0
	for _, t := range s.model.vocabulary.encode(r.Inputs) {
		end := at + len(s.model.vocabulary.pieces[t])
		out = append(out, object{"id": int(t), "text": s.model.vocabulary.shown(t), "start": at, "stop": end})
		at = end
	}
	return x.answer(out)
}

// detokenize answers as vLLM does when the request names a model, and as llama.cpp
// does otherwise.
func (s *Server) detokenize(x *exchange) error {
	var r struct {
		Model  string `json:"model"`
		Tokens []int  `json:"tokens"`
	}
	if err := x.read(&r); err != nil {
		return err
	}
	key := "content"
	if r.Model != "" {
		key = "prompt"
		if err := s.checkModel(r.Model); err != nil {
			return err
		}
	}
	tokens, err := s.tokensIn(r.Tokens, contextTokens, "tokens")
	if err != nil {
		return err
	}
	return x.answer(object{key: s.model.vocabulary.decode(tokens)})
}
