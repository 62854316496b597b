package bartizan_test

import (
	"encoding/json"
	"fmt"
	"time"

	"bartizan"
)

// A log of exchanges is one JSON object a line. The text is dropped before an
// exchange is kept.
func ExampleExchange() {
	x := bartizan.Exchange{
		Schema: bartizan.ExchangeSchema, ID: "example-1",
		At:      time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		EndAt:   time.Date(2026, 3, 1, 12, 0, 1, 0, time.UTC),
		Account: "acme", Route: "openai.chat", Model: "small-1",
		Text:   &bartizan.Text{Prompt: "What is a bartizan?", Turns: 1},
		Status: 200, Outcome: bartizan.OutcomeAnswered,
		Decision: bartizan.Decision{Action: bartizan.ActionAllow},
		Usage:    bartizan.Usage{InputTokens: 6, OutputTokens: 21},
	}
	if err := x.Validate(); err != nil {
		fmt.Println(err)
		return
	}
	line, err := json.Marshal(x.WithoutText())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(line))
	// Output:
	// {"schema":"bartizan.exchange/1","id":"example-1","at":"2026-03-01T12:00:00Z","end_at":"2026-03-01T12:00:01Z","account":"acme","level":"normal","route":"openai.chat","model":"small-1","asked":{},"status":200,"outcome":"answered","decision":{"action":"allow"},"usage":{"input_tokens":6,"output_tokens":21},"disclosure":{"values":0,"tokens":0,"embedding_values":0}}
}
