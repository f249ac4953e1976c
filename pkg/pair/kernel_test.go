package pair

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vip"
)

// host is a network namespace in which a director may run as a process of its own.
type host struct {
	t      *testing.T
	name   string
	dir    string
	pid    int // of what keeps the namespace
	config link.Config
	cmd    *exec.Cmd
	in     *json.Encoder
	out    *json.Decoder
}

// hosts makes two directors' hosts with a wire eth0 between them.
func hosts(t *testing.T) (a, b *host) {
	t.Helper()
	a, b = newHost(t, "a", 150), newHost(t, "b", 100)
	sh(t, fmt.Sprintf("ip link add pa netns %d type veth peer name pb netns %d", a.pid, b.pid))
	for i, h := range []*host{a, b} {
		h.sh(fmt.Sprintf(`ip link set lo up; ip link set p%s name eth0; ip link set eth0 addrgenmode none; ip link set eth0 up
			ip addr add 198.51.100.%d/24 dev eth0; ip addr add fe80::%d/64 dev eth0 nodad`, h.name, 101+i, 101+i))
	}
	return a, b
}

func newHost(t *testing.T, name string, priority uint8) *host {
	t.Helper()
	c := exec.Command("sleep", "infinity")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	faster := func(r *link.Router) {
		r.Interval, r.Group, r.Lease = 500*time.Millisecond, "G", time.Second
	}
	six := func(r *link.Router) {
		r.Name, r.Family, r.ID = "VI_6", 6, 52
		r.VIPs = []vip.Address{
			{Prefix: netip.MustParsePrefix("2001:db8::10/128"), Link: "eth0"}, {Prefix: netip.MustParsePrefix("fe80::10/128"), Link: "eth0"},
		}
	}
	return &host{t: t, name: name, dir: t.TempDir(), pid: c.Process.Pid, config: link.Config{
		Node: name, Routers: []link.Router{vi(priority, faster), vi(priority, faster, six)},
	}}
}

func sh(t *testing.T, command string) string {
	t.Helper()
	return output(t, exec.Command("sh", "-ec", command))
}

// sh runs a shell command there.
func (h *host) sh(command string) string {
	h.t.Helper()
	return output(h.t, h.command("sh", "-ec", command))
}

func (h *host) command(args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"-t", fmt.Sprint(h.pid), "-n"}, args...)...)
}

func output(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v: %s", c.Args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// start runs a director there.
func (h *host) start() {
	h.t.Helper()
	text, err := json.Marshal(h.config)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.dir, "config"), text, 0o600); err != nil {
		h.t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		h.t.Fatal(err)
	}
	c := h.command(self)
	c.Env = append(os.Environ(), director+"="+h.dir)
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := c.StdinPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.cmd, h.in, h.out = c, json.NewEncoder(in), json.NewDecoder(io.LimitReader(out, 1<<24))
	h.t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
}

// end sends a signal and waits for the end.
func (h *host) end(s os.Signal) {
	h.t.Helper()
	if err := h.cmd.Process.Signal(s); err != nil {
		h.t.Fatal(err)
	}
	if err := h.cmd.Wait(); err != nil && s == syscall.SIGTERM {
		h.t.Fatalf("%s ends: %v", h.name, err)
	}
}

func (h *host) ask(m link.Message) link.Message {
	h.t.Helper()
	var reply link.Message
	if err := h.in.Encode(m); err != nil {
		h.t.Fatal(err)
	}
	if err := h.out.Decode(&reply); err != nil {
		h.t.Fatalf("%s answers: %v", h.name, err)
	}
	return reply
}

// state gives "master master" of the two routers.
func (h *host) state() string {
	h.t.Helper()
	reply := h.ask(link.Message{Ask: true})
	if reply.Error != "" {
		h.t.Fatalf("%s: %s", h.name, reply.Error)
	}
	var states []string
	for _, r := range reply.State.Routers {
		states = append(states, r.State)
	}
	return strings.Join(states, " ")
}

// addresses gives the VIPs that the kernel has there.
func (h *host) addresses() string {
	h.t.Helper()
	return h.sh(`ip -o addr show dev eth0 | awk '{print $4}' | grep -E '^(198.51.100.10|2001:db8::10|fe80::10)/' | sort | xargs`)
}

const allVIPs = "198.51.100.10/32 2001:db8::10/128 fe80::10/128"

// until waits for something.
func (h *host) until(what, want string, get func() string) {
	h.t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for got := ""; ; time.Sleep(20 * time.Millisecond) {
		if got = get(); got == want {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("%s: %s is %q, want %q", h.name, what, got, want)
		}
	}
}

func (h *host) becomes(state string) {
	h.t.Helper()
	h.until("state", state+" "+state, h.state)
	vips := ""
	if state == "master" {
		vips = allVIPs
	}
	h.until("VIPs", vips, h.addresses)
}

// moves counts the transitions that it knows of.
func (h *host) moves() int { h.t.Helper(); return len(h.ask(link.Message{Ask: true}).Transitions) }

