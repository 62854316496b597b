package modelserver

import (
	"encoding/base64"
	"encoding/binary"
	"math"
)

const maxInputs = 2048 // texts of one embedding request, as the API documents

// embeddingRequest is the body of an embedding request.
type embeddingRequest struct {
	Model      string    `json:"model"`
	Input      textInput `json:"input"`
	Dimensions *int      `json:"dimensions"`
	Encoding   string    `json:"encoding_format"`
}

type embeddingAnswer struct {
	Object string            `json:"object"`
	Data   []embeddingObject `json:"data"`
	Model  string            `json:"model"`
	Usage  embeddingUsage    `json:"usage"`
}

type embeddingObject struct {
	Object string `json:"object"`
	Index  int    `json:"index"`
	// Embedding is a list of numbers, or their bytes in base64.
	Embedding any `json:"embedding"`
}

type embeddingUsage struct {
	PromptTokens int `json:"prompt_tokens"`
	TotalTokens  int `json:"total_tokens"`
}

func (s *Server) embeddings(x *exchange) error {
	var r embeddingRequest
	if err := x.read(&r); err != nil {
		return err
	}
	inputs, err := r.check(s)
	if err != nil {
		return err
	}
	dimensions := valueOr(r.Dimensions, EmbeddingDimensions)
	answer := embeddingAnswer{Object: "list", Model: s.options.Name}
	for i, tokens := range inputs {
		if err := x.r.Context().Err(); err != nil {
			return err //nolint:wrapcheck // the client left; nobody reads this
		}
		object := embeddingObject{Object: "embedding", Index: i}
		vector := s.model.embedder.embed(s.model.vocabulary.decode(tokens), dimensions)
		object.Embedding = vector
		if r.Encoding == "base64" {
			object.Embedding = littleEndian(vector)
		}
		answer.Data = append(answer.Data, object)
		x.usage.PromptTokens += len(tokens)
	}
	answer.Usage = embeddingUsage{x.usage.PromptTokens, x.usage.PromptTokens}
	return x.answer(answer)
}

// check validates the request and returns the tokens of each input.
func (r *embeddingRequest) check(s *Server) ([][]token, error) {
	if err := s.checkModel(r.Model); err != nil {
		return nil, err
	}
	if d := valueOr(r.Dimensions, EmbeddingDimensions); d < 1 || d > EmbeddingDimensions {
		return nil, invalid("dimensions", "Invalid 'dimensions': expected a value between 1 and %d.", EmbeddingDimensions)
	}
	if r.Encoding != "" && r.Encoding != "float" && r.Encoding != "base64" {
		return nil, invalid("encoding_format", "Invalid 'encoding_format': expected 'float' or 'base64'.")
	}
	inputs, err := r.Input.encode(s, "input")
	if err != nil {
		return nil, err
	}
	if len(inputs) == 0 || len(inputs) > maxInputs {
		return nil, invalid("input", "Invalid 'input': expected between 1 and %d inputs.", maxInputs)
	}
	for _, tokens := range inputs {
		if len(tokens) == 0 {
			return nil, invalid("input", "Invalid 'input': an input cannot be empty.")
		}
		if len(tokens) > contextTokens {
			return nil, tooLong(len(tokens), 0, "input")
		}
	}
	return inputs, nil
}

// littleEndian is the base64 form of a vector.
func littleEndian(vector []float32) string {
	raw := make([]byte, 0, 4*len(vector))
	for _, f := range vector {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
	}
	return base64.StdEncoding.EncodeToString(raw)
}
