package modelserver

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"bartizan/internal/nn"
)

// NeuralName is the API's name of a neural model when the options give none.
const NeuralName = "bartizan-neural"

// Neural says how a neural model is built and trained; zero fields take the defaults.
type Neural struct {
	// Hidden is the width of the last hidden layer: the rank of the matrix of the
	// model's logits over any contexts and tokens, and so what the attack of Carlini et
	// al. (arXiv 2403.06634) finds. Default 64, from 1 to 1,024.
	Hidden int
	// Context is how many tokens before the next one are read. Default 4, from 1 to 16.
	Context int
	// Vocabulary bounds the number of tokens, and with it the time of training and of an
	// answer. Default 1,024, from 257 to 8,192.
	Vocabulary int
	// Epochs is how often training reads the text. Default 4.
	Epochs int
	// Seed decides the first weights and the order of the text.
	Seed uint64
}

const (
	embeddingWidth = 32
	innerWidth     = 64   // of the layer below the hidden one
	topicBytes     = 2048 // of the prompt's end that make up its topic
)

// withDefaults fills in and checks the options.
func (o Neural) withDefaults() (Neural, error) {
	var faults []error
	for _, f := range []struct {
		name                  string
		value                 *int
		otherwise, least, top int
	}{
		{"hidden", &o.Hidden, 64, 1, 1024},
		{"context", &o.Context, 4, 1, 16},
		{"vocabulary", &o.Vocabulary, 1024, int(firstMerge), maxTokens},
		{"epochs", &o.Epochs, 4, 1, 1000},
	} {
		if *f.value == 0 {
			*f.value = f.otherwise
		}
		if *f.value < f.least || *f.value > f.top {
			faults = append(faults, fmt.Errorf("%s is %d, want %d to %d", f.name, *f.value, f.least, f.top))
		}
	}
	return o, errors.Join(faults...)
}

// TrainNeural learns a model with hidden layers, in place of [Train]'s n-gram model,
// from the same kind of text. Everything else about the model is alike, so that the
// server answers with it unchanged. It is deterministic on one architecture: equal
// texts and options give equal models. The n-gram model writes the better text; this
// one has what an extractor of the last layer looks for.
func TrainNeural(text string, o Neural) (*Model, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("train neural model: %w", err)
	}
	paragraphs := split(text)
	if len(paragraphs) < minPassages {
		return nil, errTooLittle
	}
	passages := pairUp(paragraphs)
	v := learnVocabulary(strings.Join(passages, "\n\n"), o.Vocabulary)
	return &Model{
		vocabulary: v,
		language:   trainNeural(v, passages, o),
		embedder:   newEmbedder(paragraphs),
		name:       NeuralName,
		kind:       "neural",
	}, nil
}

// neural is a feed-forward language model (Bengio et al. 2003). The embeddings of the
// last tokens, side by side, and the mean embedding of the prompt's tokens go through
// a layer of innerWidth with tanh and a linear one of the hidden width: with tanh there
// too, a narrow model learns far worse. The logits are W·h of that hidden state h,
// without a bias: over any contexts and tokens they are a matrix of rank at most the
// hidden width, and of just that rank once there are as many contexts and tokens. Log-probabilities add one to it, the normaliser of each
// context. Read-only once trained.
type neural struct {
	vocabulary *vocabulary
	context    int
	tokens     *nn.Embedding // what a token means in the context
	topics     *nn.Embedding // what it means in a prompt
	inner      *nn.Dense
	hidden     *nn.Dense
	output     *nn.Dense
}

var _ language = (*neural)(nil)

func newNeural(v *vocabulary, o Neural, r *rand.Rand) *neural {
	return &neural{
		vocabulary: v,
		context:    o.Context,
		tokens:     nn.NewEmbedding(v.size(), embeddingWidth, r),
		topics:     nn.NewEmbedding(v.size(), embeddingWidth, r),
		inner:      nn.NewDense((o.Context+1)*embeddingWidth, innerWidth, true, r),
		hidden:     nn.NewDense(innerWidth, o.Hidden, true, r),
		output:     nn.NewDense(o.Hidden, v.size(), false, r),
	}
}

func (m *neural) vocabularySize() int { return m.vocabulary.size() }

// read sets x, which is zero, to the embeddings of the tokens before the next one; the
// topic comes behind them. Before the beginning there are end tokens.
func (m *neural) read(x []float32, context []token) {
	for k := range m.context {
		m.tokens.Add(x[k*embeddingWidth:], int32(contextToken(context, k)), 1)
	}
}

// readTopic sets dst, which is zero, to the mean embedding of a prompt's tokens.
func (m *neural) readTopic(dst []float32, prompt []token) {
	for _, t := range prompt {
		m.topics.Add(dst, int32(t), 1/float32(len(prompt)))
	}
}

// contextToken is the token k places before the last one.
func contextToken(context []token, k int) token {
	if k >= len(context) {
		return endToken
	}
	return context[len(context)-1-k]
}

// condition reads the prompt's topic. The scorer that it returns belongs to one
// goroutine.
func (m *neural) condition(prompt string) scorer { //nolint:ireturn // the interface says so
	s := &neuralScorer{
		model:  m,
		topic:  make([]float32, embeddingWidth),
		input:  make([]float32, m.inner.In),
		inner:  make([]float32, m.inner.Out),
		hidden: make([]float32, m.hidden.Out),
	}
	m.readTopic(s.topic, m.vocabulary.encode(lastBytes(prompt, topicBytes)))
	return s
}

// neuralScorer is the model under one prompt, with room for its layers.
type neuralScorer struct {
	model                       *neural
	topic, input, inner, hidden []float32
}

// next computes the last layer in float64, so that rounding hides nothing of the rank.
func (s *neuralScorer) next(dst []float64, context []token) {
	m := s.model
	clear(s.input)
	m.read(s.input, context)
	copy(s.input[m.context*embeddingWidth:], s.topic)
	m.inner.Forward(s.inner, s.input)
	nn.Tanh(s.inner)
	m.hidden.Forward(s.hidden, s.inner)
	most := math.Inf(-1)
	for i := range dst {
		z := 0.0
		for j, w := range m.output.W.Value[i*len(s.hidden) : (i+1)*len(s.hidden)] {
			z += float64(w) * float64(s.hidden[j])
		}
		dst[i] = z
		most = max(most, z)
	}
	sum := 0.0
	for i, z := range dst {
		dst[i] = math.Exp(z - most)
		sum += dst[i]
	}
	for i := range dst {
		dst[i] = max(dst[i]/sum, math.SmallestNonzeroFloat64)
	}
}
