package proc_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/pkg/proc"
)

// A program is trusted only where nobody but root and its user can put another in its place.
func TestTrusted(t *testing.T) {
	me := &proc.User{Name: "app", UID: uint32(os.Getuid())}
	for _, tt := range []struct {
		name      string
		dir, file fs.FileMode
		where     string // the path that is blamed, within the test's directory; "" is trusted
		why       string
	}{
		{"own", 0o755, 0o755, "", ""},
		{"file writable by all", 0o755, 0o757, "d/prog", "is writable by everyone"},
		{"directory writable by all", 0o777, 0o755, "d", "is writable by everyone"},
		{"and sticky", 0o777 | fs.ModeSticky, 0o755, "d", "is writable by everyone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			top := t.TempDir()
			dir, prog, link := filepath.Join(top, "d"), filepath.Join(top, "d", "prog"), filepath.Join(top, "link")
			makeProgram(t, prog, tt.file)
			if err := os.Chmod(dir, tt.dir); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("d/prog", link); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{prog, link} {
				wantTrust(t, proc.Trusted(path, me), filepath.Join(top, tt.where), tt.why)
			}
		})
	}
}

func TestTrustedAbove(t *testing.T) {
	me := &proc.User{Name: "app", UID: uint32(os.Getuid())}
	top := t.TempDir()
	prog := filepath.Join(top, "d", "prog")
	makeProgram(t, prog, 0o755)
	if err := os.Chmod(top, 0o777); err != nil {
		t.Fatal(err)
	}
	wantTrust(t, proc.Trusted(prog, me), top, "is writable by everyone")
	if err := os.Chmod(top, 0o777|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	wantTrust(t, proc.Trusted(prog, me), "", "")
	if err := proc.Trusted("/bin/sh", nil); err != nil {
		t.Error(err)
	}
	if err := proc.Trusted(prog+"x", me); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	loop := filepath.Join(top, "d", "loop")
	if err := os.Symlink("loop", loop); err != nil {
		t.Fatal(err)
	}
	if err := proc.Trusted(loop, me); err == nil || !strings.Contains(err.Error(), "too many symbolic links") {
		t.Errorf("loop: %v", err)
	}
}

// Another's file, and one of another's group; only root can make them.
func TestTrustedOwners(t *testing.T) {
	me := os.Getuid()
	prog := filepath.Join(t.TempDir(), "d", "prog")
	makeProgram(t, prog, 0o775)
	if me != 0 {
		wantTrust(t, proc.Trusted("/bin/sh", &proc.User{Name: "app", UID: 1}), "", "")
		return
	}
	wantTrust(t, proc.Trusted(prog, nil), "", "")
	if err := os.Chown(prog, 0, 12345); err != nil {
		t.Fatal(err)
	}
	wantTrust(t, proc.Trusted(prog, nil), prog, "is writable by group 12345")
	if err := os.Chown(prog, 12345, 0); err != nil {
		t.Fatal(err)
	}
	wantTrust(t, proc.Trusted(prog, nil), prog, "belongs to user 12345")
	wantTrust(t, proc.Trusted(prog, &proc.User{Name: "app", UID: 12345}), "", "")
}

func makeProgram(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// wantTrust compares with the path that is to be blamed, and why; no reason is trust.
func wantTrust(t *testing.T, err error, path, why string) {
	t.Helper()
	bad, ok := errors.AsType[*proc.UntrustedError](err)
	switch {
	case why == "" && err != nil:
		t.Errorf("%v, want trust", err)
	case why != "" && (!ok || bad.Path != path || bad.Why != why):
		t.Errorf("%v, want %s %s", err, path, why)
	}
}
