package evaluate

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// SourcesSchema names the JSON contract of the list of sources, sources.json.
const SourcesSchema = "bartizan.sources/1"

// Role is what a source is good for.
type Role string

// The roles.
const (
	RoleAttack   Role = "attack"   // lists of prompts that were sent to copy a model
	RoleBenign   Role = "benign"   // prompts of customers who write them
	RoleBulk     Role = "bulk"     // prompts of a customer's batch job
	RolePeople   Role = "people"   // whole accounts with order and times, as CSV
	RoleArrivals Role = "arrivals" // arrivals and sizes of answers of a service, as CSV
)

// Spec says where a source lies and how it is read.
type Spec struct {
	Name string `json:"name"`
	// File is a JSON array, JSON lines or CSV, plain or gzip.
	File string `json:"file"`
	Role Role   `json:"role"`
	// Stratum is the kind of customer; sources of one stratum are held out together.
	Stratum string `json:"stratum,omitempty"`
	// Prompt names the fields that make a prompt, joined by Join; empty ones are left out.
	Prompt []string `json:"prompt,omitempty"`
	Join   string   `json:"join,omitempty"`
	// Answer is the field whose length is that of the answer; Topic the field that
	// splits the source into customers of one topic each.
	Answer string `json:"answer,omitempty"`
	Topic  string `json:"topic,omitempty"`
}

// Known lists the sources that are looked for in a folder without a sources.json.
func Known() []Spec {
	list := func(name, file, answer string) Spec {
		return Spec{Name: name, File: file, Role: RoleAttack, Prompt: []string{"instruction", "input"}, Join: "\n\n", Answer: answer}
	}
	return []Spec{
		list("alpaca", "alpaca_random_9k.json.gz", "output"),
		list("codegen", "gpteacher_codegen.json.gz", "response"),
		{
			Name: "dolly", File: "dolly_3k.json.gz", Role: RoleBenign, Stratum: "staff",
			Prompt: []string{"instruction", "input"}, Join: "\n\n", Answer: "output", Topic: "category",
		},
		{Name: "arena", File: "arena_hard_v0.1_question.jsonl", Role: RoleBenign, Stratum: "chat", Prompt: []string{"prompt"}},
		{Name: "koala", File: "koala_test_set.jsonl", Role: RoleBenign, Stratum: "chat", Prompt: []string{"prompt"}},
		{
			Name: "wild", File: "instructionwild_seed_prompts_en.jsonl", Role: RoleBenign, Stratum: "shared",
			Prompt: []string{"instruction"},
		},
		{Name: "svamp", File: "svamp.json", Role: RoleBulk, Stratum: "bulk", Prompt: []string{"Body", "Question"}, Join: ". "},
		{Name: "realhumaneval", File: "realhumaneval_chat.csv.gz", Role: RolePeople, Stratum: "coders"},
		{Name: "azure", File: "azure_2023_code.csv", Role: RoleArrivals},
	}
}

// Row is one prompt of a source.
type Row struct {
	Prompt string
	// Answer is the length of its answer in tokens; 0 when it is not known.
	Answer int
	Topic  string
	// Turns is the number of user messages in the request, this one included.
	Turns int
}

// Turn is a request of a person: a row and the time since the session's start.
type Turn struct {
	Row

	At time.Duration
}

// Source is what was read of one source.
type Source struct {
	Spec

	// Calibrate and Judge are the halves of a benign source, shuffled. All rows of an
	// attack are judged.
	Calibrate, Judge []Row
	// CalibratePeople and JudgePeople are the halves of the people of a source.
	CalibratePeople, JudgePeople [][]Turn
	// Dropped counts rows that are empty or stand elsewhere too.
	Dropped int
	// Arrivals and Answers are those of a service: times since the first, and tokens.
	Arrivals []time.Duration
	Answers  []int
}

// splitSeed halves the sources. It is that of the shipped calibration, so that what
// made it is not judged here.
const splitSeed = 20250101

// Load reads the sources of a folder: those that its sources.json lists, or those of
// [Known] that are there. Rows that stand twice are dropped, the judged one of two halves.
func Load(dir string) ([]Source, error) {
	specs, err := specsOf(dir)
	if err != nil {
		return nil, err
	}
	sources := make([]Source, 0, len(specs))
	for _, spec := range specs {
		s, err := load(dir, spec)
		if err != nil {
			return nil, fmt.Errorf("read source %s: %w", spec.Name, err)
		}
		sources = append(sources, s)
	}
	distinct(sources)
	return sources, check(sources)
}

