package detect_test

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bartizan"
	"bartizan/internal/detect"
)

var update = flag.Bool("update", false, "write the calibration tables from the development material")

const calibrationSeed = 20250101

// exchange is a served exchange of the chat route.
func exchange(at time.Time, took time.Duration, system, prompt string, turns int) *bartizan.Exchange {
	return &bartizan.Exchange{
		Schema: bartizan.ExchangeSchema, ID: at.Format(time.RFC3339Nano), At: at, EndAt: at.Add(took),
		Account: "a", Route: "openai.chat", Model: "m", Status: 200, Outcome: bartizan.OutcomeAnswered,
		Usage: bartizan.Usage{InputTokens: int64(len(prompt) / 4), OutputTokens: 120},
		Text:  &bartizan.Text{System: system, Prompt: prompt, Turns: turns},
	}
}

var start = time.Date(2025, 3, 3, 9, 0, 0, 0, time.UTC)

func calibrationExtractor() *detect.Extractor { return detect.NewExtractor([]byte("calibration")) }

// split halves the programmers: those of even place calibrate, the others test.
func split(all [][]turn) (calibrate, test [][]turn) {
	for i, p := range all {
		if i%2 == 0 {
			calibrate = append(calibrate, p)
		} else {
			test = append(test, p)
		}
	}
	return calibrate, test
}

func gapsOf(p []turn) []float64 {
	var out []float64
	for i := 1; i < len(p); i++ {
		out = append(out, p[i].at-p[i-1].at)
	}
	return out
}

// jobRows halves the word problems by a fixed shuffle: the first half calibrates.
func jobRows(t testing.TB) (calibrate, test []string) {
	rows := slices.Clone(prompts(t, "svamp"))
	rng := rand.New(rand.NewPCG(calibrationSeed, 1))
	rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	return rows[:len(rows)/2], rows[len(rows)/2:]
}

func round(v, unit float64) float64 { return math.Round(v/unit) * unit }

// peopleTables derives the gaps (tenths of a second) and the unevenness (thousandths)
// of people's pauses. A block of pauses is drawn from one programmer's own gaps, of
// which at least eight are known; the time of the answer within each pause, which
// the material does not hold, is drawn log-normal about 4 s and cut at 0.8 of it.
func peopleTables(calibrate [][]turn) (gaps, uneven []float64) {
	rng := rand.New(rand.NewPCG(calibrationSeed, 2))
	var steady [][]float64
	for _, p := range calibrate {
		own := gapsOf(p)
		for _, g := range own {
			gaps = append(gaps, round(g, .1))
		}
		if len(own) >= 8 {
			steady = append(steady, own)
		}
	}
	for i := range 255 {
		own := steady[i%len(steady)]
		starts, ends, at := []int64{}, []int64{}, start.UnixNano()
		for range detect.PaceBlock + 1 {
			gap := own[rng.IntN(len(own))]
			took := min(.8*gap, 4*math.Exp(.6*rng.NormFloat64()))
			starts, ends = append(starts, at), append(ends, at+int64(took*1e9))
			at += int64(gap * 1e9)
		}
		uneven = append(uneven, round(detect.Uneven(starts, ends), .001))
	}
	slices.Sort(gaps)
	slices.Sort(uneven)
	return gaps, uneven
}

// peopleModel fits the model of people's pauses up to five minutes: the logarithm is
// normal about the person's tempo, tempos are normal. Maximum likelihood over a grid
// of steps of .05.
func peopleModel(calibrate [][]turn) (tempo, apart, spread float64) {
	best := math.Inf(-1)
	for m := 3.5; m <= 5.5; m += .05 {
		for a := .05; a <= 1; a += .05 {
			for s := .3; s <= 1.5; s += .05 {
				if l := peopleLikelihood(calibrate, m, a*a, s*s); l > best+1e-9 {
					best, tempo, apart, spread = l, m, a, s
				}
			}
		}
	}
	return round(tempo, .05), round(apart, .05), round(spread, .05)
}

func peopleLikelihood(people [][]turn, tempo, apart, within float64) float64 {
	sum := 0.0
	for _, p := range people {
		n, d, q := 0.0, 0.0, 0.0
		for _, g := range gapsOf(p) {
			if g <= 300 {
				x := math.Log(g) - tempo
				n, d, q = n+1, d+x, q+x*x
			}
		}
		if n > 0 {
			sum -= ((n-1)*math.Log(within) + math.Log(within+n*apart) + q/within - apart*d*d/(within*(within+n*apart))) / 2
		}
	}
	return sum
}

