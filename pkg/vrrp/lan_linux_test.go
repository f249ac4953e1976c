package vrrp

import (
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// host is a network namespace that a test made. It has a link eth0 to the other one.
type host struct {
	t  testing.TB
	ns netns.NsHandle
}

// lan makes two hosts on a veth pair, with the addresses and MACs of the captured packets' senders. CAP_NET_ADMIN is needed.
func lan(t testing.TB) (a, b *host) {
	t.Helper()
	a, b = newHost(t), newHost(t)
	a.do(func() {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.HardwareAddr = "eth0", mac("02:00:00:00:00:01")
		pair := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerHardwareAddr: mac("02:00:00:00:00:02"), PeerNamespace: netlink.NsFd(b.ns)}
		must(t, netlink.LinkAdd(pair))
	})
	a.up("eth0", "192.0.2.1/24", "fe80::ff:fe00:1/64", "2001:db8::1/64")
	b.up("eth0", "192.0.2.2/24", "192.0.2.3/24", "fe80::ff:fe00:2/64", "2001:db8::2/64")
	a.running("eth0")
	b.running("eth0")
	return a, b
}

func newHost(t testing.TB) *host {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own, err := netns.Get()
	must(t, err)
	defer own.Close()
	h := &host{t: t}
	h.ns, err = netns.New()
	must(t, err)
	must(t, netns.Set(own))
	t.Cleanup(func() { h.ns.Close() })
	return h
}

// do calls f in the host's namespace. Sockets that it opens stay there. f may end the test.
func (h *host) do(f func()) {
	h.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own, err := netns.Get()
	must(h.t, err)
	defer own.Close()
	must(h.t, netns.Set(h.ns))
	defer func() { must(h.t, netns.Set(own)) }()
	f()
}

// up gives a link its addresses, which can be used at once, and brings it up.
func (h *host) up(link string, addresses ...string) {
	h.t.Helper()
	h.do(func() {
		l := h.link(link)
		must(h.t, netlink.LinkSetIP6AddrGenMode(l, nl.IN6_ADDR_GEN_MODE_NONE))
		must(h.t, netlink.LinkSetUp(l))
		for _, a := range addresses {
			address, err := netlink.ParseAddr(a)
			must(h.t, err)
			if address.IP.To4() == nil {
				address.Flags = unix.IFA_F_NODAD
			}
			must(h.t, netlink.AddrAdd(l, address))
		}
	})
}

// running waits until the kernel has seen the carrier; before, a link drops what is sent and tells nobody (net/core/link_watch.c).
func (h *host) running(link string) {
	h.t.Helper()
	h.do(func() {
		for deadline := time.Now().Add(5 * time.Second); h.link(link).Attrs().OperState != netlink.OperUp; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				h.t.Fatalf("%s is %v", link, h.link(link).Attrs().OperState)
			}
		}
	})
}

func (h *host) link(name string) netlink.Link {
	h.t.Helper()
	l, err := netlink.LinkByName(name)
	must(h.t, err)
	return l
}

// vmac makes a macvlan with the virtual MAC of an id, without an address.
func (h *host) vmac(name, address string) {
	h.t.Helper()
	h.do(func() {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.HardwareAddr, attrs.ParentIndex = name, mac(address), h.link("eth0").Attrs().Index
		must(h.t, netlink.LinkAdd(&netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_PRIVATE}))
	})
	h.up(name)
	h.running(name)
}

// open opens a socket on the host's eth0, unless o says otherwise.
func (h *host) open(o SocketOptions) *Socket {
	h.t.Helper()
	if o.Interface == "" {
		o.Interface = "eth0"
	}
	var s *Socket
	h.do(func() {
		var err error
		s, err = Open(o)
		must(h.t, err)
	})
	h.t.Cleanup(func() { s.Close() })
	return s
}

// sniff gives the frames that come to a host's eth0, those of VRRP only.
func (h *host) sniff() func() []byte {
	h.t.Helper()
	fd := -1
	h.do(func() {
		var err error
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		must(h.t, err)
		must(h.t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: 0x0300, Ifindex: h.link("eth0").Attrs().Index})) // ETH_P_ALL in network order
	})
	h.t.Cleanup(func() { unix.Close(fd) })
	return func() []byte {
		h.t.Helper()
		b := make([]byte, 9000)
		for {
			wait(h.t, fd)
			n, err := unix.Read(fd, b)
			must(h.t, err)
			frame := b[:n]
			if n > 34 && (frame[12] == 8 && frame[13] == 0 && frame[23] == Protocol || frame[12] == 0x86 && frame[20] == Protocol) {
				return frame
			}
		}
	}
}

// wait waits until there is something to read, or fails the test after five seconds.
func wait(t testing.TB, fd int) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(time.Until(deadline).Milliseconds())+1)
		switch {
		case err == unix.EINTR && time.Now().Before(deadline):
		case err != nil:
			t.Fatal(err)
		case n == 0:
			t.Fatal("nothing came")
		default:
			return
		}
	}
}

// receive waits for a packet.
func receive(t testing.TB, s *Socket) Packet {
	t.Helper()
	wait(t, s.FD())
	p, err := s.Receive()
	must(t, err)
	return p
}

func mac(s string) net.HardwareAddr {
	m, err := net.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return m
}

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
