package evidence_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"slices"
	"testing"
	"testing/iotest"

	"bartizan/internal/evidence"

	"github.com/google/go-cmp/cmp"
)

func TestReader(t *testing.T) {
	t.Parallel()
	want := frames(t)
	b, starts := segment(t, header(), want)
	for name, r := range map[string]io.Reader{
		"at once":      bytes.NewReader(b),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(b)),
		"with the end": iotest.DataErrReader(bytes.NewReader(b)),
	} {
		s, got, err := read(r)
		if !errors.Is(err, io.EOF) {
			t.Fatalf("%s: reading ended with %v; want io.EOF", name, err)
		}
		if _, again := s.Next(); !errors.Is(again, io.EOF) {
			t.Errorf("%s: Next after the end = %v; want io.EOF", name, again)
		}
		if diff := cmp.Diff(header(), s.Header()); diff != "" {
			t.Errorf("%s: header (-want +got):\n%s", name, diff)
		}
		if s.Offset() != int64(len(b)) || s.Footer().LastSeq != 1005 || s.Footer().Count != 5 {
			t.Errorf("%s: ended at %d with footer %+v; want %d, 5 frames to 1005", name, s.Offset(), s.Footer(), len(b))
		}
		if len(got) != len(want) {
			t.Fatalf("%s: %d frames; want %d", name, len(got), len(want))
		}
		for i, f := range got {
			if f.Kind != want[i].kind || f.Seq != 1001+uint64(i) || !bytes.Equal(f.Payload, want[i].payload) {
				t.Errorf("%s: frame %d = %+v; want %+v", name, i, f, want[i])
			}
		}
	}
	if len(starts) != len(want)+1 {
		t.Fatalf("%d starts", len(starts))
	}
}

// TestReaderCutAnywhere: whatever is missing at the end, all whole frames are read and
// the error says where the rest was lost.
func TestReaderCutAnywhere(t *testing.T) {
	t.Parallel()
	b, starts := segment(t, header(), frames(t))
	for n := range b {
		_, got, err := read(bytes.NewReader(b[:n]))
		whole, _ := slices.BinarySearch(starts, n+1) // starts at or before n
		var fault *evidence.SegmentError
		if !errors.As(err, &fault) || !errors.Is(err, evidence.ErrUnfinished) {
			t.Fatalf("cut at %d: error %v; want ErrUnfinished", n, err)
		}
		wantFrames, wantOffset := 0, 0
		if whole > 0 {
			wantFrames, wantOffset = whole-1, starts[whole-1]
		} else if n >= evidence.HeaderSize {
			wantOffset = evidence.HeaderSize
		}
		if len(got) != wantFrames || fault.Offset != int64(wantOffset) {
			t.Fatalf("cut at %d: %d frames, lost at %d; want %d and %d", n, len(got), fault.Offset, wantFrames, wantOffset)
		}
	}
}

// TestReaderFlippedAnywhere: no byte of a segment can change unseen.
func TestReaderFlippedAnywhere(t *testing.T) {
	t.Parallel()
	b, _ := segment(t, header(), frames(t))
	for i := range b {
		for _, mask := range []byte{0x01, 0x80, 0xff} {
			bad := bytes.Clone(b)
			bad[i] ^= mask
			_, _, err := read(bytes.NewReader(bad))
			if _, ok := errors.AsType[*evidence.SegmentError](err); !ok {
				t.Fatalf("byte %d xor %#x: reading ended with %v; want a SegmentError", i, mask, err)
			}
		}
	}
}

func TestReaderFaults(t *testing.T) {
	t.Parallel()
	fs := frames(t)
	good, starts := segment(t, header(), fs)
	wrongSeq := record(4711)
	reordered := []frame{fs[2], fs[1], fs[0]}
	build := func(fs ...frame) []byte { b, _ := segment(t, header(), fs); return b }
	head := good[:evidence.HeaderSize:evidence.HeaderSize]
	for name, c := range map[string]struct {
		in   []byte
		want error
	}{
		"bytes after the footer": {append(bytes.Clone(good), 0), evidence.ErrTrailing},
		"record of another seq":  {build(frame{evidence.KindRecord, encode(t, &wrongSeq)}), evidence.ErrSequence},
		"frames reordered":       {build(reordered...), evidence.ErrSequence},
		"frame left out":         {append(bytes.Clone(good[:starts[4]]), good[starts[5]:]...), evidence.ErrFooter},
		"record too short":       {build(frame{evidence.KindRecord, make([]byte, 100)}), evidence.ErrLength},
		"gap too long":           {build(frame{evidence.KindGap, make([]byte, 42)}), evidence.ErrLength},
		"features without any":   {build(frame{evidence.KindFeatures, make([]byte, 32)}), evidence.ErrLength},
		"erased of 31 bytes":     {build(frame{evidence.KindErased, make([]byte, 31)}), evidence.ErrLength},
		"zeros after the header": {append(head, make([]byte, 4096)...), evidence.ErrLength},
		"huge frame":             {append(head, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0, 1), evidence.ErrLength},
		"kind of no name":        {append(head, 1, 0, 0, 0, 0, 0, 0, 0, 9), evidence.ErrKind},
		"another format":         {bytes.Repeat([]byte("{}\n"), 100), evidence.ErrFormat},
		"nothing":                {nil, evidence.ErrUnfinished},
	} {
		_, _, err := read(bytes.NewReader(c.in))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: error %v; want %v", name, err, c.want)
		}
	}
}

