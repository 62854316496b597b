package ledger_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestFullDisk fills a real file system of 256 KiB.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 128<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	fullDisk(t, filepath.Join(disk, "ledger"), func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	})
}
