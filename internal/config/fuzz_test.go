package config_test

import (
	"errors"
	"testing"

	"bartizan/internal/config"
	"bartizan/internal/policy"
)

// FuzzLoad checks that no file makes Load panic or hang; that what it refuses comes with
// sorted faults; and that what it accepts compiles and survives printing.
func FuzzLoad(f *testing.F) {
	for _, file := range []string{"example.yaml", "full.yaml", "faults.yaml", "full.golden"} {
		f.Add(read(f, file))
	}
	for _, seed := range []string{"", "a", "- - a", "tiers:\n 1:\n  limits: {streams: 1}\n  coarsen: public\n", "data: |\n x\n", "data: 'a\n\n b'\n", "? a\n", "data: \"\\x41\"", "{\"data\": \"x\"}", "data: a\r\nlisten: :1\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Load("f.yaml", data)
		if err != nil {
			joined, ok := err.(interface{ Unwrap() []error })
			if !ok {
				t.Fatalf("error is a %T; want a joined one", err)
			}
			last := 0
			for _, e := range joined.Unwrap() {
				fault, ok := errors.AsType[*config.Fault](e)
				if !ok {
					t.Fatalf("%v is a %T; want a *config.Fault", e, e)
				}
				if fault.Line != 0 && fault.Line < last {
					t.Errorf("line %d comes after line %d", fault.Line, last)
				}
				last = fault.Line
			}
			return
		}
		if _, err := policy.Compile(c.Policy); err != nil {
			t.Errorf("Load accepted a policy that does not compile: %v", err)
		}
		again(t, c)
	})
}
