package ratelimit

import "sort"

// grant is an open reservation: all that is needed to settle it.
type grant struct {
	id       uint64
	at       int64
	deadline int64
	prompt   uint64  // the hash of its prompt, 0 for none
	limit    amounts // per minute, as they were when it was made
	reserved [counted]int64
	spent    amounts // what it is known to have cost so far
	streams  int64
	inFlight int64
	added    uint8 // bits of the calendar windows in which its prompt was new
	counts   uint8 // bits of the calendar windows that it is still counted in
	known    bool  // spent says something
	closed   bool
}

// overdue is what a grant costs that nobody settled.
func (g *grant) overdue() Demand {
	of := func(d Dimension) int64 {
		if g.known {
			return g.spent[d]
		}
		return g.reserved[d]
	}
	return Demand{
		Requests: g.reserved[Requests], Tokens: of(Tokens), Input: of(Input), Output: of(Output), Cost: of(Cost), Values: of(Values),
		Prompts: max(g.reserved[Prompts], int64(min(g.prompt, 1))), // a prompt that is overdue counts as served
	}
}

// note raises what is known to be spent.
func (g *grant) note(soFar *Demand) {
	for k, n := range soFar.rates() {
		if n > 0 {
			g.spent[k] = max(g.spent[k], n)
			g.known = g.known || Dimension(k) != Requests
		}
	}
}

// table lists open grants in order of their ids, which rise. Closed ones stay until
// the list needs the room.
type table struct {
	list []grant // from head on
	head int
	open int
}

func (t *table) push(g grant) {
	if len(t.list) == cap(t.list) && t.open <= len(t.list)*3/4 {
		t.compact()
	}
	t.list = append(t.list, g)
	t.open++
}

func (t *table) compact() {
	n := 0
	for i := t.head; i < len(t.list); i++ {
		if !t.list[i].closed {
			t.list[n] = t.list[i]
			n++
		}
	}
	t.list, t.head = t.list[:n], 0
}

// find returns the index of an open grant, or -1.
func (t *table) find(id uint64) int {
	tail := t.list[t.head:]
	i := t.head + sort.Search(len(tail), func(i int) bool { return tail[i].id >= id })
	if i == len(t.list) || t.list[i].id != id || t.list[i].closed {
		return -1
	}
	return i
}

func (t *table) close(i int) {
	t.list[i].closed = true
	t.open--
	for t.head < len(t.list) && t.list[t.head].closed {
		t.head++
	}
	if t.open == 0 {
		t.list, t.head = t.list[:0], 0
	}
}
