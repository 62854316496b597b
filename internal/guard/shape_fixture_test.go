package guard_test

import (
	"fmt"
	"strings"
)

// Invented answers of model servers.

// alternatives writes so many alternatives, falling by 0.13 nats, the first a0.
func alternatives(n int, extra string) string {
	parts := make([]string, 0, n+1)
	if extra != "" {
		parts = append(parts, extra)
	}
	for i := range n {
		parts = append(parts, fmt.Sprintf(`{"token":"a%d","logprob":%.6f,"bytes":[97,%d]}`, i, -0.512345-0.13*float64(i), 48+i%10))
	}
	return "[" + strings.Join(parts, ",") + "]"
}

var chatTokens = strings.Join([]string{
	`{"token":"a0","logprob":-0.512345,"bytes":[97,48],"top_logprobs":` + alternatives(20, "") + `}`,
	`{"token":"a7","logprob":-1.422345,"bytes":[97,55],"top_logprobs":` + alternatives(20, "") + `}`,
	`{"token":"zz","logprob":-3.9,"bytes":[122,122],"top_logprobs":` + alternatives(20, `{"token":"zz","logprob":-3.9,"bytes":[122,122]}`) + `}`,
	`{"token":"a0","logprob":-0.1,"bytes":null,"top_logprobs":[]}`,
	`{"token":"a0","logprob":null,"bytes":[97,48],"top_logprobs":` + alternatives(3, "") + `}`,
	`{"token":"a1","logprob":-9999.0,"bytes":[97,49],"top_logprobs":[{"token":"a0","logprob":-0.00001,"bytes":[97,48]},{"token":"a1","logprob":-9999.0,"bytes":[97,49]}]}`,
	`{"token":"a1","logprob":-8.2,"bytes":[97,49],"top_logprobs":[{"token":"a0","logprob":-0.00001,"bytes":[97,48]},{"token":"a1","logprob":-8.2,"bytes":[97,49]}]}`,
	`{"token":"a2","logprob":-1e999,"bytes":[97,50],"top_logprobs":` + alternatives(4, "") + `}`,
}, ",")

const usage = `"usage":{"prompt_tokens":21,"completion_tokens":8,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":16},"completion_tokens_details":{"reasoning_tokens":2}}`

const messageUsage = `"usage":{"input_tokens":21,"cache_read_input_tokens":16,"cache_creation_input_tokens":0,"output_tokens":8,"output_tokens_details":{"thinking_tokens":2},"service_tier":"standard","inference_geo":"eu"}`

// leaky are fields that servers add, asked or not.
const leaky = `"prompt_logprobs":[null,{"11":{"logprob":-0.5,"rank":1,"decoded_token":"x"}}],"prompt_token_ids":[1,2,3],"prompt_text":"<s>x",
	"kv_transfer_params":{"remote":[1]},"ec_transfer_params":null,"metrics":{"time_to_first_token_ms":12.5},"timings":{"predicted_ms":3.25},
	"system_fingerprint":"engine-0.1-tp2","sglext":{"routed_experts":"AAAA"},"meta_info":{"id":"1"},"moderation":{"output":{"results":[{"category_scores":{"x":0.125}}]}},
	"brand_new_field":{"inner":[0.123456,{"token_ids":[9]}]}`

const leakyChoice = `"token_ids":[5,6],"routed_experts":"AAAA","hidden_states":[[0.5,0.25]],"stop_reason":128001,"new_score":0.98765`

