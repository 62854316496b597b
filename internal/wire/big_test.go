package wire_test

import (
	"fmt"
	"strings"
)

// big is an invented chat answer of so many tokens with twenty alternatives each;
// seventy tokens make about 110 KB.
func big(tokens int) []byte {
	var b strings.Builder
	b.WriteString(`{"id":"chatcmpl-0001","object":"chat.completion","created":1767225600,"model":"small-1","choices":[{"index":0,"message":{"role":"assistant","content":"` +
		strings.Repeat("A turret that juts out of a wall. ", 10) + `"},"logprobs":{"content":[`)
	for i := range tokens {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"token":" turret","logprob":-0.%06d,"bytes":[32,116,117,114,114,101,116],"top_logprobs":[`, i*7919%1000000)
		for j := range 20 {
			if j > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"token":" tower%d","logprob":-%d.%06d,"bytes":[32,116,111,119,101,114,%d]}`, j, j, (i*31+j)*7919%1000000, 48+j)
		}
		b.WriteString(`]}`)
	}
	b.WriteString(`],"refusal":null},"finish_reason":"stop"}],"usage":{"prompt_tokens":21,"completion_tokens":70,"total_tokens":91}}`)
	return []byte(b.String())
}

// chunk is an invented stream event's data of 280 bytes or so.
const chunk = `{"id":"chatcmpl-000000000000000000000001","object":"chat.completion.chunk","created":1767225600,"model":"small-1","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":" turret"},"logprobs":{"content":[{"token":" turret","logprob":-0.5}]},"finish_reason":null}]}`

// small is an invented chat answer of about a kilobyte.
var small = `{"id":"chatcmpl-000000000000000000000001","object":"chat.completion","created":1767225600,"model":"small-1","choices":[{"index":0,"message":{"role":"assistant","content":"` +
	strings.Repeat("A bartizan is a small turret that juts out of a wall. ", 12) +
	`","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":21,"completion_tokens":150,"total_tokens":171},"service_tier":"default","system_fingerprint":"fp_0001"}`
