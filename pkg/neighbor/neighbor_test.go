package neighbor

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// wire is two network namespaces with a cable between them. The test's goroutine is in the first, whose end is near;
// far belongs to the other.
type wire struct {
	t     *testing.T
	here  *netlink.Handle
	there *netlink.Handle
	near  netlink.Link
	far   netlink.Link
}

func (w *wire) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// newWire needs root.
func newWire(t *testing.T) *wire {
	t.Helper()
	runtime.LockOSThread() // for ever: the thread ends with the test, and with it its namespace
	w := &wire{t: t}
	other, err := netns.New()
	w.must(err)
	t.Cleanup(func() { other.Close() })
	own, err := netns.New()
	w.must(err)
	t.Cleanup(func() { own.Close() })
	w.there, err = netlink.NewHandleAt(other)
	w.must(err)
	t.Cleanup(w.there.Close)
	w.here, err = netlink.NewHandleAt(own)
	w.must(err)
	t.Cleanup(w.here.Close)

	near, far := mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02")
	w.must(w.here.LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: "near", HardwareAddr: near}, PeerName: "far", PeerHardwareAddr: far,
		PeerNamespace: netlink.NsFd(other),
	}))
	w.near, err = w.here.LinkByName("near")
	w.must(err)
	w.far, err = w.there.LinkByName("far")
	w.must(err)
	for _, name := range []string{"lo", "near"} {
		l, err := w.here.LinkByName(name)
		w.must(err)
		w.must(w.here.LinkSetUp(l))
	}
	w.must(w.there.LinkSetUp(w.far))
	for _, a := range []string{"192.0.2.1/24", "2001:db8::1/64", "fe80::1/64"} {
		w.address(w.here, w.near, a)
	}
	for _, a := range []string{"192.0.2.2/24", "2001:db8::2/64", "fe80::2/64"} {
		w.address(w.there, w.far, a)
	}
	w.settle()
	return w
}

func (w *wire) address(h *netlink.Handle, l netlink.Link, cidr string) {
	w.t.Helper()
	a, err := netlink.ParseAddr(cidr)
	w.must(err)
	if a.IP.To4() == nil {
		a.Flags = unix.IFA_F_NODAD
	}
	w.must(h.AddrAdd(l, a))
}

// settle waits until the cable works and the kernel has made the routes of the IPv6 addresses, which it does later.
func (w *wire) settle() {
	w.t.Helper()
	local := func(h *netlink.Handle, addr string) bool {
		routes, err := h.RouteGet(net.ParseIP(addr))
		return err == nil && len(routes) == 1 && routes[0].Type == unix.RTN_LOCAL
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		l, err := w.here.LinkByName("near")
		w.must(err)
		if l.Attrs().OperState == netlink.OperUp && local(w.here, "2001:db8::1") && local(w.there, "2001:db8::2") {
			return
		}
		if time.Now().After(end) {
			w.t.Fatal("no carrier, or no routes")
		}
	}
}

func (w *wire) route(cidr, gateway string) {
	w.t.Helper()
	_, dst, err := net.ParseCIDR(cidr)
	w.must(err)
	w.must(w.here.RouteAdd(&netlink.Route{Dst: dst, Gw: net.ParseIP(gateway), LinkIndex: w.near.Attrs().Index}))
}

func mac(s string) net.HardwareAddr {
	m, err := net.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return m
}

func TestAnswered(t *testing.T) {
	newWire(t)
	for _, addr := range []string{"192.0.2.2", "::ffff:192.0.2.2", "2001:db8::2", "2001:db8::2%near", "fe80::2%near"} {
		got, err := Probe(t.Context(), netip.MustParseAddr(addr))
		if err != nil {
			t.Errorf("%s: %v", addr, err)
			continue
		}
		if got.Took <= 0 || got.Took > time.Second {
			t.Errorf("%s: took %v", addr, got.Took)
		}
		want := strings.TrimPrefix(addr, "::ffff:") + " answered from 02:00:00:00:00:02 on near"
		if got.String() != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSilent(t *testing.T) {
	w := newWire(t)
	silent := func(addrs ...string) {
		t.Helper()
		for _, addr := range addrs {
			began := time.Now()
			_, err := Probe(t.Context(), netip.MustParseAddr(addr))
			if took := time.Since(began); !errors.Is(err, ErrSilent) || took < attempts*gap || took > attempts*gap+2*time.Second {
				t.Errorf("%s: %v after %v, want no answer after %v", addr, err, took, attempts*gap)
			}
		}
	}
	silent("192.0.2.3", "2001:db8::3")
	w.must(w.there.LinkSetARPOff(w.far))
	silent("192.0.2.2")
	w.must(w.there.LinkSetARPOn(w.far))
	if _, err := Probe(t.Context(), netip.MustParseAddr("192.0.2.2")); err != nil {
		t.Errorf("with ARP again: %v", err)
	}
}

// TestLateAnswer has a neighbour that is there only for a later request.
func TestLateAnswer(t *testing.T) {
	w := newWire(t)
	w.must(w.there.LinkSetARPOff(w.far))
	go func() {
		time.Sleep(gap / 2)
		if err := w.there.LinkSetARPOn(w.far); err != nil {
			t.Error(err)
		}
	}()
	got, err := Probe(t.Context(), netip.MustParseAddr("192.0.2.2"))
	if err != nil || got.Took < gap {
		t.Errorf("%v after %v: %v, want an answer to a later request", got, got.Took, err)
	}
}

func TestCutOff(t *testing.T) {
	for _, tt := range []struct {
		name string
		harm func(w *wire)
		want string
	}{
		{"the other end is down", func(w *wire) { w.must(w.there.LinkSetDown(w.far)) }, "near has no carrier"},
		{"this end is down", func(w *wire) { w.must(w.here.LinkSetDown(w.near)) }, "no route"},
		{"the interface is gone", func(w *wire) { w.must(w.here.LinkDel(w.near)) }, "no route"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWire(t)
			tt.harm(w)
			for _, addr := range []string{"192.0.2.2", "2001:db8::2"} {
				_, err := Probe(t.Context(), netip.MustParseAddr(addr))
				if !errors.Is(err, ErrCutOff) || errors.Is(err, ErrSilent) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s: %v", addr, err)
				}
			}
		})
	}
}

