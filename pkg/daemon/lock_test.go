package daemon

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestOneLvsdAHost(t *testing.T) {
	first, stranger, err := tableClaim.take()
	if err != nil || stranger != "" {
		t.Fatal(stranger, err)
	}
	if _, _, err := tableClaim.take(); err == nil || !strings.Contains(err.Error(), "another lvsd run") {
		t.Errorf("second lock: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, _, err := tableClaim.take()
	if err != nil {
		t.Fatalf("after the first let go: %v", err)
	}
	again.Close()
}

// Anybody can take an abstract name; that must not keep a director without lvsd.
func TestStrangerHoldsNoLock(t *testing.T) {
	if os.Getenv("LVSD_TEST_STRANGER") != "" {
		if _, _, err := tableClaim.take(); err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("held\n")
		_, _ = os.Stdin.Read(make([]byte, 1))
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run", "^TestStrangerHoldsNoLock$")
	cmd.Env = append(os.Environ(), "LVSD_TEST_STRANGER=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	l, stranger, err := tableClaim.take()
	if err != nil || l != nil || !strings.Contains(stranger, "user 65534") {
		t.Errorf("a stranger holds the name: lock %v, stranger %q, %v", l, stranger, err)
	}
	in.Close()
	_ = cmd.Wait()
}
