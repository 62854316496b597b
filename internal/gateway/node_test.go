package gateway_test

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bartizan"
	"bartizan/internal/modelserver"
	"bartizan/internal/wire"
)

// nodeAnswer is what the Node client understood of one answer.
type nodeAnswer struct {
	Text   string
	Tokens []struct {
		Own  json.Number
		Tops []json.Number
	}
	Usage int
}

// numbers are the log-probabilities of the tokens and of their alternatives.
func (a *nodeAnswer) numbers() (own, tops []json.Number) {
	for _, token := range a.Tokens {
		own, tops = append(own, token.Own), append(tops, token.Tops...)
	}
	return own, tops
}

// nodeReport is what testdata/npm/client.mjs prints.
type nodeReport struct {
	Chat, Responses struct{ Whole, Streamed nodeAnswer }
	Embeddings      struct{ Usual, Plain [][]float64 }
	Moderations     []struct{ Scores []json.Number }
	Errors          []*struct {
		Status        int
		Kind, Message string
	}
}

// The official Node client understands every answer, at both ends of the scale. Its package
// is not here: BARTIZAN_NODE_CLIENT names a copy of testdata/npm in which it is installed,
// as .ci/run does.
func TestNodeClient(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("BARTIZAN_NODE_CLIENT")
	if folder == "" {
		t.Skip("SKIP: BARTIZAN_NODE_CLIENT names no copy of testdata/npm with its packages; .ci/run makes one")
	}
	b := behindEngine(t, wire.EngineOpenAI, deployment{})
	for _, tier := range []bartizan.Tier{bartizan.TierPublic, bartizan.TierPartner} {
		t.Run(string(tier), func(t *testing.T) {
			t.Parallel()
			checkNodeReport(t, tier, runNode(t, folder, b.url, tier))
		})
	}
}

func runNode(t *testing.T, folder, url string, tier bartizan.Tier) *nodeReport {
	t.Helper()
	command := exec.CommandContext(t.Context(), "node", filepath.Join(folder, "client.mjs"))
	command.Env = append(os.Environ(), "BASE_URL="+url+"/v1", "API_KEY=key-"+string(tier), "MODEL="+modelserver.DefaultName)
	var complaints bytes.Buffer
	command.Stderr = &complaints
	output, err := command.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, &complaints)
	}
	var report nodeReport
	if err := json.Unmarshal(output, &report); err != nil {
		t.Fatalf("%v in %s", err, output)
	}
	return &report
}

func checkNodeReport(t *testing.T, tier bartizan.Tier, r *nodeReport) {
	t.Helper()
	p := shippedProfile(t, tier)
	for name, answers := range map[string]struct{ Whole, Streamed nodeAnswer }{"chat": r.Chat, "response": r.Responses} {
		if diff := cmp.Diff(answers.Whole, answers.Streamed); answers.Whole.Text == "" || answers.Whole.Usage == 0 || diff != "" {
			t.Errorf("%s, whole and streamed (-whole +streamed):\n%s", name, diff)
		}
		own, tops := answers.Whole.numbers()
		checkLogprobs(t, &p, name, own, tops, 5)
	}
	if len(r.Embeddings.Usual) != 2 || len(r.Embeddings.Plain) != 2 {
		t.Fatalf("%d and %d embeddings; want 2 and 2", len(r.Embeddings.Usual), len(r.Embeddings.Plain))
	}
	for i, usual := range r.Embeddings.Usual {
		norm := 0.0
		for k, f := range r.Embeddings.Plain[i] {
			norm += f * f
			if k >= len(usual) || math.Abs(usual[k]-f) > 1e-6 {
				t.Fatalf("embedding %d in base64 differs from the plain one in number %d of %d", i, k, len(usual))
			}
		}
		if len(usual) != modelserver.EmbeddingDimensions || math.Abs(norm-1) > 0.02 {
			t.Errorf("embedding %d has %d numbers and the norm %v; want %d and 1", i, len(usual), norm, modelserver.EmbeddingDimensions)
		}
	}
	for _, result := range r.Moderations {
		if told := len(result.Scores) > 0; told != (tier == bartizan.TierPartner) {
			t.Errorf("%d scores of moderation at %s", len(result.Scores), tier)
		}
		for _, n := range result.Scores {
			if !onScoreGrid(&p.Scores, n) {
				t.Errorf("the score %s is finer than %d decimals", n, p.Scores.Decimals)
			}
		}
	}
	kinds := []string{"BadRequestError", "NotFoundError", "NotFoundError", "AuthenticationError"}
	if len(r.Moderations) != 2 || len(r.Errors) != len(kinds) {
		t.Fatalf("%d moderations, %d errors; want 2 and %d", len(r.Moderations), len(r.Errors), len(kinds))
	}
	for i, e := range r.Errors {
		if e == nil || e.Kind != kinds[i] || e.Message == "" || slices.ContainsFunc(upstreamSecrets, func(s string) bool { return strings.Contains(e.Message, s) }) {
			t.Errorf("error %d is %+v; want a %s that tells nothing of the upstream", i, e, kinds[i])
		}
	}
}
