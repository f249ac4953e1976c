// Package outcome has tests that end in every way but well; kernel/outside_test.go looks at what is made of it outside.
package outcome

import (
	"os"
	"os/exec"
	"testing"

	"github.com/lvsd/lvsd/test/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

func TestPasses(t *testing.T) { t.Log("on a kernel of the lab's own:", lab.OwnKernel()) }

func TestFails(t *testing.T) { t.Error("this test fails") }

func TestExits(*testing.T) { os.Exit(9) }

func TestHangs(*testing.T) { select {} }

func TestPanicsKernel(t *testing.T) {
	out, err := exec.Command("sh", "-c", "echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger").CombinedOutput()
	t.Fatalf("the kernel lives: %v: %s", err, out)
}

func TestLeavesFile(t *testing.T) {
	if err := os.WriteFile(t.ArtifactDir()+"/left", []byte("here\n"), 0o644); err != nil {
		t.Error(err)
	}
}
