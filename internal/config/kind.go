package config

import (
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// text is a string. check, if there is one, returns what is wrong with it or "".
type text struct {
	to    *string
	want  string
	check func(string) (wrong string)
	// hide keeps the value out of messages.
	hide bool
}

func (k text) decode(d *decoder, n ast.Node, path string) {
	s, ok := n.(*ast.StringNode)
	if !ok {
		d.wrong(n, path, k.want)
		return
	}
	wrong := checkText(s.Value)
	if wrong == "" && k.check != nil {
		wrong = k.check(s.Value)
	}
	if wrong != "" {
		if !k.hide {
			wrong = describe(n) + ", which " + wrong
		}
		d.fault(placeOf(n.GetToken()), path, "%s; want %s", wrong, k.want)
		return
	}
	*k.to = s.Value
}

func (k text) schema() schema { return schema{"type": "string", "minLength": 1} }

func (k text) print() (printed, bool) { return quoted(*k.to), *k.to != "" }

// choice is one of a few words.
type choice struct {
	to     *string
	values []string
	// what names the thing, such as "mode".
	what string
}

func (k choice) decode(d *decoder, n ast.Node, path string) {
	word, ok := scalar(n)
	if !ok {
		d.wrong(n, path, orList(k.values))
		return
	}
	if !slices.Contains(k.values, word) {
		hint := didYouMean(word, k.values)
		if hint == "" {
			hint = "; want " + orList(k.values)
		}
		d.fault(placeOf(n.GetToken()), path, "no such %s: %s%s", k.what, strings.TrimPrefix(describe(n), "is "), hint)
		return
	}
	*k.to = word
}

func (k choice) schema() schema { return schema{"enum": k.values} }

func (k choice) print() (printed, bool) { return quoted(*k.to), *k.to != "" }

var (
	sizeForm     = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})(\.[0-9]{1,9})?([kMG]?)$`)
	byteForm     = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})(\.[0-9]{1,9})?((?:[kMG]|Ki|Mi|Gi)?)$`)
	durationForm = regexp.MustCompile(`^(?:[0-9]{1,12}(?:ms|s|m|h|d))+$`)
	durationPart = regexp.MustCompile(`([0-9]+)(ms|s|m|h|d)`)
	factorForm   = regexp.MustCompile(`^x(?:[0-9]{1,9}(?:\.[0-9]{1,9})?|[0-9]{1,18}/[0-9]{1,18})$`)
	numberForm   = regexp.MustCompile(`^[0-9]{1,15}(?:\.[0-9]{1,15})?$`)
)

// size is a whole number with k, M or G for thousands, millions and billions, and for
// bytes also Ki, Mi or Gi.
type size struct {
	to         *int64
	least      int64
	most       int64
	bytes      bool
	unlimited  bool // 0 is written "unlimited"
	absentZero bool // 0 is written by leaving the key out
}

func (k size) form() *regexp.Regexp {
	if k.bytes {
		return byteForm
	}
	return sizeForm
}

func (k size) want() string {
	want := "a whole number such as 60, 100k or 3M"
	if k.bytes {
		want = "a number of bytes such as 512Ki or 4Mi"
	}
	if k.unlimited {
		want += ", or unlimited"
	}
	return want
}

func (k size) decode(d *decoder, n ast.Node, path string) {
	s, ok := scalar(n)
	if ok && k.unlimited && s == "unlimited" {
		*k.to = 0
		return
	}
	parts := k.form().FindStringSubmatch(s)
	if !ok || parts == nil {
		d.wrong(n, path, k.want())
		return
	}
	value, ok := scaled(parts[1]+parts[2], parts[3])
	if !ok {
		d.wrong(n, path, k.want())
		return
	}
	if value < k.least || value > k.most {
		extra := ""
		if k.unlimited && value == 0 {
			extra = "; for no limit write unlimited"
		}
		d.fault(placeOf(n.GetToken()), path, "%d is not between %d and %d%s", value, k.least, k.most, extra)
		return
	}
	*k.to = value
}

// scaled is number times unit when that is a whole number that fits.
func scaled(number, unit string) (int64, bool) {
	value, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, false
	}
	value.Mul(value, new(big.Rat).SetInt64(unitOf(unit)))
	if !value.IsInt() || !value.Num().IsInt64() {
		return 0, false
	}
	return value.Num().Int64(), true
}

func unitOf(unit string) int64 {
	switch unit {
	case "k":
		return 1_000
	case "M":
		return 1_000_000
	case "G":
		return 1_000_000_000
	case "Ki":
		return 1 << 10
	case "Mi":
		return 1 << 20
	case "Gi":
		return 1 << 30
	default:
		return 1
	}
}

func (k size) schema() schema {
	number := schema{"type": "integer", "minimum": k.least, "maximum": k.most}
	pattern := k.form().String()
	if k.unlimited {
		pattern = "^unlimited$|" + pattern
	}
	return schema{"anyOf": []schema{number, {"type": "string", "pattern": pattern}}}
}

