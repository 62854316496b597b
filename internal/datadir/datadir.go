// Package datadir holds the data folder of an installation: which version wrote it,
// which process serves it, and the secrets that were made for it.
//
// A folder has one version and at most one server. Commands that work beside the
// server open the folder without the lock; what they change they change through the
// store, which has its own guards. Everything that the package writes is complete or
// absent: a file appears under its name only after its content is on disk.
package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Version is the layout of the folder that this program writes. It rises when files
// move or change their meaning, not with the schema of the store.
const Version = 1

var (
	// ErrNewer says that a newer program wrote the folder.
	ErrNewer = errors.New("written by a newer bartizan")
	// ErrInUse says that another process serves the folder.
	ErrInUse = errors.New("in use")
)

const (
	versionFile = "version"
	serveLock   = "lock"
	secretsDir  = "secrets"
)

// Dir is an open data folder. It holds no secret in memory and is safe for use by
// several goroutines.
type Dir struct{ path string }

// Open opens the data folder at path, or makes it, closed to everybody but its owner.
// A folder that holds nothing yet is closed in the same way. The permissions of a
// folder in use are left as its owner set them; what is secret in it is closed by
// itself. A folder that a newer program wrote is refused with [ErrNewer], untouched.
func Open(path string) (*Dir, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open data folder %s: %w", path, err)
	}
	d := &Dir{path: absolute}
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder %s: %w", d.path, err)
	}
	if err := d.adopt(); err != nil {
		return nil, err
	}
	return d, nil
}

// Path joins parts to the folder's absolute path.
func (d *Dir) Path(parts ...string) string {
	return filepath.Join(append([]string{d.path}, parts...)...)
}

// adopt checks the version file; a folder without one becomes ours.
func (d *Dir) adopt() error {
	found, err := d.version()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return d.mark()
	case err != nil:
		return err
	case found > Version:
		return fmt.Errorf("data folder %s has layout %d, this program knows up to %d: %w; use that one, or another folder",
			d.path, found, Version, ErrNewer)
	default:
		return nil
	}
}

func (d *Dir) version() (int, error) {
	text, err := os.ReadFile(d.Path(versionFile))
	if err != nil {
		return 0, fmt.Errorf("read version of data folder %s: %w", d.path, err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || n < 1 {
		return 0, fmt.Errorf("data folder %s: the file %q holds no version number; restore it from a backup, or choose another folder",
			d.path, versionFile)
	}
	return n, nil
}

func (d *Dir) mark() error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return fmt.Errorf("read data folder %s: %w", d.path, err)
	}
	if len(entries) == 0 {
		// A mounted volume may belong to somebody else; its mode is then its owner's care.
		if err := os.Chmod(d.path, 0o700); err != nil && !errors.Is(err, fs.ErrPermission) { //nolint:gosec // A folder needs its x bit.
			return fmt.Errorf("close data folder %s to others: %w", d.path, err)
		}
	}
	if err := writeFile(d.Path(versionFile), []byte(strconv.Itoa(Version)+"\n")); err != nil {
		return fmt.Errorf("write version of data folder %s: %w", d.path, err)
	}
	return nil
}

// writeFile puts content under name at once: a reader sees all of it or no file, also
// after a loss of power. Nobody but the owner may read it.
func writeFile(name string, content []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // Fails after the rename, as it should.
	_, err = tmp.Write(content)
	if err == nil {
		err = tmp.Sync()
	}
	if err := errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

func syncDir(path string) error {
	dir, err := os.Open(path) //nolint:gosec // The operator chose the folder.
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
