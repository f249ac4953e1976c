package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rs/zerolog"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/link"
)

const vrrpTestEnv = "LVSD_TEST_VRRP" // what the test binary is to be: run or resign

// vrrpProgram makes the test binary the program that its environment asks for.
func vrrpProgram() bool {
	dir := os.Args[len(os.Args)-1]
	switch os.Getenv(vrrpTestEnv) {
	case "run":
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		signals, reload := make(chan os.Signal, 1), make(chan struct{})
		signal.Notify(signals, syscall.SIGHUP)
		go func() {
			for range signals {
				reload <- struct{}{}
			}
		}()
		o := VRRPOptions{Config: filepath.Join(dir, "lvsd.toml"), Dir: filepath.Join(dir, "run"), Version: "v0", Log: zerolog.New(os.Stderr)}
		if err := RunVRRP(ctx, o, reload); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return true
	case "resign":
		names, err := ResignVRRP(filepath.Join(dir, "run"), true)
		fmt.Println(names, err)
		return true
	}
	return false
}

// vrrpSite is a network namespace with a vrrp process in it.
type vrrpSite struct {
	*testing.T
	dir   string
	space string
	cmd   *exec.Cmd
	log   *lockedBuffer
	ended chan error
}

func newVRRPSite(t *testing.T) *vrrpSite {
	t.Helper()
	dir, err := os.MkdirTemp("", "vrrp")
	if err != nil {
		t.Fatal(err)
	}
	s := &vrrpSite{T: t, dir: dir, space: filepath.Base(dir)}
	s.install()
	s.ip("netns", "add", s.space)
	t.Cleanup(func() {
		s.kill()
		s.ip("netns", "del", s.space)
		_ = os.RemoveAll(dir)
	})
	s.ip("-n", s.space, "link", "add", "eth0", "type", "veth", "peer", "name", "far0")
	s.ip("-n", s.space, "addr", "add", "198.51.100.101/24", "dev", "eth0")
	for _, port := range []string{"lo", "eth0", "far0"} {
		s.ip("-n", s.space, "link", "set", port, "up")
	}
	return s
}

func (s *vrrpSite) binary() string { return filepath.Join(s.dir, "lvsd") }

// install puts the program in its place, as an upgrade does.
func (s *vrrpSite) install() {
	s.Helper()
	program, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(s.binary()+".new", program, 0o755)
	}
	if err == nil {
		err = os.Rename(s.binary()+".new", s.binary())
	}
	if err != nil {
		s.Fatal(err)
	}
}

// damage puts something else in the program's place.
func (s *vrrpSite) damage() {
	s.Helper()
	err := os.WriteFile(s.binary()+".new", []byte("no program"), 0o755)
	if err == nil {
		err = os.Rename(s.binary()+".new", s.binary())
	}
	if err != nil {
		s.Fatal(err)
	}
}

func (s *vrrpSite) ip(arg ...string) string {
	s.Helper()
	out, err := exec.Command("ip", arg...).CombinedOutput()
	if err != nil {
		s.Fatalf("ip %s: %v: %s", strings.Join(arg, " "), err, out)
	}
	return string(out)
}

func (s *vrrpSite) configure(text string) {
	s.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "lvsd.toml"), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

// router is a configuration with one virtual router.
func (s *vrrpSite) router(vips ...string) {
	s.configure(fmt.Sprintf("name = 'lvs-a'\nstate = %q\naudit = { file = %q }\n[[vrrp]]\nname = 'VI_1'\ninterface = 'eth0'\n"+
		"id = 51\npriority = 100\nadvertise = '1s'\nvips = ['%s']\n", s.dir, filepath.Join(s.dir, "audit.log"), strings.Join(vips, "', '")))
}

func (s *vrrpSite) program(mode string) *exec.Cmd {
	cmd := exec.Command("ip", "netns", "exec", s.space, s.binary(), s.dir)
	cmd.Env = append(os.Environ(), vrrpTestEnv+"="+mode)
	return cmd
}

func (s *vrrpSite) start() {
	s.log, s.ended = &lockedBuffer{}, make(chan error, 1)
	s.cmd = s.program("run")
	s.cmd.Stderr = s.log
	if err := s.cmd.Start(); err != nil {
		s.Fatal(err)
	}
	cmd, ended := s.cmd, s.ended
	go func() { ended <- cmd.Wait() }()
}

// kill ends the process as an accident would.
func (s *vrrpSite) kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.ended
	s.cmd = nil
}

func (s *vrrpSite) link() string { return LinkPath(filepath.Join(s.dir, "run")) }

func (s *vrrpSite) state() *link.State {
	ctx, cancel := context.WithTimeout(s.Context(), time.Second)
	defer cancel()
	state, err := ask(ctx, s.link())
	if err != nil {
		return &link.State{}
	}
	return state
}

func (s *vrrpSite) eventually(what string, done func(*link.State) bool) *link.State {
	s.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		state := s.state()
		if done(state) {
			return state
		}
		if time.Now().After(deadline) {
			s.Fatalf("not within 20 s: %s: %+v\n%s", what, state, s.log)
		}
	}
}

