package traffic

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// Message is one chat message.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Ask is one chat request.
type Ask struct {
	Messages    []Message
	MaxTokens   int
	Stream      bool
	Logprobs    bool
	TopLogprobs int
	Temperature float64
}

// Source draws what an account asks next and how long it waits before it does.
// Heard tells it the answer to its last request; "" when there was none.
type Source interface {
	Next(r *rand.Rand) (wait time.Duration, ask Ask, more bool)
	Heard(answer string)
}

// humanGap draws the time between two prompts of a person: log-normal with the
// median and spread of 946 gaps of the RealHumanEval chat study (5 % 20 s, median
// 107 s, 95 % 519 s).
func humanGap(r *rand.Rand) time.Duration {
	return time.Duration(math.Exp(math.Log(107)+0.99*r.NormFloat64()) * float64(time.Second))
}

// topic is what one customer talks about.
type topic struct {
	system  string
	things  []string
	openers []string
	follow  []string
}

// Topics lists the names of the built-in customers' topics.
func Topics() []string {
	names := make([]string, len(topics()))
	for i := range names {
		names[i] = topics()[i].name
	}
	return names
}

type namedTopic struct {
	name string
	topic
}

// Customer is a person with one topic who talks in conversations.
type Customer struct {
	topic   topic
	history []Message
	answer  string
	left    int // turns left in this conversation
}

// NewCustomer returns the customer with the i-th topic, counted round.
func NewCustomer(i int) *Customer {
	all := topics()
	return &Customer{topic: all[i%len(all)].topic}
}

// Next continues the conversation, or begins one.
func (c *Customer) Next(r *rand.Rand) (time.Duration, Ask, bool) {
	prompt := c.fill(r, c.topic.follow)
	if c.left <= 0 || len(c.history) == 0 {
		c.left = 1 + r.IntN(5)
		c.history = []Message{{Role: "system", Content: c.topic.system}}
		prompt = c.fill(r, c.topic.openers)
	} else if c.answer != "" {
		c.history = append(c.history, Message{Role: "assistant", Content: c.answer})
	}
	c.left--
	c.answer = ""
	c.history = append(c.history, Message{Role: "user", Content: prompt})
	return humanGap(r), Ask{
		Messages: append([]Message(nil), c.history...), MaxTokens: 24 + r.IntN(25), Stream: r.IntN(2) == 0, Temperature: 0.7,
	}, true
}

// Heard keeps the answer for the conversation.
func (c *Customer) Heard(answer string) { c.answer = answer }

func (c *Customer) fill(r *rand.Rand, forms []string) string {
	form := forms[r.IntN(len(forms))]
	for strings.Contains(form, "%s") {
		form = strings.Replace(form, "%s", c.topic.things[r.IntN(len(c.topic.things))], 1)
	}
	if strings.Contains(form, "%d") {
		form = fmt.Sprintf(form, 2+r.IntN(9))
	}
	return form
}

func topics() []namedTopic {
	everyday := []string{
		"Make that shorter.", "Can you give an example with %s?", "And what about %s?", "Say it more politely.",
		"Why is that?", "Put it in a list of %d points.", "I do not understand the part about %s.", "Thanks. What comes next?",
	}
	of := func(name, system string, things, openers []string) namedTopic {
		return namedTopic{name: name, topic: topic{system: system, things: things, openers: openers, follow: everyday}}
	}
	return []namedTopic{
		of("travel", "You plan journeys for a travel agency. Be friendly and precise.",
			[]string{"the night train", "a family hotel", "the ferry", "a visa", "the old town", "a rental car"},
			[]string{"How do I combine %s with %s on one trip?", "A client wants %s for %d people. What should I ask?", "What can go wrong with %s?"}),
		of("orders", "You help the staff of a parts warehouse with orders and returns.",
			[]string{"a late parcel", "a wrong invoice", "a broken valve", "a double order", "the return label", "a missing pallet"},
			[]string{"Write a note to a customer about %s.", "What do we do when %s meets %s?", "Who handles %s and how long does it take?"}),
		of("recipes", "You are the kitchen assistant of a small restaurant.",
			[]string{"lentil soup", "rye bread", "roast carrots", "lemon sauce", "a plum cake", "pickled beans"},
			[]string{"How much %s for %d guests?", "What goes well with %s?", "Can I make %s without %s?"}),
		of("contracts", "You explain contract language to the clerks of a property office. You give no legal advice.",
			[]string{"the notice period", "the deposit", "a side agreement", "the renewal clause", "the rent index"},
			[]string{"What does %s usually say?", "Compare %s and %s in plain words.", "Where in a lease do I find %s?"}),
		of("school", "You help a teacher of physics prepare lessons for fifteen-year-olds.",
			[]string{"friction", "a pendulum", "electric current", "the lever", "heat", "sound waves"},
			[]string{"Give me a classroom experiment about %s.", "Explain %s with %s as the picture.", "Write %d questions about %s."}),
		of("garden", "You advise the customers of a plant nursery.",
			[]string{"an apple tree", "a hedge of beech", "tomatoes", "the compost", "roses", "moss in the lawn"},
			[]string{"When do I cut %s?", "What does %s need in a dry summer?", "Can %s grow beside %s?"}),
		of("support", "You answer for the makers of a heat pump. Ask for the serial number when it matters.",
			[]string{"error E4", "the noisy fan", "the cold floor", "the filter", "the control panel", "the pressure"},
			[]string{"A customer reports %s. What should they check first?", "How are %s and %s connected?", "How often does one service %s?"}),
		of("finance", "You write short comments for the monthly report of a logistics firm.",
			[]string{"fuel cost", "the new depot", "overtime", "freight volume", "insurance", "late payments"},
			[]string{"Write two sentences on %s, up %d percent.", "Why would %s rise while %s falls?", "Summarise %s for the board."}),
		of("hiring", "You help a personnel office write fair job notices.",
			[]string{"a night nurse", "a crane driver", "a bookkeeper", "a site manager", "a trainee"},
			[]string{"Draft a notice for %s.", "What should we ask %s in an interview?", "How do %s and %s differ in the notice?"}),
		of("museum", "You write labels for a museum of seafaring.",
			[]string{"a brass sextant", "the figurehead", "a ship's log", "the rope walk", "a whale bone", "the chart room"},
			[]string{"Write a label of %d sentences about %s.", "How did sailors use %s?", "Which story links %s and %s?"}),
		of("fitness", "You are the assistant of a physiotherapy practice. You do not diagnose.",
			[]string{"the knee", "a stiff neck", "the lower back", "the shoulder", "an ankle"},
			[]string{"Which gentle exercise suits %s?", "How many times a week for %s?", "What if %s hurts after training %s?"}),
		of("software", "You review shell scripts and SQL of a small operations team.",
			[]string{"the backup job", "a slow join", "the cron table", "an index on orders", "the log rotation", "a lost lock"},
			[]string{"Why would %s fail at night?", "Is it safe to run %s during %s?", "Write a checklist of %d points for %s."}),
	}
}
