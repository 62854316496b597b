package replay

import (
	"slices"
	"time"
)

// maxPoints is how many points a series has at most.
const maxPoints = 200

// steps are the widths of points, each a multiple of the one before.
func steps() []time.Duration {
	const day = 24 * time.Hour
	return []time.Duration{
		time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute,
		30 * time.Minute, time.Hour, 6 * time.Hour, 12 * time.Hour, day, 2 * day, 4 * day, 8 * day, 32 * day, 128 * day, 1024 * day,
	}
}

// Point is what happened in one step of time.
type Point struct {
	At       time.Time `json:"at"`
	Requests int64     `json:"requests"`
	// Recorded were refused when they were recorded, Before by the policy compared with,
	// Refused by the new one; Would only its shadow limits would refuse.
	Recorded int64 `json:"recorded_refusals"`
	Before   int64 `json:"before"`
	Refused  int64 `json:"refused"`
	Would    int64 `json:"would_refuse"`
}

func (p *Point) add(o *Point) {
	p.Requests += o.Requests
	p.Recorded += o.Recorded
	p.Before += o.Before
	p.Refused += o.Refused
	p.Would += o.Would
}

// series counts by time, in steps as fine as maxPoints allow.
type series struct {
	width  int // index in steps
	index  map[int64]*Point
	lo, hi int64 // the first and last step that is used
}

func (s *series) add(at int64, recorded bool, now []ruling) {
	p := Point{Requests: 1}
	if recorded {
		p.Recorded = 1
	}
	for i := range now {
		if len(now) > 1 && i == 0 {
			p.Before = one(now[i].refused)
			continue
		}
		p.Refused, p.Would = one(now[i].refused), one(now[i].would)
	}
	s.point(at).add(&p)
}

func one(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// point returns the point of a time, and widens the steps until there is room for it.
func (s *series) point(at int64) *Point {
	n := at / int64(steps()[s.width])
	if p := s.index[n]; p != nil {
		return p
	}
	if len(s.index) == 0 {
		s.index = make(map[int64]*Point)
		s.lo, s.hi = n, n
	}
	lo, hi := min(s.lo, n), max(s.hi, n)
	if hi-lo >= maxPoints && s.width < len(steps())-1 {
		s.widen()
		return s.point(at)
	}
	s.lo, s.hi = lo, hi
	p := &Point{}
	s.index[n] = p
	return p
}

func (s *series) widen() {
	old, all := int64(steps()[s.width]), s.index
	s.width++
	wide := int64(steps()[s.width])
	s.index = make(map[int64]*Point, len(all))
	s.lo, s.hi = s.lo*old/wide, s.hi*old/wide
	for n, p := range all {
		if q := s.index[n*old/wide]; q != nil {
			q.add(p)
		} else {
			s.index[n*old/wide] = p
		}
	}
}

// merge adds another series.
func (s *series) merge(o *series) {
	for s.width < o.width && len(s.index) > 0 {
		s.widen()
	}
	if len(s.index) == 0 {
		s.width = max(s.width, o.width)
	}
	step := int64(steps()[o.width])
	for n, p := range o.index {
		s.point(n * step).add(p)
	}
}

// list returns every point from the first to the last, the empty ones too.
func (s *series) list() (step time.Duration, points []Point) {
	step = steps()[s.width]
	points = []Point{}
	if len(s.index) == 0 {
		return step, points
	}
	for n := s.lo; n <= s.hi; n++ {
		p := Point{}
		if q := s.index[n]; q != nil {
			p = *q
		}
		p.At = at(n * int64(step))
		points = append(points, p)
	}
	return step, slices.Clip(points)
}
