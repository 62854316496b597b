package coarsen

import "encoding/hex"

// AppendFingerprint appends what may be told of a text that identifies a build; ok is
// false when nothing may. Under [FingerprintHMAC] that is a token of the usual shape,
// fp_ and ten hexadecimal digits, which changes when the text does and tells nothing
// else to those without the key.
func (p *Profile) AppendFingerprint(dst []byte, key *[32]byte, text []byte) (out []byte, ok bool) {
	switch p.Fingerprint {
	case FingerprintPass:
		return append(dst, text...), true
	case FingerprintHMAC:
		const told = 5 // bytes
		const purpose = "fingerprint\x00"
		var short [128]byte
		sum := mac(key, append(append(short[:0], purpose...), text...))
		return hex.AppendEncode(append(dst, "fp_"...), sum[:told]), true
	default:
		return dst, false
	}
}
