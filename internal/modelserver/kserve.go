package modelserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

const modelVersion = "1"

// The tensors of the classifier.
const (
	inputText           = "text"
	outputProbabilities = "probabilities"
	outputLogits        = "logits"
	outputEmbedding     = "embedding"
)

// kserveRoutes serve the classifier in the shape of the Open Inference Protocol, with
// Triton's classification extension.
func (s *Server) kserveRoutes() []route {
	return []route{
		{http.MethodGet, "/v2/health/live", wordError, s.kserveLive},
		{http.MethodGet, "/v2/health/ready", wordError, s.kserveReady},
		{http.MethodGet, "/v2/models/{name}", wordError, s.kserveModel},
		{http.MethodGet, "/v2/models/{name}/ready", wordError, s.kserveModelReady},
		{http.MethodPost, "/v2/models/{name}/infer", wordError, s.infer},
		{http.MethodPost, "/v2/models/{name}/versions/{version}/infer", wordError, s.infer},
	}
}

// output is one output of the classifier.
type output struct {
	name  string
	width func(*Model) int
	value func(*Model, string) []float64
}

// outputs are all of them, in the order in which they are listed.
var outputs = []output{ //nolint:gochecknoglobals // a static table
	{outputProbabilities, classes, (*Model).Classify},
	{outputLogits, classes, (*Model).Logits},
	{outputEmbedding, func(*Model) int { return EmbeddingDimensions }, func(m *Model, text string) []float64 {
		return wide(m.Embed(text, EmbeddingDimensions))
	}},
}

func classes(m *Model) int { return len(m.embedder.classifier().labels) }

