package scan

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Input is one file, or the part of a ledger that one node wrote.
type Input struct {
	Path string
	// Size is the size of the file as it is stored, 0 when it is not known.
	Size int64
	// Node names the writer; empty for a file.
	Node string
	// Account names the account behind the hash that a ledger holds.
	Account func(mac [16]byte) string

	records int64 // about, of a ledger
	once    bool  // a pipe: it can be read once
}

// recordSize is about the size of a record with its features in a ledger.
const recordSize = 500

const segmentSuffix = ".seg"

// Find resolves the arguments of a scan: files, patterns, and folders with all that is in
// them. A folder with segments is a ledger, whose accounts are named by name. Files whose
// name begins with a dot are left out of folders. No file is taken twice.
func Find(args []string, name func(mac [16]byte) string) ([]Input, error) {
	var out []Input
	seen := make(map[string]bool)
	add := func(in Input) {
		if id := in.Path + "\x00" + in.Node; !seen[id] {
			seen[id] = true
			out = append(out, in)
		}
	}
	for _, arg := range args {
		paths, err := matches(arg)
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			if err := walk(path, name, add); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// matches returns the paths that an argument stands for: itself, if it is there, or else
// those that it matches as a pattern.
func matches(arg string) ([]string, error) {
	_, err := os.Stat(arg)
	if err == nil {
		return []string{filepath.Clean(arg)}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) || !strings.ContainsAny(arg, "*?[") {
		return nil, err //nolint:wrapcheck // it names the file
	}
	found, err := filepath.Glob(arg)
	if err != nil {
		return nil, fmt.Errorf("pattern %s: %w", arg, err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("pattern %s matches no file: %w", arg, fs.ErrNotExist)
	}
	slices.Sort(found)
	return found, nil
}

func walk(path string, name func([16]byte) string, add func(Input)) error {
	info, err := os.Stat(path)
	if err != nil {
		return err //nolint:wrapcheck // it names the file
	}
	if !info.IsDir() {
		add(fileInput(path, info))
		return nil
	}
	nodes, size, err := ledgerNodes(path)
	if err != nil {
		return err
	}
	for _, node := range nodes {
		share := size / int64(len(nodes))
		add(Input{Path: path, Node: node, Size: share, Account: name, records: share / recordSize})
	}
	if len(nodes) > 0 {
		return nil
	}
	items, err := os.ReadDir(path)
	if err != nil {
		return err //nolint:wrapcheck // it names the folder
	}
	for _, item := range items {
		if strings.HasPrefix(item.Name(), ".") {
			continue
		}
		inner := filepath.Join(path, item.Name())
		// Links to folders may lead in circles, and links to nothing to nothing.
		info, err := os.Stat(inner)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() && item.Type()&fs.ModeSymlink != 0 {
			continue
		}
		if err := walk(inner, name, add); err != nil {
			return err
		}
	}
	return nil
}

func fileInput(path string, info fs.FileInfo) Input {
	in := Input{Path: path, once: !info.Mode().IsRegular()}
	if info.Mode().IsRegular() {
		in.Size = info.Size()
	}
	return in
}

// ledgerNodes returns the writers of a ledger's segments and their size; none when the
// folder is not a ledger.
func ledgerNodes(dir string) (nodes []string, size int64, err error) {
	items, err := os.ReadDir(dir)
	if err != nil {
		return nil, 0, err //nolint:wrapcheck // it names the folder
	}
	for _, item := range items {
		base, ok := strings.CutSuffix(item.Name(), segmentSuffix)
		cut := len(base) - len("-0123456789abcdef")
		if !ok || cut <= 0 || base[cut] != '-' {
			continue
		}
		if info, err := item.Info(); err == nil {
			size += info.Size()
		}
		if node := base[:cut]; !slices.Contains(nodes, node) {
			nodes = append(nodes, node)
		}
	}
	slices.Sort(nodes)
	return nodes, size, nil
}

// Pipe reports whether the input can be read once only.
func (in *Input) Pipe() bool { return in.once }
