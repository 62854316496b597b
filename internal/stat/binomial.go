package stat

import "math"

// ClopperPearsonUpper returns the exact one-sided upper confidence bound of a
// proportion after k successes in n trials. It is 1 when k >= n.
func ClopperPearsonUpper(k, n int, confidence float64) float64 {
	if n <= 0 || k >= n {
		return 1
	}
	return bisect(func(p float64) bool { return binomialAtMost(k, n, p) > 1-confidence })
}

// ClopperPearsonLower returns the exact one-sided lower confidence bound of a
// proportion after k successes in n trials. It is 0 when k <= 0.
func ClopperPearsonLower(k, n int, confidence float64) float64 {
	if n <= 0 || k <= 0 {
		return 0
	}
	return bisect(func(p float64) bool { return 1-binomialAtMost(k-1, n, p) < 1-confidence })
}

// bisect returns the point in (0, 1) where low turns from true to false.
func bisect(low func(float64) bool) float64 {
	a, b := 0.0, 1.0
	for range 200 {
		if mid := (a + b) / 2; low(mid) {
			a = mid
		} else {
			b = mid
		}
	}
	return (a + b) / 2
}

// binomialAtMost is P(X <= k) for X binomial in n and p.
func binomialAtMost(k, n int, p float64) float64 {
	if p <= 0 {
		return 1
	}
	if p >= 1 {
		return 0
	}
	lp, lq := math.Log(p), math.Log1p(-p)
	ln, _ := math.Lgamma(float64(n) + 1)
	sum := 0.0
	for i := 0; i <= k; i++ {
		li, _ := math.Lgamma(float64(i) + 1)
		lr, _ := math.Lgamma(float64(n-i) + 1)
		sum += math.Exp(ln - li - lr + float64(i)*lp + float64(n-i)*lq)
	}
	return min(sum, 1)
}

// Rayleigh returns the p-value of the Rayleigh test for a mean resultant length r
// of n directions: exp(-n*r*r).
func Rayleigh(n int, r float64) float64 { return math.Exp(-float64(n) * r * r) }
