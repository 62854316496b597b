package guard_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"bartizan/internal/guard"
	"bartizan/internal/wire"
)

// neverTold are keys that no profile below partner lets through with a value, wherever
// they stand and however they are written.
var neverTold = strings.Fields(`promptlogprobs tokenids prompttokenids inputtokenlogprobs inputtoplogprobs inputtokenidslogprobs
	outputtokenidslogprobs hiddenstates routedexperts kvtransferparams ectransferparams sglext prompttext reasoning
	reasoningcontent reasoningdetails outputids avglogprobs generationsettings flatrawtoplogprobs idslot
	logprobabilitysum cumlogprobs cumulativelogprob contextlogits generationlogits toppropbs samplingmask tokenid
	remotehost debuginfo newmeta newfield secretfield newscore newinchoice brandnewfield newatroot`)

// graded are keys of numbers that are told coarsely, with the decimals that standard and
// trusted have; the public has the first.
var graded = map[string][2]int{
	"logprob": {2, 2}, "logprobs": {2, 2}, "tokenlogprobs": {2, 2}, "toplogprobs": {2, 2}, "outputtokenlogprobs": {2, 2},
	"outputtoplogprobs": {2, 2}, "logprobability": {2, 2}, "completionprobabilities": {2, 2}, "logprobsresult": {2, 2},
	"scores": {3, 3}, "categoryscores": {3, 3}, "relevancescore": {3, 3}, "confidence": {3, 3}, "confidences": {3, 3},
	"confidencescores": {3, 3}, "probabilityscore": {3, 3}, "severityscore": {3, 3}, "probs": {3, 3}, "predictions": {3, 3},
	"moderation": {3, 3}, "embedding": {6, 24}, "embeddings": {6, 24},
}

// tellsTooMuch returns the first key of a document under which more is told than the
// profile, one below partner, lets through. What a model writes for a tool is its own.
func tellsTooMuch(t testing.TB, r *wire.Route, doc []byte, profile string) string {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(string(doc)))
	dec.UseNumber()
	asked := r.Name == "openai.responses" // there it is also what was asked for
	var value func(places, at string) string
	value = func(places, at string) string {
		token, err := dec.Token()
		if err != nil {
			t.Fatalf("%q: %v", doc, err)
		}
		switch token := token.(type) {
		case json.Number:
			if at != "" && decimalsOf(token.String()) > places[0]-'0' && !isHalf(token, at, profile) {
				return at + "=" + token.String()
			}
		case json.Delim:
			found := ""
			for dec.More() {
				inner, name := at, ""
				limits := places
				if token == '{' {
					key, err := dec.Token()
					if err != nil {
						t.Fatalf("%q: %v", doc, err)
					}
					name = strings.NewReplacer("_", "", "-", "", "ſ", "s", "\u212a", "k").Replace(strings.ToLower(fmt.Sprint(key)))
					if limit, ok := graded[name]; ok && at == "" {
						inner, limits = name, string([]byte{'0' + byte(limit[0])})
						if profile == "trusted" {
							limits = string([]byte{'0' + byte(limit[1])})
						}
					}
				}
				start := dec.InputOffset()
				if more := value(limits, inner); more != "" && name != "input" && name != "args" && name != "arguments" {
					found = more
				}
				text := strings.Trim(string(doc[start:dec.InputOffset()]), ": \t\r\n,")
				if slices.Contains(neverTold, name) && !slices.Contains([]string{"null", `""`, "[]", "{}", "0", "false", "true"}, text) && (name != "reasoning" || !asked) &&
					(r.Class != wire.ClassScore || strings.Trim(text, "-.0123456789") != "") { // a class may have any name

					found = name + "=" + text
				}
			}
			_, _ = dec.Token()
			return found
		}
		return ""
	}
	return value("9", "")
}

func decimalsOf(number string) byte {
	_, fraction, _ := strings.Cut(number, ".")
	fraction, exponent, small := strings.Cut(fraction, "e-")
	if small || exponent != "" {
		return 99
	}
	return byte(len(strings.TrimRight(fraction, "0")))
}

// isHalf reports whether a component of an embedding is a half-precision number, which is
// what trusted tells.
func isHalf(n json.Number, at, profile string) bool {
	f, err := n.Float64()
	if err != nil || profile != "trusted" || !strings.HasPrefix(at, "embedding") {
		return false
	}
	_, exp := math.Frexp(f)
	unit := math.Ldexp(1, max(exp, -13)-11)
	return math.Abs(f/unit-math.Round(f/unit)) < 1e-3
}

