package gateway_test

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genai"

	"bartizan"
	"bartizan/internal/coarsen"
	"bartizan/internal/modelserver"
	"bartizan/internal/wire"
)

// genAI is the official client with a key, pointed at the gateway.
func genAI(t *testing.T, url, key string) *genai.Client {
	t.Helper()
	client, err := genai.NewClient(t.Context(), &genai.ClientConfig{
		APIKey: key, Backend: genai.BackendGeminiAPI, HTTPOptions: genai.HTTPOptions{BaseURL: url}, HTTPClient: &http.Client{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// saidByGemini is what an answer or an event of it says.
type saidByGemini struct {
	Text, Thought string
	Own, Tops     []float32
	IDs           bool
	Mean          float64
}

func (s *saidByGemini) add(r *genai.GenerateContentResponse) {
	for _, c := range r.Candidates {
		for _, part := range c.Content.Parts {
			if part.Thought {
				s.Thought += part.Text
			} else {
				s.Text += part.Text
			}
		}
		s.Mean += c.AvgLogprobs
		if c.LogprobsResult == nil {
			continue
		}
		for _, token := range c.LogprobsResult.ChosenCandidates {
			s.Own, s.IDs = append(s.Own, token.LogProbability), s.IDs || token.TokenID != 0
		}
		for _, tops := range c.LogprobsResult.TopCandidates {
			for _, token := range tops.Candidates {
				s.Tops, s.IDs = append(s.Tops, token.LogProbability), s.IDs || token.TokenID != 0
			}
		}
	}
}

func TestGenAIAtEveryTier(t *testing.T) {
	t.Parallel()
	everyTier(t, wire.EngineGemini, func(t *testing.T, b behind, tier bartizan.Tier, p coarsen.Profile) {
		client := genAI(t, b.url, "key-"+string(tier))
		config := &genai.GenerateContentConfig{
			MaxOutputTokens: 12, Temperature: genai.Ptr[float32](0), ResponseLogprobs: true, Logprobs: genai.Ptr[int32](5),
			SystemInstruction: genai.NewContentFromText("Be brief.", genai.RoleUser),
		}
		answer, err := client.Models.GenerateContent(t.Context(), modelserver.DefaultName, genai.Text("What is a tier?"), config)
		if err != nil {
			t.Fatal(err)
		}
		var whole, stream saidByGemini
		whole.add(answer)
		if whole.Text == "" || whole.IDs || whole.Mean != 0 || answer.UsageMetadata.CandidatesTokenCount == 0 {
			t.Errorf("answer = %+v; want text and usage, and neither ids nor a mean", whole)
		}
		checkLogprobs(t, &p, "answer", onPaper(p.Logprobs.Step, whole.Own), onPaper(p.Logprobs.Step, whole.Tops), 5)
		for event, err := range client.Models.GenerateContentStream(t.Context(), modelserver.DefaultName, genai.Text("What is a tier?"), config) {
			if err != nil {
				t.Fatal(err)
			}
			stream.add(event)
		}
		if diff := cmp.Diff(whole, stream); diff != "" {
			t.Errorf("whole and stream (-whole +stream):\n%s", diff)
		}
	})
}

// onPaper writes numbers that a client has in single precision as the grid's nearest, or
// as they are where they are on no point of it.
func onPaper(step float64, numbers []float32) (all []json.Number) {
	for _, n := range numbers {
		f := float64(n)
		if near := math.Round(f/step) * step; math.Abs(near-f) < 1e-5 {
			f = math.Round(near*100) / 100
		}
		text, _ := json.Marshal(f)
		all = append(all, json.Number(text))
	}
	return all
}

// What the model thinks passes to those who may have it, and a model that only sums up
// its thoughts shows them from the tier on that may have summaries.
func TestGenAIThoughts(t *testing.T) {
	t.Parallel()
	everyTier(t, wire.EngineGemini, func(t *testing.T, b behind, tier bartizan.Tier, p coarsen.Profile) {
		client := genAI(t, b.url, "key-"+string(tier))
		config := &genai.GenerateContentConfig{
			MaxOutputTokens: 60, Temperature: genai.Ptr[float32](0),
			ThinkingConfig: &genai.ThinkingConfig{IncludeThoughts: true, ThinkingBudget: genai.Ptr[int32](16)},
		}
		answer, err := client.Models.GenerateContent(t.Context(), modelserver.DefaultName, genai.Text("What is a tier?"), config)
		if err != nil {
			t.Fatal(err)
		}
		var whole, stream saidByGemini
		whole.add(answer)
		for event, err := range client.Models.GenerateContentStream(t.Context(), modelserver.DefaultName, genai.Text("What is a tier?"), config) {
			if err != nil {
				t.Fatal(err)
			}
			stream.add(event)
		}
		if diff := cmp.Diff(whole, stream); diff != "" {
			t.Errorf("whole and stream (-whole +stream):\n%s", diff)
		}
		if whole.Text == "" || (whole.Thought != "") != (p.Reasoning >= coarsen.ReasoningSummary) {
			t.Errorf("answer = %+v; want text, and thoughts from the tier on that may have summaries", whole)
		}
	})
}

// geminiVectors is a small upstream that embeds and lists models.
func geminiVectors(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, ":batchEmbedContents"):
		_, _ = io.WriteString(w, `{"embeddings":[{"values":[0.6,0.7999999],"token_vectors":[[1,2]]},{"values":[0.28,0.96]}]}`)
	case strings.HasSuffix(r.URL.Path, "/models"):
		_, _ = io.WriteString(w, `{"models":[{"name":"models/m","inputTokenLimit":99,"weights":"/srv/m"}]}`)
	default:
		http.NotFound(w, r)
	}
}

func TestGenAIEmbedsAndLists(t *testing.T) {
	t.Parallel()
	b := behindHandler(t, wire.EngineGemini, http.HandlerFunc(geminiVectors), deployment{})
	for _, tier := range allTiers {
		client, p := genAI(t, b.url, "key-"+string(tier)), shippedProfile(t, tier)
		answer, err := client.Models.EmbedContent(t.Context(), "m",
			[]*genai.Content{genai.NewContentFromText("a", genai.RoleUser), genai.NewContentFromText("b", genai.RoleUser)}, nil)
		if err != nil || len(answer.Embeddings) != 2 {
			t.Fatalf("%s: %v, %v; want two embeddings", tier, answer, err)
		}
		want := []float64{0.6, 0.7999999}
		if p.Embeddings.Grid != coarsen.GridFull {
			want = p.Vector(want)
		}
		if got := answer.Embeddings[0].Values; len(got) != 2 || got[0] != float32(want[0]) || got[1] != float32(want[1]) {
			t.Errorf("%s: %v; want %v", tier, got, want)
		}
		models, err := client.Models.List(t.Context(), nil)
		if err != nil || len(models.Items) != 1 || models.Items[0].Name != "models/m" {
			t.Errorf("%s: models %v, %v; want one", tier, models.Items, err)
		}
	}
}

// Errors are those of the client's own kind, in Google's words, and tell nothing of the
// upstream's.
func TestGenAIErrors(t *testing.T) {
	t.Parallel()
	gone := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	refuses := func(status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"error":{"code":400,"message":"token 99999 is not in /srv/models/m with its vocabulary of 50257","status":"INVALID_ARGUMENT"}}`)
		})
	}
	for name, tt := range map[string]struct {
		upstream   http.Handler
		key, model string
		config     *genai.GenerateContentConfig
		code       int
		status     string
	}{
		"bad request":       {refuses(500), "key-partner", "m", &genai.GenerateContentConfig{CandidateCount: -3}, 400, "INVALID_ARGUMENT"},
		"upstream's 400":    {refuses(400), "key-partner", "m", nil, 400, "INVALID_ARGUMENT"},
		"wrong key":         {refuses(500), "nobody", "m", nil, 401, "UNAUTHENTICATED"},
		"suspended":         {refuses(500), "key-suspended", "m", nil, 403, "PERMISSION_DENIED"},
		"upstream's 404":    {refuses(404), "key-partner", "m", nil, 404, "NOT_FOUND"},
		"upstream gone":     {gone, "key-partner", "m", nil, 502, "INTERNAL"},
		"upstream's secret": {refuses(401), "key-partner", "m", nil, 502, "INTERNAL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := behindHandler(t, wire.EngineGemini, tt.upstream, deployment{})
			client := genAI(t, b.url, tt.key)
			_, err := client.Models.GenerateContent(t.Context(), tt.model, genai.Text("hello"), tt.config)
			checkAPIError(t, err, tt.code, tt.status)
			for _, err := range client.Models.GenerateContentStream(t.Context(), tt.model, genai.Text("hello"), tt.config) {
				checkAPIError(t, err, tt.code, tt.status)
			}
		})
	}
	t.Run("over the limit", func(t *testing.T) {
		t.Parallel()
		f := behindHandler(t, wire.EngineGemini, refuses(500), deployment{spec: narrow(bartizan.TierPublic, 1)})
		client := genAI(t, f.url, "key-public")
		var last error
		for range 3 {
			_, last = client.Models.GenerateContent(t.Context(), "m", genai.Text("hello"), nil)
		}
		checkAPIError(t, last, 429, "RESOURCE_EXHAUSTED")
	})
	t.Run("closed route", func(t *testing.T) {
		t.Parallel()
		b := behindHandler(t, wire.EngineGemini, refuses(500), deployment{})
		_, err := genAI(t, b.url, "key-partner").Models.CountTokens(t.Context(), "m", genai.Text("hello"), nil)
		checkAPIError(t, err, 404, "NOT_FOUND")
		if seen := b.spy.seen(); len(seen) != 0 {
			t.Errorf("the upstream saw %d requests; want none", len(seen))
		}
	})
}

func checkAPIError(t *testing.T, err error, code int, status string) {
	t.Helper()
	fault, ok := errors.AsType[genai.APIError](err)
	if !ok {
		t.Fatalf("error = %v; want one of the client's own kind", err)
	}
	if fault.Code != code || fault.Status != status || fault.Message == "" {
		t.Errorf("error = %+v; want %d %s with a message", fault, code, status)
	}
	if secret := slices.IndexFunc(upstreamSecrets, func(s string) bool { return strings.Contains(err.Error(), s) }); secret >= 0 {
		t.Errorf("error %q tells %q", err, upstreamSecrets[secret])
	}
}

// upstreamSecrets stand in the errors of the upstreams of these tests.
var upstreamSecrets = []string{"/srv", "50257", "ocabulary", "99999"}
