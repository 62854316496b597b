package evidence

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The faults of a segment, beside those of its frames.
var (
	// ErrUnfinished says that the file ends where more must follow: the writer is
	// still at work, or was stopped.
	ErrUnfinished = errors.New("segment is not finished")
	// ErrSequence says that a record's number is not that of its frame.
	ErrSequence = errors.New("sequence number is not that of the frame's position")
	// ErrFooter says that the footer contradicts the frames before it.
	ErrFooter = errors.New("footer does not match the frames")
	// ErrRoot says that the root is not that of the frames: something was changed.
	ErrRoot = errors.New("root does not match the content")
	// ErrTrailing says that bytes follow the footer.
	ErrTrailing = errors.New("bytes after the footer")
)

// SegmentError says where a segment can be read no further. Everything before Offset
// is sound, unless Err is [ErrRoot].
type SegmentError struct {
	// Offset is where the header, frame or footer at fault begins.
	Offset int64
	// Seq is the number of the frame at fault; 0 when it is none.
	Seq uint64
	Err error
}

// Error names the place and the fault.
func (e *SegmentError) Error() string {
	if e.Seq == 0 {
		return fmt.Sprintf("at offset %d: %v", e.Offset, e.Err)
	}
	return fmt.Sprintf("at offset %d, sequence number %d: %v", e.Offset, e.Seq, e.Err)
}

// Unwrap returns the fault.
func (e *SegmentError) Unwrap() error { return e.Err }

// SegmentReader reads one segment from its beginning and checks it on the way. It
// needs about 130 KiB of memory whatever it is given.
type SegmentReader struct {
	r       *bufio.Reader
	segment Segment
	footer  Footer
	offset  int64
	frame   []byte
	err     error
}

// NewSegmentReader reads the header. A header that is cut short or wrong is a
// [SegmentError]; errors of r are returned wrapped.
func NewSegmentReader(r io.Reader) (*SegmentReader, error) {
	s := &SegmentReader{r: bufio.NewReaderSize(r, 64<<10)}
	b := make([]byte, HeaderSize)
	if err := s.fill(b, 0, 0); err != nil {
		return nil, err
	}
	h, err := ParseHeader(b)
	if err != nil {
		return nil, &SegmentError{Err: err}
	}
	s.segment = NewSegment(h)
	s.offset = HeaderSize
	return s, nil
}

// Header is the segment's header.
func (s *SegmentReader) Header() Header { return s.segment.Header }

// Segment is the running hash over what was read.
func (s *SegmentReader) Segment() Segment { return s.segment }

// Footer is the segment's footer once Next has returned [io.EOF]. It is also there
// when Next has refused it with [ErrFooter], [ErrRoot] or [ErrTrailing].
func (s *SegmentReader) Footer() Footer { return s.footer }

// Offset is the end of the last frame, or of the footer after [io.EOF].
func (s *SegmentReader) Offset() int64 { return s.offset }

// Next returns the next frame, whose payload is valid until the next call. At the
// end of a finished segment, whose root was found right, it returns [io.EOF]. A
// [SegmentError] says where reading ended otherwise. Both stay.
func (s *SegmentReader) Next() (Frame, error) {
	if s.err != nil {
		return Frame{}, s.err
	}
	f, err := s.next()
	if err != nil {
		s.err = err
		return Frame{}, err
	}
	return f, nil
}

func (s *SegmentReader) next() (Frame, error) {
	seq := s.segment.NextSeq()
	head, err := s.r.Peek(FrameOverhead)
	if isFooter(head) {
		return Frame{}, s.end()
	}
	if err != nil {
		return Frame{}, s.cut(err, 0, seq)
	}
	size, err := frameSize(head)
	if err != nil {
		return Frame{}, &SegmentError{Offset: s.offset, Seq: seq, Err: err}
	}
	if cap(s.frame) < size {
		s.frame = make([]byte, size, min(2*size, FrameOverhead+MaxPayload))
	}
	s.frame = s.frame[:size]
	if err := s.fill(s.frame, s.offset, seq); err != nil {
		return Frame{}, err
	}
	f, _, err := ParseFrame(s.frame)
	if err == nil {
		err = checkPayload(f, seq)
	}
	if err != nil {
		return Frame{}, &SegmentError{Offset: s.offset, Seq: seq, Err: err}
	}
	f.Seq = seq
	s.segment.Add(f.Kind, f.Payload)
	s.offset += int64(size)
	return f, nil
}

// checkPayload finds what a right checksum cannot: a frame that could not be decoded
// or that belongs elsewhere.
func checkPayload(f Frame, seq uint64) error {
	var err error
	switch f.Kind {
	case KindRecord:
		if _, err = ParseRecord(f.Payload); err == nil && binary.LittleEndian.Uint64(f.Payload) != seq {
			return ErrSequence
		}
	case KindGap:
		_, err = ParseGap(f.Payload)
	case KindErased:
		if len(f.Payload) != len(Hash{}) {
			err = ErrLength
		}
	case KindFeatures:
		_, err = ParseFeatures(f.Payload)
	}
	return err
}

// end reads and checks the footer.
func (s *SegmentReader) end() error {
	b := make([]byte, FooterSize)
	if err := s.fill(b, s.offset, 0); err != nil {
		return err
	}
	footer, err := ParseFooter(b)
	if err != nil {
		return &SegmentError{Offset: s.offset, Err: err}
	}
	s.footer = footer
	want := s.segment.Footer(footer.Closed)
	switch {
	case footer.Count != want.Count || footer.LastSeq != want.LastSeq:
		err = ErrFooter
	case footer.Root != want.Root:
		err = ErrRoot
	default:
		if _, peek := s.r.Peek(1); peek == nil {
			err = ErrTrailing
		}
	}
	if err != nil {
		return &SegmentError{Offset: s.offset, Err: err}
	}
	s.offset += FooterSize
	return io.EOF
}

func (s *SegmentReader) fill(b []byte, offset int64, seq uint64) error {
	if _, err := io.ReadFull(s.r, b); err != nil {
		return s.cut(err, offset, seq)
	}
	return nil
}

// cut tells the end of the file from a fault of the reader beneath.
func (s *SegmentReader) cut(err error, offset int64, seq uint64) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &SegmentError{Offset: max(offset, s.offset), Seq: seq, Err: ErrUnfinished}
	}
	return fmt.Errorf("read segment at offset %d: %w", s.offset, err)
}
