package wire_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"bartizan/internal/wire"
)

func benchRewrite(b *testing.B, plan wire.Plan, doc []byte) {
	b.Helper()
	rw := route(b, "openai.chat").Rewriter(plan)
	dst := make([]byte, 0, 2*len(doc))
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		out, _, err := rw.Rewrite(dst[:0], doc)
		if err != nil {
			b.Fatal(err)
		}
		dst = out[:0]
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(doc)), "ns/byte")
}

func BenchmarkRewriteSmall(b *testing.B) {
	benchRewrite(b, allowList(), []byte(small))
}

func BenchmarkRewriteBig(b *testing.B) { benchRewrite(b, allowList(), big(70)) }

func BenchmarkRewriteBigDenyList(b *testing.B) {
	benchRewrite(b, denyList(), big(70))
}

func BenchmarkRewriteChunk(b *testing.B) {
	benchRewrite(b, allowList(), []byte(chunk))
}

func BenchmarkPeek(b *testing.B) {
	body := []byte(requests["small"])
	r := route(b, "openai.chat")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Peek(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNarrow(b *testing.B) {
	body := []byte(requests["small"])
	r := route(b, "openai.chat")
	req, err := r.Peek(body)
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		out, _, err := r.Narrow(dst[:0], body, req, wire.Narrowing{MaxOutput: 512, MaxChoices: 1, AddUsage: true})
		if err != nil {
			b.Fatal(err)
		}
		dst = out[:0]
	}
}

func BenchmarkEventReader(b *testing.B) {
	stream := bytes.Repeat([]byte("data: "+chunk+"\n\n"), 100)
	source := bytes.NewReader(nil)
	reader := wire.NewEventReader(source)
	b.ReportAllocs()
	for b.Loop() {
		source.Reset(stream)
		reader.Reset(source)
		for {
			if _, err := reader.Next(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/event")
}
