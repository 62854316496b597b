package wire

// RouteOfAnswer returns the route whose answers have the document's shape, or nil where the
// shape tells no single one.
func RouteOfAnswer(doc []byte) *Route {
	text := func(key string) string {
		s, _ := plain(valueOf(doc, key))
		return s
	}
	has := func(path string) bool { return lookup(doc, path) != nil }
	name := ""
	switch {
	case text("object") == "chat.completion", text("object") == "chat.completion.chunk":
		name = "openai.chat"
	case text("object") == "text_completion":
		name = "openai.completions"
	case text("object") == "response", has("response.output"):
		name = "openai.responses"
	case text("type") == "message", text("type") == "message_start":
		name = "anthropic.messages"
	case has("candidates"), has("usageMetadata"):
		name = "gemini.generate"
	case has("meta_info"):
		name = "sglang.generate"
	case has("generated_text"), has("token"):
		name = "tgi.generate"
	case has("completion_probabilities"), has("generation_settings"), has("tokens_predicted"):
		name = "llamacpp.completion"
	case has("eval_count"), has("done"):
		name = "ollama.generate"
	case has("outputs") && has("model_name"):
		name = "triton.infer"
	case has("predictions"):
		name = "tfserving.predict"
	case text("object") == "list" && has("data"):
		name = routeOfList(valueOf(doc, "data"))
	case has("results"):
		name = "openai.moderations"
	}
	for _, r := range routes {
		if r.Name == name {
			return r
		}
	}
	return nil
}

func routeOfList(data []byte) string {
	first := elementAt(data, 0)
	switch {
	case valueOf(first, "embedding") != nil:
		return "openai.embeddings"
	case valueOf(first, "probs") != nil:
		return "vllm.classify"
	case valueOf(first, "score") != nil:
		return "vllm.score"
	default:
		return ""
	}
}
