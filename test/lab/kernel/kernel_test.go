package kernel_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/test/lab/kernel"
)

// boot runs a shell script on a kernel of its own.
func boot(t *testing.T, limit time.Duration, script string, more ...string) (int, string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var out bytes.Buffer
	job := kernel.Job{Argv: append([]string{"/bin/sh", "-c", script, "sh"}, more...), Output: &out, Dir: t.TempDir(), Memory: "256M"}
	status, err := job.RunUML(ctx)
	return status, out.String(), err
}

func TestStatusAndOutputComeBack(t *testing.T) {
	t.Setenv("LAB_TEST_WORD", `it's "quoted" $HOME`)
	status, out, err := boot(t, time.Minute, `echo "$1|$LAB_TEST_WORD|$LAB_INSIDE"; echo err >&2; exit 7`, "two  words")
	if err != nil {
		t.Fatal(err)
	}
	if want := "two  words|it's \"quoted\" $HOME|uml\nerr\n"; status != 7 || out != want {
		t.Errorf("status %d, output %q; want 7, %q", status, out, want)
	}
}

func TestHostIsNotWritten(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	status, out, err := boot(t, time.Minute, `echo made >here && ! echo no >"$1/there" && touch /run/x "$TMPDIR/y"`, outside)
	if err != nil || status != 0 {
		t.Fatalf("status %d, %v, output %s", status, err, out)
	}
	if _, err := os.Stat(filepath.Join(outside, "there")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file of the host was written: %v", err)
	}
}

func TestDeathOfKernelIsAnError(t *testing.T) {
	for name, script := range map[string]string{
		"panic": "echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger; sleep 60",
		"halt":  "poweroff -f; sleep 60",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := boot(t, time.Minute, script)
			if !errors.Is(err, kernel.ErrNoStatus) {
				t.Fatalf("error %v, want ErrNoStatus", err)
			}
			if name == "panic" && !strings.Contains(err.Error(), "sysrq triggered crash") {
				t.Errorf("the console is not in the error: %v", err)
			}
		})
	}
}

func TestHangEndsAtDeadline(t *testing.T) {
	t.Parallel()
	const limit = 8 * time.Second
	start := time.Now()
	_, out, err := boot(t, limit, "echo a word for the console >/dev/console; echo started; sleep 1000")
	if !errors.Is(err, kernel.ErrNoStatus) || !strings.Contains(err.Error(), "deadline") ||
		!strings.Contains(err.Error(), "a word for the console") {
		t.Errorf("error %v, want ErrNoStatus, the deadline and the console", err)
	}
	if out != "started\n" {
		t.Errorf("output %q was lost", out)
	}
	if took := time.Since(start); took > limit+5*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestNoSuchProgram(t *testing.T) {
	t.Parallel()
	if _, err := (kernel.Job{}).RunUML(t.Context()); err == nil {
		t.Error("a job without a program was run")
	}
	job := kernel.Job{Argv: []string{"/no/such/program"}, Output: new(bytes.Buffer)}
	if status, err := job.RunUML(t.Context()); err != nil || status != 127 {
		t.Errorf("status %d, %v; want the shell's 127", status, err)
	}
}
