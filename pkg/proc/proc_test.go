package proc_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/proc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon is far more than what a run should take beyond its deadline, and far less than what the programs here sleep.
const soon = 3 * time.Second

func shell(script string) proc.Command { return proc.Command{Argv: []string{"/bin/sh", "-c", script}} }

// within runs c with a deadline and fails the test if it does not come back soon after.
func within(t *testing.T, limit time.Duration, c proc.Command) proc.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	began := time.Now()
	r := proc.Run(ctx, c)
	if took := time.Since(began); took > limit+c.Grace+soon {
		t.Errorf("took %v with a limit of %v and a grace of %v", took, limit, c.Grace)
	}
	return r
}

func TestHowARunEnds(t *testing.T) {
	tests := []struct {
		name   string
		script string
		want   string
		output string
	}{
		{"success", "echo well", "exit 0", "well\n"},
		{"failure", "echo ill; exit 3", "exit 3", "ill\n"},
		{"both outputs", "echo a; echo b >&2; echo c", "exit 0", "a\nb\nc\n"},
		{"largest exit code", "exit 255", "exit 255", ""},
		{"own fault", "kill -SEGV $$", "killed by signal 11 (segmentation fault)", ""},
		{"killed by somebody", "kill -KILL $$", "killed by signal 9 (killed)", ""},
		{"empty input", "cat; echo end", "exit 0", "end\n"},
		{"directory", "pwd", "exit 0", "/\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := within(t, time.Minute, shell(tt.script))
			if r.String() != tt.want || string(r.Output) != tt.output || r.Truncated {
				t.Errorf("%s with output %q (truncated %v), want %s with %q", r, r.Output, r.Truncated, tt.want, tt.output)
			}
		})
	}
}

func TestWhatCannotRun(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := file("plain", "#!/bin/sh\n", 0o644)
	orphan := file("orphan", "#!/no/such/shell -x\n", 0o755)
	words := file("words", "hello\n", 0o755)
	tests := []struct {
		name string
		argv []string
		is   error
		want string
	}{
		{"nothing", nil, nil, "no command"},
		{"missing", []string{dir + "/missing"}, unix.ENOENT, "run " + dir + "/missing: no such file or directory"},
		{"a directory", []string{dir}, unix.EACCES, "run " + dir + ": permission denied"},
		{"not executable", []string{plain}, unix.EACCES, "run " + plain + ": not executable: permission denied"},
		{"bad interpreter", []string{orphan}, unix.ENOENT, "run " + orphan + `: its interpreter "/no/such/shell": no such file or directory`},
		{"no program", []string{words}, unix.ENOEXEC, "run " + words + ": not a program, and no #! line: exec format error"},
		{"too long", []string{"/bin/true", strings.Repeat("x", 1<<18)}, unix.E2BIG, "run /bin/true: arguments and environment too long: argument list too long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := within(t, time.Minute, proc.Command{Argv: tt.argv})
			if r.End != proc.NotRun || r.Err == nil || r.Err.Error() != tt.want {
				t.Fatalf("got %s, want could not run: %s", r, tt.want)
			}
			if tt.is != nil && !errors.Is(r.Err, tt.is) {
				t.Errorf("%v is not %v", r.Err, tt.is)
			}
		})
	}
}

