package coarsen

// Unguarded perturbs scores as s says and nothing else: no confining, no swap.
func (s Scores) Unguarded(v []float64, seed *[32]byte) {
	if s.ReverseSigmoid.Beta != 0 {
		for i, f := range v {
			v[i] = f - s.ReverseSigmoid.shift(f)
		}
	}
	if s.Noise != 0 {
		addNoise(v, s.Noise, seed)
	}
}

// MAC is the engine's own HMAC-SHA256.
func MAC(key *[32]byte, message []byte) [32]byte { return mac(key, message) }
