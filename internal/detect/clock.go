package detect

import (
	"math"
	"slices"
)

// People's pauses, as a model: the logarithm of a pause in seconds is normal about
// the person's own tempo with the person's own spread. Tempos are normal over people
// about peopleTempo (see the tables), and spreads take one of four values.
//
// peopleApart is wider than what fits (about .25) the calibrating programmers, and the spreads
// lie wider about the fitted peopleSpread than theirs: a few programmers at one
// kind of task vary less than people do.
const (
	peopleApart = .35
	// pauseLong is the pause in seconds from which a gap says nothing: someone was
	// away. The model is fitted to shorter ones.
	pauseLong  = 300
	pauseShort = 1 // shorter ones count as this long
	spreads    = 4
)

// personSpread returns the i-th spread and its share of people.
func personSpread(i int) (spread, weight float64) {
	return peopleSpread * [spreads]float64{.55, .75, 1, 1.4}[i], [spreads]float64{.1, .25, .4, .25}[i]
}

// machines are the clocks that the evidence bets on: a typical pause in seconds, the
// spread of its logarithm, and the share of pauses that the machine makes.
const (
	machineShares = 2
	machines      = 18 * machineShares
)

func machine(i int) (logPause, spread, share float64) {
	m := [machines / machineShares]struct{ pause, spread float64 }{
		{1, .2},
		{1, .6},
		{2, .2},
		{2, .6},
		{3.3, .2},
		{3.3, .6},
		{5, .2},
		{5, .6},
		{7.5, .2},
		{7.5, .6},
		{11, .2},
		{11, .6},
		{16, .2},
		{16, .6},
		{22, .2},
		{30, .2},
		{42, .2},
		{60, .2},
	}[i/machineShares]
	return math.Log(m.pause), m.spread, [machineShares]float64{.9, .3}[i%machineShares]
}

// mostRatio caps what one pause may count, so that a burst of a few requests does
// not decide alone. A cap keeps the evidence below an e-value.
const mostRatio = 5

// clock is the evidence that an account's new kinds of prompt come by a machine's
// clock and not from a person: for each machine, the likelihood ratio against the
// model of people, in which the person's tempo and spread are learnt as the pauses
// come in. So a fast typist is expected to stay fast. The zero value has seen
// nothing.
type clock struct {
	n      uint32
	sum    float64          // of ln(pause)
	people [spreads]float64 // log-likelihood of each spread
	logs   [machines]float32
}

// add takes one pause in and returns the mean ratio of the machines at this step.
func (c *clock) add(pause float64) (ratio float64, said bool) {
	if pause > pauseLong {
		return 1, false
	}
	x := math.Log(max(pause, pauseShort))
	person := c.person(x)
	sum := 0.0
	for i := range machines {
		logPause, spread, share := machine(i)
		r := min(1-share+float64(share*math.Exp(logNormal(x, logPause, spread)-person)), mostRatio)
		c.logs[i] += float32(math.Log(r))
		sum += r
	}
	c.n++
	c.sum += x
	return sum / machines, true
}

// person returns the logarithm of the predictive density at x of a person with the
// pauses so far, and learns from x. For each spread the prediction is normal, by
// conjugacy.
func (c *clock) person(x float64) float64 {
	var prior, density [spreads]float64
	for i := range spreads {
		spread, weight := personSpread(i)
		within, apart := spread*spread, peopleApart*peopleApart
		precision := 1/apart + float64(c.n)/within
		mean := (peopleTempo/apart + c.sum/within) / precision
		prior[i] = math.Log(weight) + c.people[i]
		c.people[i] += logNormal(x, mean, math.Sqrt(within+1/precision))
		density[i] = math.Log(weight) + c.people[i]
	}
	return logSum(density[:]) - logSum(prior[:])
}

// log10 returns the decimal logarithm of the mean over the machines.
func (c *clock) log10() float64 {
	var logs [machines]float64
	for i, l := range c.logs {
		logs[i] = float64(l)
	}
	return (logSum(logs[:]) - math.Log(machines)) / math.Ln10
}

// logNormal is the logarithm of the normal density, without its constant.
func logNormal(x, mean, spread float64) float64 {
	z := (x - mean) / spread
	return -float64(z*z)/2 - math.Log(spread)
}

// logSum is the logarithm of the sum of the exponentials of l.
func logSum(l []float64) float64 {
	top := slices.Max(l)
	sum := 0.0
	for _, v := range l {
		sum += math.Exp(v - top)
	}
	return top + math.Log(sum)
}
