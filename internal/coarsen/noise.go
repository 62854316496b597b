package coarsen

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math"
)

// perturb applies the reverse sigmoid and the noise, and confines scores again. The
// score at top stays the greatest: what was moved above it changes places with it.
func (s Scores) perturb(v []float64, least float64, top int, seed *[32]byte) {
	if s.ReverseSigmoid.Beta == 0 && s.Noise == 0 {
		return
	}
	if s.ReverseSigmoid.Beta != 0 {
		for i, f := range v {
			v[i] = f - s.ReverseSigmoid.shift(f)
		}
	}
	if s.Noise != 0 {
		addNoise(v, s.Noise, seed)
	}
	confine(v, least)
	if at := greatest(v); v[at] > v[top] {
		v[at], v[top] = v[top], v[at]
	}
}

// shift is what the reverse sigmoid takes away from a score.
func (r ReverseSigmoid) shift(p float64) float64 {
	const edge = 1e-9 // keeps the logit finite
	p = max(edge, min(p, 1-edge))
	logit := math.Log(p / (1 - p))
	return r.Beta * (1/(1+math.Exp(-r.Gamma*logit)) - half)
}

// addNoise adds to each score its own draw from a normal distribution. The draws come
// from HMAC-SHA256 in counter mode under the seed, so equal inputs get equal ones. The
// deviation is part of what is authenticated: else a caller who sees one input under
// two deviations could solve for the score.
func addNoise(v []float64, deviation float64, seed *[32]byte) {
	const perBlock = sha256.Size / 8
	message := [...]byte{'n', 'o', 'i', 's', 'e', 0, 0, 0, 15: 0, 23: 0}
	binary.BigEndian.PutUint64(message[8:], math.Float64bits(deviation))
	for i := 0; i < len(v); i += perBlock {
		binary.BigEndian.PutUint64(message[16:], uint64(i/perBlock))
		block := mac(seed, message[:])
		for j := i; j < min(i+perBlock, len(v)); j += 2 {
			at := (j - i) * 8
			radius := math.Sqrt(-2 * math.Log(uniform(block[at:])))
			sin, cos := math.Sincos(2 * math.Pi * uniform(block[at+8:]))
			v[j] += deviation * radius * cos
			if j+1 < len(v) {
				v[j+1] += deviation * radius * sin
			}
		}
	}
}

// uniform turns eight bytes into a number above 0 and at most 1.
func uniform(b []byte) float64 {
	const bits = 53
	return float64(binary.BigEndian.Uint64(b)>>(64-bits)+1) / (1 << bits)
}

// mac is HMAC-SHA256, without the allocations of crypto/hmac where the message is short.
func mac(key *[32]byte, message []byte) [sha256.Size]byte {
	const short = 128
	if len(message) > short {
		// Copies, so that the arguments need not be on the heap in the other case either.
		h := hmac.New(sha256.New, bytes.Clone(key[:]))
		h.Write(bytes.Clone(message))
		return [sha256.Size]byte(h.Sum(nil))
	}
	var inner [sha256.BlockSize + short]byte
	var outer [sha256.BlockSize + sha256.Size]byte
	for i := range sha256.BlockSize {
		k := byte(0)
		if i < len(key) {
			k = key[i]
		}
		inner[i], outer[i] = k^0x36, k^0x5c
	}
	n := copy(inner[sha256.BlockSize:], message)
	sum := sha256.Sum256(inner[:sha256.BlockSize+n])
	copy(outer[sha256.BlockSize:], sum[:])
	return sha256.Sum256(outer[:])
}
