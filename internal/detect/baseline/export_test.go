package baseline

// MMDStatistic is the statistic of the last prompts of a stream, as many as the
// reference has.
func MMDStatistic(stream, reference []string) float64 {
	var vectors []Vector
	for _, p := range reference {
		vectors = append(vectors, Vectorise(p))
	}
	sum := newSum(&mmdTest{window: len(reference), n: len(reference), reference: meanOf(vectors)})
	for _, p := range stream {
		sum.add(Vectorise(p))
	}
	value, _ := sum.statistic()
	return value
}
