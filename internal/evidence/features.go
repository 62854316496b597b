package evidence

import "fmt"

// FeaturesOverhead is what a features frame adds to the encoded features.
const FeaturesOverhead = 32

// Features is what the detectors need of an exchange. Its frame follows the frame of
// the exchange's record.
type Features struct {
	// Exchange is the exchange's id.
	Exchange [16]byte
	// Account is the same as in the record.
	Account [16]byte
	// Encoded is opaque here; its first byte is the version of its encoding.
	Encoded []byte
}

// AppendBinary appends the payload of the features' frame to dst.
func (f *Features) AppendBinary(dst []byte) ([]byte, error) {
	if len(f.Encoded) == 0 || len(f.Encoded) > MaxPayload-FeaturesOverhead {
		return dst, fmt.Errorf("encode features of %d bytes: %w", len(f.Encoded), ErrLength)
	}
	dst = append(dst, f.Exchange[:]...)
	dst = append(dst, f.Account[:]...)
	return append(dst, f.Encoded...), nil
}

// ParseFeatures decodes the payload of a features frame; Encoded aliases b.
func ParseFeatures(b []byte) (Features, error) {
	if len(b) <= FeaturesOverhead {
		return Features{}, fmt.Errorf("features of %d bytes: %w", len(b), ErrLength)
	}
	return Features{Exchange: [16]byte(b[:16]), Account: [16]byte(b[16:32]), Encoded: b[FeaturesOverhead:]}, nil
}