// A pair of processes on a wire: takeover, handover, death, return and end.
func TestKernelPair(t *testing.T) {
	a, b := hosts(t)
	a.start()
	a.becomes("master")
	b.start()
	b.becomes("backup")

	if reply := a.ask(link.Message{Handover: &link.Handover{By: "test"}}); reply.Error != "" {
		t.Fatal(reply.Error)
	}
	b.becomes("master")
	a.becomes("backup")

	b.end(os.Kill)
	b.until("VIPs", "", b.addresses) // by the lease alone
	a.becomes("master")
	b.sh("ip addr add 198.51.100.10/32 dev eth0") // stale ones are taken off at the start
	b.start()
	b.becomes("backup")

	a.end(syscall.SIGTERM)
	if vips := a.addresses(); vips != "" {
		t.Errorf("the one that ended left %s", vips)
	}
	b.becomes("master")
	if reply := b.ask(link.Message{Handover: &link.Handover{By: "test"}}); !strings.Contains(reply.Error, "still master") {
		t.Errorf("a handover to nobody says %q", reply.Error)
	}
	b.becomes("master")
}

// A master that is killed and comes back, or is replaced in place, is not missed.
func TestKernelResume(t *testing.T) {
	a, b := hosts(t)
	a.start()
	a.becomes("master")
	b.start()
	b.becomes("backup")
	moves := b.moves()
	for range 3 {
		a.end(os.Kill)
		a.start()
		if s := a.state(); s != "master master" {
			t.Fatalf("after its death it is %s", s)
		}
		if vips := a.addresses(); vips != allVIPs {
			t.Errorf("after its death it has %s", vips)
		}
	}
	for range 3 {
		pid := a.ask(link.Message{Ask: true}).State.PID
		if reply := a.ask(link.Message{Reexec: &link.Config{}}); !reply.OK {
			t.Fatal(reply.Error)
		}
		reply := a.ask(link.Message{Ask: true})
		if reply.State.PID != pid || reply.State.Routers[0].State != "master" {
			t.Fatalf("replaced it is %+v", reply.State)
		}
	}
	if n := b.moves(); n != moves {
		t.Errorf("the peer moved: %d transitions, %d before", n, moves)
	}
	a.becomes("master")
}

// Somebody speaks for a master that is dead: its peer need not wait for the silence.
func TestKernelResign(t *testing.T) {
	a, b := hosts(t)
	for _, h := range []*host{a, b} {
		for i := range h.config.Routers {
			h.config.Routers[i].Interval, h.config.Routers[i].Lease = 2*time.Second, 0
		}
	}
	b.config.Routers[0].Priority, b.config.Routers[1].Priority = 250, 250 // its skew is short
	a.start()
	a.becomes("master")
	b.start()
	b.until("state", "backup backup", b.state)
	resign := func() string {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		c := a.command(self)
		c.Env = append(os.Environ(), director+"="+a.dir, "LVSD_PAIR_TEST_RESIGN=1")
		return output(t, c)
	}
	a.until("what b heard", "198.51.100.101", func() string { return b.ask(link.Message{Ask: true}).State.Routers[0].Peer.String() })
	a.end(os.Kill)
	if vips := a.addresses(); vips != allVIPs {
		t.Fatalf("without a lease the dead one still has %q", vips)
	}
	at := time.Now()
	if got := resign(); got != `["VI_1","VI_6"]` {
		t.Errorf("resigned is %s", got)
	}
	b.becomes("master")
	if took := time.Since(at); took > 3*time.Second {
		t.Errorf("the peer took over only after %v", took)
	}
	if vips := a.addresses(); vips != "" {
		t.Errorf("the dead one still has %s", vips)
	}
	if got := resign(); got != "null" {
		t.Errorf("resigned again is %s", got)
	}
}

// VIPs change on a live master, and none is missing meanwhile.
func TestKernelApply(t *testing.T) {
	a, _ := hosts(t)
	a.start()
	a.becomes("master")
	cfg := a.config
	cfg.Routers = append([]link.Router{}, cfg.Routers...)
	cfg.Routers[0].VIPs = append([]vip.Address{{Prefix: netip.MustParsePrefix("198.51.100.20/32"), Link: "eth0"}}, cfg.Routers[0].VIPs...)
	if reply := a.ask(link.Message{Apply: &cfg}); reply.Error != "" {
		t.Fatal(reply.Error)
	}
	a.until("the new VIP", "1", func() string { return a.sh("ip -o addr show dev eth0 | grep -c 198.51.100.20/32 || true") })
	a.becomes("master")
	cfg.Routers = cfg.Routers[1:]
	if reply := a.ask(link.Message{Apply: &cfg}); reply.Error != "" {
		t.Fatal(reply.Error)
	}
	a.until("VIPs", "2001:db8::10/128 fe80::10/128", a.addresses)
	a.until("state", "master", a.state)
	a.end(syscall.SIGTERM)
	if vips := a.addresses(); vips != "" {
		t.Errorf("it left %s", vips)
	}
}
