package wire

import (
	"strings"
	"testing"
)

// entries is an invented list of tokens with their log-probabilities, about 100 KB.
func entriesPerObject() []byte {
	const entry = `{"token":" turret","logprob":-0.1234567,"bytes":[32,116,117,114,114,101,116]},`
	return []byte("[" + strings.TrimSuffix(strings.Repeat(entry, 1300), ",") + "]")
}

func BenchmarkScan(b *testing.B) {
	doc := entriesPerObject()
	scanners := map[string]func() int{
		"skip":  func() int { return skipValue(doc, 0) },
		"check": func() int { return checkValue(doc, 0, 0) },
	}
	for name, scan := range scanners {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				if scan() != len(doc) {
					b.Fatal("not scanned to the end")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(doc)), "ns/byte")
		})
	}
}