// TestReaderPassesErrorsOn: a disk that fails is no fault of the segment.
func TestReaderPassesErrorsOn(t *testing.T) {
	t.Parallel()
	b, _ := segment(t, header(), frames(t))
	broken := errors.New("disk is broken")
	for _, n := range []int{0, 50, 128, 130, 200, len(b) - 10} {
		_, _, err := read(io.MultiReader(bytes.NewReader(b[:n]), iotest.ErrReader(broken)))
		var fault *evidence.SegmentError
		if !errors.Is(err, broken) || errors.As(err, &fault) {
			t.Errorf("broken at %d: error %v; want that of the reader", n, err)
		}
	}
}

// FuzzSegmentReader: any input gives an end, never a panic; what was read is a prefix
// of the input, and every frame fits the bound.
func FuzzSegmentReader(f *testing.F) {
	b, starts := segment(f, header(), frames(f))
	f.Add(b)
	f.Add(b[:starts[2]+5])
	f.Add(append(bytes.Clone(b[:starts[1]]), b[starts[2]:]...))
	f.Add(append(bytes.Clone(b[:evidence.HeaderSize]), 0xff, 0xff, 0, 0, 0, 0, 0, 0, 1))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, got, err := read(bytes.NewReader(in))
		if err == nil {
			t.Fatal("reading ended without an error")
		}
		if s == nil {
			return
		}
		h := s.Header()
		again := encode(t, &h)
		for _, fr := range got {
			if len(fr.Payload) > evidence.MaxPayload {
				t.Fatalf("payload of %d bytes", len(fr.Payload))
			}
			var err error
			if again, err = evidence.AppendFrame(again, fr.Kind, fr.Payload); err != nil {
				t.Fatalf("frame that was read cannot be written: %v", err)
			}
		}
		if errors.Is(err, io.EOF) {
			footer := s.Footer()
			again = append(again, encode(t, &footer)...)
			if len(again) != len(in) {
				t.Fatalf("a finished segment has %d of %d bytes", len(again), len(in))
			}
		}
		if !bytes.HasPrefix(in, again) || s.Offset() != int64(len(again)) {
			t.Fatalf("what was read, up to %d, is not what was given", s.Offset())
		}
	})
}

// TestReaderMemory: a reader needs no more for a long segment than for a short one.
//
//nolint:paralleltest // measures the memory of the process
func TestReaderMemory(t *testing.T) {
	big := frame{evidence.KindFeatures, make([]byte, evidence.MaxPayload)}
	b, _ := segment(t, header(), slices.Repeat([]frame{big}, 300))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, n, err := discard(b)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, io.EOF) || n != 301 {
		t.Fatalf("read %d frames, then %v", n-1, err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 512<<10 {
		t.Errorf("reading %d bytes allocated %d; want at most 512 KiB in all", len(b), used)
	}
}

func BenchmarkSegmentReader(b *testing.B) {
	var fs []frame
	for i := range 1000 {
		rec := record(1001 + 2*uint64(i))
		fs = append(fs, frame{evidence.KindRecord, encode(b, &rec)},
			frame{evidence.KindFeatures, make([]byte, 432)})
	}
	in, _ := segment(b, header(), fs)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if s, _, err := discard(in); !errors.Is(err, io.EOF) {
			b.Fatal(s, err)
		}
	}
}

func discard(in []byte) (*evidence.SegmentReader, int, error) {
	s, err := evidence.NewSegmentReader(bytes.NewReader(in))
	n := 0
	for ; err == nil; n++ {
		_, err = s.Next()
	}
	return s, n, err
}
