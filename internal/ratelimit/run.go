package ratelimit

import "sort"

// maxOpen is how many reservations are kept apart in a run.
const maxOpen = 256

// run is the list of charges since the oldest open reservation, in order of
// admission. Its first step is open, and no two neighbours are settled: settled ones
// are merged with each other, or into the base when nothing open is before them. So
// it has at most 2*maxOpen steps.
type run struct {
	steps []step // from head on
	head  int
	open  int
}

// fold returns the arrival times after all charges, beginning with base.
func (r *run) fold(base [2]int64) [2]int64 {
	x0, x1 := base[0], base[1]
	for i := range r.steps[r.head:] {
		st := &r.steps[r.head+i]
		x0 = max(x0+st.s[0], st.m[0])
		x1 = max(x1+st.s[1], st.m[1])
	}
	return bound([2]int64{x0, x1})
}

// push appends an open step. Beyond maxOpen the oldest is merged into the base as
// it stands, and can no longer be settled.
func (r *run) push(st step, base *[2]int64) {
	if len(r.steps) == cap(r.steps) && r.head > 0 && r.head >= len(r.steps)/4 {
		r.steps = r.steps[:copy(r.steps, r.steps[r.head:])]
		r.head = 0
	}
	r.steps = append(r.steps, st)
	r.open++
	if r.open > maxOpen {
		r.steps[r.head].open = false
		r.open--
		r.retire(base)
	}
}

// settle gives the grant's step its true charge. A grant that has no step of its own
// is left alone.
func (r *run) settle(st step, base *[2]int64) {
	tail := r.steps[r.head:]
	i := r.head + sort.Search(len(tail), func(i int) bool { return tail[i].grant >= st.grant })
	if i == len(r.steps) || r.steps[i].grant != st.grant || !r.steps[i].open {
		return
	}
	st.open = false
	r.steps[i] = st
	r.open--
	if i == r.head {
		r.retire(base)
		return
	}
	if i+1 < len(r.steps) && !r.steps[i+1].open {
		r.merge(i)
	}
	if !r.steps[i-1].open {
		r.merge(i - 1)
	}
}

// merge joins step i and the one after it.
func (r *run) merge(i int) {
	r.steps[i].then(&r.steps[i+1])
	r.steps = append(r.steps[:i+1], r.steps[i+2:]...)
}

// retire moves settled steps at the head into the base.
func (r *run) retire(base *[2]int64) {
	for r.head < len(r.steps) && !r.steps[r.head].open {
		*base = bound(r.steps[r.head].apply(*base))
		r.head++
	}
	if r.head == len(r.steps) {
		r.steps, r.head = r.steps[:0], 0
	}
}

// back moves all times back by d.
func (r *run) back(d int64) {
	for i := r.head; i < len(r.steps); i++ {
		for k, m := range r.steps[i].m {
			if m > 0 {
				r.steps[i].m[k] = max(0, m-d)
			}
		}
	}
}
