package link

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// addresses are compared as values.
var addresses = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

func TestAskAndAct(t *testing.T) {
	p := newProcess(t)
	p.state = State{Version: "v1", Node: "lvs-a", PID: 7, Routers: []RouterState{{Name: "VI_1", State: "master"}}}
	p.start(t)
	c := dial(t, p.path)
	reply, err := c.Do(t.Context(), Message{Ask: true})
	if err != nil || reply.State == nil || !reply.OK {
		t.Fatalf("ask: %+v, %v", reply, err)
	}
	if diff := cmp.Diff(p.backend().State(), reply.State, addresses); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, tt := range []struct {
		ask  Message
		want string
	}{
		{Message{Prepare: &Config{Node: "a"}}, ""},
		{Message{Apply: &Config{Node: "b"}}, "interface eth7 is missing"},
		{Message{Reexec: &Config{Node: "c"}}, ""},
		{Message{Handover: &Handover{Router: "VI_1", By: "uid 0"}}, ""},
		{Message{}, "does not know"},
	} {
		_, err := c.Do(t.Context(), tt.ask)
		refused, _ := errors.AsType[*Refused](err)
		if (tt.want == "") != (err == nil) || err != nil && (refused == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%+v: %v, want %q", tt.ask, err, tt.want)
		}
	}
	if diff := cmp.Diff([]string{"prepare a", "apply b", "reexec c", "handover VI_1 by uid 0"}, p.requests()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A configuration and a state of any size that an operator may have go through.
func TestLargeMessages(t *testing.T) {
	p := newProcess(t)
	for i := range 255 {
		r := RouterState{Name: fmt.Sprint("VI_", i)}
		for j := range 100 {
			r.VIPs = append(r.VIPs, fmt.Sprintf("2001:db8:%x::%x/128 dev eth0", i, j))
		}
		p.state.Routers = append(p.state.Routers, r)
	}
	p.start(t)
	reply, err := dial(t, p.path).Do(t.Context(), Message{Ask: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p.state.Routers, reply.State.Routers, addresses); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, err = dial(t, p.path).Do(t.Context(), Message{Prepare: &Config{Node: strings.Repeat("x", MaxMessage)}})
	if err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a message above the bound: %v", err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	p := newProcess(t)
	if _, err := Dial(t.Context(), p.path); !errors.Is(err, ErrNoAnswer) || !strings.Contains(err.Error(), "does not run") {
		t.Errorf("nobody there: %v", err)
	}
	s, err := Listen(p.path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := dial(t, p.path)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Do(ctx, Message{Ask: true}); !errors.Is(err, ErrNoAnswer) || !strings.Contains(err.Error(), "in time") {
		t.Errorf("one that does not answer: %v", err)
	}
	if _, err := c.Do(t.Context(), Message{Ask: true}); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("once more on the same connection: %v", err)
	}
}

func TestListenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := dir + "/link.sock"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file:                                 "not a socket",
		dir + "/" + strings.Repeat("x", 100): "at most 107 bytes",
		"/proc/nowhere/link.sock":            "make directory",
	} {
		if s, err := Listen(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %q", path, s, err, want)
		}
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

// Who breaks the rules is cut off, and the others are answered.
func TestHostileCallers(t *testing.T) {
	p := newProcess(t)
	p.start(t)
	for name, packets := range map[string][][]byte{
		"no mark":       {[]byte(`{"ask":true}`)},
		"no JSON":       {[]byte(`.{"ask":`)},
		"wrong type":    {[]byte(`.{"ask":7}`)},
		"a long packet": {append([]byte{partLast}, make([]byte, MaxPacket)...)},
		"no end": func() (all [][]byte) {
			for range MaxMessage/MaxPacket + 2 {
				all = append(all, append([]byte{partMore}, make([]byte, MaxPacket-1)...))
			}
			return all
		}(),
	} {
		c := dial(t, p.path).wire.conn
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		for _, b := range packets {
			if _, err := c.Write(b); err != nil {
				break
			}
		}
		if n, err := c.Read(make([]byte, 10)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: read %d bytes, %v; want to be cut off", name, n, err)
		}
	}
	if _, err := dial(t, p.path).Do(t.Context(), Message{Ask: true}); err != nil {
		t.Error(err)
	}
}

func TestTooManyCallers(t *testing.T) {
	p := newProcess(t)
	p.start(t)
	for range trustedPlaces {
		if _, err := dial(t, p.path).Do(t.Context(), Message{Ask: true}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := dial(t, p.path).Do(t.Context(), Message{Ask: true}); !errors.Is(err, ErrNoAnswer) || !strings.Contains(err.Error(), "too many callers") {
		t.Errorf("one more: %v", err)
	}
}

// A socket that goes through an exec serves those who connected meanwhile.
func TestInherit(t *testing.T) {
	p := newProcess(t)
	old, err := Listen(p.path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := old.File()
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, p.path)
	if p.server, err = Inherit(f); err != nil {
		t.Fatal(err)
	}
	_ = old.Close()
	if _, err := os.Stat(p.path); err != nil {
		t.Errorf("the path went with the old server: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.server.Serve(ctx, p.backend()) }()
	if _, err := c.Do(t.Context(), Message{Ask: true}); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(p.path); err == nil {
		t.Error("the socket's path is left behind")
	}
	f, err = os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Inherit(f); err == nil {
		t.Error("a file that is no socket was taken")
	}
}

const strangerEnv = "LINK_TEST_STRANGER"

// stranger is another user's program: it tells what became of its requests, on standard output.
func stranger(path string) {
	ctx := context.Background()
	for _, m := range []Message{{Ask: true}, {Apply: &Config{}}, {Follow: new(uint64)}, {Word: &Word{Ready: true}}} {
		c, err := Dial(ctx, path)
		if err != nil {
			fmt.Println(err)
			continue
		}
		_, err = c.Do(ctx, m)
		fmt.Println(err)
		_ = c.Close()
	}
}

func TestStrangersMayOnlyAsk(t *testing.T) {
	p := newProcess(t)
	p.start(t)
	if info, err := os.Stat(p.path); err != nil || info.Mode().Perm() != 0o660 {
		t.Fatalf("mode %v, %v; want 0660", info.Mode(), err)
	}
	if err := os.Chmod(p.path, 0o666); err != nil { // as for one of lvsd's group
		t.Fatal(err)
	}
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	file := strings.TrimSuffix(p.path, "run/link.sock") + "stranger"
	if err := os.WriteFile(file, program, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(file, p.path)
	cmd.Env = []string{strangerEnv + "=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 4 || lines[0] != "<nil>" {
		t.Fatalf("%q", lines)
	}
	for _, l := range lines[1:] {
		if !strings.Contains(l, "uid 65534 may only ask") {
			t.Error(l)
		}
	}
	if len(p.heard()) != 0 || len(p.requests()) != 0 {
		t.Errorf("the backend was told %v %v", p.heard(), p.requests())
	}
}

func TestChangedAllocatesNothing(t *testing.T) {
	p := newProcess(t)
	p.start(t)
	if n := testing.AllocsPerRun(1000, p.server.Changed); n >= 1 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"id":1,"ask":true}`))
	f.Add([]byte(`{"word":{"ready":true,"reasons":{"VI_1":[{"words":"check app","weight":-20}]}},"new_field":[1]}`))
	f.Add([]byte(`{"apply":{"routers":[{"name":"VI_1","vips":[{"Prefix":"198.51.100.10/32"}],"peers":["::1"]}]}}`))
	f.Add([]byte(`{"follow":3,"state":{"at":"2026-01-02T03:04:05Z"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decode(b)
		if err != nil {
			return
		}
		near, far := pipe(t)
		if err := near.send(m); err != nil {
			if bytes.Contains([]byte(err.Error()), []byte("encode")) { // a time that JSON cannot have was not decoded either
				t.Fatal(err)
			}
			return
		}
		again, err := far.receive()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, again, addresses, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-sent +received):\n%s", diff)
		}
	})
}

// pipe is a connection with both ends here.
func pipe(t *testing.T) (near, far *wire) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*wire
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pipe")
		c, err := net.FileConn(f)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		ends[i] = newWire(c.(*net.UnixConn), MaxMessage)
	}
	return ends[0], ends[1]
}
