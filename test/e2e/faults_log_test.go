package e2e

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/test/lab"
)

// TestFaultsLog: nobody reads lvsd's log, as with a journal that is stopped. Probes, table and reloads go on.
func TestFaultsLog(t *testing.T) {
	d, web := newPair(t)
	path := d.file("log")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close() //nolint:errcheck // the test ends
	if err := pipe.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := pipe.Write(make([]byte, 1<<20)); !errors.Is(err, os.ErrDeadlineExceeded) { // a pipe holds 64 KB: pipe(7)
		t.Fatalf("fill the pipe: %v", err)
	}
	d.proc = d.host.Start("sh", "-c", `exec "$0" run -c "$1" 2>"$2"`, lab.Lvsd(t), d.file("lvsd.toml"), path)
	d.ready()
	d.expect(5*time.Second, "103 104", virtual)
	for range 3 {
		d.works(web[0])
		d.mustLvsd("reload")
	}
	d.proc.Signal(syscall.SIGTERM)
	if code := d.proc.Wait(15 * time.Second); code != 0 {
		t.Errorf("exit status %d", code)
	}
}