// TestRoutesTellNoMore: of what every route shows, streamed or whole, no profile below
// partner tells more than it should, whatever was asked for.
func TestRoutesTellNoMore(t *testing.T) {
	t.Parallel()
	for _, r := range described() {
		if isLike(r) {
			continue
		}
		for _, name := range profileNames[:3] {
			for ask, req := range asks {
				t.Run(r.Name+" "+name+" "+ask, func(t *testing.T) {
					t.Parallel()
					for _, f := range fixturesOf(t, r, "answer") {
						got, err := guard.NewShaper(r, profile(t, name), req).Body(nil, []byte(f.text))
						if strings.Contains(f.name, "withheld") && errors.Is(err, guard.ErrWithheld) {
							continue
						}
						if err != nil {
							t.Fatalf("%s: %v", f.name, err)
						}
						if key := tellsTooMuch(t, r, got, name); key != "" || strings.Contains(string(got), "/srv") {
							t.Errorf("%s tells %s: %s", f.name, key, got)
						}
					}
					for _, f := range fixturesOf(t, r, "stream") {
						streamed := req
						streamed.Asked.Stream, streamed.IncludeUsage = true, true
						raw, docs, err := shapeEvents(t, guard.NewShaper(r, profile(t, name), streamed), framingOf(r, f.name), f.text)
						if err != nil {
							t.Fatalf("%s: %v", f.name, err)
						}
						for _, doc := range docs {
							if key := tellsTooMuch(t, r, []byte(doc), name); key != "" {
								t.Errorf("%s tells %s: %s", f.name, key, doc)
							}
						}
						if strings.Contains(raw, "/srv") {
							t.Errorf("%s tells the upstream's words: %s", f.name, raw)
						}
					}
				})
			}
		}
	}
}

// TestRoutesFailClosed: whatever stands in a place of another type than the server has
// there, or is broken off, is withheld or tells no number.
func TestRoutesFailClosed(t *testing.T) {
	t.Parallel()
	wrong := []string{
		"0.1234567891", `"0.1234567891"`, "[null,0.1234567891]", `{"k":0.1234567891}`, `[{"k":[0.1234567891]}]`, "-1e999", `{"logprob":-0.1234567891}`,
	}
	for _, r := range described() {
		if r.Class == wire.ClassMetadata || isLike(r) {
			continue
		}
		for _, name := range profileNames[:3] {
			t.Run(r.Name+" "+name, func(t *testing.T) {
				t.Parallel()
				check := func(what, answer string) {
					got, err := guard.NewShaper(r, profile(t, name), asks["everything"]).Body(nil, []byte(answer))
					if err != nil {
						if !errors.Is(err, guard.ErrWithheld) || len(got) != 0 {
							t.Errorf("%s: Body = %q, %v", what, got, err)
						}
						return
					}
					if key := tellsTooMuch(t, r, got, name); key != "" {
						t.Errorf("%s: Body(%s) = %s tells %s", what, answer, got, key)
					}
				}
				for _, broken := range []string{"<html>0.1234567891</html>", "0.1234567891", "NaN", `{"a":`, "[0.1234567891", "data: {}"} {
					if got, err := guard.NewShaper(r, profile(t, name), asks["everything"]).Body(nil, []byte(broken)); !errors.Is(err, guard.ErrWithheld) {
						t.Errorf("Body(%s) = %s, %v; want ErrWithheld", broken, got, err)
					}
				}
				for _, f := range fixturesOf(t, r, "answer") {
					if strings.Contains(f.name, "error") || strings.Contains(f.name, "withheld") {
						continue
					}
					check(f.name+" in an array", "["+f.text+"]")
					for at := 1; at < len(strings.TrimSpace(f.text)); at += 97 {
						if got, err := guard.NewShaper(r, profile(t, name), asks["everything"]).Body(nil, []byte(f.text[:at])); !errors.Is(err, guard.ErrWithheld) {
							t.Errorf("%s cut at %d: Body = %s, %v; want ErrWithheld", f.name, at, got, err)
						}
					}
					for i, place := range placesOf(f.text) {
						for k := range 2 { // in turn, for there are many places
							v := wrong[(2*i+k)%len(wrong)]
							check(fmt.Sprintf("%s place %d", f.name, i), f.text[:place[0]]+v+f.text[place[1]:])
						}
					}
				}
			})
		}
	}
}

// placesOf are where the values of a document lie, none of which is the document.
func placesOf(doc string) (places [][2]int) {
	dec := json.NewDecoder(strings.NewReader(doc))
	var value func(depth int)
	value = func(depth int) {
		start := int(dec.InputOffset())
		for start < len(doc) && strings.ContainsRune(" \n\r\t:,", rune(doc[start])) {
			start++
		}
		token, err := dec.Token()
		if err != nil {
			return
		}
		if delim, ok := token.(json.Delim); ok {
			for dec.More() {
				if delim == '{' {
					_, _ = dec.Token()
				}
				value(depth + 1)
			}
			_, _ = dec.Token()
		}
		if depth > 0 {
			places = append(places, [2]int{start, int(dec.InputOffset())})
		}
	}
	value(0)
	return places
}
