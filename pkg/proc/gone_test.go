package proc

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestLivesIn(t *testing.T) {
	tests := []struct {
		stat string
		want bool
	}{
		{"100 (sh) S 1 77 77 0 -1 4194560", true},
		{"100 (sh) R 1 77 77 0", true},
		{"100 (sh) D 1 77 77 0", true},
		{"100 (sh) Z 1 77 77 0", false},
		{"100 (sh) X 1 77 77 0", false},
		{"100 (sh) S 77 78 77 0", false},
		{"77 (a) S 1 77) S 1 78 77 0", false}, // a name that looks like the rest
		{"77 (a) S 1 78) S 1 77 77 0", true},
		{"100 (sh) S 1", false},
		{"", false},
	}
	for _, tt := range tests {
		if got := livesIn([]byte(tt.stat), 77); got != tt.want {
			t.Errorf("%q: %v", tt.stat, got)
		}
	}
}

// A group is empty only when its last living process has ended, whoever its leader was; one that is dead and not reaped
// does not count.
func TestGone(t *testing.T) {
	r := Run(t.Context(), Command{Argv: []string{"/bin/sh", "-c", "sleep 60 & sleep 60 & exit 3"}})
	if r.String() != "exit 3" || !r.Gone(t.Context()) || !groupEmpty(r.left.group) {
		t.Errorf("%s, group %d is not gone", r, r.left.group)
	}
	if r := Run(t.Context(), Command{}); !r.Gone(t.Context()) {
		t.Error("what never ran is not gone")
	}
}

// An exec that hangs has no group yet, and may have one at any moment.
func TestGoneWaitsForAStart(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if (Result{left: &remains{reaped: make(chan struct{})}}).Gone(ctx) {
		t.Error("gone before it was started")
	}
}

// Run comes back from a process that cannot be killed at once; Gone does not, until it is dead.
func TestGoneWaits(t *testing.T) {
	member := exec(t, "sleep", "60")
	left := &remains{reaped: make(chan struct{}), group: member.Pid}
	r := Result{left: left}
	gone := make(chan bool, 1)
	go func() { gone <- r.Gone(t.Context()) }()
	early := func(when string) {
		select {
		case <-gone:
			t.Fatalf("gone %s", when)
		case <-time.After(50 * time.Millisecond):
		}
	}
	early("while its leader is not reaped")
	close(left.reaped)
	early("while a process of it lives")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if r.Gone(ctx) {
		t.Error("gone, when nothing had changed")
	}
	if err := unix.Kill(member.Pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select { // it is dead, and this process has not reaped it yet
	case ok := <-gone:
		if !ok {
			t.Error("given up")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("not gone 10 s after its end")
	}
	_, _ = member.Wait()
}

// exec starts a program as the leader of a group.
func exec(t *testing.T, argv ...string) *os.Process {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = out.Close(), in.Close() }()
	p, err := os.StartProcess("/bin/"+argv[0], argv, &os.ProcAttr{Files: []*os.File{nil, in, in}, Sys: &unix.SysProcAttr{Setpgid: true}})
	if err != nil {
		t.Fatal(err)
	}
	if stat, err := os.ReadFile("/proc/" + strconv.Itoa(p.Pid) + "/stat"); err != nil || !strings.Contains(string(stat), strconv.Itoa(p.Pid)) {
		t.Fatalf("%q, %v", stat, err)
	}
	return p
}
