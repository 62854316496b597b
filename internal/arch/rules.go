package arch

// Rules are what [Check] holds a tree to.
type Rules struct {
	// Floors lists the units of each floor, ground first. A package may import
	// packages of lower floors and of its own unit, and no others.
	Floors [][]string
	// Pure is the number of floors, from the ground, that touch nothing outside.
	Pure int
	// Impure maps import paths that pure floors may not have to the reason. A path
	// that ends in "/" stands for everything below it.
	Impure map[string]string
	// PureExceptions lists "unit import" pairs that are allowed all the same.
	PureExceptions map[string]bool
	// Ambient maps an import path to its functions that reach outside without
	// saying so, such as the clock. Pure floors may not call them.
	Ambient map[string]map[string]bool
	// Only maps import paths of the standard library to the units that may have them.
	Only map[string][]string
	// Modules maps module paths to the units that may import them.
	Modules map[string][]string
	// TestModules are for tests and for packages whose folder's name ends in "test".
	TestModules []string
	// Banned maps import paths that nobody may have to the reason.
	Banned map[string]string
}

// House returns the rules of this module.
func House() Rules {
	adapters := []string{
		"store", "counters", "bus", "ledger", "logread", "upstream", "modelserver", "datadir",
		"tokens",
	}
	faces := []string{"gateway", "settle", "scan", "replay", "review", "console", "lab", "config"}
	top := []string{"cmd", "bench", "arch"}
	outer := join(adapters, faces, top)
	return Rules{
		Floors: [][]string{
			{"root", "docs"},
			{"sketch", "stat"},
			{
				"wire", "ratelimit", "coarsen", "watermark", "detect", "audit", "terms",
				"evidence", "cost", "nn",
			},
			{"policy"},
			{"guard"},
			adapters,
			faces,
			top,
		},
		Pure:   5,
		Impure: impure(),
		PureExceptions: map[string]bool{
			"root log/slog": true, // LogValue keeps secrets and prompts out of logs
		},
		Ambient: ambient(),
		Only: map[string][]string{
			"net/http":          join([]string{"gateway", "console", "upstream", "modelserver", "lab"}, top),
			"net/http/httputil": top,
			"database/sql":      {"store"},
			"flag":              top,
			"os/signal":         top,
			"os/exec":           top,
		},
		Modules:     modules(outer),
		TestModules: testModules(),
		Banned: map[string]string{
			"C":                           "no cgo: one static binary",
			"log":                         "use log/slog, given by the constructor",
			"math/rand":                   "math/rand/v2 with a seed, crypto/rand for keys",
			"io/ioutil":                   "use io and os",
			"github.com/pkg/errors":       "use errors and fmt.Errorf with %w",
			"github.com/stretchr/testify": "plain got and want; go-cmp for structs",
		},
	}
}

func impure() map[string]string {
	const (
		os   = "pure floors know no operating system"
		net  = "pure floors know no network"
		logs = "pure floors return what they know, callers log it"
	)
	return map[string]string{
		"os": os, "os/": os, "syscall": os, "runtime/debug": os, "plugin": os, "flag": os,
		"path/filepath": os,
		"net":           net, "net/http": net, "net/http/": net, "net/rpc": net, "net/smtp": net,
		"crypto/tls":   net,
		"database/sql": "pure floors keep no store", "database/sql/": "pure floors keep no store",
		"log": logs, "log/": logs,
		"crypto/rand": "keys and randomness are arguments",
	}
}

func ambient() map[string]map[string]bool {
	return map[string]map[string]bool{
		"time": set("Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"),
		"math/rand/v2": set("ExpFloat64", "Float32", "Float64", "Int", "Int32", "Int32N", "Int64",
			"Int64N", "IntN", "N", "NormFloat64", "Perm", "Shuffle", "Uint", "Uint32", "Uint32N",
			"Uint64", "Uint64N", "UintN"),
	}
}

// modules says which part of the house knows which module. A module behind one
// package can be replaced by changing one package.
func modules(outer []string) map[string][]string {
	return map[string][]string{
		"github.com/nats-io/nats-server/v2":   {"bus"},
		"github.com/nats-io/nats.go":          {"bus"},
		"modernc.org/sqlite":                  {"store"},
		"github.com/jackc/pgx/v5":             {"store"},
		"github.com/pressly/goose/v3":         {"store"},
		"github.com/redis/go-redis/v9":        {"counters"},
		"github.com/zeebo/xxh3":               {"sketch"},
		"github.com/axiomhq/hyperloglog":      {"sketch"},
		"github.com/DataDog/sketches-go":      {"sketch"},
		"github.com/klauspost/compress":       {"ledger", "logread", "bus", "upstream"},
		"github.com/parquet-go/parquet-go":    {"logread"},
		"github.com/goccy/go-yaml":            {"config"},
		"github.com/fsnotify/fsnotify":        {"cmd"},
		"github.com/alecthomas/kong":          {"cmd"},
		"github.com/aymanbagabas/go-udiff":    {"cmd"},
		"github.com/danielgtaylor/huma/v2":    {"console"},
		"github.com/coreos/go-oidc/v3":        {"console"},
		"github.com/alexedwards/scs/v2":       {"console"},
		"github.com/prometheus/client_golang": {"console"},
		"github.com/transparency-dev/tessera": {"ledger"},
		"github.com/transparency-dev/merkle":  {"ledger"},
		"github.com/transparency-dev/formats": {"ledger"},
		"golang.org/x/mod":                    {"evidence"},
		"github.com/digitorus/timestamp":      {"ledger"},
		"filippo.io/age":                      {"ledger"},
		"gonum.org/v1/gonum":                  {"lab", "audit"},
		"golang.org/x/crypto":                 {"console"},
		"golang.org/x/sync":                   outer,
		"golang.org/x/sys":                    {"datadir", "ledger", "cmd"},
		"golang.org/x/text":                   {"terms", "detect", "evidence"},
		"golang.org/x/net":                    {"terms"},
		"github.com/tiktoken-go/tokenizer":    {"tokens"},
		"go.opentelemetry.io/otel":            {"gateway", "cmd"},
	}
}

func testModules() []string {
	return []string{
		"pgregory.net/rapid", "github.com/rogpeppe/go-internal", "github.com/google/go-cmp",
		"go.uber.org/goleak", "github.com/chromedp/chromedp", "github.com/chromedp/cdproto",
		"github.com/alicebob/miniredis/v2", "github.com/openai/openai-go", "github.com/anthropics/anthropic-sdk-go",
		"github.com/dlclark/regexp2/v2", "google.golang.org/genai",
	}
}

func join(lists ...[]string) []string {
	var all []string
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, name := range names {
		m[name] = true
	}
	return m
}
