package kernel_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// goTest runs one test of testdata/outcome, which runs itself in the lab.
func goTest(name string, more ...string) *exec.Cmd {
	args := append([]string{"test", "-v", "-count=1", "-run", "^" + name + "$"}, more...)
	return exec.Command("go", append(args, "../testdata/outcome")...)
}

func TestOutcomeOutside(t *testing.T) {
	files := t.TempDir()
	for _, c := range []struct {
		name string
		args []string
		fail bool
		want string
	}{
		{"TestPasses", nil, false, "lab's own: true"},
		{"TestFails", nil, true, "this test fails"},
		{"TestExits", nil, true, "FAIL"},
		{"TestHangs", []string{"-timeout", "6s"}, true, "test timed out after 6s"},
		{"TestPanicsKernel", nil, true, "Kernel panic - not syncing"},
		{"TestLeavesFile", []string{"-artifacts", "-outputdir", files}, false, "PASS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out, err := goTest(c.name, c.args...).CombinedOutput()
			if failed := err != nil; failed != c.fail || !bytes.Contains(out, []byte(c.want)) {
				t.Errorf("error %v, want one: %v, and %q in the output:\n%s", err, c.fail, c.want, out)
			}
		})
	}
	t.Cleanup(func() { // when the tests above have ended
		if left, _ := filepath.Glob(filepath.Join(files, "_artifacts", "*", "left")); len(left) == 0 {
			t.Errorf("the file that a test left is not in %s", files)
		}
	})
}

// However the test binary ends, its kernel ends with it.
func TestNothingIsLeftBehind(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			binary := filepath.Join(t.TempDir(), "hangs.test")
			if out, err := exec.Command("go", "test", "-c", "-o", binary, "../testdata/outcome").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			cmd := exec.Command(binary, "-test.run=^TestHangs$", "-test.v")
			cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir()) // what a killed process cannot remove
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			first := make([]byte, 16) // "=== RUN ..."
			if _, err := out.Read(first); err != nil {
				t.Fatal(err)
			}
			kin := descendants(t, cmd.Process.Pid)
			if len(kin) < 3 { // unshare, its first process, the kernel
				t.Fatalf("found %d processes of the kernel", len(kin))
			}
			_ = cmd.Process.Signal(s)
			var exit *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) {
				t.Errorf("the test binary ended with %v", err)
			}
			for end := time.Now().Add(5 * time.Second); anyAlive(kin); time.Sleep(20 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("a process is left behind of %v", kin)
				}
			}
		})
	}
}

// descendants are the processes that a process and those that it started have started.
func descendants(t *testing.T, pid int) []int {
	t.Helper()
	out, err := exec.Command("ps", "-eo", "pid=,ppid=", "--sort=start_time").Output()
	if err != nil {
		t.Fatal(err)
	}
	found := []int{pid}
	for line := range strings.Lines(string(out)) {
		var child, parent int
		if _, err := fmt.Sscan(line, &child, &parent); err == nil && slices.Contains(found, parent) {
			found = append(found, child)
		}
	}
	return found[1:]
}

// anyAlive says whether one of the processes is there and not a zombie.
func anyAlive(pids []int) bool {
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err == nil && !bytes.Contains(stat, []byte(") Z ")) {
			return true
		}
	}
	return false
}
