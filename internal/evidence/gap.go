package evidence

import (
	"encoding/binary"
	"fmt"
	"time"
)

// GapReason says why records are missing.
type GapReason uint8

// The reasons. The numbers are part of the format.
const (
	GapQueueFull  GapReason = 1
	GapDiskFull   GapReason = 2
	GapWriteError GapReason = 3
	GapRestart    GapReason = 4
)

// String returns the reason's name.
func (r GapReason) String() string {
	switch r {
	case GapQueueFull:
		return "queue_full"
	case GapDiskFull:
		return "disk_full"
	case GapWriteError:
		return "write_error"
	case GapRestart:
		return "restart"
	default:
		return fmt.Sprintf("reason(%d)", uint8(r))
	}
}

// Gap states that exchanges were not recorded: how many, when, and why. A gap is a
// fact to show, never to hide.
type Gap struct {
	First, Last         time.Time
	Count               uint64
	Reason              GapReason
	TokensIn, TokensOut uint64
}

const gapSize = 41

// AppendBinary appends the payload of the gap's frame to dst.
func (g *Gap) AppendBinary(dst []byte) ([]byte, error) {
	dst = appendTime(dst, g.First)
	dst = appendTime(dst, g.Last)
	dst = binary.LittleEndian.AppendUint64(dst, g.Count)
	dst = append(dst, byte(g.Reason))
	dst = binary.LittleEndian.AppendUint64(dst, g.TokensIn)
	return binary.LittleEndian.AppendUint64(dst, g.TokensOut), nil
}

// ParseGap decodes the payload of a gap frame.
func ParseGap(b []byte) (Gap, error) {
	if len(b) != gapSize {
		return Gap{}, fmt.Errorf("gap of %d bytes: %w", len(b), ErrLength)
	}
	return Gap{
		First:     parseTime(b),
		Last:      parseTime(b[8:]),
		Count:     binary.LittleEndian.Uint64(b[16:]),
		Reason:    GapReason(b[24]),
		TokensIn:  binary.LittleEndian.Uint64(b[25:]),
		TokensOut: binary.LittleEndian.Uint64(b[33:]),
	}, nil
}
