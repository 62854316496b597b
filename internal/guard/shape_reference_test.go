package guard_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"bartizan"
	"bartizan/internal/coarsen"
	"bartizan/internal/wire"
)

// The reference is a second, slow way to shape an answer: over encoding/json values,
// with its own tables. It knows the fixtures' fields only.

// contentPaths are what every client may see, by route.
var contentPaths = map[string]string{
	"openai.chat": frame + ` choices[].message.role choices[].message.content choices[].message.content[].type
		choices[].message.content[].text choices[].message.refusal choices[].message.tool_calls[].id
		choices[].message.tool_calls[].type choices[].message.tool_calls[].function.name
		choices[].message.tool_calls[].function.arguments choices[].message.annotations[].type`,
	"openai.completions": frame + ` choices[].text`,
	"anthropic.messages": `type index id role model stop_reason stop_sequence usage.input_tokens usage.output_tokens usage.service_tier
		content[].type content[].text content[].id content[].name content[].input content[].citations[].type
		content[].citations[].cited_text content[].citations[].document_index delta.type
		message.id message.type message.role message.content[] message.model message.usage.input_tokens message.usage.output_tokens
		message.usage.service_tier`,
	"openai.embeddings": frame + ` data[].object data[].index`,
	"openai.models":     `object data[].id data[].object data[].created data[].owned_by data[].max_model_len`,
}

const frame = `id object created model service_tier usage.prompt_tokens usage.completion_tokens usage.total_tokens
	choices[].index choices[].finish_reason`

// kindOf are the other fields of the fixtures, by the last key of their path.
var kindOf = map[string]bartizan.Field{
	"logprobs": bartizan.FieldLogprobs, "prompt_logprobs": bartizan.FieldPromptLogprobs,
	"token_ids": bartizan.FieldTokenIDs, "prompt_token_ids": bartizan.FieldTokenIDs,
	"reasoning": bartizan.FieldReasoning, "reasoning_content": bartizan.FieldReasoning, "thinking": bartizan.FieldReasoning,
	"system_fingerprint": bartizan.FieldFingerprint, "timings": bartizan.FieldTimings, "metrics": bartizan.FieldTimings,
	"cache_read_input_tokens": bartizan.FieldUsageDetail, "cache_creation_input_tokens": bartizan.FieldUsageDetail,
	"output_tokens_details": bartizan.FieldUsageDetail, "inference_geo": bartizan.FieldUsageDetail,
	"prompt_tokens_details": bartizan.FieldUsageDetail, "completion_tokens_details": bartizan.FieldUsageDetail,
	"prompt_text": bartizan.FieldInternal, "routed_experts": bartizan.FieldInternal, "hidden_states": bartizan.FieldInternal,
	"kv_transfer_params": bartizan.FieldInternal, "ec_transfer_params": bartizan.FieldInternal, "sglext": bartizan.FieldInternal,
	"meta_info": bartizan.FieldInternal, "root": bartizan.FieldInternal, "permission": bartizan.FieldInternal,
	"meta": bartizan.FieldInternal, "parent": bartizan.FieldInternal, "moderation": bartizan.FieldScores, "embedding": bartizan.FieldEmbedding,
	"completion_probabilities": bartizan.FieldLogprobs,
}

type reference struct {
	route    *wire.Route
	p        *coarsen.Profile
	req      wire.Request
	content  []string
	disclose bartizan.Disclosure
}

func newReference(r *wire.Route, p *coarsen.Profile, req wire.Request) *reference {
	return &reference{route: r, p: p, req: req, content: strings.Fields(contentPaths[r.Name])}
}

// inner reports whether content lies at the path or below it.
func (r *reference) inner(path string) bool {
	return slices.ContainsFunc(r.content, func(c string) bool {
		return c == path || strings.HasPrefix(c, path+".") || strings.HasPrefix(c, path+"[]")
	})
}

