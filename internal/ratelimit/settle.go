package ratelimit

import "time"

// Settle replaces what was reserved by what was spent and ends the streams of the
// grant; actual.Streams has no meaning. The limits then stand as if the true amounts
// had been known when the grant was made, and a grant made on an earlier day changes
// nothing of today. More than was reserved goes into debt. Settle reports
// whether the grant was open: settling twice, or after the deadline took effect,
// changes nothing.
func (s *State) Settle(now time.Time, id uint64, actual Demand) bool {
	open := false
	if s.live != nil {
		if i := s.live.grants.find(id); i >= 0 {
			actual.clean()
			s.settle(i, &actual)
			open = true
		}
	}
	s.observe(now)
	return open
}

func (s *State) settle(i int, actual *Demand) {
	l := s.live
	g := &l.grants.list[i]
	spent := actual.rates()
	if g.limit != (amounts{}) {
		var inc amounts
		for k, amount := range g.limit {
			if amount > 0 {
				inc[k] = charge(spent[k], amount)
			}
		}
		l.run.settle(newStep(g.id, g.at, &g.limit, &inc), &s.base)
		l.known = false
	}
	for w := range s.used {
		if g.counts>>w&1 == 0 {
			continue
		}
		used := &s.used[w]
		for k, n := range spent {
			used[k] = add(max(0, used[k]-g.reserved[k]), n)
		}
		if g.prompt == 0 {
			used[Prompts] = add(max(0, used[Prompts]-g.reserved[Prompts]), actual.Prompts)
		}
	}
	if g.prompt != 0 {
		s.settlePrompt(i, actual.Prompts > 0)
	}
	l.streams = max(0, l.streams-g.streams)
	l.inFlight = max(0, l.inFlight-g.inFlight)
	l.grants.close(i)
}

// settlePrompt keeps a prompt that was served, and takes back one that no request had
// anything of.
func (s *State) settlePrompt(i int, served bool) {
	l := s.live
	g := &l.grants.list[i]
	marks := l.prompts.marks(g.prompt)
	switch {
	case served && marks != 0:
		l.prompts.mark(g.prompt, markConfirmed)
		return
	case served || g.added == 0 || marks&markConfirmed != 0:
		return
	}
	for k := l.grants.head; k < len(l.grants.list); k++ {
		if other := &l.grants.list[k]; k != i && !other.closed && other.prompt == g.prompt {
			other.added |= g.added & g.counts // the other one answers for it now
			return
		}
	}
	for w := range s.used {
		if g.added&g.counts>>w&1 == 1 {
			s.used[w][Prompts] = max(0, s.used[w][Prompts]-1)
		}
	}
	l.prompts.unmark(g.prompt)
}

// Progress notes what an open grant has spent so far, prompt included. Numbers only
// rise; requests and streams do not count.
func (s *State) Progress(id uint64, soFar Demand) {
	if s.live == nil {
		return
	}
	if i := s.live.grants.find(id); i >= 0 {
		s.live.grants.list[i].note(&soFar)
	}
}
