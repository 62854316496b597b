package guard

import (
	"bytes"
	"encoding/json"

	"bartizan/internal/wire"
)

// maxErrorRead is how much of an upstream's error is looked at.
const maxErrorRead = 64 << 10

// ErrorBody appends, in the route's dialect, what the client reads for the upstream's
// error of that status. Upstream texts spell paths, versions and vocabulary sizes, so
// nothing of them is passed on but which request field is at fault, if the route
// knows it, and that the request was too long for the model.
func (s *Shaper) ErrorBody(dst []byte, status int, src []byte) []byte {
	e := s.upstreamError(status, src[:min(len(src), maxErrorRead)])
	e.Status = status
	_, _, body := s.route.Dialect.Error(e)
	return append(dst, body...)
}

func (s *Shaper) upstreamError(status int, src []byte) wire.ErrorBody {
	switch status {
	case 400, 422:
		e := wire.ErrorBody{Kind: wire.ErrorBadRequest, Message: "The model server refused the request."}
		if param := errorParam(src); s.route.KnowsOption(param) {
			e.Param = param
			e.Message = "The model server refused the request: check " + param + "."
		}
		lower := bytes.ToLower(src)
		if bytes.Contains(lower, []byte("context_length_exceeded")) || bytes.Contains(lower, []byte("maximum context length")) ||
			bytes.Contains(lower, []byte("prompt is too long")) {
			e.Code = "context_length_exceeded"
			e.Message = "The request is too long for the model. Shorten it or ask for a shorter answer."
		}
		return e
	case 404:
		return wire.ErrorBody{
			Kind: wire.ErrorUnknownRoute, Code: "model_not_found", Param: "model",
			Message: "The model does not exist.",
		}
	case 413:
		return wire.ErrorBody{Kind: wire.ErrorTooLarge}
	case 429:
		return wire.ErrorBody{Kind: wire.ErrorRateLimited, Message: "The model server is busy. Try again later."}
	case 503, 529:
		return wire.ErrorBody{Kind: wire.ErrorUnavailable}
	case 408, 504:
		return wire.ErrorBody{Kind: wire.ErrorUpstreamTimeout}
	default:
		return wire.ErrorBody{Kind: wire.ErrorUpstream}
	}
}

// errorParam returns the field that an upstream's error names, or nothing.
func errorParam(src []byte) string {
	var body struct {
		Error struct {
			Param string `json:"param"`
		} `json:"error"`
		Param string `json:"param"`
	}
	if json.Unmarshal(src, &body) != nil {
		return ""
	}
	if body.Error.Param != "" {
		return body.Error.Param
	}
	return body.Param
}
