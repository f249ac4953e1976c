package checks_test

import (
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lvsd/lvsd/checks"
)

var app = checks.Target{Check: "app", Addr: netip.MustParseAddrPort("[2001:db8::103]:8080"), Told: checks.Told{Verdict: "up", Role: "master"}}

func shell(script string) *checks.Script {
	return &checks.Script{Command: []string{"/bin/sh", "-c", script, "sh", "{address}", "{port}", "{check}", "{print $1}"}}
}

func TestScript(t *testing.T) {
	n := func(i int) *int { return &i }
	tests := []struct {
		name, script string
		weight       bool
		is           checks.Outcome
		reason       string
		asks         *int
	}{
		{"good", "exit 0", false, checks.Good, "exit 0", nil},
		{"good with words", "echo; echo '  all well '; echo more", false, checks.Good, "exit 0: all well", nil},
		{"bad", "echo 'queue full' >&2; exit 3", false, checks.BadAnswer, "exit 3: queue full", nil},
		{"bad words", `printf '\033[31mred\tand \000\377 blue\n'; exit 1`, false, checks.BadAnswer, "exit 1: [31mred and blue", nil},
		{"arguments", `echo "$@"`, false, checks.Good, "exit 0: 2001:db8::103 8080 app {print $1}", nil},
		{"environment", `echo $LVSD_CHECK $LVSD_ADDRESS $LVSD_PORT $LVSD_VERDICT $LVSD_VRRP_STATE`, false, checks.Good, "exit 0: app 2001:db8::103 8080 up master", nil},
		{"weight", "exit 12", true, checks.Good, "exit 12, weight 10", n(10)},
		{"weight 0", "exit 2", true, checks.Good, "exit 2, weight 0", n(0)},
		{"largest weight", "echo idle; exit 255", true, checks.Good, "exit 255, weight 253: idle", n(253)},
		{"no weight", "exit 1", true, checks.BadAnswer, "exit 1", nil},
		{"weight as it is", "exit 0", true, checks.Good, "exit 0", nil},
		{"12 is not good by itself", "exit 12", false, checks.BadAnswer, "exit 12", nil},
		{"own fault", "kill -SEGV $$", true, checks.BadAnswer, "script was killed by signal 11 (segmentation fault)", nil},
		{"killed by somebody", "kill -KILL $$", true, checks.NotAsked, "script was killed by signal 9 (killed) by someone on this host", nil},
		{"late", "echo begun; sleep 60", true, checks.NoAnswer, "script did not end within 300ms, killed: begun", nil},
		{"late and deaf", "trap '' TERM; sleep 60; exit 0", false, checks.NoAnswer, "script did not end within 300ms, killed", nil},
		{"leaves a child", "sleep 60 & echo gone", false, checks.Good, "exit 0: gone", nil},
		{"prints without end", "exec yes", false, checks.NoAnswer, "script did not end within 300ms, killed: y", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := shell(tt.script)
			c.WeightFromExit = tt.weight
			r := try(t, ready(t, c), app, enough(tt.is))
			want(t, r, tt.is, tt.reason)
			if (r.Weight == nil) != (tt.asks == nil) || (r.Weight != nil && *r.Weight != *tt.asks) {
				t.Errorf("weight %v, want %v", r.Weight, tt.asks)
			}
			if tt.script == "exec yes" && (!r.Truncated || len(r.Head) != checks.HeadSize) {
				t.Errorf("truncated %v, head of %d", r.Truncated, len(r.Head))
			}
		})
	}
}

// A program that was there when it was validated and is gone, or not executable any more, says nothing of the server.
func TestScriptThatCannotRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "check.sh")
	if err := os.WriteFile(file, []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := ready(t, &checks.Script{Command: []string{file}})
	want(t, try(t, c, app, time.Minute), checks.BadAnswer, "exit 1")
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	want(t, try(t, c, app, time.Minute), checks.NotAsked, "could not run: run "+file+": not executable: permission denied")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	want(t, try(t, c, app, time.Minute), checks.NotAsked, "could not run: run "+file+": no such file or directory")
}

func TestScriptAsAnotherUser(t *testing.T) {
	c := &checks.Script{Command: []string{"/bin/sh", "-c", "echo $USER $(id -un)"}, User: "daemon"}
	errs := c.Validate()
	if os.Getuid() == 0 {
		if errs != nil {
			t.Fatal(errs)
		}
		want(t, try(t, c, app, time.Minute), checks.Good, "exit 0: daemon daemon")

		// The same validation by a process without capabilities names what to install.
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestScriptAsAnotherUser$", "-test.v")
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	const lacks = "user: run as daemon: needs CAP_SETUID, CAP_SETGID and CAP_KILL; for lvsd install the systemd drop-in lvsd-scripts-as-other-users.conf"
	if len(errs) != 1 || errs[0].Error() != lacks {
		t.Errorf("%v, want %s", errs, lacks)
	}
}

// Where a program runs as somebody else or as root, nobody else may be able to change it.
func TestScriptThatOthersCanChange(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "check.sh")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o777); err != nil {
		t.Fatal(err)
	}
	wrong := "command: " + file + " is writable by everyone: any local user who can change it could run code as " + me.Username
	for _, name := range []string{"", me.Username} {
		errs := (&checks.Script{Command: []string{file}, User: name}).Validate()
		if name == "" && os.Geteuid() != 0 { // lvsd's own user, who can do nothing
			if errs != nil {
				t.Error(errs)
			}
			continue
		}
		if len(errs) != 1 || errs[0].Error() != wrong {
			t.Errorf("user %q: %v, want %s", name, errs, wrong)
		}
	}
}

func TestScriptValidate(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		check checks.Script
		want  string
	}{
		{checks.Script{}, "command: is missing: a list, the program's absolute path first"},
		{checks.Script{Command: []string{"check.sh"}}, `command: "check.sh" is not an absolute path`},
		{checks.Script{Command: []string{plain}}, "command: " + plain + " is not an executable file"},
		{checks.Script{Command: []string{"/tmp"}}, "command: /tmp is not an executable file"},
		{checks.Script{Command: []string{plain + "x"}}, "command: stat " + plain + "x: no such file or directory"},
		{checks.Script{Command: []string{"/bin/true", "{adress}"}}, "command: no such placeholder: {adress}; there are {address} {port} {check}"},
		{checks.Script{Command: []string{"/bin/true", "a\x00b"}}, "command: holds a zero byte"},
		{checks.Script{Command: []string{"/bin/true"}, User: "no-such-user"}, "user: look up user: user: unknown user no-such-user"},
	} {
		errs := tt.check.Validate()
		if len(errs) != 1 || errs[0].Error() != tt.want {
			t.Errorf("%v, want %s", errs, tt.want)
		}
		want(t, try(t, &tt.check, app, time.Minute), checks.NotAsked, "this check's configuration was not validated")
	}
}

// A program always finds the variables, whatever its caller knows.
func TestScriptIsToldWhatIsNotKnown(t *testing.T) {
	c := ready(t, shell("echo $LVSD_VERDICT $LVSD_VRRP_STATE"))
	want(t, try(t, c, checks.Target{Check: "app"}, time.Minute), checks.Good, "exit 0: unknown none")
}
