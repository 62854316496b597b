package ledger

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const lockName = "lock"

// lock takes the folder until release is called or the process ends. [ErrLocked]
// names the process that has it.
func lock(dir string) (release func() error, err error) {
	f, err := os.OpenFile(filepath.Join(filepath.Clean(dir), lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("take the lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 32))
		f.Close() //nolint:gosec // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w by process %s", ErrLocked, strings.TrimSpace(string(holder)))
		}
		return nil, fmt.Errorf("take the lock: %w", err)
	}
	// The number is for the message alone: a full disk must not keep the ledger shut.
	if f.Truncate(0) == nil {
		fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	return func() error {
		if err := f.Close(); err != nil {
			return fmt.Errorf("give the lock free: %w", err)
		}
		return nil
	}, nil
}