func TestNothingLearned(t *testing.T) {
	w := newWire(t)
	w.route("198.51.100.0/24", "192.0.2.2")
	w.route("2001:db8:1::/64", "fe80::2")
	w.must(w.here.LinkAdd(&netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "tun"}, Mode: netlink.TUNTAP_MODE_TUN}))
	tun, err := w.here.LinkByName("tun")
	w.must(err)
	w.must(w.here.LinkSetUp(tun))
	w.address(w.here, tun, "203.0.113.1/24")
	for _, tt := range []struct{ addr, want string }{
		{"198.51.100.1", "not on a link of this host but behind 192.0.2.2"},
		{"2001:db8:1::1", "not on a link of this host but behind fe80::2"},
		{"192.0.2.1", "an address of this host"},
		{"2001:db8::1", "an address of this host"},
		{"127.0.0.1", "an address of this host"},
		{"203.0.113.2", "tun is not a link with neighbours"},
		{"fe80::2", "needs its interface"},
		{"224.0.0.1", "not the address of one host"},
		{"ff02::1%near", "not the address of one host"},
		{"255.255.255.255", "not the address of one host"},
		{"0.0.0.0", "not the address of one host"},
		{"::", "not the address of one host"},
		{"fe80::2%none", "none"},
	} {
		_, err := Probe(t.Context(), netip.MustParseAddr(tt.addr))
		if err == nil || errors.Is(err, ErrSilent) || errors.Is(err, ErrCutOff) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.addr, err, tt.want)
		}
	}
	if _, err := Probe(t.Context(), netip.Addr{}); err == nil {
		t.Error("no address was asked")
	}
}

func TestContext(t *testing.T) {
	newWire(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for range 2 { // while it waits, and before it begins
		began := time.Now()
		_, err := Probe(ctx, netip.MustParseAddr("192.0.2.3"))
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrSilent) || took > gap {
			t.Errorf("%v after %v", err, took)
		}
	}
}

// TestNoPermission takes CAP_NET_RAW from this thread.
func TestNoPermission(t *testing.T) {
	newWire(t)
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&head, &caps[0]); err != nil {
		t.Fatal(err)
	}
	caps[0].Effective &^= 1 << unix.CAP_NET_RAW
	if err := unix.Capset(&head, &caps[0]); err != nil {
		t.Fatal(err)
	}
	_, err := Probe(t.Context(), netip.MustParseAddr("192.0.2.2"))
	if !errors.Is(err, unix.EPERM) || errors.Is(err, ErrSilent) || errors.Is(err, ErrCutOff) {
		t.Errorf("%v", err)
	}
}

func TestGateways(t *testing.T) {
	w := newWire(t)
	want := func(list ...string) {
		t.Helper()
		got, err := Gateways()
		if err != nil {
			t.Fatal(err)
		}
		var words []string
		for _, a := range got {
			words = append(words, a.String())
		}
		if diff := cmp.Diff(list, words); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	want()
	w.route("198.51.100.0/24", "192.0.2.9")
	want()
	index := w.near.Attrs().Index
	_, all4, err := net.ParseCIDR("0.0.0.0/0")
	w.must(err)
	w.must(w.here.RouteAdd(&netlink.Route{Dst: all4, Gw: net.ParseIP("192.0.2.3"), Priority: 20}))
	w.must(w.here.RouteAdd(&netlink.Route{Dst: all4, Gw: net.ParseIP("192.0.2.2"), Priority: 10}))
	w.must(w.here.RouteAdd(&netlink.Route{Dst: all4, Priority: 30, MultiPath: []*netlink.NexthopInfo{
		{LinkIndex: index, Gw: net.ParseIP("192.0.2.2")}, {LinkIndex: index, Gw: net.ParseIP("192.0.2.4")},
	}}))
	w.must(w.here.RouteAdd(&netlink.Route{Dst: all4, Priority: 40, LinkIndex: index, Via: &netlink.Via{AddrFamily: unix.AF_INET6, Addr: net.ParseIP("fe80::5")}}))
	w.must(w.here.RouteAdd(&netlink.Route{Dst: all4, Priority: 50, Type: unix.RTN_UNREACHABLE}))
	w.route("::/0", "fe80::2")
	want("192.0.2.2", "192.0.2.3", "192.0.2.4", "fe80::5%near", "fe80::2%near")
}
