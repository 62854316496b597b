package ratelimit

import "sort"

// grant is an open reservation: all that is needed to settle it.
type grant struct {
	id       uint64
	at       int64
	deadline int64
	day      int64
	amounts  [2]int64 // per minute, as they were when it was made
	reserved [2]int64
	streams  int64
	// spent are the tokens that it is known to have cost so far.
	spent  int64
	closed bool
}

// overdue is what a grant costs that nobody settled.
func (g *grant) overdue() Demand {
	tokens := g.spent
	if tokens == 0 {
		tokens = g.reserved[Tokens]
	}
	return Demand{Requests: g.reserved[Requests], Tokens: tokens}
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
