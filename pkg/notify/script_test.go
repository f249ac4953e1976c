package notify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// program writes a shell script and gives its path.
func program(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hook.sh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func script(t *testing.T, command ...string) *Script {
	t.Helper()
	s := &Script{Command: command}
	if errs := s.Validate(); errs != nil {
		t.Fatal(errs)
	}
	return s
}

var master = Told{
	Event: Event{
		Subject: Subject{"vrrp", "VI_1"}, Title: "INSTANCE", State: "MASTER", Previous: "BACKUP", Priority: 100,
		Reason: "no advert\nfor 3.6 s", Peer: "198.51.100.102", At: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Mono: 7 * time.Second,
	},
	Epoch: 1 << 62, Try: 2, Node: "lvs-a",
}

func TestScriptIsToldEverything(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	path := program(t, `echo "$@" >`+out+`; env | grep ^LVSD_ | sort >>`+out)
	s := script(t, path, "{kind}", "{name}", "{state}", "{priority}", "{epoch}/{subject}", "{reason}", "{}", "{a b}")
	if o := s.Tell(t.Context(), master); !o.OK || o.Cut || o.Words != "exit 0" {
		t.Fatalf("%+v", o)
	}
	got, err := os.ReadFile(out)
	want := `INSTANCE VI_1 MASTER 100 4611686018427387904/vrrp:VI_1 no advert for 3.6 s {} {a b}
LVSD_EPOCH=4611686018427387904
LVSD_EVENT_MONO_NS=7000000000
LVSD_EVENT_WALL=2026-01-02T03:04:05.000000006Z
LVSD_KIND=INSTANCE
LVSD_NAME=VI_1
LVSD_NODE=lvs-a
LVSD_PEER=198.51.100.102
LVSD_PREV_STATE=BACKUP
LVSD_PRIORITY=100
LVSD_REASON=no advert for 3.6 s
LVSD_STATE=MASTER
LVSD_SUBJECT=vrrp:VI_1
LVSD_TRY=2
`
	if err != nil || string(got) != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, got, want)
	}
}

// What a server or a peer put into a reason does not keep a hook from being run.
func TestScriptWithWordsOfOthers(t *testing.T) {
	s := script(t, program(t, "exit 0"), "{reason}")
	evil := master
	evil.Reason = "a\x00b\x1b[2J\xff" + strings.Repeat("x", 1<<20)
	if o := s.Tell(t.Context(), evil); !o.OK {
		t.Errorf("%+v", o)
	}
}

func TestHowAScriptEnds(t *testing.T) {
	tests := []struct {
		name, text string
		timeout    time.Duration
		ok, cut    bool
		words      string // that the outcome's begin with
	}{
		{"well", "echo done", time.Minute, true, false, "exit 0: done"},
		{"ill", "echo; echo no such role >&2; exit 3", time.Minute, false, false, "exit 3: no such role"},
		{"own fault", "kill -SEGV $$", time.Minute, false, false, "killed by signal 11"},
		{"killed by somebody", "kill -KILL $$", time.Minute, false, true, "killed by signal 9"},
		{"hangs", "echo on; sleep 60", 200 * time.Millisecond, false, true, "killed after 2"},
		{"hangs and ignores TERM", "trap '' TERM; sleep 60 & sleep 60", 200 * time.Millisecond, false, true, "killed after 2."},
		{"tidies up", "trap 'exit 0' TERM; sleep 60 & wait", 200 * time.Millisecond, false, true, "killed after 2"},
		{"prints a lot", "yes | head -c 1000000", time.Minute, true, false, "exit 0: y"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := script(t, program(t, tt.text))
			ctx, cancel := context.WithTimeout(t.Context(), tt.timeout)
			defer cancel()
			o := s.Tell(ctx, master)
			if o.OK != tt.ok || o.Cut != tt.cut || !strings.HasPrefix(o.Words, tt.words) || len(o.Words) > wordsSize {
				t.Errorf("%+v", o)
			}
		})
	}
}

// When Tell returns, nothing of the group can act any more, be it that the program ended or that it was killed. What it
// put into a session of its own is out of reach, and holds nobody up.
func TestNothingOfTheGroupIsLeft(t *testing.T) {
	tests := []struct {
		name, text  string
		ends, lives bool // it ends by itself; what it started is there afterwards
	}{
		{"child, at the end", "sleep 60 & echo $! >OUT", true, false},
		{"child, at the deadline", "sleep 60 & echo $! >OUT; wait", false, false},
		{"double fork", "(sleep 60 & echo $! >OUT) & wait; sleep 60", false, false},
		{"deaf to TERM", "trap '' TERM; sleep 60 & echo $! >OUT; wait", false, false},
		{"session of its own", "setsid sh -c 'echo $$ >OUT; exec sleep 60' & sleep 60", false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "pid")
			s := script(t, program(t, strings.ReplaceAll(tt.text, "OUT", out)))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			found := make(chan int, 1)
			go func() { // its time is over as soon as it has started what it starts
				pid := numberIn(ctx, out)
				if !tt.ends {
					cancel()
				}
				found <- pid
			}()
			s.Tell(ctx, master)
			pid := <-found
			if pid == 0 {
				t.Fatal("it started nothing")
			}
			if got := alive(pid); got != tt.lives {
				t.Errorf("lives: %v", got)
			}
			if tt.lives {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		})
	}
}

