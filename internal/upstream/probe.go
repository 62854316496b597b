package upstream

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"bartizan/internal/wire"
)

// Prober finds out which engines serve at the targets that were not told. Until one is
// known its target counts as [wire.EngineAuto]. It is safe for concurrent use.
type Prober struct {
	client  *Client
	targets map[*Target]*atomic.Uint32
	log     *slog.Logger
}

// NewProber returns a prober for targets and what was said to serve there. A host of a
// provider's own needs no asking.
func NewProber(c *Client, said map[*Target]wire.Engine, log *slog.Logger) *Prober {
	p := &Prober{client: c, targets: make(map[*Target]*atomic.Uint32, len(said)), log: log}
	for t, e := range said {
		if e == wire.EngineAuto {
			e = engineOfHost(t.URL.Hostname())
		}
		known := &atomic.Uint32{}
		known.Store(uint32(e))
		p.targets[t] = known
	}
	return p
}

// Engine returns what serves at the target, as far as it is known.
func (p *Prober) Engine(t *Target) wire.Engine {
	known := p.targets[t]
	if known == nil {
		return wire.EngineAuto
	}
	return wire.Engine(known.Load()) //nolint:gosec // stored from an Engine
}

// Probing that finds nothing is repeated after these times, the last one over and over.
const (
	firstProbe = 2 * time.Second
	lastProbe  = time.Minute
)

// Run asks until every target is known, or ctx ends.
func (p *Prober) Run(ctx context.Context) {
	for wait := firstProbe; ; wait = min(2*wait, lastProbe) {
		open := 0
		for t, known := range p.targets {
			if known.Load() != uint32(wire.EngineAuto) {
				continue
			}
			e := p.client.Probe(ctx, t)
			if e == wire.EngineAuto {
				open++
				continue
			}
			known.Store(uint32(e))
			p.log.LogAttrs(ctx, slog.LevelInfo, "engine found", slog.String("upstream", t.Name), slog.String("engine", e.String()))
		}
		if open == 0 {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// engineOfHost knows the hosts of providers.
func engineOfHost(host string) wire.Engine {
	for suffix, e := range map[string]wire.Engine{
		"api.openai.com": wire.EngineOpenAI, "openai.azure.com": wire.EngineOpenAI, "api.anthropic.com": wire.EngineAnthropic,
		"generativelanguage.googleapis.com": wire.EngineGemini, "api.mistral.ai": wire.EngineMistral,
		"api.cohere.com": wire.EngineCohere, "api.cohere.ai": wire.EngineCohere,
	} {
		if host == suffix || strings.HasSuffix(host, "."+suffix) {
			return e
		}
	}
	return wire.EngineAuto
}

// signs are the paths that tell engines apart, and what their answers must hold. The first
// that fits counts, so the more telling come first.
var signs = []struct { //nolint:gochecknoglobals // a static table
	path   string
	engine wire.Engine
	fits   func(answer map[string]any) bool
}{
	{"/v1/models", wire.EngineOpenAI, ownedBy("bartizan")}, // the built-in one, which has routes of many engines
	{"/get_model_info", wire.EngineSGLang, hasKeys("model_path", "is_generation")},
	{"/v1/models", wire.EngineVLLM, ownedBy("vllm")},
	{"/v1/models", wire.EngineSGLang, ownedBy("sglang")},
	{"/v1/models", wire.EngineLlamaCpp, ownedBy("llamacpp")},
	{"/info", wire.EngineTGI, hasKeys("model_id", "max_total_tokens")},
	{"/props", wire.EngineLlamaCpp, hasKeys("default_generation_settings")},
	{"/api/version", wire.EngineOllama, hasKeys("version")},
	{"/v2", wire.EngineTriton, func(answer map[string]any) bool { return answer["name"] == "triton" }},
	{"/v1/models", wire.EngineOpenAI, hasKeys("data")},
}

func hasKeys(keys ...string) func(map[string]any) bool {
	return func(answer map[string]any) bool {
		for _, key := range keys {
			if _, ok := answer[key]; !ok {
				return false
			}
		}
		return true
	}
}

// ownedBy is for lists of models that name their owner.
func ownedBy(owner string) func(map[string]any) bool {
	return func(answer map[string]any) bool {
		list, _ := answer["data"].([]any)
		for _, element := range list {
			if model, _ := element.(map[string]any); model["owned_by"] == owner {
				return true
			}
		}
		return false
	}
}

const (
	probeTimeout = 3 * time.Second
	maxProbe     = 256 << 10
)

// Probe asks a target what serves there; [wire.EngineAuto] means that it cannot be told.
// TF Serving has no path that tells it, so it must be said.
func (c *Client) Probe(ctx context.Context, t *Target) wire.Engine {
	answers := map[string]map[string]any{}
	for _, sign := range signs {
		answer, asked := answers[sign.path]
		if !asked {
			answer = c.probe(ctx, t, sign.path)
			answers[sign.path] = answer
		}
		if answer != nil && sign.fits(answer) {
			return sign.engine
		}
	}
	return wire.EngineAuto
}

// probe returns the object that a path answers with, or nil.
func (c *Client) probe(ctx context.Context, t *Target, path string) map[string]any {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	response, err := c.Do(ctx, t, http.MethodGet, path, "", http.Header{}, nil)
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxProbe))
	var answer map[string]any
	if err != nil || json.Unmarshal(raw, &answer) != nil {
		return nil
	}
	return answer
}
