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
	width int // no step changes an arrival time from this dimension on
}

// fold returns the arrival times after all charges, beginning with base.
func (r *run) fold(base amounts) amounts {
	for i := r.head; i < len(r.steps); i++ {
		st := &r.steps[i]
		for k := range r.width {
			base[k] = max(base[k]+st.s[k], st.m[k])
		}
	}
	base.bound()
	return base
}

// push appends an open step. Beyond maxOpen the oldest is merged into the base as
// it stands, and can no longer be settled.
func (r *run) push(st step, base *amounts) {
	if len(r.steps) == cap(r.steps) && r.head > 0 && r.head >= len(r.steps)/4 {
		r.steps = r.steps[:copy(r.steps, r.steps[r.head:])]
		r.head = 0
	}
	r.steps = append(r.steps, st)
	r.open++
	for k := r.width; k < rates; k++ {
		if st.m[k] != nothing {
			r.width = k + 1
		}
	}
	if r.open > maxOpen {
		r.steps[r.head].open = false
		r.open--
		r.retire(base)
	}
}

// settle gives the grant's step its true charge. A grant that has no step of its own
// is left alone.
func (r *run) settle(st step, base *amounts) {
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
func (r *run) retire(base *amounts) {
	for r.head < len(r.steps) && !r.steps[r.head].open {
		r.steps[r.head].apply(base)
		base.bound()
		r.head++
	}
	if r.head == len(r.steps) {
		r.steps, r.head, r.width = r.steps[:0], 0, 0
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
