package lab

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Net is a network of one test: hosts and bridges, each in namespaces that nothing else uses. (A destination deleted
// from IPVS stays in a list of its namespace for minutes, so namespaces are not used twice.)
type Net struct {
	t     T
	label string // that its namespaces' names end in
	home  netns.NsHandle
	wires *namespace // holds the bridges
	ports int
}

// nets counts the networks made, for their namespaces' names.
var nets atomic.Int64

// New makes an empty network, which ends with the test.
func New(t T) *Net {
	t.Helper()
	if !Inside() {
		t.Fatalf("make network: not in the lab; TestMain must call lab.Main")
	}
	home, err := netns.Get()
	if err != nil {
		t.Fatalf("make network: %v", err)
	}
	n := &Net{t: t, label: fmt.Sprintf(".%d", nets.Add(1)), home: home}
	t.Cleanup(func() { _ = home.Close() })
	n.wires = n.namespace("wires")
	quiet := func() error { return os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0) }
	if err := n.wires.do(quiet); err != nil {
		t.Fatalf("make network: %v", err)
	}
	return n
}

// namespace is a network namespace, named under /run/netns.
type namespace struct {
	name string // as in ip netns exec NAME
	fd   netns.NsHandle
	home netns.NsHandle
	nl   *netlink.Handle
}

// namespace makes a network namespace, its loopback up, which ends with the test.
func (n *Net) namespace(name string) *namespace {
	n.t.Helper()
	ns := &namespace{name: name + n.label, home: n.home}
	if err := ns.open(); err != nil {
		n.t.Fatalf("make namespace %s: %v", ns.name, err)
	}
	n.t.Cleanup(ns.close)
	return ns
}

func (ns *namespace) open() error {
	if err := ns.create(); err != nil {
		return err
	}
	nl, err := netlink.NewHandleAt(ns.fd, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	ns.nl = nl
	// IPVS refuses every server in a namespace whose loopback is down: it has no table of local addresses.
	lo, err := nl.LinkByName("lo")
	if err != nil {
		return err
	}
	return nl.LinkSetUp(lo)
}

// create makes the namespace and comes back from it.
func (ns *namespace) create() error {
	runtime.LockOSThread()
	fd, err := netns.NewNamed(ns.name)
	if err != nil {
		return err
	}
	ns.fd = fd
	return leave(ns.home)
}

// do runs f on a thread that is in the namespace: sockets that f opens and processes that it starts belong to it, while
// goroutines that it starts do not.
func (ns *namespace) do(f func() error) error {
	runtime.LockOSThread()
	if err := netns.Set(ns.fd); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter namespace %s: %w", ns.name, err)
	}
	err := f()
	if back := leave(ns.home); back != nil {
		return back
	}
	return err
}

// leave takes the calling thread home. A thread that cannot go stays locked to its goroutine and ends with it.
func leave(home netns.NsHandle) error {
	if err := netns.Set(home); err != nil {
		return fmt.Errorf("leave namespace: %w", err)
	}
	runtime.UnlockOSThread()
	return nil
}

func (ns *namespace) close() {
	if ns.nl != nil {
		ns.nl.Close()
	}
	_ = netns.DeleteNamed(ns.name)
	_ = ns.fd.Close()
}

// buffer is what a process printed so far.
type buffer struct {
	mu   sync.Mutex
	text []byte
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p...)
	return len(p), nil
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.text)
}