func TestDeadline(t *testing.T) {
	tests := []struct {
		name   string
		script string
		grace  time.Duration
		output string
	}{
		{"sleeps", "echo on; sleep 60; echo off", 0, "on\n"},
		{"ignores TERM", "trap '' TERM; echo on; sleep 60; echo off", 100 * time.Millisecond, "on\n"},
		{"obeys TERM", "trap 'echo bye; exit 0' TERM; echo on; sleep 60 & wait", 20 * time.Second, "on\nbye\n"},
		{"no grace, no TERM", "trap 'echo bye; exit 0' TERM; echo on; sleep 60 & wait", 0, "on\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := shell(tt.script)
			c.Grace = tt.grace
			began := time.Now()
			r := within(t, 500*time.Millisecond, c)
			if r.End != proc.TimedOut || string(r.Output) != tt.output {
				t.Errorf("%s with output %q, want killed at the deadline with %q", r, r.Output, tt.output)
			}
			if took := time.Since(began); took > soon {
				t.Errorf("took %v: the grace was waited out", took)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if r := proc.Run(ctx, shell("sleep 60")); r.End != proc.Cancelled {
		t.Errorf("cancelled while it ran: %s", r)
	}
	if r := proc.Run(ctx, shell("echo on")); r.End != proc.Cancelled || len(r.Output) != 0 {
		t.Errorf("cancelled before it ran: %s with output %q", r, r.Output)
	}
}

// A process that the program leaves behind dies with it, be it at the end or at the deadline, and its hold on the
// output delays nobody.
func TestTheGroupDies(t *testing.T) {
	for name, script := range map[string]string{
		"at the end":      "sleep 60 & echo $!",
		"at the deadline": "sh -c 'sleep 60 & echo $!; wait' & wait",
	} {
		t.Run(name, func(t *testing.T) {
			r := within(t, time.Second, shell(script))
			pid, err := strconv.Atoi(strings.TrimSpace(string(r.Output)))
			if err != nil {
				t.Fatalf("%s with output %q: %v", r, r.Output, err)
			}
			for end := time.Now().Add(soon); alive(pid); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					_ = unix.Kill(pid, unix.SIGKILL)
					t.Fatalf("process %d still lives", pid)
				}
			}
		})
	}
}

// alive reports whether a process runs; one that is dead and not reaped does not.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

func TestAnEscapeeThatHoldsTheOutputDelaysNobody(t *testing.T) {
	there := filepath.Join(t.TempDir(), "there")
	if err := unix.Mkfifo(there, 0o600); err != nil {
		t.Fatal(err)
	}
	r := within(t, time.Minute, shell(`setsid sh -c 'echo $$; echo >`+there+`; exec sleep 60' & read -r _ <`+there+`; exit 4`))
	pid, err := strconv.Atoi(strings.TrimSpace(string(r.Output)))
	if err != nil || r.String() != "exit 4" {
		t.Fatalf("%s with output %q: %v", r, r.Output, err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Errorf("the escapee should have lived: %v", err)
	}
}

func TestOutputIsBounded(t *testing.T) {
	r := within(t, 300*time.Millisecond, proc.Command{Argv: []string{"/usr/bin/yes"}})
	if r.End != proc.TimedOut || len(r.Output) != proc.OutputSize || !r.Truncated {
		t.Errorf("endless: %s with %d bytes, truncated %v", r, len(r.Output), r.Truncated)
	}
	c := shell("printf 0123456789")
	c.Output = 4
	if r := within(t, time.Minute, c); string(r.Output) != "0123" || !r.Truncated || r.String() != "exit 0" {
		t.Errorf("ten bytes, bound 4: %s with %q, truncated %v", r, r.Output, r.Truncated)
	}
	c.Output = 10
	if r := within(t, time.Minute, c); string(r.Output) != "0123456789" || r.Truncated {
		t.Errorf("ten bytes, bound 10: %q, truncated %v", r.Output, r.Truncated)
	}
	// More than a pipe holds, written right before the end: none of it is lost.
	big := shell("head -c 300000 /dev/zero")
	big.Output = 1 << 20
	if r := within(t, time.Minute, big); len(r.Output) != 300000 {
		t.Errorf("300000 bytes: got %d", len(r.Output))
	}
}

func TestEnvironmentIsItsOwn(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "/run/systemd/notify")
	t.Setenv("WATCHDOG_USEC", "1000000")
	t.Setenv("SECRET", "x")
	r := within(t, time.Minute, proc.Command{
		Argv: []string{"/usr/bin/env"},
		Env:  []string{"LVSD_CHECK=app"},
		User: &proc.User{Name: "me", Home: "/home/me", UID: uint32(os.Getuid()), GID: uint32(os.Getgid())},
	})
	want := "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nHOME=/home/me\nUSER=me\nLOGNAME=me\nLVSD_CHECK=app\n"
	if string(r.Output) != want {
		t.Errorf("got %s\n%swant\n%s", r, r.Output, want)
	}
}

func TestNothingLeaks(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collected os.File closes itself
	runs := func(n int) {
		for range n {
			within(t, 20*time.Millisecond, shell("sleep 60 & sleep 60"))
			within(t, time.Minute, shell("exit 1"))
			within(t, time.Minute, proc.Command{Argv: []string{"/no/such/program"}})
		}
	}
	runs(2)
	files, threads := entries(t, "/proc/self/fd"), entries(t, "/proc/self/task")
	runs(20)
	if n := entries(t, "/proc/self/fd"); n > files {
		t.Errorf("%d open files before, %d after", files, n)
	}
	// Threads come and go with the scheduler's need; one for each of 60 runs would be a leak.
	for end := time.Now().Add(soon); entries(t, "/proc/self/task") > threads+20; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d threads before, %d after", threads, entries(t, "/proc/self/task"))
		}
	}
	var ws syscall.WaitStatus
	if pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		t.Errorf("a child was not reaped: pid %d, %v", pid, err)
	}
}

func entries(t *testing.T, dir string) int {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
