package evidence

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

const (
	// Version is the format version that this package writes and reads.
	Version = 1
	// HeaderSize is the length of an encoded [Header].
	HeaderSize = 128
	// FooterSize is the length of an encoded [Footer].
	FooterSize = 56

	headerMagic = "BZS1"
	footerMagic = "BZE1"
)

// ErrFormat says that bytes are not what this version of the format calls for.
var ErrFormat = errors.New("not in the segment format")

// Header opens a segment: who writes it, where it stands in its chain, and under
// which configuration. It is the first leaf of the segment's tree.
type Header struct {
	Flags    uint16
	Ledger   [16]byte
	Node     [16]byte // see [NodeID]
	Number   uint64   // 1 for the first segment of a node
	FirstSeq uint64   // the sequence number of the first frame
	Opened   time.Time
	PrevRoot Hash // zero for the first
	Config   Hash // hash of the policy and detector configuration in force
}

// AppendBinary appends the encoding of h to dst.
func (h *Header) AppendBinary(dst []byte) ([]byte, error) {
	le := binary.LittleEndian
	dst = append(dst, headerMagic...)
	dst = le.AppendUint16(dst, Version)
	dst = le.AppendUint16(dst, h.Flags)
	dst = append(dst, h.Ledger[:]...)
	dst = append(dst, h.Node[:]...)
	dst = le.AppendUint64(dst, h.Number)
	dst = le.AppendUint64(dst, h.FirstSeq)
	dst = appendTime(dst, h.Opened)
	dst = append(dst, h.PrevRoot[:]...)
	return append(dst, h.Config[:]...), nil
}

// ParseHeader decodes the first [HeaderSize] bytes of a segment.
func ParseHeader(b []byte) (Header, error) {
	if len(b) != HeaderSize {
		return Header{}, fmt.Errorf("segment header of %d bytes: %w", len(b), ErrLength)
	}
	if string(b[:4]) != headerMagic {
		return Header{}, fmt.Errorf("segment header without its magic: %w", ErrFormat)
	}
	le := binary.LittleEndian
	if v := le.Uint16(b[4:]); v != Version {
		return Header{}, fmt.Errorf("segment of format version %d, this program knows %d: %w", v, Version, ErrFormat)
	}
	h := Header{
		Flags:    le.Uint16(b[6:]),
		Ledger:   [16]byte(b[8:24]),
		Node:     [16]byte(b[24:40]),
		Number:   le.Uint64(b[40:]),
		FirstSeq: le.Uint64(b[48:]),
		Opened:   parseTime(b[56:]),
		PrevRoot: Hash(b[64:96]),
		Config:   Hash(b[96:128]),
	}
	if h.Number == 0 || h.FirstSeq == 0 || h.FirstSeq >= 1<<63 {
		return Header{}, fmt.Errorf("segment %d from sequence number %d: %w", h.Number, h.FirstSeq, ErrFormat)
	}
	return h, nil
}

// Footer closes a segment.
type Footer struct {
	Count   uint32 // frames of any kind
	LastSeq uint64 // of the last frame; the first sequence number less one when there is none
	Closed  time.Time
	Root    Hash
}

// AppendBinary appends the encoding of f to dst.
func (f *Footer) AppendBinary(dst []byte) ([]byte, error) {
	return append(f.appendSigned(dst), f.Root[:]...), nil
}

// appendSigned appends what the root covers of a footer: all but the root.
func (f *Footer) appendSigned(dst []byte) []byte {
	dst = append(dst, footerMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, f.Count)
	dst = binary.LittleEndian.AppendUint64(dst, f.LastSeq)
	return appendTime(dst, f.Closed)
}

// ParseFooter decodes the last [FooterSize] bytes of a closed segment.
func ParseFooter(b []byte) (Footer, error) {
	if len(b) != FooterSize {
		return Footer{}, fmt.Errorf("segment footer of %d bytes: %w", len(b), ErrLength)
	}
	if !isFooter(b) {
		return Footer{}, fmt.Errorf("segment footer without its magic: %w", ErrFormat)
	}
	return Footer{
		Count:   binary.LittleEndian.Uint32(b[4:]),
		LastSeq: binary.LittleEndian.Uint64(b[8:]),
		Closed:  parseTime(b[16:]),
		Root:    Hash(b[24:56]),
	}, nil
}

// isFooter tells a footer from a frame: its magic is no possible length.
func isFooter(b []byte) bool { return bytes.HasPrefix(b, []byte(footerMagic)) }

// Segment is the running hash of a segment that is being written or read. It is a
// plain value: a copy is a point to go back to when a write fails.
type Segment struct {
	Header Header
	tree   Tree
	frames uint32
}

// NewSegment begins the segment that h opens.
func NewSegment(h Header) Segment {
	s := Segment{Header: h}
	b, _ := h.AppendBinary(make([]byte, 0, HeaderSize))
	s.tree.Add(LeafHash(Kind(leafHeader), b))
	return s
}

// Add takes the next frame into the hash. The payload of an erased frame is the leaf
// that the frame had; it must be 32 bytes long.
func (s *Segment) Add(k Kind, payload []byte) {
	s.frames++
	if k == KindErased && len(payload) == len(Hash{}) {
		s.tree.Add(Hash(payload))
		return
	}
	s.tree.Add(LeafHash(k, payload))
}

// Frames is the number of frames so far.
func (s *Segment) Frames() uint32 { return s.frames }

// NextSeq is the sequence number of the frame that Add will take next.
func (s *Segment) NextSeq() uint64 { return s.Header.FirstSeq + uint64(s.frames) }

// Footer returns the footer that closes the segment now. Its own fields but the root
// are the last leaf of the tree, so that nothing in a segment can change unseen.
func (s *Segment) Footer(closed time.Time) Footer {
	f := Footer{Count: s.frames, LastSeq: s.NextSeq() - 1, Closed: closed}
	tree := s.tree
	tree.Add(LeafHash(Kind(leafFooter), f.appendSigned(make([]byte, 0, FooterSize))))
	f.Root = tree.Root()
	return f
}

// NodeID returns the name of a node as the header holds it: padded with zeros. A name
// has 1 to 16 letters, digits, dots, underscores or hyphens and begins with no dot.
func NodeID(name string) (id [16]byte, err error) {
	if name == "" || len(name) > len(id) || name[0] == '.' {
		return id, fmt.Errorf("node name %q: use 1 to %d characters and no leading dot", name, len(id))
	}
	for _, c := range []byte(name) {
		if !nodeChar(c) {
			return id, fmt.Errorf("node name %q: use letters, digits, dots, underscores and hyphens", name)
		}
	}
	copy(id[:], name)
	return id, nil
}

// NodeName is the inverse of [NodeID]; an id that NodeID cannot have made gives "".
func NodeName(id [16]byte) string {
	name := string(bytes.TrimRight(id[:], "\x00"))
	if back, err := NodeID(name); err != nil || back != id {
		return ""
	}
	return name
}

func nodeChar(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
}

// Times are stored as nanoseconds since 1970, which holds the years 1678 to 2262.
func appendTime(dst []byte, t time.Time) []byte {
	return binary.LittleEndian.AppendUint64(dst, uint64(t.UnixNano()))
}

func parseTime(b []byte) time.Time {
	return time.Unix(0, int64(binary.LittleEndian.Uint64(b))).UTC() //nolint:gosec // undoes appendTime
}
