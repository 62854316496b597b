package modelserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// apiError is an error of a request, in no API's shape.
type apiError struct {
	Status  int
	Message string
	Param   string
	Code    string
	// detail is what only a talkative server adds.
	detail string
}

// Error returns the text that the client reads.
func (e *apiError) Error() string { return e.Message }

// invalid is a fault of the request; param names the field, if one is to blame.
func invalid(param, format string, args ...any) *apiError {
	return &apiError{Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...), Param: param}
}

// describe makes an answer of any error.
func (s *Server) describe(err error) *apiError {
	if api, ok := errors.AsType[*apiError](err); ok {
		return api
	}
	return &apiError{Status: http.StatusInternalServerError, Message: "The server had an error while processing your request.", detail: err.Error()}
}

// fail writes an error answer in the shape of the API.
func (s *Server) fail(w http.ResponseWriter, shape errorShape, e *apiError) {
	told := *e
	if s.options.Habits.VerboseErrors {
		told.Message += fmt.Sprintf(" %s [model %s, vocabulary size %d; raised in /srv/bartizan/engine/serve.py:%d]",
			e.detail, modelPath(s.options.Name), s.model.VocabularySize(), e.Status)
	}
	body, err := json.Marshal(shape(&told))
	if err != nil {
		body = []byte(`{"error":{"message":"internal error","type":"server_error","param":null,"code":null}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	_, _ = w.Write(append(body, '\n')) // the client may be gone; nothing is left to tell it
}

// errorShape puts an error in the words of one API.
type errorShape func(*apiError) any

// object is a JSON object that is only written.
type object = map[string]any

// openAIError is also the shape of vLLM.
func openAIError(e *apiError) any {
	kind := "invalid_request_error"
	if e.Status >= http.StatusInternalServerError {
		kind = "server_error"
	}
	return object{"error": object{"message": e.Message, "type": kind, "param": orNull(e.Param), "code": orNull(e.Code)}}
}

func anthropicError(e *apiError) any {
	kind := "invalid_request_error"
	switch {
	case e.Status == http.StatusNotFound:
		kind = "not_found_error"
	case e.Status == http.StatusRequestEntityTooLarge:
		kind = "request_too_large"
	case e.Status >= http.StatusInternalServerError:
		kind = "api_error"
	}
	return object{"type": "error", "error": object{"type": kind, "message": e.Message}}
}

func geminiError(e *apiError) any {
	status := "INVALID_ARGUMENT"
	switch {
	case e.Status == http.StatusNotFound:
		status = "NOT_FOUND"
	case e.Status >= http.StatusInternalServerError:
		status = "INTERNAL"
	}
	return object{"error": object{"code": e.Status, "message": e.Message, "status": status}}
}

func llamaError(e *apiError) any {
	kind := "invalid_request_error"
	switch {
	case e.Status == http.StatusNotFound:
		kind = "not_found_error"
	case e.Status >= http.StatusInternalServerError:
		kind = "server_error"
	}
	return object{"error": object{"code": e.Status, "message": e.Message, "type": kind}}
}

// wordError is the shape of Ollama, KServe, TensorFlow Serving and Hugging Face.
func wordError(e *apiError) any { return object{"error": e.Message} }

// textError is the shape of Text Generation and Text Embeddings Inference.
func textError(e *apiError) any {
	kind := "validation"
	if e.Status >= http.StatusInternalServerError {
		kind = "generation"
	}
	return object{"error": e.Message, "error_type": kind}
}

func cohereError(e *apiError) any { return object{"message": e.Message} }

// orNull writes an empty text as null.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}