func wide(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

// inferRequest is the body of an inference request.
type inferRequest struct {
	ID     string `json:"id"`
	Inputs []struct {
		Name     string          `json:"name"`
		Datatype string          `json:"datatype"`
		Shape    []int           `json:"shape"`
		Data     json.RawMessage `json:"data"`
	} `json:"inputs"`
	Outputs []wantedOutput `json:"outputs"`
}

type wantedOutput struct {
	Name       string `json:"name"`
	Parameters struct {
		Classification int `json:"classification"`
	} `json:"parameters"`
}

// inferTensor is one output of an answer.
type inferTensor struct {
	Name     string `json:"name"`
	Datatype string `json:"datatype"`
	Shape    []int  `json:"shape"`
	Data     any    `json:"data"`
}

// infer answers an inference request; all outputs when it names none.
func (s *Server) infer(x *exchange) error {
	if err := s.checkModel(x.r.PathValue("name")); err != nil {
		return err
	}
	if v := x.r.PathValue("version"); v != "" && v != modelVersion {
		return &apiError{Status: http.StatusNotFound, Message: fmt.Sprintf("The model has no version '%s'.", v)}
	}
	var r inferRequest
	if err := x.read(&r); err != nil {
		return err
	}
	given, err := r.texts()
	if err != nil {
		return err
	}
	texts, err := x.texts(textInput{texts: given}, inputText)
	if err != nil {
		return err
	}
	if r.Outputs == nil {
		for _, o := range outputs {
			r.Outputs = append(r.Outputs, wantedOutput{Name: o.name})
		}
	}
	tensors := []inferTensor{}
	for _, want := range r.Outputs {
		tensor, err := s.tensor(want, texts)
		if err != nil {
			return err
		}
		tensors = append(tensors, tensor)
	}
	answer := object{"model_name": s.options.Name, "model_version": modelVersion, "outputs": tensors}
	if r.ID != "" {
		answer["id"] = r.ID
	}
	return x.answer(answer)
}

// texts are the elements of the one input.
func (r *inferRequest) texts() ([]string, error) {
	if len(r.Inputs) != 1 || r.Inputs[0].Name != inputText || r.Inputs[0].Datatype != "BYTES" {
		return nil, invalid("inputs", "expected one input '%s' of datatype BYTES", inputText)
	}
	in := r.Inputs[0]
	var data any
	if json.Unmarshal(in.Data, &data) != nil {
		return nil, invalid("inputs", "the data of input '%s' cannot be read", inputText)
	}
	out, ok := flatten(nil, data)
	n := 1
	for _, d := range in.Shape {
		if d < 0 || d > maxInputs {
			ok = false
		}
		n *= max(d, 0)
		n = min(n, maxInputs+1)
	}
	if !ok || len(in.Shape) == 0 || n != len(out) {
		return nil, invalid("inputs", "the data of input '%s' does not have its shape, or holds more than texts", inputText)
	}
	return out, nil
}

// flatten appends the texts of nested lists.
func flatten(dst []string, v any) ([]string, bool) {
	switch v := v.(type) {
	case string:
		return append(dst, v), true
	case []any:
		for _, each := range v {
			var ok bool
			if dst, ok = flatten(dst, each); !ok {
				return dst, false
			}
		}
		return dst, true
	default:
		return dst, false
	}
}

// tensor computes one output, as numbers or as classes.
func (s *Server) tensor(want wantedOutput, texts []string) (inferTensor, error) {
	at := slices.IndexFunc(outputs, func(o output) bool { return o.name == want.Name })
	if at < 0 {
		return inferTensor{}, invalid("outputs", "unexpected inference output '%s' for model '%s'", want.Name, s.options.Name)
	}
	o := outputs[at]
	width := o.width(s.model)
	if want.Parameters.Classification > 0 {
		n := min(want.Parameters.Classification, width)
		data := []string{}
		for _, text := range texts {
			data = append(data, s.topClasses(o.value(s.model, text), n)...)
		}
		return inferTensor{want.Name, "BYTES", []int{len(texts), n}, data}, nil
	}
	data := make([]float32, 0, len(texts)*width)
	for _, text := range texts {
		for _, x := range o.value(s.model, text) {
			data = append(data, float32(x))
		}
	}
	return inferTensor{want.Name, "FP32", []int{len(texts), width}, data}, nil
}

// topClasses are the n largest values as "value:index:label"; an output without
// labels gives "value:index".
func (s *Server) topClasses(values []float64, n int) []string {
	labels := s.model.embedder.classifier().labels
	var out []string
	for _, t := range largest(values, n) {
		text := fmt.Sprintf("%f:%d", float32(values[t]), t)
		if len(values) == len(labels) {
			text += ":" + labels[t]
		}
		out = append(out, text)
	}
	return out
}

func (s *Server) kserveServer(x *exchange) error {
	return x.answer(object{"name": "triton", "version": "2.58.0", "extensions": []string{
		"classification", "sequence", "model_repository", "model_configuration", "statistics", "trace", "logging",
	}})
}

func (s *Server) kserveLive(x *exchange) error  { return x.answer(object{"live": true}) }
func (s *Server) kserveReady(x *exchange) error { return x.answer(object{"ready": true}) }

// kserveModel describes the tensors.
func (s *Server) kserveModel(x *exchange) error {
	if err := s.checkModel(x.r.PathValue("name")); err != nil {
		return err
	}
	var out []object
	for _, o := range outputs {
		out = append(out, object{"name": o.name, "datatype": "FP32", "shape": []int{-1, o.width(s.model)}})
	}
	return x.answer(object{
		"name": s.options.Name, "versions": []string{modelVersion}, "platform": "python",
		"inputs": []object{{"name": inputText, "datatype": "BYTES", "shape": []int{-1}}}, "outputs": out,
	})
}

func (s *Server) kserveModelReady(x *exchange) error {
	if err := s.checkModel(x.r.PathValue("name")); err != nil {
		return err
	}
	return x.answer(object{"name": s.options.Name, "ready": true})
}

// kserveConfig is what Triton tells about the files and the machine.
func (s *Server) kserveConfig(x *exchange) error {
	if err := s.checkModel(x.r.PathValue("name")); err != nil {
		return err
	}
	var out []object
	for _, o := range outputs {
		entry := object{"name": o.name, "data_type": "TYPE_FP32", "dims": []int{o.width(s.model)}}
		if o.name != outputEmbedding {
			entry["label_filename"] = "labels.txt"
		}
		out = append(out, entry)
	}
	return x.answer(object{
		"name": s.options.Name, "platform": "", "backend": "python", "runtime": "", "max_batch_size": maxInputs,
		"version_policy": object{"latest": object{"num_versions": 1}}, "default_model_filename": "model.py",
		"input": []object{{"name": inputText, "data_type": "TYPE_STRING", "dims": []int{1}}}, "output": out,
		"instance_group": []object{{"name": s.options.Name + "_0", "kind": "KIND_CPU", "count": 1}},
		"parameters":     object{"model_path": object{"string_value": modelPath(s.options.Name)}},
	})
}

// kserveStats counts in Triton's words.
func (s *Server) kserveStats(x *exchange) error {
	if err := s.checkModel(x.r.PathValue("name")); err != nil {
		return err
	}
	count := s.served.answers.Load()
	return x.answer(object{"model_stats": []object{{
		"name": s.options.Name, "version": modelVersion, "inference_count": count, "execution_count": count,
		"last_inference": x.began.UnixMilli(), "inference_stats": object{"success": object{"count": count}, "fail": object{"count": s.served.failures.Load()}},
	}}})
}
