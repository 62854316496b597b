// Package modelserver holds a small real language model, text classifier and embedder,
// and serves them in the shapes of hosted APIs (OpenAI, Anthropic, Gemini, Mistral,
// Cohere) and of inference engines (vLLM, SGLang, llama.cpp, TGI, TEI, Ollama, KServe,
// TensorFlow Serving, Hugging Face).
//
// The model is a Kneser-Ney n-gram model over a byte-pair vocabulary, trained in
// memory from plain English text; a prompt conditions it through the passages of
// the training text that resemble the prompt. A small neural model may stand in its
// place ([TrainNeural]): its text is worse, but its logits have the low rank that
// attacks on large models look for. Every token that the server returns
// is drawn from a distribution over the whole vocabulary, and every log-probability
// is the natural logarithm of that distribution before bias and temperature. The
// server is therefore no mock: what an extractor could learn from a real server's
// answers, it can learn from these.
//
// The server starts no goroutine. A trained [Model] is read-only and may be shared
// by any number of servers and requests. It is meant for demonstrations, tests and
// the lab; its texts are fluent for a few words and no longer, and it knows nothing
// beyond its corpus.
package modelserver