func specsOf(dir string) ([]Spec, error) {
	b, err := os.ReadFile(filepath.Join(filepath.Clean(dir), "sources.json"))
	if err == nil {
		var list struct {
			Schema  string `json:"schema"`
			Sources []Spec `json:"sources"`
		}
		if err := json.Unmarshal(b, &list); err != nil {
			return nil, fmt.Errorf("read sources.json: %w", err)
		}
		if list.Schema != SourcesSchema {
			return nil, fmt.Errorf("sources.json: schema is %q, want %q", list.Schema, SourcesSchema)
		}
		return list.Sources, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read sources.json: %w", err)
	}
	var found []Spec
	for _, s := range Known() {
		if _, err := os.Stat(filepath.Join(dir, s.File)); err == nil {
			found = append(found, s)
		}
	}
	return found, nil
}

// check reports what is missing for an evaluation.
func check(sources []Source) error {
	var faults []error
	has := map[Role]int{}
	names := map[string]bool{}
	for _, s := range sources {
		has[s.Role]++
		if s.Name == "" || names[s.Name] {
			faults = append(faults, fmt.Errorf("source %q: names must be given and differ", s.Name))
		}
		names[s.Name] = true
		if s.Stratum == "" && s.Role != RoleAttack && s.Role != RoleArrivals {
			faults = append(faults, fmt.Errorf("source %s: no stratum", s.Name))
		}
	}
	for _, need := range []Role{RoleAttack, RolePeople} {
		if has[need] == 0 {
			faults = append(faults, fmt.Errorf("no source of role %q: pauses come from real people, attacks from real lists", need))
		}
	}
	return errors.Join(faults...)
}

func load(dir string, spec Spec) (Source, error) {
	s := Source{Spec: spec}
	b, err := contents(filepath.Join(dir, spec.File))
	if err != nil {
		return s, err
	}
	switch spec.Role {
	case RolePeople:
		people, err := readPeople(b)
		if err != nil {
			return s, err
		}
		for i, p := range people {
			if i%2 == 0 {
				s.CalibratePeople = append(s.CalibratePeople, p)
			} else {
				s.JudgePeople = append(s.JudgePeople, p)
			}
		}
	case RoleArrivals:
		s.Arrivals, s.Answers, err = readArrivals(b)
		return s, err
	case RoleAttack:
		s.Judge, err = readRows(b, spec)
		return s, err
	case RoleBenign, RoleBulk:
		rows, err := readRows(b, spec)
		if err != nil {
			return s, err
		}
		r := rand.New(rand.NewPCG(splitSeed, 1)) //nolint:gosec // a fixed split
		r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		s.Calibrate, s.Judge = rows[:len(rows)/2], rows[len(rows)/2:]
	default:
		return s, fmt.Errorf("role %q: no such role", spec.Role)
	}
	return s, nil
}

// distinct drops empty rows and those that stood before, calibrating ones first. The
// requests of people stay as they are; rows that repeat one of them are dropped.
func distinct(sources []Source) {
	seen := map[string]bool{}
	keep := func(rows []Row, dropped *int) []Row {
		var out []Row
		for _, row := range rows {
			if row.Prompt == "" || seen[row.Prompt] {
				*dropped++
				continue
			}
			seen[row.Prompt] = true
			out = append(out, row)
		}
		return out
	}
	for i := range sources {
		for _, people := range [][][]Turn{sources[i].CalibratePeople, sources[i].JudgePeople} {
			for _, p := range people {
				for _, turn := range p {
					seen[turn.Prompt] = true
				}
			}
		}
	}
	for i := range sources {
		sources[i].Calibrate = keep(sources[i].Calibrate, &sources[i].Dropped)
	}
	for i := range sources {
		sources[i].Judge = keep(sources[i].Judge, &sources[i].Dropped)
	}
}

// rows returns all rows of one side, those of people among them.
func (s *Source) rows(judged bool) []Row {
	rows, people := s.Calibrate, s.CalibratePeople
	if judged {
		rows, people = s.Judge, s.JudgePeople
	}
	out := append([]Row(nil), rows...)
	for _, p := range people {
		for _, turn := range p {
			out = append(out, turn.Row)
		}
	}
	return out
}

// RowHash is the SHA-256 of a prompt in hexadecimal digits.
func RowHash(prompt string) string {
	sum := sha256.Sum256([]byte(prompt))
	return hex.EncodeToString(sum[:])
}

// digest is the SHA-256 over the hashes of rows, in order.
func digest(rows []Row) string {
	h := sha256.New()
	for _, row := range rows {
		h.Write([]byte(RowHash(row.Prompt)))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// WriteRows lists the SHA-256 of every row that calibrates or is judged, so that what
// a model was trained on can be compared with it.
func WriteRows(w io.Writer, sources []Source) error {
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, "source\tpart\tsha256")
	for i := range sources {
		for _, judged := range []bool{false, true} {
			part := "calibrate"
			if judged {
				part = "judge"
			}
			for _, row := range sources[i].rows(judged) {
				fmt.Fprintf(out, "%s\t%s\t%s\n", sources[i].Name, part, RowHash(row.Prompt))
			}
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write hashes of rows: %w", err)
	}
	return nil
}
