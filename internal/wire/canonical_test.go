package wire_test

import (
	"fmt"
	"testing"
)

// Bodies that ask a model the same about an input have the same canonical form for it,
// whatever stands beside, and others have others.
func TestAppendInput(t *testing.T) {
	t.Parallel()
	type asked struct {
		body string
		row  int
	}
	cases := map[string]struct {
		route       string
		same, other []asked
	}{
		"classify": {
			"vllm.classify",
			[]asked{
				{`{"model":"m","input":"a  Tier"}`, 0},
				{`{"input":["a tier"],"user":"x"}`, 0},
				{`{"input":["b"," A\ttier\u200b "]}`, 1},
				{`{"input":["a tier","b"]}`, 2}, // scores of another kind
			},
			[]asked{{`{"input":["a tier","b"]}`, 1}, {`{"input":[1,2]}`, 0}, {`{"input":[1,3]}`, 0}, {`{"input":[[1,2],[1,4]]}`, 5}},
		},
		"messages": {
			"vllm.classify",
			[]asked{{`{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"}]}`, 0}, {`{"messages":[{"content":"S","role":"system"},{"role":"user","content":"A "}]}`, 1}},
			[]asked{{`{"messages":[{"role":"system","content":"s"},{"role":"user","content":"b"}]}`, 0}},
		},
		"rerank": {
			"vllm.rerank",
			[]asked{
				{`{"query":"q","documents":["a"]}`, 0},
				{`{"documents":["b",{"text":"A"}],"query":"Q"}`, 1},
				{`{"documents":["b",{"t\u0065xt":"A"}],"query":"Q"}`, 1},
			},
			[]asked{{`{"query":"p","documents":["a"]}`, 0}, {`{"query":"q","documents":["a","b"]}`, 1}},
		},
		"pairs": {
			"vllm.score",
			[]asked{{`{"text_1":"q","text_2":"a"}`, 0}, {`{"text_1":["q"],"text_2":["b","a"]}`, 1}},
			[]asked{{`{"text_1":"q","text_2":["b","a"]}`, 0}},
		},
		"tensors": {
			"triton.infer",
			[]asked{
				{`{"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["a"]}]}`, 0},
				{`{"id":"7","inputs":[{"name":"other","shape":[1,1],"datatype":"BYTES","data":[["A"]],"parameters":{"x":1}}]}`, 0},
				{`{"inputs":[{"name":"text","shape":[3,1],"datatype":"BYTES","data":["b","a","c"]}]}`, 1},
				{`{"inputs":[{"name":"text","shape":[3,1],"datatype":"BYTES","data":[["b"],["a"],["c"]]}]}`, 4},
			},
			[]asked{
				{`{"inputs":[{"name":"text","shape":[3],"datatype":"BYTES","data":["b","a","c"]}]}`, 0},
				{`{"inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[1,2,3,4]}]}`, 0},
				{`{"inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[1,2,3,4]}]}`, 1},
			},
		},
		"what a text says is not structure": {
			"tfserving.predict", []asked{{`{"instances":[{"x":"a","y":"b"}]}`, 0}}, []asked{{`{"instances":[{"x":"a{\"y\":\"b"}]}`, 0}},
		},
		"rows and columns": {
			"tfserving.predict",
			[]asked{{`{"inputs":{"y":[1.00001,3],"x":["a","b"]}}`, 0}, {`{"inputs":{"x":["c","A"],"y":[5,1]},"signature_name":"s"}`, 1}, {`{"instances":[{"x":"a","y":1}]}`, 0}},
			[]asked{{`{"inputs":{"x":["a","b"],"y":[1,2]}}`, 1}, {`{"instances":[{"x":"a","y":2}]}`, 0}},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			of := func(a asked) string { return string(route(t, c.route).AppendInput(nil, []byte(a.body), a.row)) }
			want, others := of(c.same[0]), map[string]string{}
			for _, a := range c.same {
				if got := of(a); got != want || got == "" {
					t.Errorf("row %d of %s is %q; want %q", a.row, a.body, got, want)
				}
			}
			others[want] = "the first"
			for _, a := range c.other {
				if got := of(a); others[got] != "" {
					t.Errorf("row %d of %s is %q, like %s", a.row, a.body, got, others[got])
				} else {
					others[got] = fmt.Sprintf("row %d of %s", a.row, a.body)
				}
			}
		})
	}
}
