package ledger

import (
	"fmt"
	"syscall"
)

// checkSpace refuses to write when too little of the disk would stay free.
func (l *Ledger) checkSpace() error {
	if l.options.KeepFree <= 0 {
		return nil
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(l.dir, &st); err != nil {
		return writeError("measure the free space of "+l.dir, err)
	}
	free := st.Bavail * uint64(st.Bsize) //nolint:gosec // a block size is positive
	if free < uint64(l.options.KeepFree) {
		return fmt.Errorf("%w: %w: %d bytes are free in %s and %d must stay so",
			ErrWrite, ErrFull, free, l.dir, l.options.KeepFree)
	}
	return nil
}
