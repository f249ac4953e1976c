package audit

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// writeForEver is a process that records until it is killed.
func writeForEver(file string) {
	l, err := Open(Config{File: file, MaxSize: 300 << 10}, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for i := 1; ; i++ {
		for l.Status().Waiting > maxWaiting/2 {
			time.Sleep(50 * time.Microsecond)
		}
		l.Record(Entry{Event: EventCheck, Lost: i, Reason: strings.Repeat("x", i%3000)})
	}
}

// TestKilled kills a writer several times. What it left may have one torn line for each time, and no line twice, nor
// one missing before the last.
func TestKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	const times = 10
	for i := range times {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), "AUDIT_TEST_WRITER="+file)
		c.Stderr = os.Stderr
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		grown := func() bool { info, err := os.Stat(file); return err == nil && info.Size() > 1000 }
		until(t, "lines", grown)
		time.Sleep(time.Duration(i) * 3 * time.Millisecond) // another moment each time
		c.Process.Kill()
		c.Wait()
	}
	torn, next, n := 0, 1, 0
	for e, err := range Read(file, Filter{}) {
		switch {
		case err != nil:
			torn++
			continue
		case e.Lost == 1: // the next process
		case e.Lost != next:
			t.Fatalf("line %d where %d was due", e.Lost, next)
		}
		next = e.Lost + 1
		n++
	}
	if torn > times || n == 0 {
		t.Errorf("%d torn lines after %d kills, %d whole", torn, times, n)
	}
}

// inMountNamespace runs the rest of a test in a child that has its own mount namespace. It tells whether this is it.
func inMountNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv("AUDIT_TEST_MOUNT") != "" {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatalf("make mounts private: %v", err)
		}
		return true
	}
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	c.Env = append(os.Environ(), "AUDIT_TEST_MOUNT=1")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	out, err := c.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("in a mount namespace (needs root): %v\n%s", err, out)
	}
	return false
}

// tinyDisk mounts a file system of 64 KiB.
func tinyDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatalf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

func TestFullDisk(t *testing.T) {
	if !inMountNamespace(t) {
		return
	}
	dir := tinyDisk(t)
	file, ballast := filepath.Join(dir, "audit.log"), filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 56<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	l := open(t, Config{File: file})
	const all = 300 + maxWaiting + 500
	began := time.Now()
	record(l, 0, 300) // fills the disk, in the middle of a line
	until(t, "a full disk", func() bool { return l.Status().Error != "" })
	record(l, 300, all)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("callers waited %v", took)
	}
	s := l.Status()
	if !strings.Contains(s.Error, "no space left") || s.Since.IsZero() || s.Lost == 0 || s.Waiting != maxWaiting {
		t.Errorf("status %+v", s)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	settled(t, l) // by its own back-off

	next, lost, torn := 0, 0, 0
	for e, err := range Read(file, Filter{}) {
		switch {
		case err != nil:
			torn++
		case e.Event == EventLost:
			lost += e.Lost
			if !strings.Contains(e.Error, "no space left") {
				t.Errorf("lost line: %+v", e)
			}
		case e.Reason != fmt.Sprint(next):
			t.Fatalf("line %s where %d was due", e.Reason, next)
		default:
			next++
		}
	}
	if next+lost != all || lost != s.Lost || torn > 1 {
		t.Errorf("%d lines, %d lost, %d torn; want %d in all, %d lost, at most 1 torn", next, lost, torn, all, s.Lost)
	}
}

// TestFullDiskCompress has no room for a compressed file: the uncompressed one must stay.
func TestFullDiskCompress(t *testing.T) {
	if !inMountNamespace(t) {
		return
	}
	dir := tinyDisk(t)
	file := filepath.Join(dir, "audit.log")
	old := file + "." + time.Now().UTC().Format(stampForm)
	line := encode(Entry{Time: time.Now(), Event: EventCheck, Reason: "kept"})
	if err := os.WriteFile(old, bytes.Repeat(line, 1), 0o640); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	l := open(t, Config{File: file, MaxSize: 1 << 20, Compress: true})
	until(t, "an upkeep error", func() bool { return strings.Contains(l.Status().Upkeep, "no space left") })
	wantRead(t, file, []string{"kept"})
	if _, err := os.Stat(old + halfSuffix); err == nil {
		t.Error("half a compressed file was left")
	}
}
