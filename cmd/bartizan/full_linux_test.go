package main

import (
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"bartizan/internal/modelserver"
)

// smallDisk mounts a file system that has a little more room than the ledger keeps
// free, and returns a data folder on it and what fills and clears it.
func smallDisk(t *testing.T) (data string, fill, relieve func()) {
	t.Helper()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=240m"); err != nil {
		t.Skipf("a small disk cannot be mounted here (%v): what a full disk does to the program is not tested", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(disk, "ballast")
	fill = func() {
		if err := os.WriteFile(ballast, make([]byte, 60<<20), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	relieve = func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(disk, "data"), fill, relieve
}

// While the disk is full the program goes on serving and counts what it cannot record;
// when there is room again it records the gap and what follows, without a restart.
func TestFullDiskSheds(t *testing.T) {
	t.Parallel()
	data, fill, relieve := smallDisk(t)
	p := serveProgram(t, data, modelServer(t, modelserver.Options{}))
	key := newKey(t, data, "acme", "partner")
	ask := func(times int) {
		for range times {
			if got := p.ask(t, key, chat(t, "What is a tier?")); got.status != http.StatusOK {
				t.Fatalf("status %d: %s", got.status, got.body)
			}
		}
	}
	ask(5)
	within(t, time.Second, "five records", func() bool { return p.overview(t).Records.Written == 5 })
	fill()
	ask(7)
	within(t, time.Second, "seven losses", func() bool {
		r := p.overview(t).Records
		return r.Lost == 7 && r.Failing
	})
	relieve()
	within(t, 2*time.Second, "the gap", func() bool { return !p.overview(t).Records.Failing })
	stats := result[ledgerStats](t, data, "ledger", "stats")
	if stats.Records != 5 || stats.Gaps == 0 || stats.Lost != 7 {
		t.Errorf("after the gap: %d records, %d gaps, %d lost; want 5, some, 7", stats.Records, stats.Gaps, stats.Lost)
	}
	ask(3)
	p.stop(t)
	stats = result[ledgerStats](t, data, "ledger", "stats")
	if stats.Records != 8 || stats.Lost != 7 {
		t.Errorf("at the end: %d records, %d lost; want 8, 7", stats.Records, stats.Lost)
	}
	if code, out, errs := command(t, data, "ledger", "verify"); code != exitDone {
		t.Errorf("ledger verify ended with %d: %s%s", code, out, errs)
	}
}

// With on_full fail_closed nothing is served that cannot be recorded, and service
// comes back by itself with the room.
func TestFullDiskFailsClosed(t *testing.T) {
	t.Parallel()
	data, fill, relieve := smallDisk(t)
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	writeConfig(t, data, "ledger: {on_full: fail_closed}\n")
	p := serveProgram(t, data, modelServer(t, modelserver.Options{}))
	key := newKey(t, data, "acme", "partner")
	status := func() int { return p.ask(t, key, chat(t, "What is a tier?")).status }
	if got := status(); got != http.StatusOK {
		t.Fatalf("status %d at first; want 200", got)
	}
	within(t, time.Second, "the first record", func() bool { return p.overview(t).Records.Written == 1 })
	fill()
	within(t, time.Second, "requests to be refused", func() bool { return status() == http.StatusServiceUnavailable })
	for range 5 {
		if got := status(); got != http.StatusServiceUnavailable {
			t.Errorf("status %d while nothing can be recorded; want 503", got)
		}
	}
	relieve()
	within(t, 2*time.Second, "service to come back", func() bool { return status() == http.StatusOK })
	p.stop(t)
}