var fixtures = map[string][]string{
	"openai.chat": {
		`{"id":"c1","object":"chat.completion","created":1767225600,"model":"small-1","choices":[{"index":0,"message":{"role":"assistant","content":"A turret.","refusal":null},"logprobs":null,"finish_reason":"stop"}],` + usage + `}`,
		`{"id":"c2","object":"chat.completion","created":1767225600,"model":"small-1","choices":[{"index":0,"message":{"role":"assistant","content":"a0a7zz"},"logprobs":{"content":[` + chatTokens + `],"refusal":null},"finish_reason":"stop"}],` + usage + `}`,
		`{"id":"c3","object":"chat.completion","created":1767225600,"model":"small-1","choices":[{"index":0,"message":{"role":"assistant","content":"a0a7zza0a0a1a1a2","reasoning":"r1","reasoning_content":"r2","thinking":"r3","tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{\"logprobs\":1}"}}]},"logprobs":{"content":[` + chatTokens + `]},"finish_reason":"stop",` + leakyChoice + `},
			{"index":1,"message":{"role":"assistant","content":[{"type":"text","text":"y"}]},"logprobs":null,"finish_reason":"length","stop_reason":"END"}],` + usage + `,` + leaky + `}`,
		` { "id" : "c4" , "choices" : [ ] } `,
		`{"id":"c5","choices":[{"index":0,"message":{"content":null,"refusal":"no"},"logprobs":{"content":null,"refusal":[` + chatTokens + `]},"finish_reason":"stop"}]}`,
	},
	"openai.completions": {
		`{"id":"p1","object":"text_completion","created":1767225600,"model":"small-1","choices":[{"index":0,"text":"A turret.","logprobs":null,"finish_reason":"stop"}],` + usage + `}`,
		`{"id":"p2","object":"text_completion","created":1767225600,"model":"small-1","choices":[{"index":0,"text":"abz","logprobs":{"tokens":["a","b","z"],"token_logprobs":[null,-0.523,-5.5],
			"top_logprobs":[null,{"b":-0.523,"c":-1.23,"d":-3.1,"e":-4,"f":-5.9},{"z":-5.5,"b":-0.52,"c":-1.23,"d":-3.1,"e":-4,"f":-5.1}],"text_offset":[0,1,2]},"finish_reason":"stop",` + leakyChoice + `}],` + usage + `,` + leaky + `}`,
		`{"id":"p3","choices":[{"index":0,"text":"a0","logprobs":{"content":[{"token":"a0","logprob":-0.512345,"bytes":[97,48],"top_logprobs":` + alternatives(5, "") + `}]},"finish_reason":"stop"}],"completion_probabilities":[{"id":5,"logprob":-0.1}]}`,
	},
	"openai.embeddings": {
		`{"object":"list","model":"embed-1","data":[{"object":"embedding","index":0,"embedding":[0.6,-0.64123456,0.481,-0.0000001]},{"object":"embedding","index":1,"embedding":"AACAPwAAAMAAAAA/zczMPQ=="}],"usage":{"prompt_tokens":4,"total_tokens":4},` + leaky + `}`,
	},
	"anthropic.messages": {
		`{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"text","text":"A turret."}],"model":"m","stop_reason":"end_turn","stop_sequence":null,` + messageUsage + `}`,
		`{"id":"msg_2","type":"message","role":"assistant","content":[{"type":"thinking","thinking":"Let me see.","signature":"c2ln"},{"type":"redacted_thinking","data":"eHh4"},
			{"type":"text","text":"a0","citations":[{"type":"char_location","cited_text":"x","document_index":0}],"logprobs":[-0.512345],"token_ids":[5]},
			{"type":"tool_use","id":"t","name":"f","input":{"scores":[1,{"thought":2}]},"new_score":0.98765}],"model":"m","stop_reason":"tool_use",` + messageUsage + `,` + leaky + `}`,
		`{"type":"message_start","message":{"id":"msg_3","type":"message","role":"assistant","content":[],"model":"m",` + messageUsage + `,"metrics":{"ms":1.5}}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Let","estimated_tokens":5}}`,
	},
	"openai.models": {
		`{"object":"list","data":[{"id":"small-1","object":"model","created":1767225600,"owned_by":"house","root":"/srv/models/small-1","parent":null,"max_model_len":4096,"permission":[{"id":"p"}],"meta":{"n_embd":64,"n_vocab":512}}]}`,
	},
}
