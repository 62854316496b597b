package wire

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
)

// Vector is an embedding, read from a list of numbers or from base64 of
// little-endian float32.
type Vector struct {
	Values []float64
	// Base64 says which of both forms it has.
	Base64 bool
}

// Parse reads the value of an "embedding" field into v and keeps v's memory. It returns
// [ErrNotUnderstood] for anything but a flat list of finite numbers in either form.
func (v *Vector) Parse(span []byte) error {
	v.Values = v.Values[:0]
	v.Base64 = len(span) > 0 && span[0] == '"'
	if v.Base64 {
		return v.parseBase64(span)
	}
	if len(span) == 0 || span[0] != '[' {
		return ErrNotUnderstood
	}
	e := elements{b: span, i: 0}
	for e.next() {
		end := checkNumber(span, e.value)
		if end < 0 {
			return ErrNotUnderstood
		}
		f, err := strconv.ParseFloat(string(span[e.value:end]), 64)
		if err != nil {
			return ErrNotUnderstood
		}
		v.Values = append(v.Values, f)
		e.end(end)
	}
	if e.done() != len(span) {
		return ErrNotUnderstood
	}
	return nil
}

func (v *Vector) parseBase64(span []byte) error {
	end, plain := checkString(span, 0)
	if end != len(span) {
		return ErrNotUnderstood
	}
	text := span[1 : end-1]
	if !plain { // "\/" is a legal way to write a slash
		text = appendDecoded(nil, span)
	}
	raw := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(raw, text)
	if err != nil || n%4 != 0 {
		return ErrNotUnderstood
	}
	for raw = raw[:n]; len(raw) > 0; raw = raw[4:] {
		f := float64(math.Float32frombits(binary.LittleEndian.Uint32(raw)))
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return ErrNotUnderstood
		}
		v.Values = append(v.Values, f)
	}
	return nil
}

// Append writes the vector in the form that it was read from. Numbers are the
// shortest decimals of their float32, so that both forms tell the same.
func (v *Vector) Append(dst []byte) []byte {
	if v.Base64 {
		raw := make([]byte, 4*len(v.Values))
		for i, f := range v.Values {
			binary.LittleEndian.PutUint32(raw[4*i:], math.Float32bits(plainZero(f)))
		}
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, raw)
		return append(dst, '"')
	}
	dst = append(dst, '[')
	for i, f := range v.Values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendFloat(dst, float64(plainZero(f)), 'f', -1, 32)
	}
	return append(dst, ']')
}

// plainZero returns f as a float32 that is never minus zero.
func plainZero(f float64) float32 {
	if f32 := float32(f); f32 != 0 {
		return f32
	}
	return 0
}
