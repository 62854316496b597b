package wire

// tables says where in a route's requests and answers the things lie that are acted on.
type tables struct {
	options map[string]Option
	prompt  promptForm
	answer  *node // of whole bodies and of stream events

	// alternatives is how many alternatives per token every engine of the dialect
	// will give.
	alternatives int
}

// promptForm says how a request carries its text.
type promptForm uint8

const (
	promptNone     promptForm = iota
	promptMessages            // "messages", with roles
	promptPlain               // "prompt": a string, strings, token ids, lists of token ids
	promptInput               // "input", in the same forms
)

var routes = []*Route{ //nolint:gochecknoglobals // a static table
	{
		Name: "openai.chat", Method: "POST", Path: "/v1/chat/completions", Dialect: DialectOpenAI, Class: ClassGenerate,
		tables: tables{
			options: openAIChatOptions(), prompt: promptMessages, alternatives: 20,
			answer: openAIChatAnswer(),
		},
	},
	{
		Name: "openai.completions", Method: "POST", Path: "/v1/completions", Dialect: DialectOpenAI, Class: ClassGenerate,
		tables: tables{
			options: openAICompletionOptions(), prompt: promptPlain, alternatives: 5,
			answer: openAICompletionAnswer(),
		},
	},
	{
		Name: "openai.embeddings", Method: "POST", Path: "/v1/embeddings", Dialect: DialectOpenAI, Class: ClassEmbed,
		tables: tables{
			options: openAIEmbeddingOptions(), prompt: promptInput,
			answer: openAIEmbeddingAnswer(),
		},
	},
	{
		Name: "openai.models", Method: "GET", Path: "/v1/models", Dialect: DialectOpenAI, Class: ClassMetadata,
		tables: tables{answer: openAIModelsAnswer()},
	},
	{
		Name: "openai.model", Method: "GET", Path: "/v1/models/{id}", Dialect: DialectOpenAI, Class: ClassMetadata,
		tables: tables{answer: openAIModelsAnswer()},
	},
}