func (s *vrrpSite) has(vip string) bool {
	return strings.Contains(s.ip("-n", s.space, "-o", "addr", "show", "dev", "eth0"), " "+vip+" ")
}

func isMaster(st *link.State) bool { return len(st.Routers) == 1 && st.Routers[0].State == "master" }

// One director's life: a start, reloads, accidents and a stop. The VIP is there from the first mastership to the first
// accident that nobody resumes from, without a transition.
func TestVRRPLife(t *testing.T) {
	s := newVRRPSite(t)
	s.router("198.51.100.10/32")
	s.start()
	first := s.eventually("master", func(st *link.State) bool { return isMaster(st) && s.has("198.51.100.10/32") })
	if first.PID != s.cmd.Process.Pid || first.RealTime != "fifo 50" {
		t.Errorf("process %d with %q, want %d with fifo 50", first.PID, first.RealTime, s.cmd.Process.Pid)
	}
	second := s.program("run")
	if out, err := second.CombinedOutput(); err == nil || !strings.Contains(string(out), "another lvsd vrrp run") {
		t.Errorf("a second one: %v: %s", err, out)
	}

	s.router("198.51.100.10/32", "198.51.100.11/32")
	done, err := ReloadVRRP(t.Context(), filepath.Join(s.dir, "lvsd.toml"), s.link())
	if err != nil {
		t.Fatalf("reload: %v\n%s", err, s.log)
	}
	s.same("reload", first, done.State)
	if !s.has("198.51.100.10/32") {
		t.Error("the VIP is gone after the reload")
	}
	s.eventually("the new VIP", func(*link.State) bool { return s.has("198.51.100.11/32") })
	s.router("198.51.100.10/32", "198.51.100.11/32", "198.51.100.12/32")
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	again := s.eventually("the VIP of the SIGHUP", func(*link.State) bool { return s.has("198.51.100.12/32") })
	s.same("SIGHUP", first, again)
	if !again.Image.Equal(first.Image) {
		t.Error("it was executed anew though its program is the same")
	}

	s.configure("this is no TOML")
	if _, err := ReloadVRRP(t.Context(), filepath.Join(s.dir, "lvsd.toml"), s.link()); err == nil {
		t.Error("a bad file was taken")
	} else if _, ok := errors.AsType[*config.Errors](err); !ok {
		t.Errorf("a bad file: %v", err)
	}
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.eventually("SIGHUP refused", func(*link.State) bool { return strings.Contains(s.log.String(), "reload refused") })
	if !s.has("198.51.100.12/32") {
		t.Error("a bad file changed the VIPs")
	}

	s.kill()
	s.start() // with the bad file
	resumed := s.eventually("resumed", func(st *link.State) bool { return st.PID != 0 })
	if !isMaster(resumed) || !s.has("198.51.100.10/32") || !s.has("198.51.100.11/32") {
		t.Errorf("after the accident: %+v\n%s", resumed.Routers, s.log)
	}
	if n := resumed.Routers[0].Transitions; n != 0 {
		t.Errorf("%d transitions after the accident", n)
	}
	s.eventually("told of the bad file", func(*link.State) bool { return strings.Contains(s.log.String(), "goes on with the one accepted last") })

	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-s.ended:
		if err != nil {
			t.Errorf("stopped: %v\n%s", err, s.log)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("it does not stop\n%s", s.log)
	}
	s.cmd = nil
	if s.has("198.51.100.10/32") || s.has("198.51.100.11/32") {
		t.Error("VIPs are left after a stop")
	}
	if _, err := os.Stat(s.link()); err == nil {
		t.Error("the socket is left after a stop")
	}
}

// same wants a state of the same process, still master, without a transition.
func (s *vrrpSite) same(what string, before, after *link.State) {
	s.Helper()
	if after.PID != before.PID || !after.Started.Equal(before.Started) {
		s.Errorf("%s: process %d started %v image %v, before %d %v %v", what, after.PID, after.Started, after.Image, before.PID, before.Started, before.Image)
	}
	if !isMaster(after) || after.Routers[0].Transitions != before.Routers[0].Transitions || !after.Routers[0].Since.Equal(before.Routers[0].Since) {
		s.Errorf("%s: %+v, before %+v", what, after.Routers, before.Routers)
	}
}

// A reload goes on by the program that is on disk, and by the one that runs if that cannot be executed.
func TestVRRPUpgrade(t *testing.T) {
	s := newVRRPSite(t)
	s.router("198.51.100.10/32")
	s.start()
	before := s.eventually("master", func(st *link.State) bool { return isMaster(st) && s.has("198.51.100.10/32") })
	file := filepath.Join(s.dir, "lvsd.toml")
	program := func() string {
		path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", before.PID))
		if err != nil {
			t.Fatal(err)
		}
		return path
	}

	s.damage()
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.eventually("told that it failed", func(*link.State) bool { return strings.Contains(s.log.String(), "reload failed") })
	after := s.eventually("it answers", func(st *link.State) bool { return st.PID == before.PID })
	if !isMaster(after) || after.Routers[0].Transitions != before.Routers[0].Transitions || !after.Image.Equal(before.Image) || !s.has("198.51.100.10/32") {
		t.Errorf("after a program that cannot be executed: %+v\n%s", after, s.log)
	}

	s.install()
	if got := program(); got != s.binary()+" (deleted)" {
		t.Errorf("the program before the upgrade is %q", got)
	}
	done, err := ReloadVRRP(t.Context(), file, s.link())
	if err != nil {
		t.Fatalf("upgrade: %v\n%s", err, s.log)
	}
	s.same("upgrade", before, done.State)
	if !done.State.Image.After(before.Image) {
		t.Error("the image is the same")
	}
	if got := program(); got != s.binary() {
		t.Errorf("the program after the upgrade is %q", got)
	}
}

