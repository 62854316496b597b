package wire

// shapes tell routes by what their answers have: a member with a value, or any value where
// none is given. The first that fits counts.
var shapes = []struct{ path, value, route string }{ //nolint:gochecknoglobals // a static table
	{"object", "chat.completion", "openai.chat"},
	{"object", "chat.completion.chunk", "openai.chat"},
	{"object", "text_completion", "openai.completions"},
	{"object", "response", "openai.responses"},
	{"response.output", "", "openai.responses"},
	{"type", "message", "anthropic.messages"},
	{"type", "message_start", "anthropic.messages"},
	{"candidates", "", "gemini.generate"},
	{"usageMetadata", "", "gemini.generate"},
	{"meta_info", "", "sglang.generate"},
	{"generated_text", "", "tgi.generate"},
	{"token", "", "tgi.generate"},
	{"completion_probabilities", "", "llamacpp.completion"},
	{"generation_settings", "", "llamacpp.completion"},
	{"tokens_predicted", "", "llamacpp.completion"},
	{"message.content", "", "ollama.chat"},
	{"eval_count", "", "ollama.generate"},
	{"done", "", "ollama.generate"},
	{"model_name", "", "triton.infer"},
	{"predictions", "", "tfserving.predict"},
	{"results", "", "openai.moderations"},
}

// listShapes tell routes by the first element of the list under "data".
var listShapes = []struct{ path, route string }{ //nolint:gochecknoglobals // a static table
	{"embedding", "openai.embeddings"},
	{"probs", "vllm.classify"},
	{"score", "vllm.score"},
	{"owned_by", "openai.models"},
}

// RouteOfAnswer returns the route whose answers have the document's shape, or nil where the
// shape tells no single one.
func RouteOfAnswer(doc []byte) *Route {
	for _, s := range shapes {
		value := lookup(doc, s.path)
		if text, _ := plain(value); value != nil && (s.value == "" || text == s.value) {
			return routeNamed(s.route)
		}
	}
	first := elementAt(valueOf(doc, "data"), 0)
	for _, s := range listShapes {
		if valueOf(first, s.path) != nil {
			return routeNamed(s.route)
		}
	}
	return nil
}

func routeNamed(name string) *Route {
	for _, r := range routes {
		if r.Name == name {
			return r
		}
	}
	return nil
}
