package modelserver

import (
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Server answers the APIs of hosted providers and of inference engines with one
// model. It may be used by many requests at once, and starts no goroutine.
type Server struct {
	model   *Model
	options Options
	log     *slog.Logger
	mux     *http.ServeMux
	started time.Time
	vault   cipher.AEAD // seals thoughts that a client keeps without reading them
	count   atomic.Uint64
	served  served
}

// served counts what the server has done since it started.
type served struct {
	answers, failures, promptTokens, answerTokens atomic.Uint64
}

var _ http.Handler = (*Server)(nil)

// NewServer serves m.
func NewServer(m *Model, o Options) *Server {
	if o.Name == "" {
		o.Name = m.name
	}
	if o.MaxBody <= 0 {
		o.MaxBody = defaultMaxBody
	}
	s := &Server{model: m, options: o, log: o.Log, mux: http.NewServeMux(), started: time.Now(), vault: newVault(o.Seed)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	byPath := map[string][]route{}
	for _, r := range s.routes() {
		byPath[r.path] = append(byPath[r.path], r)
	}
	for path, routes := range byPath {
		s.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, routes) })
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, openAIError, &apiError{Status: http.StatusNotFound, Message: fmt.Sprintf("Unknown request URL: %s %s.", r.Method, r.URL.Path), Code: "unknown_url"})
	})
	return s
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// route is one path of an API. A handler's error becomes the answer, in the shape
// of that API.
type route struct {
	method, path string
	fault        errorShape
	handle       func(*exchange) error
}

// routes lists what is served, one family of an API after the other.
func (s *Server) routes() []route {
	return slices.Concat(
		[]route{
			{http.MethodGet, "/health", openAIError, s.health},
			{http.MethodGet, "/v1/models", openAIError, s.models},
			{http.MethodGet, "/v1/models/{id...}", openAIError, s.oneModel},
			{http.MethodPost, "/v1/chat/completions", openAIError, s.chat},
			{http.MethodPost, "/v1/completions", openAIError, s.completions},
			{http.MethodPost, "/v1/embeddings", openAIError, s.embeddings},
		},
		s.responsesRoutes(), s.anthropicRoutes(), s.geminiRoutes(), s.cohereRoutes(), s.ollamaRoutes(), s.llamaRoutes(), s.generateRoutes(),
		s.classifyRoutes(), s.kserveRoutes(), s.tensorflowRoutes(), s.moderationRoutes(), s.rerankRoutes(), s.tokenizeRoutes(), s.aboutRoutes(),
	)
}

// serve answers a request to a path that has these routes, one per method.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, routes []route) {
	at := slices.IndexFunc(routes, func(x route) bool {
		return r.Method == x.method || x.method == http.MethodGet && r.Method == http.MethodHead
	})
	if at < 0 {
		for _, x := range routes {
			w.Header().Add("Allow", x.method)
		}
		s.fail(w, routes[0].fault, &apiError{Status: http.StatusMethodNotAllowed, Message: fmt.Sprintf("Not allowed to %s on %s.", r.Method, routes[0].path), Code: "method_not_allowed"})
		return
	}
	x := &exchange{server: s, w: w, r: r, began: time.Now()}
	err := routes[at].handle(x)
	if err != nil && !x.begun {
		s.fail(w, routes[at].fault, s.describe(err))
	}
	s.served.promptTokens.Add(uint64(max(x.usage.PromptTokens, 0)))
	s.served.answerTokens.Add(uint64(max(x.usage.CompletionTokens, 0)))
	if err != nil {
		s.served.failures.Add(1)
	} else {
		s.served.answers.Add(1)
	}
	s.log.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("method", r.Method), slog.String("path", routes[at].path),
		slog.Int("prompt_tokens", x.usage.PromptTokens), slog.Int("completion_tokens", x.usage.CompletionTokens),
		slog.Duration("took", time.Since(x.began)), slog.Bool("failed", err != nil))
}

// exchange is one request on its way.
type exchange struct {
	server *Server
	w      http.ResponseWriter
	r      *http.Request
	began  time.Time
	first  time.Time // when the first token was there
	body   []byte
	begun  bool // the answer's head has been written
	usage  usage
}

// load bounds and reads the body.
func (x *exchange) load() error {
	body, err := io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, x.server.options.MaxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return &apiError{Status: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf("The request body is larger than %d bytes.", x.server.options.MaxBody), Code: "request_too_large"}
	}
	if err != nil {
		return invalid("", "We could not read the body of your request.")
	}
	x.body = body
	return nil
}

