package bartizan

// Disclosure is what an answer gave away, in units that an extractor would count.
type Disclosure struct {
	// Values are numeric values released: log-probabilities, class scores,
	// likelihoods. The constant for a withheld log-probability counts zero.
	Values int64 `json:"values"`
	// Tokens are tokens of generated text.
	Tokens int64 `json:"tokens"`
	// EmbeddingValues are components of embedding vectors.
	EmbeddingValues int64 `json:"embedding_values"`
}

// Field is a kind of content that an answer may carry. The route tables say where
// each lies; a coarsening profile says what a tier may see of it; the audit says
// what each is worth to an extractor. One list serves all three.
type Field uint8

// The kinds of content.
const (
	FieldContent        Field = iota // what the API is for: text, roles, tool calls, finish reasons
	FieldLogprobs                    // log-probabilities of answer tokens and their alternatives
	FieldPromptLogprobs              // log-probabilities of prompt tokens
	FieldTokenIDs                    // vocabulary ids of prompt or answer tokens
	FieldReasoning                   // raw reasoning text
	FieldFingerprint                 // what identifies build, parallelism or quantisation
	FieldTimings                     // server-side timings and acceptance counts
	FieldUsageDetail                 // cache hits, speculative and reasoning token counts
	FieldInternal                    // hidden states, routed experts, transfer handles
	FieldEmbedding                   // embedding vectors
	FieldScores                      // class scores, likelihoods, moderation scores
	FieldSummary                     // summaries of reasoning, made to be read
)

// TokenScore is the log-probability of one answer token, in the form that every
// provider's shape maps to.
type TokenScore struct {
	Token   string
	Logprob float64 // natural logarithm, <= 0; [LogprobWithheld] when hidden
	// Top are the alternatives in the upstream's order; the token itself may be
	// among them.
	Top []TokenAlternative
}

// TokenAlternative is one entry of a list of likely tokens.
type TokenAlternative struct {
	Token   string
	Logprob float64
}

// LogprobWithheld stands in for a log-probability that is not released. It is the
// constant that OpenAI documents for tokens outside the natural top 20.
const LogprobWithheld = -9999.0