// numberIn waits for a line with a number in a file; 0 is that there was none when ctx was done.
func numberIn(ctx context.Context, path string) int {
	for {
		b, _ := os.ReadFile(path)
		if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && strings.HasSuffix(string(b), "\n") {
			return n
		}
		select {
		case <-ctx.Done():
			return 0
		case <-time.After(time.Millisecond):
		}
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

func TestRole(t *testing.T) {
	tests := []struct {
		text, role, err string
	}{
		{"echo ' Master '; echo more", "Master", ""},
		{`echo "$1"`, "MASTER", ""},
		{"exit 0", "", "printed no state"},
		{"echo not up; exit 1", "", "exit 1: not up"},
		{"exit 1", "", "exit 1"},
	}
	for _, tt := range tests {
		s := &Script{Command: []string{"/bin/true"}, Verify: []string{program(t, tt.text), "{state}"}}
		if errs := s.Validate(); errs != nil {
			t.Fatal(errs)
		}
		role, err := s.Verifier().Role(t.Context(), master)
		if role != tt.role || tt.err == "" && err != nil || tt.err != "" && (err == nil || err.Error() != tt.err) {
			t.Errorf("%s: %q, %v", tt.text, role, err)
		}
	}
	if v := script(t, "/bin/true").Verifier(); v != nil {
		t.Errorf("asks by %v", v)
	}
}

func TestValidate(t *testing.T) {
	open := program(t, "exit 0")
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		s    Script
		want string
	}{
		{"well", Script{Command: []string{"/bin/true", "{state}"}, User: me.Username}, ""},
		{"no command", Script{}, "command: is missing"},
		{"relative", Script{Command: []string{"notify.sh"}}, "command: \"notify.sh\" is not an absolute path"},
		{"placeholder", Script{Command: []string{"/bin/true", "{address}"}}, "command: no such placeholder: {address}; there are {kind} {name} {state} {priority} {epoch} {subject} {reason}"},
		{"user", Script{Command: []string{"/bin/true"}, User: "no-such-user"}, "user: look up user"},
		{"verify", Script{Command: []string{"/bin/true"}, Verify: []string{"/bin/no-such"}}, "verify: stat /bin/no-such"},
		{"empty verify", Script{Command: []string{"/bin/true"}, Verify: []string{}}, "verify: is missing"},
		{"everybody's command", Script{Command: []string{open}, User: me.Username}, "command: " + filepath.Dir(filepath.Dir(open))},
		{"everybody's verify", Script{Command: []string{"/bin/true"}, Verify: []string{open}, User: me.Username}, "verify: " + filepath.Dir(filepath.Dir(open))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, e := range tt.s.Validate() {
				got = append(got, e.Error())
			}
			switch {
			case tt.want == "" && got != nil, tt.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], tt.want)):
				t.Errorf("got %q, want %q", got, tt.want)
			case tt.want != "" && tt.s.Tell(t.Context(), master).Words != "could not run: "+errUnvalidated.Error():
				t.Error("it runs all the same")
			}
		})
	}
	if a, b := script(t, "/bin/true"), script(t, "/bin/true"); !reflect.DeepEqual(a, b) {
		t.Error("two of the same configuration differ")
	}
}

// The incident: hooks that take their time and overtake each other where nobody keeps them in order. What the application
// was told last is what is, and what was told never goes back.
func TestTheIncident(t *testing.T) {
	out := filepath.Join(t.TempDir(), "told")
	var l log
	q := Open(t.TempDir(), "lvs-a", l.record, l.trouble)
	// As long as the process number says, up to 0.1 s: neither even nor known beforehand.
	path := program(t, `sleep 0.0$(($$ % 10)); echo "$LVSD_EPOCH $1" >>`+out)
	q.Set([]Notifier{{Name: "app", Subjects: []string{"vrrp:*"}, Timeout: time.Minute, Merge: true, Teller: script(t, path, "{state}")}})
	state := ""
	for i := range 200 {
		state = []string{"MASTER", "BACKUP"}[i%2]
		q.Tell(Event{Subject: Subject{"vrrp", "VI_1"}, Title: "INSTANCE", State: state, At: time.Now()})
		time.Sleep(time.Duration(i%7) * time.Millisecond)
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if s := q.State(); len(s) == 1 && s[0].Running == "" && s[0].Confirmed == state && len(s[0].Waiting) == 0 {
			break
		} else if time.Now().After(end) {
			t.Fatalf("%+v", s)
		}
	}
	closeNow(t, q)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var last uint64
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	for _, line := range lines {
		var epoch uint64
		var told string
		if _, err := fmt.Sscan(line, &epoch, &told); err != nil || epoch <= last {
			t.Errorf("%q after %d: %v", line, last, err)
		}
		last = epoch
	}
	if !strings.HasSuffix(lines[len(lines)-1], " "+state) || len(lines) < 2 {
		t.Errorf("told last: %q", lines)
	}
	if l.troubles != nil {
		t.Error(errors.Join(l.troubles...))
	}
}