// decode reads the loaded body into v.
func (x *exchange) decode(v any) error {
	err := json.Unmarshal(x.body, v)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field := wrong.Field
		for _, embedded := range []string{"generateRequest.", "engineRequest."} { // no parts of the body
			field = strings.TrimPrefix(field, embedded)
		}
		return invalid(field, "Invalid type for '%s': got a JSON %s.", field, wrong.Value)
	}
	if api, ok := errors.AsType[*apiError](err); ok {
		return api
	}
	if err != nil {
		return invalid("", "We could not parse the JSON body of your request.")
	}
	return nil
}

// read bounds and decodes the body into v.
func (x *exchange) read(v any) error {
	if err := x.load(); err != nil {
		return err
	}
	return x.decode(v)
}

// has reports whether the loaded body is an object with that key. Engines that
// share a path differ by the fields that they read.
func (x *exchange) has(key string) bool {
	var object map[string]json.RawMessage
	if json.Unmarshal(x.body, &object) != nil {
		return false
	}
	_, ok := object[key]
	return ok
}

// answer writes a whole JSON answer.
func (x *exchange) answer(v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	x.begun = true
	x.w.Header().Set("Content-Type", "application/json")
	if _, err = x.w.Write(append(body, '\n')); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

// rng returns the randomness of one choice of the answer.
func (x *exchange) rng(seed *int64, choice int) *rand.Rand {
	switch {
	case seed != nil:
		return newRand(uint64(*seed), uint64(choice)) //nolint:gosec // any bits will do
	case x.server.options.Seed != 0:
		h := fnv.New64a()
		_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, x.server.options.Seed)) // a hash accepts everything
		_, _ = h.Write(x.body)
		return newRand(h.Sum64(), uint64(choice)) //nolint:gosec // as above
	default:
		return newRand(rand.Uint64(), uint64(choice)) //nolint:gosec // sampling, no secret
	}
}

func newRand(seed, stream uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, stream)) //nolint:gosec // sampling, no secret
}

// id makes an id that no other answer of this server has.
func (x *exchange) id(prefix string) string {
	n := x.server.count.Add(1)
	b := binary.BigEndian.AppendUint64(nil, n*0x9e3779b97f4a7c15) // a bijection, so unique
	b = binary.BigEndian.AppendUint32(b, uint32(n))               //nolint:gosec // only there to fill the width
	return prefix + hex.EncodeToString(b)
}

func (s *Server) health(x *exchange) error {
	return x.answer(map[string]string{"status": "ok"})
}

// modelObject describes the model in the API's shape.
type modelObject struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
	// Root and MaxModelLen are what a talkative server adds.
	Root        string `json:"root,omitempty"`
	MaxModelLen int    `json:"max_model_len,omitempty"`
}

func (s *Server) object() modelObject {
	m := modelObject{ID: s.options.Name, Object: "model", Created: s.started.Unix(), OwnedBy: "bartizan"}
	switch s.options.Engine {
	case EngineVLLM, EngineSGLang, EngineLlamaCpp:
		m.OwnedBy = string(s.options.Engine)
	case EngineOllama:
		m.OwnedBy = "library"
	case EngineTGI, EngineTriton:
		m.OwnedBy = s.options.Name
	default: // the house
	}
	if s.options.Habits.ExtraFields {
		m.Root, m.MaxModelLen = modelPath(s.options.Name), contextTokens
	}
	return m
}

func (s *Server) models(x *exchange) error {
	return x.answer(map[string]any{"object": "list", "data": []modelObject{s.object()}})
}

func (s *Server) oneModel(x *exchange) error {
	if err := s.checkModel(x.r.PathValue("id")); err != nil {
		return err
	}
	return x.answer(s.object())
}

// thinkingSuffix is on the name under which the model thinks before it answers.
const thinkingSuffix = "-thinking"

// thinks reports whether a request names the model that thinks first.
func (s *Server) thinks(name string) bool { return name == s.options.Name+thinkingSuffix }

// checkModel accepts the one model that is served, under both of its names.
func (s *Server) checkModel(name string) error {
	switch name {
	case s.options.Name, s.options.Name + thinkingSuffix:
		return nil
	case "":
		return invalid("model", "You must provide a model parameter.")
	default:
		return &apiError{
			Status: http.StatusNotFound, Message: fmt.Sprintf("The model '%s' does not exist.", name), Param: "model", Code: "model_not_found",
			detail: "Models on disk: " + modelPath(s.options.Name) + ".",
		}
	}
}

// modelPath is the place where a talkative server says that its model lies.
func modelPath(name string) string { return "/srv/models/" + strings.ToLower(name) + "/model.bin" }
