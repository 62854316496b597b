package modelserver

import (
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// engineVersion is the release that the server says it is.
const engineVersion = "0.11.2"

// aboutRoutes tell about the server itself: what engines serve beside their API, and
// what a proxy should keep closed. Only the pages of the engine that the server passes
// itself off as are there.
func (s *Server) aboutRoutes() []route {
	var out []route
	for _, page := range []struct {
		engine Engine
		route  route
	}{
		{EngineVLLM, route{http.MethodGet, "/metrics", openAIError, s.metrics}},
		{EngineVLLM, route{http.MethodGet, "/version", openAIError, s.version}},
		{EngineTGI, route{http.MethodGet, "/info", textError, s.info}},
		{EngineLlamaCpp, route{http.MethodGet, "/props", llamaError, s.props}},
		{EngineLlamaCpp, route{http.MethodGet, "/slots", llamaError, s.slots}},
		{EngineSGLang, route{http.MethodGet, "/get_model_info", openAIError, s.modelInfo}},
		{EngineOllama, route{http.MethodGet, "/api/version", wordError, s.ollamaVersion}},
		{EngineOllama, route{http.MethodGet, "/api/tags", wordError, s.ollamaTags}},
		{EngineOllama, route{http.MethodPost, "/api/show", wordError, s.ollamaShow}},
		{EngineTriton, route{http.MethodGet, "/v2", wordError, s.kserveServer}},
		{EngineTriton, route{http.MethodGet, "/v2/models/{name}/config", wordError, s.kserveConfig}},
		{EngineTriton, route{http.MethodGet, "/v2/models/{name}/stats", wordError, s.kserveStats}},
	} {
		if s.options.Engine == page.engine || s.options.Engine == EngineEvery {
			out = append(out, page.route)
		}
	}
	return out
}

// metrics writes what the server counts, with vLLM's names.
func (s *Server) metrics(x *exchange) error {
	label := fmt.Sprintf("{engine=%q,model_name=%q}", "0", s.options.Name)
	var b strings.Builder
	for _, m := range []struct {
		name, help string
		value      uint64
	}{
		{"vllm:prompt_tokens_total", "Number of prefill tokens processed.", s.served.promptTokens.Load()},
		{"vllm:generation_tokens_total", "Number of generation tokens processed.", s.served.answerTokens.Load()},
		{"vllm:request_success_total", "Count of successfully processed requests.", s.served.answers.Load()},
		{"vllm:request_failure_total", "Count of failed requests.", s.served.failures.Load()},
	} {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s counter\n%s%s %d\n", m.name, m.help, m.name, m.name, label, m.value)
	}
	fmt.Fprintf(&b, "# HELP vllm:cache_config_info Information of the LLMEngine CacheConfig\n# TYPE vllm:cache_config_info gauge\n"+
		"vllm:cache_config_info{block_size=%q,cache_dtype=%q,enable_prefix_caching=%q,num_gpu_blocks=%q} 1\n", "16", "fp8", "True", "512")
	x.begun = true
	x.w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	if _, err := x.w.Write([]byte(b.String())); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}

func (s *Server) version(x *exchange) error { return x.answer(object{"version": engineVersion}) }

// info describes the model as Text Generation Inference and Text Embeddings Inference
// do.
func (s *Server) info(x *exchange) error {
	names := map[string]string{}
	for i, label := range s.model.embedder.classifier().labels {
		names[strconv.Itoa(i)] = label
	}
	return x.answer(object{
		"model_id": s.options.Name, "model_sha": s.weights(), "model_dtype": "float64", "model_device_type": "cpu",
		"model_pipeline_tag": "text-generation", "max_concurrent_requests": 128, "max_best_of": 2, "max_stop_sequences": maxEngineStops,
		"max_input_tokens": contextTokens - 1, "max_total_tokens": contextTokens, "max_client_batch_size": maxInputs,
		"validation_workers": 2, "router": "text-generation-router", "version": engineVersion, "sha": s.weights(), "docker_label": "sha-" + s.weights()[:7],
		"model_type": object{"classifier": object{"id2label": names}},
	})
}

// weights is a digest that stands for the build and the model's files.
func (s *Server) weights() string {
	return fmt.Sprintf("%016x", uint64(s.model.VocabularySize())*0x9e3779b97f4a7c15) //nolint:gosec // not negative
}

// props describes the server as llama.cpp does.
func (s *Server) props(x *exchange) error {
	return x.answer(object{
		"default_generation_settings": object{"id": 0, "n_ctx": contextTokens, "params": llamaDefaults()},
		"total_slots":                 1, "model_alias": s.options.Name, "model_path": modelPath(s.options.Name),
		"chat_template": "{% for m in messages %}{{ m.role }}\n{{ m.content }}\n\n{% endfor %}",
		"bos_token":     endText, "eos_token": endText, "build_info": "b6700-" + s.weights()[:8] + "-" + runtime.GOARCH,
	})
}

func (s *Server) slots(x *exchange) error {
	return x.answer([]object{{"id": 0, "n_ctx": contextTokens, "is_processing": false, "params": llamaDefaults()}})
}

// modelInfo is SGLang's.
func (s *Server) modelInfo(x *exchange) error {
	return x.answer(object{
		"model_path": modelPath(s.options.Name), "tokenizer_path": modelPath(s.options.Name), "is_generation": true,
		"weight_version": "default", "vocab_size": s.model.VocabularySize(),
	})
}

func (s *Server) ollamaVersion(x *exchange) error { return x.answer(object{"version": engineVersion}) }

func (s *Server) ollamaTags(x *exchange) error {
	return x.answer(object{"models": []object{{
		"name": s.options.Name + ":latest", "model": s.options.Name + ":latest", "modified_at": s.started.UTC().Format(time.RFC3339Nano),
		"size": s.model.VocabularySize(), "digest": s.weights(), "details": s.ollamaDetails(),
	}}})
}

func (s *Server) ollamaDetails() object {
	return object{"parent_model": "", "format": "bin", "family": "ngram", "families": []string{"ngram"}, "parameter_size": "1M", "quantization_level": "F64"}
}

func (s *Server) ollamaShow(x *exchange) error {
	var r struct {
		Model string `json:"model"`
	}
	if err := x.read(&r); err != nil {
		return err
	}
	if err := s.checkModel(ollamaName(r.Model)); err != nil {
		return err
	}
	return x.answer(object{
		"modelfile": "FROM " + modelPath(s.options.Name), "parameters": "temperature 0.8", "template": "{{ .Prompt }}", "details": s.ollamaDetails(),
		"model_info":   object{"general.architecture": "ngram", "ngram.context_length": contextTokens, "ngram.vocab_size": s.model.VocabularySize(), "ngram.embedding_length": EmbeddingDimensions},
		"capabilities": []string{"completion", "embedding", "thinking"},
	})
}
