package checks_test

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/checks"
)

// The same errno comes from this host's own routes and from a router's ICMP; only the first means that the server was
// not asked. The test runs again in a network of its own: this host (10.0.0.1) and a router (10.0.0.2).
func TestUnreachable(t *testing.T) {
	if os.Getenv("IN_NETWORK") == "" {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestUnreachable$", "-test.v")
		cmd.Env = append(os.Environ(), "IN_NETWORK=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
		if os.Getuid() != 0 {
			cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	const limit = 10 * time.Second
	c := ready(t, &checks.TCP{})
	to := func(a string) checks.Target { return checks.Target{Addr: netip.MustParseAddrPort(a)} }
	want(t, try(t, c, to("192.0.2.1:80"), limit), checks.NotAsked, "this host has no route to it")
	want(t, try(t, c, to("[2001:db8::1]:80"), limit), checks.NotAsked, "…")

	network(t)
	for _, tt := range []struct {
		name, to string
		is       checks.Outcome
		reason   string
	}{
		{"router answers for itself", "10.0.0.2:80", checks.Refused, "connection refused"},
		{"router has no route", "192.0.2.1:80", checks.Refused, "unreachable, says ICMP: network is unreachable"},
		{"router refuses the host", "192.0.2.2:80", checks.NoAnswer, "no route to host: nobody answers ARP or ND, or a router says so"},
		{"nobody answers ARP", "10.0.0.9:80", checks.NoAnswer, "no route to host: nobody answers ARP or ND, or a router says so"},
		{"own unreachable route", "198.51.100.1:80", checks.NotAsked, "this host has no route to it"},
		{"own prohibit route", "198.51.100.2:80", checks.NotAsked, "this host does not allow it: permission denied"},
		{"own blackhole route", "198.51.100.3:80", checks.NotAsked, "this host cannot send to it: invalid argument"},
	} {
		t.Run(tt.name, func(t *testing.T) { want(t, try(t, c, to(tt.to), limit), tt.is, tt.reason) })
	}
	marked := to("10.0.0.2:80")
	marked.Mark, marked.Interface, marked.Source = 7, "host0", netip.MustParseAddr("10.0.0.1")
	want(t, try(t, c, marked, limit), checks.Refused, "connection refused")
	marked.Mark, marked.Interface = 8, "" // whose rule leads nowhere; bound to an interface, the kernel would take it as on-link
	want(t, try(t, c, marked, limit), checks.NotAsked, "this host has no route to it")

	// With one port to choose from the kernel connects a socket to itself. Nobody listens there.
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("40000 40000"), 0); err != nil {
		t.Fatal(err)
	}
	want(t, try(t, c, to("127.0.0.1:40000"), limit), checks.Refused, "connection refused")
}

// network sets up this host's network namespace, and a router in another one.
func network(t *testing.T) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "host0"}, PeerName: "router0"}))
	far := router(t)
	peer, err := netlink.LinkByName("router0")
	must(err)
	must(netlink.LinkSetNsFd(peer, int(far)))
	there, err := netlink.NewHandleAt(far)
	must(err)
	t.Cleanup(there.Close)
	here, err := netlink.NewHandle()
	must(err)
	t.Cleanup(here.Close)
	up := func(h *netlink.Handle, name, addr string) {
		t.Helper()
		link, err := h.LinkByName(name)
		must(err)
		a, err := netlink.ParseAddr(addr)
		must(err)
		must(h.AddrAdd(link, a))
		must(h.LinkSetUp(link))
	}
	lo, err := here.LinkByName("lo")
	must(err)
	must(here.LinkSetUp(lo)) // on which a host hears its own ICMP
	up(here, "host0", "10.0.0.1/24")
	up(there, "router0", "10.0.0.2/24")
	route := func(h *netlink.Handle, to string, kind int, gateway net.IP) {
		t.Helper()
		_, dst, err := net.ParseCIDR(to)
		must(err)
		must(h.RouteAdd(&netlink.Route{Dst: dst, Type: kind, Gw: gateway}))
	}
	route(here, "192.0.2.0/24", unix.RTN_UNICAST, net.IPv4(10, 0, 0, 2))
	route(there, "192.0.2.2/32", unix.RTN_UNREACHABLE, nil)
	route(here, "198.51.100.1/32", unix.RTN_UNREACHABLE, nil)
	route(here, "198.51.100.2/32", unix.RTN_PROHIBIT, nil)
	route(here, "198.51.100.3/32", unix.RTN_BLACKHOLE, nil)
	_, all, err := net.ParseCIDR("0.0.0.0/0")
	must(err)
	must(here.RouteAdd(&netlink.Route{Dst: all, Type: unix.RTN_UNREACHABLE, Table: 100}))
	rule := netlink.NewRule()
	rule.Mark, rule.Table, rule.Family = 8, 100, unix.AF_INET
	must(here.RuleAdd(rule))
	// One second of ARP would do for the test, and three tries are the kernel's default; this makes it quick.
	must(os.WriteFile("/proc/sys/net/ipv4/neigh/host0/retrans_time_ms", []byte("50"), 0))
}

// router makes a network namespace that forwards.
func router(t *testing.T) netns.NsHandle {
	t.Helper()
	type made struct {
		ns  netns.NsHandle
		err error
	}
	result := make(chan made)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends in the other namespace
		ns, err := netns.New()
		if err == nil {
			err = os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0)
		}
		result <- made{ns, err}
	}()
	m := <-result
	if m.err != nil {
		t.Fatal(m.err)
	}
	t.Cleanup(func() { _ = m.ns.Close() })
	return m.ns
}