func (k size) print() (printed, bool) {
	if *k.to == 0 && (k.absentZero || k.unlimited) {
		return "unlimited", !k.absentZero
	}
	units := []string{"G", "M", "k"}
	if k.bytes {
		units = []string{"Gi", "Mi", "Ki"}
	}
	for _, unit := range units {
		if u := unitOf(unit); *k.to != 0 && *k.to%u == 0 {
			return printed(strconv.FormatInt(*k.to/u, 10) + unit), true
		}
	}
	return printed(strconv.FormatInt(*k.to, 10)), true
}

// count is a size that is kept as an int.
type count struct {
	to          *int
	least, most int64
}

func (k count) decode(d *decoder, n ast.Node, path string) {
	value := int64(*k.to)
	size{to: &value, least: k.least, most: k.most}.decode(d, n, path)
	*k.to = int(value)
}

func (k count) schema() schema { return size{least: k.least, most: k.most}.schema() }

func (k count) print() (printed, bool) {
	value := int64(*k.to)
	return size{to: &value}.print()
}

// duration is a time such as 30s, 1h30m or 90d.
type duration struct {
	to          *time.Duration
	least, most time.Duration
	absentZero  bool
}

const day = 24 * time.Hour

func durationUnits() []struct {
	name string
	d    time.Duration
} {
	return []struct {
		name string
		d    time.Duration
	}{{"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}}
}

func (k duration) decode(d *decoder, n ast.Node, path string) {
	const want = "a time such as 30s, 5m, 2h or 90d"
	s, ok := scalar(n)
	if !ok || !durationForm.MatchString(s) {
		d.wrong(n, path, want)
		return
	}
	var sum time.Duration
	for _, part := range durationPart.FindAllStringSubmatch(s, -1) {
		value, err := strconv.ParseInt(part[1], 10, 64)
		for _, unit := range durationUnits() {
			if unit.name != part[2] {
				continue
			}
			if err != nil || value > int64((math.MaxInt64-sum)/unit.d) {
				d.wrong(n, path, want)
				return
			}
			sum += time.Duration(value) * unit.d
		}
	}
	if sum < k.least || sum > k.most {
		d.fault(placeOf(n.GetToken()), path, "%s is not between %s and %s", s, printDuration(k.least), printDuration(k.most))
		return
	}
	*k.to = sum
}

func (k duration) schema() schema {
	return schema{"type": "string", "pattern": durationForm.String()}
}

func (k duration) print() (printed, bool) {
	return printed(printDuration(*k.to)), *k.to != 0 || !k.absentZero
}

// printDuration writes the largest unit that divides d, so that 90d stays 90d.
func printDuration(d time.Duration) string {
	for _, unit := range durationUnits() {
		if d != 0 && d%unit.d == 0 {
			return strconv.FormatInt(int64(d/unit.d), 10) + unit.name
		}
	}
	return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
}

// factor is a multiplier such as x0.5 or x1/3, kept as an exact fraction.
type factor struct{ num, den *int64 }

func (k factor) decode(d *decoder, n ast.Node, path string) {
	s, ok := scalar(n)
	if !ok || !factorForm.MatchString(s) {
		d.wrong(n, path, "a multiplier such as x0.5")
		return
	}
	value, ok := new(big.Rat).SetString(s[1:])
	if !ok { // a zero below the line
		d.wrong(n, path, "a multiplier such as x0.5")
		return
	}
	if value.Sign() == 0 {
		d.fault(placeOf(n.GetToken()), path, "leaves nothing; to serve nothing, write deny: true")
		return
	}
	*k.num, *k.den = value.Num().Int64(), value.Denom().Int64()
}

func (k factor) schema() schema { return schema{"type": "string", "pattern": factorForm.String()} }

func (k factor) print() (printed, bool) {
	if *k.den == 0 {
		return "", false
	}
	value := big.NewRat(*k.num, *k.den)
	if places, exact := value.FloatPrec(); exact && places <= 9 {
		return printed("x" + value.FloatString(places)), true
	}
	return printed("x" + value.String()), true
}

// number is a decimal that is not negative.
type number struct {
	to   *float64
	most float64
}

func (k number) decode(d *decoder, n ast.Node, path string) {
	s, ok := scalar(n)
	value, err := strconv.ParseFloat(s, 64)
	if !ok || !numberForm.MatchString(s) || err != nil || value > k.most {
		d.wrong(n, path, "a number from 0 to "+strconv.FormatFloat(k.most, 'f', -1, 64))
		return
	}
	*k.to = value
}

func (k number) schema() schema {
	return schema{"type": "number", "minimum": 0, "maximum": k.most}
}

func (k number) print() (printed, bool) {
	return printed(strconv.FormatFloat(*k.to, 'f', -1, 64)), *k.to != 0
}

// truth is true or false.
type truth struct {
	to          *bool
	absentFalse bool
}

func (k truth) decode(d *decoder, n ast.Node, path string) {
	b, ok := n.(*ast.BoolNode)
	if !ok {
		d.wrong(n, path, "true or false")
		return
	}
	*k.to = b.Value
}

func (k truth) schema() schema { return schema{"type": "boolean"} }

func (k truth) print() (printed, bool) {
	return printed(strconv.FormatBool(*k.to)), *k.to || !k.absentFalse
}
