package evidence

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

const (
	// RecordSize is the length of an encoded record without scores.
	RecordSize = 136
	// MaxScores is the greatest number of scores of a record.
	MaxScores = 10

	scoreSize = 6
)

// The codes of decisions in [Record.Decision].
const (
	DecisionAllow    uint8 = 1
	DecisionThrottle uint8 = 2
	DecisionHold     uint8 = 3
	DecisionDeny     uint8 = 4
)

// Flags are the facts of an exchange that are either so or not.
type Flags uint16

// The flags.
const (
	FlagStreamed       Flags = 1 << iota // the answer was a stream
	FlagAborted                          // the client did not wait for the end
	FlagCoarsened                        // something was narrowed in request or answer
	FlagWatermarked                      // the answer carries a mark
	FlagUsageEstimated                   // the upstream reported no usage
	FlagCapture                          // text was captured for a case
)

// Record is the compact form of one finished exchange. Names and texts are in it only
// as keyed hashes.
type Record struct {
	// Seq is the number of the record's frame.
	Seq uint64
	// Time is the end of the exchange.
	Time      time.Time
	Account   [16]byte // see [Keys.Account]
	Key       [8]byte  // see [Keys.Key]
	Route     uint16   // index in the route table
	Model     uint16   // index in the model table
	TokensIn  uint32
	TokensOut uint32
	Status    uint16 // the HTTP status sent
	Decision  uint8  // DecisionAllow and so on; 0 is unknown
	Level     uint8  // the account's level at the time
	Flags     Flags
	// Duration is kept in whole milliseconds, at most 49 days.
	Duration  time.Duration
	PromptMAC [16]byte // see [Keys.Prompt]
	Sketch    [16]byte // keyed similarity sketch of the prompt
	OutputMAC [16]byte // see [Keys.NewOutput]
	Salt      [16]byte // see [Keys.Salt]
	// WatermarkKey and WatermarkScheme name the mark in the answer; 0 is none.
	WatermarkKey    uint32
	WatermarkScheme uint8
	Disclosed       uint32 // numeric values disclosed
	// Scores are those of the detectors at the time of the decision, the strongest
	// at most [MaxScores].
	Scores []Score
}

// Score is one detector's opinion.
type Score struct {
	Detector uint16
	Value    float32
}

// AppendBinary appends the payload of the record's frame to dst.
func (r *Record) AppendBinary(dst []byte) ([]byte, error) {
	if len(r.Scores) > MaxScores {
		return dst, fmt.Errorf("encode record with %d scores, at most %d fit: %w", len(r.Scores), MaxScores, ErrLength)
	}
	le := binary.LittleEndian
	dst = le.AppendUint64(dst, r.Seq)
	dst = appendTime(dst, r.Time)
	dst = append(dst, r.Account[:]...)
	dst = append(dst, r.Key[:]...)
	dst = le.AppendUint16(dst, r.Route)
	dst = le.AppendUint16(dst, r.Model)
	dst = le.AppendUint32(dst, r.TokensIn)
	dst = le.AppendUint32(dst, r.TokensOut)
	dst = le.AppendUint16(dst, r.Status)
	dst = append(dst, r.Decision, r.Level)
	dst = le.AppendUint16(dst, uint16(r.Flags))
	ms := min(max(r.Duration.Milliseconds(), 0), math.MaxUint32)
	dst = le.AppendUint32(dst, uint32(ms))
	dst = append(dst, r.PromptMAC[:]...)
	dst = append(dst, r.Sketch[:]...)
	dst = append(dst, r.OutputMAC[:]...)
	dst = append(dst, r.Salt[:]...)
	dst = le.AppendUint32(dst, r.WatermarkKey)
	dst = append(dst, r.WatermarkScheme)
	dst = le.AppendUint32(dst, r.Disclosed)
	dst = append(dst, byte(len(r.Scores))) //nolint:gosec // at most MaxScores
	for _, s := range r.Scores {
		dst = le.AppendUint16(dst, s.Detector)
		dst = le.AppendUint32(dst, math.Float32bits(s.Value))
	}
	return dst, nil
}

// ParseRecord decodes the payload of a record frame. What it accepts, AppendBinary
// gives back byte for byte.
func ParseRecord(b []byte) (Record, error) {
	if len(b) < RecordSize || b[RecordSize-1] > MaxScores || len(b) != RecordSize+scoreSize*int(b[RecordSize-1]) {
		return Record{}, fmt.Errorf("record of %d bytes: %w", len(b), ErrLength)
	}
	le := binary.LittleEndian
	r := Record{
		Seq:             le.Uint64(b),
		Time:            parseTime(b[8:]),
		Account:         [16]byte(b[16:32]),
		Key:             [8]byte(b[32:40]),
		Route:           le.Uint16(b[40:]),
		Model:           le.Uint16(b[42:]),
		TokensIn:        le.Uint32(b[44:]),
		TokensOut:       le.Uint32(b[48:]),
		Status:          le.Uint16(b[52:]),
		Decision:        b[54],
		Level:           b[55],
		Flags:           Flags(le.Uint16(b[56:])),
		Duration:        time.Duration(le.Uint32(b[58:])) * time.Millisecond,
		PromptMAC:       [16]byte(b[62:78]),
		Sketch:          [16]byte(b[78:94]),
		OutputMAC:       [16]byte(b[94:110]),
		Salt:            [16]byte(b[110:126]),
		WatermarkKey:    le.Uint32(b[126:]),
		WatermarkScheme: b[130],
		Disclosed:       le.Uint32(b[131:]),
	}
	for s := b[RecordSize:]; len(s) > 0; s = s[scoreSize:] {
		r.Scores = append(r.Scores, Score{Detector: le.Uint16(s), Value: math.Float32frombits(le.Uint32(s[2:]))})
	}
	return r, nil
}
