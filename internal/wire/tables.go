package wire

import "strings"

// tables says where in a route's requests and answers the things lie that are acted on.
type tables struct {
	options map[string]Option
	prompt  promptForm
	answer  *node // of whole bodies and of stream events
	// events are the names of stream events that a client may see, one of each.
	events []string

	// needsMax is set when a request must say how long its answer may be.
	needsMax bool
	// tellsUsage is set when every stream tells its usage, asked or not.
	tellsUsage bool

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

// routes is only added to: records number the routes by their place.
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
	{
		Name: "anthropic.messages", Method: "POST", Path: "/v1/messages", Dialect: DialectAnthropic, Class: ClassGenerate,
		tables: tables{
			options: anthropicMessagesOptions(), prompt: promptMessages,
			answer: anthropicMessagesAnswer(), events: strings.Fields(anthropicEvents),
			needsMax: true, tellsUsage: true,
		},
	},
}
