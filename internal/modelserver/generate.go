package modelserver

import "net/http"

// generateRoutes serve the path that Text Generation Inference and SGLang share.
func (s *Server) generateRoutes() []route {
	return []route{
		{http.MethodPost, "/generate", textError, s.generate},
		{http.MethodPost, "/generate_stream", textError, func(x *exchange) error {
			if err := x.load(); err != nil {
				return err
			}
			return s.textGenerate(x, true)
		}},
	}
}

// generate tells the engines apart by the field with the prompt.
func (s *Server) generate(x *exchange) error {
	if err := x.load(); err != nil {
		return err
	}
	if x.has("text") || x.has("input_ids") {
		return s.sglangGenerate(x)
	}
	return s.textGenerate(x, false)
}
