package wire

type tables struct{}

var routes = []*Route{ //nolint:gochecknoglobals // a static table
	{Name: "openai.chat", Method: "POST", Path: "/v1/chat/completions", Class: ClassGenerate},
	{Name: "openai.completions", Method: "POST", Path: "/v1/completions", Class: ClassGenerate},
	{Name: "openai.embeddings", Method: "POST", Path: "/v1/embeddings", Class: ClassEmbed},
	{Name: "openai.models", Method: "GET", Path: "/v1/models", Class: ClassMetadata},
	{Name: "openai.model", Method: "GET", Path: "/v1/models/{id}", Class: ClassMetadata},
}