// shape returns the shaped value at a path.
func (r *reference) shape(path string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, member := range v {
			at := strings.TrimPrefix(path+"."+key, ".")
			if shaped, stays := r.member(at, key, member); stays {
				out[key] = shaped
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, element := range v {
			out[i] = r.shape(path+"[]", element)
		}
		return out
	default:
		return v
	}
}

func (r *reference) member(path, key string, v any) (shaped any, stays bool) {
	if path == "choices[].stop_reason" {
		asked := r.p.TokenIDs && r.req.Options.Has(wire.OptionTokenIDs)
		if _, isText := v.(string); !isText && !asked {
			v = nil
		}
		return v, true
	}
	if r.route.Name == "anthropic.messages" {
		switch key {
		case "thinking", "signature", "data":
			if r.p.Reasoning != coarsen.ReasoningRaw {
				v = ""
			}
			return v, true
		case "input":
			return v, true
		}
	}
	kind, special := kindOf[key]
	if !special {
		if r.inner(path) || r.p.PassUnknown {
			return r.shape(path, v), true
		}
		return nil, false
	}
	asks := func(o wire.Option) bool { return r.req.Options.Has(o) }
	switch kind {
	case bartizan.FieldLogprobs:
		if path != "choices[].logprobs" {
			return nil, false
		}
		if v == nil || !r.req.Asked.Logprobs || !r.p.Logprobs.Allow {
			return nil, true
		}
		return r.logprobs(v), true
	case bartizan.FieldTokenIDs:
		return v, r.p.TokenIDs && asks(wire.OptionTokenIDs)
	case bartizan.FieldReasoning:
		return v, r.p.Reasoning == coarsen.ReasoningRaw
	case bartizan.FieldFingerprint:
		return v, r.p.Fingerprint == coarsen.FingerprintPass
	case bartizan.FieldTimings:
		named := r.route.Name == "openai.chat" || r.route.Name == "openai.completions" // others do not know it
		if r.p.Timings == coarsen.TimingsRound && named {
			return rounded(v), true
		}
		return v, r.p.Timings == coarsen.TimingsPass
	case bartizan.FieldUsageDetail:
		return v, r.p.UsageDetail
	case bartizan.FieldScores:
		named := r.route.Name == "openai.chat" || r.route.Name == "openai.completions" // others do not know it
		if r.p.Scores.Mode == coarsen.ScoresLabel || (!named && !r.p.PassUnknown) {
			return nil, false
		}
		return r.scores(v), true
	case bartizan.FieldEmbedding:
		return r.embedding(v), true
	default:
		return nil, false
	}
}

// rounded rounds the times of an object; those of the fixtures are in milliseconds.
func rounded(v any) any {
	out := map[string]any{}
	times, _ := v.(map[string]any)
	for key, value := range times {
		f, _ := value.(float64)
		out[key] = math.Round(f/10) * 10
	}
	return out
}

// scores shapes the objects of class to number, each for itself; the fixtures have no
// other scores.
func (r *reference) scores(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = r.scores(e)
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for key, e := range v {
			number, isNumber := e.(float64)
			if !isNumber {
				out[key] = r.scores(e)
				continue
			}
			one := []float64{number}
			count := r.p.ScoresOf(coarsen.ScoreInput{Values: one, Kind: coarsen.Independent})
			r.disclose.Values += count.Values()
			if !math.IsNaN(one[0]) {
				out[key] = one[0]
			}
		}
		return out
	default:
		return v
	}
}

// logprobs shapes either form of log-probabilities.
func (r *reference) logprobs(v any) any {
	lists, _ := v.(map[string]any)
	if _, legacy := lists["tokens"]; legacy {
		return r.legacy(lists)
	}
	list := func(v any) any {
		entries, ok := v.([]any)
		if !ok {
			return nil
		}
		out := make([]any, len(entries))
		for i, e := range entries {
			entry, _ := e.(map[string]any)
			names, numbers := []string{}, []any{}
			bytesOf := map[string]any{}
			tops, _ := entry["top_logprobs"].([]any)
			for _, top := range tops {
				one, _ := top.(map[string]any)
				name, _ := one["token"].(string)
				names, numbers = append(names, name), append(numbers, one["logprob"])
				bytesOf[name] = one["bytes"]
			}
			token, _ := entry["token"].(string)
			told, kept := r.token(token, entry["logprob"], names, numbers, 20)
			alternatives := []any{}
			for _, j := range kept {
				alternatives = append(alternatives, map[string]any{
					"token": names[j], "logprob": r.number(numbers[j]), "bytes": bytesOf[names[j]],
				})
			}
			out[i] = map[string]any{"token": token, "logprob": told, "bytes": entry["bytes"], "top_logprobs": alternatives}
		}
		return out
	}
	return map[string]any{"content": list(lists["content"]), "refusal": list(lists["refusal"])}
}

