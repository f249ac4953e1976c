package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// HideModules unloads IPVS and all that belongs to it, and keeps the kernel from loading any module until the test ends.
// It is an error on a kernel that is not the lab's own. Networks are made before it, for they need modules.
func HideModules(t T) {
	t.Helper()
	if !OwnKernel() {
		t.Fatalf("hide modules: this kernel is not the lab's own")
	}
	const autoload = "/proc/sys/kernel/modprobe"
	was, err := os.ReadFile(autoload)
	if err == nil {
		err = os.WriteFile(autoload, []byte("/bin/false"), 0)
	}
	if err == nil {
		t.Cleanup(func() { _ = os.WriteFile(autoload, was, 0) })
		err = unix.Mount("none", "/lib/modules", "tmpfs", 0, "")
	}
	if err != nil {
		t.Fatalf("hide modules: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount("/lib/modules", unix.MNT_DETACH) })
	unload(t)
}

// unload removes ip_vs and the modules that use it, those first.
func unload(t T) {
	t.Helper()
	users, err := filepath.Glob("/sys/module/ip_vs_*")
	if err != nil {
		t.Fatalf("unload ip_vs: %v", err)
	}
	for _, path := range append(users, "/sys/module/ip_vs") {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if out, err := exec.Command("rmmod", filepath.Base(path)).CombinedOutput(); err != nil {
			t.Fatalf("unload %s: %v: %s", filepath.Base(path), err, strings.TrimSpace(string(out)))
		}
	}
}
