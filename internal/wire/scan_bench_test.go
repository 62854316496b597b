package wire

import (
	"fmt"
	"strings"
	"testing"
)

// big is an invented chat answer of about 113 KB with twenty alternatives a token.
func big() []byte {
	var b strings.Builder
	b.WriteString(`{"id":"chatcmpl-0001","object":"chat.completion","created":1767225600,"model":"small-1","choices":[{"index":0,"message":{"role":"assistant","content":"` + strings.Repeat("A turret that juts out of a wall. ", 10) + `"},"logprobs":{"content":[`)
	for i := range 70 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"token":" tok%d","logprob":-0.%06d,"bytes":[32,116,111,107],"top_logprobs":[`, i, i*7919%1000000)
		for j := range 20 {
			if j > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"token":" alt%d","logprob":-%d.%06d,"bytes":[32,97,108,116,%d]}`, j, j, (i*31+j)*7919%1000000, 48+j)
		}
		b.WriteString(`]}`)
	}
	b.WriteString(`]},"finish_reason":"stop"}],"usage":{"prompt_tokens":21,"completion_tokens":70,"total_tokens":91}}`)
	return []byte(b.String())
}

func BenchmarkSkip(b *testing.B) {
	doc := big()
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if skipValue(doc, 0) != len(doc) {
			b.Fatal("not skipped")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(doc)), "ns/byte")
}

func BenchmarkCheck(b *testing.B) {
	doc := big()
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if checkValue(doc, 0, 0) != len(doc) {
			b.Fatal("not valid")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(doc)), "ns/byte")
}
