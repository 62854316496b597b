package evidence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Kind says what a frame holds.
type Kind uint8

// The kinds of frames. The numbers are part of the format.
const (
	KindRecord   Kind = 1
	KindGap      Kind = 2
	KindErased   Kind = 3
	KindFeatures Kind = 4
)

// Leaves of the Merkle tree that are not frames have kinds of their own, so that a
// frame cannot pose as one of them.
const (
	leafHeader byte = 0
	leafFooter byte = 255
)

func (k Kind) valid() bool { return k >= KindRecord && k <= KindFeatures }

// String returns the kind's name.
func (k Kind) String() string {
	switch k {
	case KindRecord:
		return "record"
	case KindGap:
		return "gap"
	case KindErased:
		return "erased"
	case KindFeatures:
		return "features"
	default:
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
}

const (
	// FrameOverhead is what a frame adds to its payload: length u32, crc32c u32 over
	// kind and payload, kind u8.
	FrameOverhead = 9
	// MaxPayload is the greatest length of a payload.
	MaxPayload = 64 << 10
)

// The faults of a frame.
var (
	// ErrShort says that the bytes end before the frame does.
	ErrShort = errors.New("frame is cut short")
	// ErrLength says that a payload has a length that its kind cannot have.
	ErrLength = errors.New("impossible length")
	// ErrKind says that a frame is of no known kind.
	ErrKind = errors.New("unknown kind of frame")
	// ErrCRC says that a frame does not match its checksum.
	ErrCRC = errors.New("checksum is wrong")
)

// Frame is one numbered entry of a segment.
type Frame struct {
	// Seq is known to a [SegmentReader] only; [ParseFrame] leaves it 0.
	Seq     uint64
	Kind    Kind
	Payload []byte
}

// AppendFrame appends the encoding of one frame to dst.
func AppendFrame(dst []byte, k Kind, payload []byte) ([]byte, error) {
	if !k.valid() {
		return dst, fmt.Errorf("encode frame of kind %d: %w", k, ErrKind)
	}
	if len(payload) == 0 || len(payload) > MaxPayload {
		return dst, fmt.Errorf("encode %s frame of %d bytes: %w", k, len(payload), ErrLength)
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(payload))) //nolint:gosec // at most MaxPayload
	dst = binary.LittleEndian.AppendUint32(dst, checksum(k, payload))
	dst = append(dst, byte(k))
	return append(dst, payload...), nil
}

// ParseFrame reads the frame at the start of b and returns how many bytes it takes.
// The payload aliases b. [ErrShort] means that more bytes are needed; any other error
// that no further byte can help.
func ParseFrame(b []byte) (f Frame, n int, err error) {
	if len(b) < FrameOverhead {
		return Frame{}, 0, ErrShort
	}
	size, err := frameSize(b)
	if err != nil {
		return Frame{}, 0, err
	}
	if len(b) < size {
		return Frame{}, 0, ErrShort
	}
	k, payload := Kind(b[8]), b[FrameOverhead:size:size]
	if binary.LittleEndian.Uint32(b[4:]) != checksum(k, payload) {
		return Frame{}, 0, ErrCRC
	}
	return Frame{Kind: k, Payload: payload}, size, nil
}

// frameSize returns the size of the frame whose first FrameOverhead bytes are b.
func frameSize(b []byte) (int, error) {
	length := binary.LittleEndian.Uint32(b)
	if length == 0 || length > MaxPayload {
		return 0, ErrLength
	}
	if !Kind(b[8]).valid() {
		return 0, ErrKind
	}
	return FrameOverhead + int(length), nil
}

func checksum(k Kind, payload []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Update(0, table, []byte{byte(k)}), table, payload)
}
