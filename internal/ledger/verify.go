package ledger

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"bartizan/internal/evidence"
)

// Report is the result of [Verify].
type Report struct {
	Nodes, Segments                 int
	Records, Features, Gaps, Erased int
	// Open are the newest segments that have no footer yet; no root vouches for them.
	Open []string
	// Faults is empty when everything is as it was written.
	Faults []Fault
}

// Fault is one contradiction.
type Fault struct {
	Segment string // the name of its file
	Err     error  // a [evidence.SegmentError] names the offset
}

// String names the file and the fault.
func (f Fault) String() string { return fmt.Sprintf("%s: %v", f.Segment, f.Err) }

// The faults of a chain, beside those of its segments.
var (
	// ErrChain says that a segment does not follow the one before it.
	ErrChain = errors.New("segment does not follow the one before")
	// ErrName says that the name of a file is not that of the segment in it.
	ErrName = errors.New("file name does not match the header")
)

// Verify reads every segment of a folder and checks checksums, sequence numbers, roots
// and the chain of roots, node by node. It writes nothing and may run beside the
// writer. Segments missing at either end of a chain cannot be seen from within. The
// error is for what could not be read at all.
func Verify(dir string) (Report, error) {
	files, err := list(dir)
	if err != nil {
		return Report{}, err
	}
	v := verifier{dir: dir}
	for i, f := range files {
		if i == 0 || files[i-1].node != f.node {
			v.Nodes++
			v.previous = nil
		}
		newest := i == len(files)-1 || files[i+1].node != f.node
		if err := v.segment(f, newest); err != nil {
			return v.Report, err
		}
	}
	return v.Report, nil
}

type verifier struct {
	Report

	dir      string
	previous *link // nil at the beginning of a chain, and after a segment without an end
}

// link is the end of a segment, to which the next must fit.
type link struct {
	header evidence.Header
	footer evidence.Footer
}

func (v *verifier) fault(f segmentFile, err error) {
	v.Faults = append(v.Faults, Fault{Segment: f.name(), Err: err})
}

func (v *verifier) segment(f segmentFile, newest bool) error {
	file, err := os.Open(filepath.Join(filepath.Clean(v.dir), f.name()))
	if newest && errors.Is(err, fs.ErrNotExist) {
		return nil // a beginning without content, which the writer took away
	}
	if err != nil {
		return fmt.Errorf("verify segment: %w", err)
	}
	defer file.Close()
	_, footer, err := closedBy(file, f.first)
	if err != nil {
		return err
	}
	v.Segments++
	r, err := evidence.NewSegmentReader(file)
	if err == nil {
		v.header(f, r.Header())
		err = v.frames(r)
		v.previous = &link{header: r.Header(), footer: r.Footer()}
	} else {
		v.previous = nil
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case newest && footer == nil && errors.Is(err, evidence.ErrUnfinished):
		v.Open = append(v.Open, f.name())
		return nil
	case isSegmentError(err):
		v.fault(f, err)
		if r == nil || r.Footer() == (evidence.Footer{}) {
			v.previous = nil
		}
		return nil
	default:
		return fmt.Errorf("verify segment %s: %w", f.name(), err)
	}
}

// header checks that a segment is the one that its name says, and the next of its chain.
func (v *verifier) header(f segmentFile, h evidence.Header) {
	if evidence.NodeName(h.Node) != f.node || h.FirstSeq != f.first {
		v.fault(f, fmt.Errorf("%w: it says node %q from %d", ErrName, evidence.NodeName(h.Node), h.FirstSeq))
	}
	p := v.previous
	if p == nil {
		if h.Number == 1 && (h.PrevRoot != evidence.Hash{} || h.FirstSeq != 1) {
			v.fault(f, fmt.Errorf("%w: it is the first and names one before", ErrChain))
		}
		return
	}
	for _, c := range []struct {
		broken bool
		what   string
	}{
		{h.Ledger != p.header.Ledger, "it belongs to another ledger"},
		{h.Number != p.header.Number+1, fmt.Sprintf("its number is %d after %d", h.Number, p.header.Number)},
		{h.FirstSeq != p.footer.LastSeq+1, fmt.Sprintf("it begins with %d after %d", h.FirstSeq, p.footer.LastSeq)},
		{h.PrevRoot != p.footer.Root, "it names another root than the one before has"},
		{h.Opened.Before(p.footer.Closed), "it was opened before the one before was closed"},
	} {
		if c.broken {
			v.fault(f, fmt.Errorf("%w: %s", ErrChain, c.what))
		}
	}
}

// frames counts the frames and returns where reading ended.
func (v *verifier) frames(r *evidence.SegmentReader) error {
	for {
		frame, err := r.Next()
		if err != nil {
			return err //nolint:wrapcheck // says where
		}
		switch frame.Kind {
		case evidence.KindRecord:
			v.Records++
		case evidence.KindFeatures:
			v.Features++
		case evidence.KindGap:
			v.Gaps++
		case evidence.KindErased:
			v.Erased++
		}
	}
}
