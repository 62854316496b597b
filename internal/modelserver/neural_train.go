package modelserver

import (
	"math/rand/v2"

	"bartizan/internal/nn"
)

const (
	batchSize  = 32
	neuralRate = 8e-3 // at the first step; it falls to zero along a cosine
	topicDraws = 12   // tokens of a passage that stand for a prompt in training
)

// example is a place in the text: the token there is to be predicted.
type example struct{ passage, place int32 }

// neuralTrainer holds one batch on its way through the model.
type neuralTrainer struct {
	*neural

	rng      *rand.Rand
	passages [][]token
	adam     nn.Adam
	params   []*nn.Param

	truth        []int32
	prompts      [][]token // by example: the tokens of its topic
	x, y1, y2    []float32 // input, inner and hidden layer
	logits       []float32
	dx, dy1, dy2 []float32 // their gradients; that of the logits takes their place
}

// trainNeural reads the passages epoch after epoch, each time in another order. For
// half of the examples some tokens of the passage stand for a prompt about it; the
// other half has none, so that the model can do without.
func trainNeural(v *vocabulary, passages []string, o Neural) *neural {
	r := newRand(o.Seed, 0)
	t := newNeuralTrainer(newNeural(v, o, r), r)
	var examples []example
	for i, p := range passages {
		tokens := framed(v.encode(p))
		t.passages = append(t.passages, tokens)
		for place := 1; place < len(tokens); place++ {
			examples = append(examples, example{int32(i), int32(place)})
		}
	}
	step, steps := 0, o.Epochs*((len(examples)+batchSize-1)/batchSize)
	for range o.Epochs {
		r.Shuffle(len(examples), func(i, j int) { examples[i], examples[j] = examples[j], examples[i] })
		for at := 0; at < len(examples); at += batchSize {
			t.adam.Rate = nn.Cosine(neuralRate, step, steps)
			t.learn(examples[at:min(at+batchSize, len(examples))])
			step++
		}
	}
	return t.neural
}

func newNeuralTrainer(m *neural, r *rand.Rand) *neuralTrainer {
	floats := func(width int) []float32 { return make([]float32, batchSize*width) }
	t := &neuralTrainer{
		neural: m, rng: r, params: []*nn.Param{m.tokens.Table, m.topics.Table},
		prompts: make([][]token, batchSize),
		x:       floats(m.inner.In), y1: floats(m.inner.Out), y2: floats(m.hidden.Out), logits: floats(m.output.Out),
		dx: floats(m.inner.In), dy1: floats(m.inner.Out), dy2: floats(m.hidden.Out),
	}
	for _, d := range []*nn.Dense{m.inner, m.hidden, m.output} {
		t.params = append(t.params, d.Params()...)
	}
	return t
}

// learn takes one step on a batch.
func (t *neuralTrainer) learn(batch []example) {
	n, width := len(batch), t.inner.In
	x, y1, y2, logits := t.x[:n*width], t.y1[:n*t.inner.Out], t.y2[:n*t.hidden.Out], t.logits[:n*t.output.Out]
	clear(x)
	t.truth = t.truth[:0]
	for i, e := range batch {
		passage, row := t.passages[e.passage], x[i*width:(i+1)*width]
		t.truth = append(t.truth, int32(passage[e.place]))
		t.drawTopic(i, passage)
		t.read(row, passage[:e.place])
		t.readTopic(row[t.context*embeddingWidth:], t.prompts[i])
	}
	t.inner.Forward(y1, x)
	nn.Tanh(y1)
	t.hidden.Forward(y2, y1)
	t.output.Forward(logits, y2)
	nn.SoftmaxLoss(logits, t.output.Out, t.truth)

	dx, dy1, dy2 := t.dx[:len(x)], t.dy1[:len(y1)], t.dy2[:len(y2)]
	t.output.Backward(dy2, logits, y2)
	t.hidden.Backward(dy1, dy2, y1)
	nn.TanhBack(dy1, y1)
	t.inner.Backward(dx, dy1, x)
	for i, e := range batch {
		t.unread(dx[i*width:(i+1)*width], t.passages[e.passage][:e.place], t.prompts[i])
	}
	t.adam.Step(t.params...)
}

// drawTopic chooses what stands for the prompt of example i.
func (t *neuralTrainer) drawTopic(i int, passage []token) {
	t.prompts[i] = t.prompts[i][:0]
	if t.rng.IntN(2) == 0 {
		return
	}
	for range topicDraws {
		t.prompts[i] = append(t.prompts[i], passage[t.rng.IntN(len(passage))])
	}
}

// unread hands the gradient in an input to the embeddings that made it.
func (t *neuralTrainer) unread(grad []float32, context, topic []token) {
	for k := range t.context {
		t.tokens.AddGrad(grad[k*embeddingWidth:(k+1)*embeddingWidth], int32(contextToken(context, k)), 1)
	}
	for _, id := range topic {
		t.topics.AddGrad(grad[t.context*embeddingWidth:], int32(id), 1/float32(len(topic)))
	}
}
