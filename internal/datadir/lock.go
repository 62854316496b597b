package datadir

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Lock makes this process the one that serves the folder, until release is called or
// the process ends, however it ends. While another process serves it, the error wraps
// [ErrInUse] and names that process.
func (d *Dir) Lock() (release func() error, err error) {
	file, err := openLock(d.Path(serveLock))
	if err != nil {
		return nil, fmt.Errorf("lock data folder %s: %w", d.path, err)
	}
	if err := flock(file, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder := holderOf(file)
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("data folder %s is %w by bartizan serve, %s: stop that process, or choose another folder with --data",
				d.path, ErrInUse, holder)
		}
		return nil, fmt.Errorf("lock data folder %s: %w", d.path, err)
	}
	if err := writePID(file); err != nil {
		return nil, errors.Join(fmt.Errorf("lock data folder %s: %w", d.path, err), file.Close())
	}
	return func() error {
		// The file stays: to remove it would let two processes lock two files of one name.
		// To close it is not enough: a process that is just being started has it open too.
		if err := errors.Join(file.Truncate(0), flock(file, syscall.LOCK_UN), file.Close()); err != nil {
			return fmt.Errorf("unlock data folder %s: %w", d.path, err)
		}
		return nil
	}, nil
}

func openLock(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // The operator chose the folder.
}

// flock repeats the call when a signal cut it short.
func flock(file *os.File, how int) error {
	for {
		err := syscall.Flock(int(file.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

func writePID(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// holderOf names the process that holds the lock. It may be about to write its number.
func holderOf(file *os.File) string {
	var text [20]byte
	n, _ := file.ReadAt(text[:], 0) // A short read is the usual case.
	pid := strings.TrimSpace(string(text[:n]))
	if _, err := strconv.Atoi(pid); err != nil {
		return "pid unknown"
	}
	return "pid " + pid
}
