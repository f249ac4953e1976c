package lab

import (
	"context"
	"math"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Host is a machine of the network: a network namespace, and a directory for its files. Processes and the file system
// are the kernel's and common to all hosts.
type Host struct {
	Name  string
	net   *Net
	ns    *namespace
	ports []*Port
	dir   string
}

// Host makes a machine without interfaces.
func (n *Net) Host(name string) *Host {
	n.t.Helper()
	h := &Host{Name: name, net: n, ns: n.namespace(name), dir: n.t.TempDir()}
	// Nobody speaks on the network unasked.
	for _, parameter := range []string{"accept_dad", "accept_ra", "router_solicitations"} {
		h.Sysctl("net.ipv6.conf.default."+parameter, "0")
	}
	return h
}

// Namespace is the name of the host's network namespace, as ip netns exec takes it.
func (h *Host) Namespace() string { return h.ns.name }

// Dir is an empty directory of the host's own, for its configuration, state and sockets.
func (h *Host) Dir() string { return h.dir }

// Port is the host's interface by number: 0 is eth0.
func (h *Host) Port(n int) *Port { return h.ports[n] }

// Do runs f on a thread that is in the host's namespace. Sockets that f opens belong to the host, also when they are used
// later; goroutines that f starts do not. f must not wait for long: it holds the thread.
func (h *Host) Do(f func() error) error { return h.ns.do(f) }

// Listen opens a listener of the host. The address is literal.
func (h *Host) Listen(network, address string) (net.Listener, error) {
	var l net.Listener
	err := h.Do(func() (err error) {
		lc := net.ListenConfig{}
		lc.SetMultipathTCP(false)
		l, err = lc.Listen(context.Background(), network, address)
		return err
	})
	return l, err
}

// Dial connects from the host. The address is literal.
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var c net.Conn
	err := h.Do(func() (err error) {
		c, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// AddAddress gives the host an address, ready at once. One of IPv6 that is not a whole network's, /128, is not used as
// the source of what the host itself sends: as a VIP should be.
func (h *Host) AddAddress(device string, p netip.Prefix) {
	h.net.t.Helper()
	h.address("add", device, p, h.ns.nl.AddrReplace)
}

// DelAddress takes an address from the host.
func (h *Host) DelAddress(device string, p netip.Prefix) {
	h.net.t.Helper()
	h.address("delete", device, p, h.ns.nl.AddrDel)
}

func (h *Host) address(verb, device string, p netip.Prefix, do func(netlink.Link, *netlink.Addr) error) {
	h.net.t.Helper()
	link, err := h.ns.nl.LinkByName(device)
	if err == nil {
		a := &netlink.Addr{IPNet: ipNet(p)}
		if p.Addr().Is6() {
			a.Flags = unix.IFA_F_NODAD
			if p.IsSingleIP() {
				a.PreferedLft, a.ValidLft = 0, math.MaxUint32 // seconds; the largest is for ever
			}
		}
		err = do(link, a)
	}
	if err != nil {
		h.net.t.Fatalf("%s address %s of %s %s: %v", verb, p, h.Name, device, err)
	}
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// Route sends what is for the destination to a gateway; a route to the same destination is replaced.
func (h *Host) Route(to netip.Prefix, gateway netip.Addr) {
	h.net.t.Helper()
	r := &netlink.Route{Dst: ipNet(to.Masked()), Gw: gateway.AsSlice()}
	if err := h.ns.nl.RouteReplace(r); err != nil {
		h.net.t.Fatalf("route %s of %s via %s: %v", to, h.Name, gateway, err)
	}
}

// Gateway sets the host's default route of the gateway's family.
func (h *Host) Gateway(gateway netip.Addr) {
	h.net.t.Helper()
	all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if gateway.Is6() {
		all = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	h.Route(all, gateway)
}

// Sysctl sets a kernel parameter of the host by its dotted name, such as "net.ipv4.ip_forward". Interface names in it
// have no dots.
func (h *Host) Sysctl(name, value string) {
	h.net.t.Helper()
	path := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
	if err := h.Do(func() error { return os.WriteFile(path, []byte(value), 0) }); err != nil {
		h.net.t.Fatalf("set %s of %s: %v", name, h.Name, err)
	}
}

// AnyIP makes every address of the prefix the host's own, so that one host stands for thousands of servers. Others need a
// route to it.
func (h *Host) AnyIP(p netip.Prefix) {
	h.net.t.Helper()
	r := &netlink.Route{Dst: ipNet(p.Masked()), Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST}
	if err := h.localRoute(r, h.ns.nl.RouteReplace); err != nil {
		h.net.t.Fatalf("make %s local on %s: %v", p, h.Name, err)
	}
}

func (h *Host) localRoute(r *netlink.Route, do func(*netlink.Route) error) error {
	lo, err := h.ns.nl.LinkByName("lo")
	if err != nil {
		return err
	}
	r.LinkIndex = lo.Attrs().Index
	return do(r)
}

// Blackhole makes the host swallow what is for the address, which one with AnyIP then has no more: who asks it gets no
// answer, not even an error.
func (h *Host) Blackhole(a netip.Addr) { h.net.t.Helper(); h.blackhole(a, h.ns.nl.RouteAdd) }

// Unblackhole undoes Blackhole.
func (h *Host) Unblackhole(a netip.Addr) { h.net.t.Helper(); h.blackhole(a, h.ns.nl.RouteDel) }

func (h *Host) blackhole(a netip.Addr, do func(*netlink.Route) error) {
	h.net.t.Helper()
	r := &netlink.Route{Dst: ipNet(netip.PrefixFrom(a, a.BitLen())), Type: unix.RTN_BLACKHOLE, Table: unix.RT_TABLE_LOCAL}
	if err := do(r); err != nil {
		h.net.t.Fatalf("blackhole %s on %s: %v", a, h.Name, err)
	}
}

// Eventually calls f until it returns nil. It ends the test with f's last error when that has not come within d.
func Eventually(t T, d time.Duration, f func() error) {
	t.Helper()
	start := time.Now()
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Since(start) >= d {
			t.Fatalf("not within %s: %v", d, err)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