func (r *reference) legacy(lists map[string]any) any {
	tokens, _ := lists["tokens"].([]any)
	numbers, _ := lists["token_logprobs"].([]any)
	tops, _ := lists["top_logprobs"].([]any)
	told, maps := make([]any, len(tokens)), make([]any, len(tokens))
	some := false
	for i, t := range tokens {
		var top map[string]any
		if tops != nil {
			top, _ = tops[i].(map[string]any)
		}
		names, values := []string{}, []any{}
		for name, value := range top {
			names, values = append(names, name), append(values, value)
		}
		token, _ := t.(string)
		var kept []int
		told[i], kept = r.token(token, numbers[i], names, values, 5)
		alternatives := map[string]any{}
		for _, j := range kept {
			alternatives[names[j]] = r.number(values[j])
			some = true
		}
		maps[i] = alternatives
	}
	out := map[string]any{"tokens": lists["tokens"], "token_logprobs": told, "top_logprobs": nil, "text_offset": lists["text_offset"]}
	if some {
		out["top_logprobs"] = maps
	}
	return out
}

// token applies the natural-rank rule to one token, whose alternatives were asked for
// in the given number. Kept are the alternatives that are told, most likely first.
func (r *reference) token(token string, logprob any, names []string, numbers []any, asked int) (told any, kept []int) {
	r.disclose.Tokens++
	withheld := float64(-9999)
	told = withheld
	order := make([]int, 0, len(names))
	for i := range names {
		if r.number(numbers[i]) != withheld {
			order = append(order, i)
		}
	}
	value := func(i int) float64 { f, _ := numbers[i].(float64); return f }
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case value(a) > value(b):
			return -1
		case value(a) < value(b):
			return 1
		default:
			return 0
		}
	})
	at := slices.Index(names, token)
	// The fixtures add a token outside the natural list as one more than was asked for.
	if at >= 0 && len(names) <= asked {
		told = r.number(logprob)
	}
	if at >= 0 && len(names) > asked {
		last := true
		for i := range names {
			last = last && (i == at || value(i) > value(at))
		}
		if !last {
			told = r.number(logprob)
		}
	}
	if told != withheld {
		r.disclose.Values++
	}
	kept = order[:min(len(order), r.p.Logprobs.TopK, r.req.Asked.TopLogprobs)]
	r.disclose.Values += int64(len(kept))
	return told, kept
}

// number rounds a log-probability, or withholds it.
func (r *reference) number(v any) float64 {
	f, ok := v.(float64)
	if !ok || math.Exp(f) < r.p.Logprobs.Floor {
		return -9999
	}
	step := r.p.Logprobs.Step
	rounded := math.Round(math.Round(f/step)*step*1e6) / 1e6
	if math.Exp(rounded) < r.p.Logprobs.Floor*(1-1e-12) {
		return -9999
	}
	return rounded
}

func (r *reference) embedding(v any) any {
	var values []float64
	text, encoded := v.(string)
	if encoded {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil
		}
		for ; len(raw) > 0; raw = raw[4:] {
			values = append(values, float64(math.Float32frombits(binary.LittleEndian.Uint32(raw))))
		}
	} else {
		numbers, _ := v.([]any)
		for _, n := range numbers {
			f, _ := n.(float64)
			values = append(values, f)
		}
	}
	r.disclose.EmbeddingValues += int64(len(values))
	if r.p.Embeddings.Grid == coarsen.GridFull {
		return v
	}
	r.p.Vector(values)
	if encoded {
		raw := []byte{}
		for _, f := range values {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(f)))
		}
		return base64.StdEncoding.EncodeToString(raw)
	}
	out := make([]any, len(values))
	for i, f := range values {
		out[i] = f
	}
	return out
}

func decode(t testing.TB, doc []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatalf("decode %s: %v", doc, err)
	}
	return v
}
