package modelserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// tensorflowRoutes serve the classifier in the shape of TensorFlow Serving's REST API.
func (s *Server) tensorflowRoutes() []route {
	return []route{{http.MethodPost, "/v1/models/{id...}", wordError, s.tensorflow}}
}

// signatures are what a caller may name; each is one output.
var signatures = map[string]int{ //nolint:gochecknoglobals // a static table
	"": 0, "serving_default": 0, "probabilities": 0, "logits": 1, "embedding": 2,
}

// tensorflow answers NAME:predict and NAME:classify, with or without a version.
func (s *Server) tensorflow(x *exchange) error {
	name, verb, _ := strings.Cut(x.r.PathValue("id"), ":")
	name, version, _ := strings.Cut(name, "/versions/")
	if err := s.checkModel(name); err != nil {
		return err
	}
	if version != "" && version != modelVersion {
		return &apiError{Status: http.StatusNotFound, Message: fmt.Sprintf("Servable not found for request: Specific(%s, %s)", name, version)}
	}
	switch verb {
	case "predict":
		return s.tensorflowPredict(x)
	case "classify":
		return s.tensorflowClassify(x)
	default:
		return invalid("", "Malformed request: POST %s", x.r.URL.Path)
	}
}

// examples are texts, or objects with one text each.
type examples []string

// UnmarshalJSON reads a list of texts, objects or lists of one text.
func (e *examples) UnmarshalJSON(data []byte) error {
	var items []json.RawMessage
	if json.Unmarshal(data, &items) != nil {
		return invalid("instances", "expected a list of instances")
	}
	for _, item := range items {
		var named map[string]stopList
		var text stopList
		if json.Unmarshal(item, &named) == nil && len(named) == 1 {
			for _, text = range named { // the only one
			}
		} else if json.Unmarshal(item, &text) != nil {
			return invalid("instances", "expected a text in each instance")
		}
		if len(text) != 1 {
			return invalid("instances", "expected one text in each instance")
		}
		*e = append(*e, text[0])
	}
	return nil
}

// tensorflowPredict answers in rows, or in columns when it was asked in columns.
func (s *Server) tensorflowPredict(x *exchange) error {
	var r struct {
		Signature string          `json:"signature_name"`
		Instances examples        `json:"instances"`
		Inputs    json.RawMessage `json:"inputs"`
	}
	if err := x.read(&r); err != nil {
		return err
	}
	at, ok := signatures[r.Signature]
	if !ok {
		return invalid("signature_name", "Serving signature name: %q not found in signature def", r.Signature)
	}
	key := "predictions"
	if r.Instances == nil && r.Inputs != nil {
		key = "outputs"
		columns := struct {
			Text examples `json:"text"`
		}{}
		if json.Unmarshal(r.Inputs, &columns) == nil {
			r.Instances = columns.Text
		} else if err := json.Unmarshal(r.Inputs, &r.Instances); err != nil {
			return invalid("inputs", "expected the texts of the inputs")
		}
	}
	texts, err := x.texts(textInput{texts: r.Instances}, "instances")
	if err != nil {
		return err
	}
	out := make([][]float64, len(texts))
	for i, text := range texts {
		out[i] = outputs[at].value(s.model, text)
	}
	return x.answer(object{key: out})
}

// tensorflowClassify answers with every class of every example.
func (s *Server) tensorflowClassify(x *exchange) error {
	var r struct {
		Signature string   `json:"signature_name"`
		Examples  examples `json:"examples"`
	}
	if err := x.read(&r); err != nil {
		return err
	}
	if at, ok := signatures[r.Signature]; !ok || at != 0 {
		return invalid("signature_name", "Serving signature name: %q is not for classification", r.Signature)
	}
	texts, err := x.texts(textInput{texts: r.Examples}, "examples")
	if err != nil {
		return err
	}
	results := make([][][]any, len(texts))
	for i, text := range texts {
		for c, p := range s.model.Classify(text) {
			results[i] = append(results[i], []any{s.model.embedder.classifier().labels[c], p})
		}
	}
	return x.answer(object{"results": results})
}
