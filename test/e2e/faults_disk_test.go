package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/test/lab"
)

// smallDisk is a small file system that a test fills.
type smallDisk struct {
	t   *testing.T
	dir string
}

func mountSmall(t *testing.T, dir, size string) smallDisk {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("small", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return smallDisk{t, dir}
}

func (s smallDisk) ballast() string { return filepath.Join(s.dir, "ballast") }

// fill leaves no byte free.
func (s smallDisk) fill() {
	s.t.Helper()
	var all unix.Statfs_t
	err := unix.Statfs(s.dir, &all)
	if err == nil {
		err = os.WriteFile(s.ballast(), make([]byte, int64(all.Blocks+1)*all.Bsize), 0o600)
	}
	if !errors.Is(err, unix.ENOSPC) {
		s.t.Fatalf("fill %s: %v", s.dir, err)
	}
}

func (s smallDisk) free() {
	s.t.Helper()
	if err := os.Remove(s.ballast()); err != nil {
		s.t.Fatal(err)
	}
}

// auditOn is a director before two good servers whose record is on a small disk. It runs.
func auditOn(t *testing.T, size string) (d *director, web []*lab.WebServer, disk smallDisk, log string) {
	t.Helper()
	d, web = newPair(t)
	disk = mountSmall(t, d.file("log"), size)
	log = filepath.Join(disk.dir, "audit.log")
	d.logTo(log, pair)
	d.start()
	d.ready()
	d.expect(5*time.Second, "103 104", virtual)
	return d, web, disk, log
}

// logTo writes a configuration whose record is elsewhere than the others'.
func (d *director) logTo(log, toml string) {
	d.t.Helper()
	d.configure(toml)
	b, err := os.ReadFile(d.file("lvsd.toml"))
	if err != nil {
		d.t.Fatal(err)
	}
	d.write(strings.Replace(string(b), d.file("audit.log"), log, 1))
}

// TestFaultsAudit: whatever becomes of the audit file, probes and table go on, it is told, and the record continues.
func TestFaultsAudit(t *testing.T) {
	d, web, disk, log := auditOn(t, "1m")
	d.works(web[0])

	t.Run("full disk", func(t *testing.T) {
		disk.fill()
		for { // the last page of the file takes some lines yet
			d.works(web[0])
			if d.mustStatus().Audit.Error != "" {
				break
			}
		}
		d.auditSays(t, "no space left")
		if out, _ := d.lvsd("status"); !strings.Contains(out, "no space left") {
			t.Errorf("status does not tell:\n%s", out)
		}
		at := time.Now()
		d.works(web[0])
		disk.free()
		d.auditSays(t, "")
		lineIn(t, log, "verdict of meanwhile", func(e audit.Entry) bool { return e.Event == audit.EventCheck && e.Time.After(at) })
		if lost := d.mustStatus().Audit.Lost; lost != 0 {
			t.Errorf("%d lines lost, though the queue holds them", lost)
		}
	})
	for _, tt := range []struct {
		name  string
		spoil func() error
		says  string
		mend  func() error
	}{
		{"removed", func() error { return os.Remove(log) }, "", func() error { return nil }},
		{"renamed by logrotate", func() error { return os.Rename(log, log+".1") }, "", func() error { d.proc.Signal(syscall.SIGUSR1); return nil }},
		{"a directory in its place", func() error { return errors.Join(os.Remove(log), os.Mkdir(log, 0o700)) }, "directory", func() error { return os.Remove(log) }},
		{"a read-only disk over it", func() error { return unix.Mount("none", disk.dir, "ramfs", unix.MS_RDONLY, "") }, "read-only", func() error { return unix.Unmount(disk.dir, 0) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.spoil(); err != nil {
				t.Fatal(err)
			}
			d.works(web[1])
			d.auditSays(t, tt.says)
			if err := tt.mend(); err != nil {
				t.Fatal(err)
			}
			d.auditSays(t, "")
			at := time.Now()
			d.works(web[1])
			lineIn(t, log, "verdict", func(e audit.Entry) bool { return e.Event == audit.EventCheck && e.Time.After(at) })
		})
	}
}

// lineIn waits until the file has an entry that fits.
func lineIn(t *testing.T, file, what string, fits func(audit.Entry) bool) audit.Entry {
	t.Helper()
	var found audit.Entry
	lab.Eventually(t, 10*time.Second, func() error {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(b)) {
			var e audit.Entry
			if err := json.Unmarshal([]byte(line), &e); err == nil && fits(e) {
				found = e
				return nil
			}
		}
		return fmt.Errorf("the record has no %s", what)
	})
	return found
}

// works lets a server fail and come back, and sees both in the kernel.
func (d *director) works(w *lab.WebServer) {
	d.t.Helper()
	want := d.servers(virtual)
	w.Set(lab.Status(503))
	lab.Eventually(d.t, 10*time.Second, func() error {
		if got := d.servers(virtual); len(got) >= len(want) {
			return fmt.Errorf("servers %q", got)
		}
		return nil
	})
	w.Set(lab.OK)
	d.expect(10*time.Second, want, virtual)
}

// auditSays waits until status tells this of the audit file.
func (d *director) auditSays(t *testing.T, says string) {
	t.Helper()
	lab.Eventually(t, 15*time.Second, func() error {
		if got := d.mustStatus().Audit; (says == "") != (got.Error == "") || !strings.Contains(got.Error, says) {
			return fmt.Errorf("status says %q of the audit file, want %q", got.Error, says)
		}
		return nil
	})
}