// Somebody speaks for a master that died, once, and only if nobody resumes.
func TestVRRPResign(t *testing.T) {
	s := newVRRPSite(t)
	s.router("198.51.100.10/32")
	s.start()
	s.eventually("master", func(st *link.State) bool { return isMaster(st) && s.has("198.51.100.10/32") })
	resign := func(env, want string) {
		t.Helper()
		cmd := s.program("resign")
		cmd.Env = append(cmd.Env, env)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("resign: %v: %s, want %q", err, out, want)
		}
	}
	resign("", "another lvsd vrrp run")
	s.kill()
	resign("SERVICE_RESULT=signal", "a restart can resume")
	if !s.has("198.51.100.10/32") {
		t.Error("the VIP was taken off though a restart can resume")
	}
	resign("SERVICE_RESULT=start-limit-hit", "[VI_1] <nil>")
	if s.has("198.51.100.10/32") {
		t.Error("the VIP is still there")
	}
	resign("SERVICE_RESULT=start-limit-hit", "no master in this boot")
	s.start()
	if st := s.eventually("started", func(st *link.State) bool { return len(st.Routers) == 1 }); st.Routers[0].State != "backup" {
		t.Errorf("resumed after it was spoken for: %+v", st.Routers)
	}
}

func TestVRRPStartsWithoutRouters(t *testing.T) {
	s := newVRRPSite(t)
	s.configure(fmt.Sprintf("name = 'lvs-a'\nstate = %q\naudit = { file = %q }\n", s.dir, filepath.Join(s.dir, "audit.log")))
	s.start()
	s.eventually("it answers", func(st *link.State) bool { return st.Node == "lvs-a" })
	s.router("198.51.100.10/32")
	if _, err := ReloadVRRP(t.Context(), filepath.Join(s.dir, "lvsd.toml"), s.link()); err != nil {
		t.Errorf("reload: %v\n%s", err, s.log)
	}
	s.eventually("a router", func(st *link.State) bool { return len(st.Routers) == 1 })
}

func TestStartConfig(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "lvsd.toml")
	if err := os.WriteFile(file, []byte("nme = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := startConfig(file, dir); err == nil || !strings.Contains(err.Error(), "lvsd.toml:1") {
		t.Errorf("a bad file with nothing kept: %v", err)
	}
	want := &link.Config{Node: "lvs-a", Routers: []link.Router{{Name: "VI_1", Password: "secret"}}}
	if err := writeAccepted(dir, want); err != nil {
		t.Fatal(err)
	}
	got, trouble, err := startConfig(file, dir)
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); err != nil || diff != "" || !strings.Contains(trouble, "lvsd.toml:1") {
		t.Errorf("%v, %q (-want +got):\n%s", err, trouble, diff)
	}
	if info, err := os.Stat(filepath.Join(dir, acceptedFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v: passwords are in it", info.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(dir, acceptedFile), []byte(`{"format":9}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := startConfig(file, dir); err == nil || !strings.Contains(err.Error(), "format 9") {
		t.Errorf("kept by another lvsd: %v", err)
	}
}

func TestFastAdvertsNeedRealTime(t *testing.T) {
	c := &link.Config{Routers: []link.Router{{Name: "VI_1", Interval: 100 * time.Millisecond}, {Name: "VI_2", Interval: 10 * time.Millisecond}}}
	fifo, nice := realTime{true, "fifo 50"}, realTime{false, "nice -20, no real time"}
	for _, tt := range []struct {
		rt    realTime
		force bool
		n     int // routers
		want  string
	}{
		{fifo, false, 2, ""},
		{nice, true, 2, ""},
		{nice, false, 1, ""},
		{nice, false, 2, "vrrp VI_2: adverts every 10ms need real time, and this process has nice -20"},
	} {
		err := checkSpeed(&link.Config{Routers: c.Routers[:tt.n]}, tt.rt, tt.force)
		if (tt.want == "") != (err == nil) || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt, err, tt.want)
		}
	}
}

func TestHandoffIsNotForOperators(t *testing.T) {
	for _, value := range []string{"", "x", "0", "77"} {
		t.Setenv(handoffEnv, value)
		if h, err := inherited(); err == nil || h != nil {
			t.Errorf("%q: %+v", value, h)
		}
	}
	if _, err := inherited(); err != nil { // unset by the one before
		t.Error(err)
	}
}
