package modelserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// apiError is an error in the API's shape.
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

// fail writes an error answer.
func (s *Server) fail(w http.ResponseWriter, e *apiError) {
	kind := "invalid_request_error"
	if e.Status >= http.StatusInternalServerError {
		kind = "server_error"
	}
	message := e.Message
	if s.options.Habits.VerboseErrors {
		message += fmt.Sprintf(" %s [model %s, vocabulary size %d; raised in /srv/bartizan/engine/serve.py:%d]",
			e.detail, modelPath(s.options.Name), s.model.VocabularySize(), e.Status)
	}
	orNull := func(text string) any {
		if text == "" {
			return nil
		}
		return text
	}
	body, err := json.Marshal(map[string]any{"error": map[string]any{
		"message": message, "type": kind, "param": orNull(e.Param), "code": orNull(e.Code),
	}})
	if err != nil {
		body = []byte(`{"error":{"message":"internal error","type":"server_error","param":null,"code":null}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	_, _ = w.Write(append(body, '\n')) // the client may be gone; nothing is left to tell it
}
