package cost

import "math"

// point is a time in minutes from the start, and how many items all limits together
// have allowed before it.
type point struct{ at, items float64 }

// walk follows a collection along the calendar.
type walk struct {
	// hour, day and month are how many items one such window brings at most, +Inf
	// without a limit. A day is at most its hours.
	hour, day, month float64
	buckets          []grant
	// full is for each bucket the boundary from which it limits most, had it been full
	// there.
	full []point
}

func newWalk(grants []grant) *walk {
	w := &walk{hour: math.Inf(1), day: math.Inf(1), month: math.Inf(1)}
	for i := range grants {
		switch g := grants[i]; g.limit.Span {
		case Hour:
			w.hour = min(w.hour, g.window())
		case Day:
			w.day = min(w.day, g.window())
		case Month:
			w.month = min(w.month, g.window())
		default:
			w.buckets = append(w.buckets, g)
		}
	}
	w.day = min(w.day, hoursPerDay*w.hour)
	w.full = make([]point, len(w.buckets))
	return w
}

// reach returns the time at which all limits have allowed n items, at least one, and false when that
// lies beyond the first cycle of the calendar.
func (w *walk) reach(n float64) (float64, bool) {
	var start point
	for k := range int64(monthsPerCycle) {
		end := monthStart(k+1) * minutesPerDay
		days := (end - start.at) / minutesPerDay
		items := w.before(end, start.items+min(w.month, days*w.day))
		if items >= n {
			return w.inMonth(start, n), true
		}
		start = point{end, items}
		w.pass(start)
	}
	return 0, false
}

// inMonth finds the time in the month that begins at start and is known to hold it.
func (w *walk) inMonth(start point, n float64) float64 {
	hour := w.steps(w.steps(start, n, minutesPerDay, w.day), n, minutesPerHour, w.hour)
	at := hour.at
	for i := range w.buckets {
		at = max(at, w.buckets[i].when(w.full[i], n))
	}
	return at
}

// steps goes on from p in windows of a length, each of which brings at most each, and
// stops at the beginning of the one that reaches n. The larger window around them is
// known to hold n, so only these and the buckets count.
func (w *walk) steps(p point, n, length, each float64) point {
	if math.IsInf(each, 1) {
		return p // no windows, only buckets: their times follow from where they are
	}
	for {
		items := w.before(p.at+length, p.items+each)
		if items >= n {
			break
		}
		p = point{p.at + length, items}
	}
	w.pass(p)
	return p
}

// before is how many items are allowed before t, if the windows alone allow most.
func (w *walk) before(t, most float64) float64 {
	for i := range w.buckets {
		most = min(most, w.buckets[i].before(w.full[i], t))
	}
	return most
}

// pass makes p the point from which a bucket counts if that limits more: a bucket at
// rate r limits the items by t to items(p) + burst + r*(t-p), so the least
// items(p) - r*p counts.
func (w *walk) pass(p point) {
	for i := range w.buckets {
		g, old := &w.buckets[i], w.full[i]
		if (p.items-old.items)*g.demand < g.amount*(p.at-old.at)*g.items {
			w.full[i] = p
		}
	}
}
