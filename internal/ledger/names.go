package ledger

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bartizan/internal/evidence"
)

const segmentSuffix = ".seg"

// segmentName names the file of a segment by its writer and its first frame.
func segmentName(node string, first uint64) string {
	return fmt.Sprintf("%s-%016x%s", node, first, segmentSuffix)
}

// segmentFile is a segment as its name describes it.
type segmentFile struct {
	node  string
	first uint64
}

func (s segmentFile) name() string { return segmentName(s.node, s.first) }

// parseName is the inverse of segmentName.
func parseName(name string) (s segmentFile, ok bool) {
	base, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(base) < 18 || base[len(base)-17] != '-' {
		return s, false
	}
	first, err := strconv.ParseUint(base[len(base)-16:], 16, 64)
	if err != nil || first == 0 {
		return s, false
	}
	s = segmentFile{node: base[:len(base)-17], first: first}
	if _, err := evidence.NodeID(s.node); err != nil || s.name() != name {
		return s, false
	}
	return s, true
}

// list returns the segments of a folder, by node and then in their order. Other files
// are left out.
func list(dir string) ([]segmentFile, error) {
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	var found []segmentFile
	for _, name := range names {
		if s, ok := parseName(name); ok {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b segmentFile) int {
		return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.first, b.first))
	})
	return found, nil
}
