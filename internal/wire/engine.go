package wire

import "strings"

// Engine is what serves behind an upstream. Which routes are open follows from it.
type Engine uint8

// The engines. EngineAuto is an upstream that was not asked yet: it is taken to speak
// the OpenAI dialect and nothing else.
const (
	EngineAuto Engine = iota
	EngineOpenAI
	EngineVLLM
	EngineSGLang
	EngineTGI
	EngineLlamaCpp
	EngineOllama
	EngineTriton
	EngineTFServing
	EngineAnthropic
	EngineGemini
	EngineMistral
	EngineCohere
	EngineTEI
	engineCount
)

var engineNames = [engineCount]string{ //nolint:gochecknoglobals // a static table
	EngineAuto: "auto", EngineOpenAI: "openai", EngineVLLM: "vllm", EngineSGLang: "sglang", EngineTGI: "tgi",
	EngineLlamaCpp: "llamacpp", EngineOllama: "ollama", EngineTriton: "triton", EngineTFServing: "tfserving",
	EngineAnthropic: "anthropic", EngineGemini: "gemini", EngineMistral: "mistral", EngineCohere: "cohere",
	EngineTEI: "tei",
}

// String returns the engine's name as configurations write it.
func (e Engine) String() string {
	if e >= engineCount {
		return "unknown"
	}
	return engineNames[e]
}

// ParseEngine returns the engine of a name.
func ParseEngine(name string) (e Engine, ok bool) {
	for e, n := range engineNames {
		if n == name {
			return Engine(e), true
		}
	}
	return EngineAuto, false
}

// EngineNames lists the names of all engines, auto first.
func EngineNames() []string { return engineNames[:] }

// Engines is a set of engines.
type Engines uint32

// Set returns the set that holds only e.
func (e Engine) Set() Engines { return 1 << e }

// Has reports whether e is in the set.
func (s Engines) Has(e Engine) bool { return s>>e&1 == 1 }

// engines compiles a list of names; a static table that names no engine cannot be used.
func engines(names string) Engines {
	var set Engines
	for name := range strings.FieldsSeq(names) {
		e, ok := ParseEngine(name)
		if !ok {
			panic("no engine is called " + name)
		}
		set |= e.Set()
	}
	return set
}
