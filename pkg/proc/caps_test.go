package proc_test

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/proc"
)

// privileges gives the lines of a status file that say what a process may do, as "CapEff:0000000000000000".
func privileges(status string) map[string]string {
	found := make(map[string]string)
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch key {
		case "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Uid", "Gid", "Groups":
			found[key] = strings.TrimSpace(value)
		}
	}
	return found
}

func statusAs(t *testing.T, u *proc.User) map[string]string {
	t.Helper()
	r := within(t, time.Minute, proc.Command{Argv: []string{"/bin/cat", "/proc/self/status"}, User: u})
	if r.String() != "exit 0" {
		t.Fatal(r)
	}
	return privileges(string(r.Output))
}

const none = "0000000000000000"

// wantNone fails the test unless every set that exec can draw from is empty.
func wantNone(t *testing.T, got map[string]string) {
	t.Helper()
	keys := []string{"CapInh", "CapPrm", "CapEff", "CapAmb"}
	if os.Getuid() == 0 {
		keys = append(keys, "CapBnd")
	}
	for _, key := range keys {
		if got[key] != none {
			t.Errorf("%s is %s", key, got[key])
		}
	}
	if got["NoNewPrivs"] != "1" {
		t.Errorf("no_new_privs is %s", got["NoNewPrivs"])
	}
}

func TestAProgramHasNoCapabilities(t *testing.T) {
	before, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	for range 10 { // so that the main thread has its turn
		wantNone(t, statusAs(t, nil))
	}

	// What the program gave up, this process still has, in all its threads.
	want := privileges(string(before))
	for end := time.Now().Add(soon); ; time.Sleep(time.Millisecond) {
		odd := threadsUnlike(t, want)
		if odd == "" {
			break
		}
		if time.Now().After(end) {
			t.Fatal(odd)
		}
	}
}

func threadsUnlike(t *testing.T, want map[string]string) string {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		b, err := os.ReadFile("/proc/self/task/" + task.Name() + "/status")
		if err != nil {
			continue // it has ended
		}
		if got := privileges(string(b)); fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Sprintf("thread %s has %v, want %v", task.Name(), got, want)
		}
	}
	return ""
}

// As another user, where this process may; otherwise it says what it lacks.
func TestAsAnotherUser(t *testing.T) {
	u, err := proc.LookupUser("daemon")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		const want = "run as daemon: needs CAP_SETUID, CAP_SETGID and CAP_KILL"
		if err := proc.MayRunAs(u); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		return
	}
	if err := proc.MayRunAs(u); err != nil {
		t.Fatal(err)
	}
	u.Groups = append(u.Groups, 4)
	got := statusAs(t, u)
	wantNone(t, got)
	ids := fmt.Sprintf("%[1]d\t%[1]d\t%[1]d\t%[1]d", u.UID)
	if got["Uid"] != ids || got["Gid"] != ids || !strings.Contains(got["Groups"]+" ", "4 ") || strings.HasPrefix(got["Groups"], "0") {
		t.Errorf("uid %q gid %q groups %q, want those of %+v", got["Uid"], got["Gid"], got["Groups"], *u)
	}
	c := shell("sleep 60 & wait")
	c.User = u
	if r := within(t, 100*time.Millisecond, c); r.End != proc.TimedOut {
		t.Errorf("not killed as another user: %s", r)
	}
}

// Root keeps what he has only where the configuration names him.
func TestRootByNameKeepsHisCapabilities(t *testing.T) {
	u, err := proc.LookupUser("root")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		if proc.MayRunAs(u) == nil {
			t.Error("this process may run programs as root")
		}
		return
	}
	if got := statusAs(t, u); got["CapEff"] == none || got["CapBnd"] == none || got["NoNewPrivs"] != "0" {
		t.Errorf("got %v", got)
	}
}

func TestLookupUser(t *testing.T) {
	if u, err := proc.LookupUser("no-such-user"); err == nil || u != nil {
		t.Errorf("found %v", u)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	u, err := proc.LookupUser(me.Username)
	if err != nil || int(u.UID) != os.Getuid() || u.Home != me.HomeDir {
		t.Errorf("%+v, %v; want %+v", u, err, me)
	}
	if err := proc.MayRunAs(u); err != nil {
		t.Errorf("as oneself: %v", err)
	}
}

// As the unit runs lvsd: not root, with ambient capabilities, which exec would hand on.
func TestAmbientCapabilitiesAreNotHandedOn(t *testing.T) {
	if os.Getuid() != 0 {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil || os.Getenv("WANT_AMBIENT") != "" && privileges(string(status))["CapAmb"] == none {
			t.Fatalf("this process was to have ambient capabilities: %s %v", status, err)
		}
		wantNone(t, statusAs(t, nil))
		return
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestAmbientCapabilitiesAreNotHandedOn$", "-test.v")
	cmd.Dir = "/"
	cmd.Env = []string{"WANT_AMBIENT=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: 1, Gid: 1},
		AmbientCaps: []uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW},
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Fatalf("%v\n%s", err, out)
	}
}
