package evaluate

import (
	"math/rand/v2"
	"time"
)

// The stated speed of the service.
const (
	firstToken    = 300 * time.Millisecond
	perToken      = 20 * time.Millisecond
	usualAnswer   = 60 // tokens, where neither source nor service tells
	ownSleep      = 5 * time.Second
	betweenSeries = 30 * time.Minute // between two sequences of pauses
	workingDay    = 8 * time.Hour
	night         = 16 * time.Hour
)

// Pace is how an account times its requests.
type Pace string

// The paces: closed loops with that many requests under way, one with a sleep of its
// own, and the pauses of real people.
const (
	PaceClosed1  Pace = "closed loop, 1"
	PaceClosed5  Pace = "closed loop, 5"
	PaceClosed16 Pace = "closed loop, 16"
	PaceSleep    Pace = "own sleep of 5 s"
	PaceHuman    Pace = "human"
)

// Paces lists those of attackers.
func Paces() []Pace { return []Pace{PaceClosed1, PaceClosed5, PaceClosed16, PaceSleep, PaceHuman} }

// concurrency is the number of requests under way in a closed loop.
func (p Pace) concurrency() int {
	switch p {
	case PaceClosed5:
		return 5
	case PaceClosed16:
		return 16
	case PaceClosed1, PaceSleep, PaceHuman:
		return 1
	default:
		return 1
	}
}

// clock times the requests of accounts.
type clock struct {
	// gaps are whole sequences of pauses between the requests of real people.
	gaps     [][]time.Duration
	arrivals []time.Duration
	answers  []int
}

// begin draws when an account sends its first request: within the first working days
// of a month, so that no evidence restarts, at an arrival of the service's trace.
func (c *clock) begin(r *rand.Rand) time.Time {
	day := time.Date(2025, 3, 3, 8, 0, 0, 0, time.UTC).AddDate(0, 0, r.IntN(5))
	if len(c.arrivals) == 0 {
		return day.Add(time.Duration(r.Int64N(int64(time.Hour))))
	}
	return day.Add(c.arrivals[r.IntN(len(c.arrivals))])
}

// service is how long the answer to a row takes.
func (c *clock) service(row Row, r *rand.Rand) (tokens int, took time.Duration) {
	tokens = row.Answer
	switch {
	case tokens > 0:
	case len(c.answers) > 0:
		tokens = c.answers[r.IntN(len(c.answers))]
	default:
		tokens = usualAnswer
	}
	return tokens, firstToken + time.Duration(tokens)*perToken
}

// timed is a row with its times.
type timed struct {
	row        Row
	at, end    time.Time
	tokens     int
	fromAttack bool
}

// pace gives the rows times in their order.
func (c *clock) pace(p Pace, rows []timed, r *rand.Rand) {
	if p == PaceHuman {
		c.human(rows, r)
		return
	}
	free := make([]time.Time, p.concurrency()) // when each worker is free
	begin := c.begin(r)
	for i := range free {
		free[i] = begin
	}
	for i := range rows {
		tokens, took := c.service(rows[i].row, r)
		worker := 0
		for k := range free {
			if free[k].Before(free[worker]) {
				worker = k
			}
		}
		at := free[worker]
		if p == PaceSleep && i > 0 {
			at = at.Add(ownSleep)
		}
		rows[i].at, rows[i].end, rows[i].tokens = at, at.Add(took), tokens
		free[worker] = rows[i].end
	}
}

// human strings whole sequences of real pauses together, with breaks between them and
// a night after each working day.
func (c *clock) human(rows []timed, r *rand.Rand) {
	at := c.begin(r)
	morning := at
	var left []time.Duration
	for i := range rows {
		if i > 0 {
			if len(left) == 0 {
				left = c.gaps[r.IntN(len(c.gaps))]
				if i > 1 {
					at = at.Add(betweenSeries)
				}
			}
			at = at.Add(left[0])
			left = left[1:]
			if at.Sub(morning) > workingDay {
				at = at.Add(night)
				morning = at
			}
		}
		tokens, took := c.service(rows[i].row, r)
		rows[i].at, rows[i].end, rows[i].tokens = at, at.Add(took), tokens
	}
}

// gapsOf returns the pauses of people who made at least five.
func gapsOf(people [][]Turn) [][]time.Duration {
	const least = 5
	var out [][]time.Duration
	for _, p := range people {
		var gaps []time.Duration
		for i := 1; i < len(p); i++ {
			gaps = append(gaps, p[i].At-p[i-1].At)
		}
		if len(gaps) >= least {
			out = append(out, gaps)
		}
	}
	return out
}
