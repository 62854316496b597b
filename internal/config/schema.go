package config

import (
	"bytes"
	"encoding/json"

	"bartizan/internal/coarsen"
)

type schema map[string]any

// definitions are the mappings that stand in many places, by their names.
func definitions() schema {
	limits := (&limitsFile{}).object(false)
	defs := schema{limits.name: limits.object.schema()}
	for _, row := range limits.fields {
		if rate, ok := row.kind.(named); ok {
			defs[rate.name] = rate.object.schema()
		}
	}
	scores := scoresObject(&coarsen.Scores{})
	defs[scores.name] = scores.object.schema()
	return defs
}

// Schema returns the JSON Schema (draft 2020-12) of a configuration file, for editors.
// It is made from the table that [Load] reads by. It accepts everything that Load accepts;
// Load refuses more, such as contradictions between keys.
func Schema() []byte {
	c := Default()
	f := openFile(&c)
	s := object{f.fields()}.schema()
	s["$defs"] = definitions()
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "bartizan configuration"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		return nil // never happens: the table holds only strings, numbers and lists
	}
	return b.Bytes()
}
