package nn

import "math"

// SoftmaxLoss is the mean cross-entropy, in nats, of the softmax of logits against
// one true class for each example. The logits become its gradient in them.
func SoftmaxLoss(logits []float32, classes int, truth []int32) float64 {
	loss, scale := 0.0, 1/float32(max(len(truth), 1))
	for s, t := range truth {
		z := logits[s*classes : (s+1)*classes]
		own := float64(z[t])
		loss += softmax(z) - own
		z[t]--
		for i := range z {
			z[i] *= scale
		}
	}
	return loss / float64(max(len(truth), 1))
}

// SoftmaxLossSoft is [SoftmaxLoss] against a distribution over the classes for each
// example, as a distiller gets it. It is the cross-entropy, so that its least value
// is the entropy of the distributions. A distribution that sums to less than one
// counts for less, in proportion.
func SoftmaxLossSoft(logits []float32, classes int, truth []float32) float64 {
	n := max(len(truth)/classes, 1)
	loss, scale := 0.0, 1/float32(n)
	for s := 0; (s+1)*classes <= len(truth); s++ {
		z, t := logits[s*classes:(s+1)*classes], truth[s*classes:(s+1)*classes]
		mass, own := 0.0, 0.0
		for i, p := range t {
			mass += float64(p)
			own += float64(p) * float64(z[i])
		}
		loss += mass*softmax(z) - own
		for i, p := range t {
			z[i] = (float32(mass)*z[i] - p) * scale
		}
	}
	return loss / float64(n)
}

// Softmax replaces the logits of each example by its distribution over the classes.
func Softmax(logits []float32, classes int) {
	for s := 0; (s+1)*classes <= len(logits); s++ {
		softmax(logits[s*classes : (s+1)*classes])
	}
}

// softmax replaces logits by probabilities and returns the logarithm of the sum of
// their exponentials.
func softmax(z []float32) float64 {
	most := float32(math.Inf(-1))
	for _, v := range z {
		most = max(most, v)
	}
	sum := 0.0
	for i, v := range z {
		e := math.Exp(float64(v - most))
		sum += e
		z[i] = float32(e)
	}
	scale := float32(1 / sum)
	for i := range z {
		z[i] *= scale
	}
	return float64(most) + math.Log(sum)
}