// jobTable derives the unlikeness (hundredths) of prompts of batch jobs with one
// task: 255 jobs of 160 rows; each gives one score to each stage.
func jobTable(rows []string) (unlike [detect.TaskBins][]float64) {
	rng := rand.New(rand.NewPCG(calibrationSeed, 3))
	e := calibrationExtractor()
	fs := make([]*detect.Features, len(rows))
	for i, r := range rows {
		fs[i] = e.Extract(exchange(start, time.Second, "", r, 1))
	}
	var members [detect.TaskBins][]int
	for i := 1; i < 160; i++ {
		members[detect.TaskBin(i)] = append(members[detect.TaskBin(i)], i)
	}
	for range 255 {
		var job []*detect.Features
		for _, i := range rng.Perm(len(fs))[:160] {
			job = append(job, fs[i])
		}
		scores, _ := detect.Unlike(job)
		for bin, m := range members {
			unlike[bin] = append(unlike[bin], round(scores[m[rng.IntN(len(m))]], .01))
		}
	}
	for bin := range unlike {
		slices.Sort(unlike[bin])
	}
	return unlike
}

// The shipped tables are what the recipe above makes of the material.
func TestCalibrationRecipe(t *testing.T) {
	t.Parallel()
	calibrate, _ := split(programmers(t))
	rows, _ := jobRows(t)
	gaps, uneven := peopleTables(calibrate)
	unlike := jobTable(rows)
	tempo, apart, spread := peopleModel(calibrate)
	if *update {
		writeTables(t, len(calibrate), [3]float64{tempo, apart, spread}, gaps, unlike, uneven)
		t.Log("tables.go is written; run the test again without -update")
		return
	}
	shippedGaps, shippedUnlike, shippedUneven := detect.ShippedTables()
	shippedTempo, shippedSpread, shippedApart := detect.ShippedModel()
	if math.Abs(shippedTempo-tempo)+math.Abs(shippedSpread-spread) > 1e-9 || shippedApart < apart {
		t.Errorf("shipped model: tempo %v, spread %v, apart %v; the recipe gives %v, %v, and at least %v",
			shippedTempo, shippedSpread, shippedApart, tempo, spread, apart)
	}
	near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })
	for name, pair := range map[string][2]any{
		"gaps": {shippedGaps, gaps}, "unlike": {shippedUnlike, unlike}, "uneven": {shippedUneven, uneven},
	} {
		if diff := cmp.Diff(pair[0], pair[1], near); diff != "" {
			t.Errorf("%s differ (-shipped +recipe):\n%s", name, diff)
		}
	}
}

func writeTables(t *testing.T, people int, model [3]float64, gaps []float64, unlike [detect.TaskBins][]float64, uneven []float64) {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("// Code generated by go test -run TestCalibrationRecipe -update; DO NOT EDIT.\n\npackage detect\n\n")
	row := func(scores []float64, digits int) string {
		var s strings.Builder
		for i, v := range scores {
			if i%16 == 0 {
				s.WriteString("\n\t\t")
			}
			fmt.Fprintf(&s, "%.*f, ", digits, v)
		}
		return s.String() + "\n\t"
	}
	fmt.Fprintf(&b, `// The model of people's pauses, fitted to those of peopleGaps that are at most five
// minutes long: the mean of the logarithm of a pause in seconds, and its spread in one
// person. The tempos of those people lie %.2f apart (standard deviation).
const (
	peopleTempo  = %.2f
	peopleSpread = %.2f
)

`, model[1], model[0], model[2])
	fmt.Fprintf(&b, `// peopleGaps are the %d pauses between requests, in seconds, of %d programmers who
// worked with a chat assistant (RealHumanEval, clinicalml/realhumaneval
// data/chat_data.csv at 29de154, CC0-1.0; every second programmer of a subset of 53).
`, len(gaps), people)
	fmt.Fprintf(&b, "func peopleGaps() []float64 {\n\treturn []float64{%s}\n}\n\n", row(gaps, 1))
	fmt.Fprintf(&b, `// peopleUneven is the unevenness of %d blocks of pauses, each drawn from one of those
// programmers.
`, len(uneven))
	fmt.Fprintf(&b, "func peopleUneven() []float64 {\n\treturn []float64{%s}\n}\n\n", row(uneven, 3))
	fmt.Fprintf(&b, `// jobUnlike is the unlikeness, by stage, of prompts in %d batch jobs of arithmetic
// word problems (SVAMP, arkilpatel/SVAMP SVAMP.json at 689d7cc, MIT; half of the rows).
`, len(unlike[0]))
	b.WriteString("func jobUnlike() [taskBins][]float64 {\n\treturn [taskBins][]float64{\n")
	for _, scores := range unlike {
		fmt.Fprintf(&b, "\t{%s},\n", row(scores, 2))
	}
	b.WriteString("\t}\n}\n")
	if err := os.WriteFile("tables.go", b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
