package vip

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// peer is a network namespace with the other end of a wire.
type peer struct {
	t   *testing.T
	pid int
}

// wire makes a link v0 in this namespace, with 192.0.2.1 and 2001:db8::1, whose other end v1 with 192.0.2.2 and 2001:db8::2
// is a peer's.
func wire(t *testing.T) peer {
	t.Helper()
	c := exec.Command("sleep", "600") // without Pdeathsig, which would come with the end of a thread of ours
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		_ = exec.Command("ip", "link", "del", "v0").Run()
	})
	p := peer{t, c.Process.Pid}
	p.plug()
	return p
}

// plug makes the wire.
func (p peer) plug() {
	p.t.Helper()
	sh(p.t, fmt.Sprintf(`ip link set lo up
		ip link add v0 address 02:00:00:00:00:01 type veth peer name v1 address 02:00:00:00:00:02 netns %d
		ip link set v0 addrgenmode none
		ip link set v0 up
		ip addr add 192.0.2.1/24 dev v0
		ip addr add fe80::1/64 dev v0 nodad
		ip addr add 2001:db8::1/64 dev v0 nodad`, p.pid))
	p.sh(`ip link set lo up; ip link set v1 up
		ip addr add 192.0.2.2/24 dev v1
		ip addr add 2001:db8::2/64 dev v1 nodad`)
}

// sh runs a shell command at the peer.
func (p peer) sh(command string) string {
	p.t.Helper()
	return run(p.t, exec.Command("nsenter", "-t", fmt.Sprint(p.pid), "-n", "sh", "-ec", command))
}

// reach fails the test if the peer does not get an answer from an address within a second: nobody listens there.
func (p peer) reach(addr string) {
	p.t.Helper()
	p.sh("timeout 1 bash -c '</dev/tcp/" + addr + "/9' 2>&1 | grep -q refused")
}

// send sends a frame from the peer's v1, as if some host there had.
func (p peer) send(b []byte) {
	p.t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		done <- func() error {
			ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", p.pid))
			if err != nil {
				return err
			}
			defer ns.Close()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			v1, err := net.InterfaceByName("v1")
			if err != nil {
				return err
			}
			fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Sendto(fd, b, 0, newFrame(v1.Index, b).to)
		}()
	}()
	if err := <-done; err != nil {
		p.t.Fatal(err)
	}
}

// sh runs a shell command in this namespace.
func sh(t *testing.T, command string) string {
	t.Helper()
	return run(t, exec.Command("sh", "-ec", command))
}

func run(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v: %s", c.Args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// reports are what a keeper reported.
type reports struct {
	mu  sync.Mutex
	all []Report
}

func (r *reports) add(x Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, x)
}

// of gives the reports of a kind.
func (r *reports) of(kind ReportKind) []Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.all), func(x Report) bool { return x.Kind != kind })
}

func (r *reports) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = nil
}

// open begins to keep, for as long as the test runs. After it nothing may be left running.
func open(t *testing.T) (*Keeper, *reports) {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	r := &reports{}
	k, err := Open(r.add)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		k.Close()
		goleak.VerifyNone(t, leaks)
	})
	return k, r
}

// eventually waits until ok, and fails when it takes too long.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v\n%s", what, within, run(t, exec.Command("ip", "addr")))
		}
	}
}

// has tells whether an interface has an address, by asking the kernel anew.
func has(t *testing.T, link, prefix string) bool {
	t.Helper()
	r, err := newRequester()
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	links, err := r.links()
	if err != nil {
		t.Fatal(err)
	}
	addrs, err := r.addrs()
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(addrs, func(a addrInfo) bool {
		return links[a.index].name == link && a.prefix == netip.MustParsePrefix(prefix)
	})
}

// want is a want of addresses on v0, leased for a second.
func want(held bool, prefixes ...string) Want {
	w := Want{Held: held, Lease: time.Second, Renew: 300 * time.Millisecond}
	for _, p := range prefixes {
		w.Addresses = append(w.Addresses, Address{Prefix: netip.MustParsePrefix(p), Link: "v0"})
	}
	return w
}
