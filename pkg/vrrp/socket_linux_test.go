package vrrp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// path is a way that adverts take between two hosts.
type path struct {
	name     string
	from, to string // sources
	unicast  bool
	vips     string
}

var paths = []path{
	{"IPv4 multicast", "192.0.2.1", "192.0.2.2", false, "192.0.2.110"},
	{"IPv4 unicast", "192.0.2.1", "192.0.2.2", true, "192.0.2.110"},
	{"IPv6 multicast", "fe80::ff:fe00:1", "fe80::ff:fe00:2", false, "fe80::100 2001:db8::100"},
	{"IPv6 unicast", "2001:db8::1", "2001:db8::2", true, "2001:db8::100"},
	{"IPv6 unicast, link-local", "fe80::ff:fe00:1", "fe80::ff:fe00:2", true, "fe80::100"},
}

// ends opens both sockets of a path.
func (p path) ends(a, b *host) (*Socket, *Socket) {
	from, to := SocketOptions{VRID: 51, Source: ip(p.from)}, SocketOptions{VRID: 51, Source: ip(p.to)}
	if p.unicast {
		from.Peers, to.Peers = []netip.Addr{to.Source}, []netip.Addr{from.Source}
	}
	return a.open(from), b.open(to)
}

func (p path) message(to netip.Addr) []byte {
	a := sample(p.vips)
	return a.Append(nil, ip(p.from), to, false)
}

func TestSocketCarries(t *testing.T) {
	a, b := lan(t)
	for _, c := range paths {
		t.Run(c.name, func(t *testing.T) {
			from, to := c.ends(a, b)
			dst := Multicast4
			switch {
			case c.unicast:
				dst = ip(c.to)
			case ip(c.from).Is6():
				dst = Multicast6
			}
			if from.Destination() != dst {
				t.Errorf("destination is %v, want %v", from.Destination(), dst)
			}
			other := c.message(dst)
			other[1]++ // another virtual router's: the kernel keeps it from us
			must(t, from.Send(other))
			must(t, from.Send(c.message(dst)))
			p := receive(t, to)
			if p.Src != ip(c.from) || p.Dst != dst || p.TTL != TTL || !bytes.Equal(p.Payload, c.message(dst)) {
				t.Errorf("%+v", p)
			}
			for _, s := range []*Socket{from, to} { // nothing more, and nothing of one's own
				if p, err := s.Receive(); err != ErrNone {
					t.Errorf("%+v, %v", p, err)
				}
			}
		})
	}
}

// A socket hears the adverts of its own virtual router only.
func TestSocketHearsItsRouterOnly(t *testing.T) {
	a, b := lan(t)
	for _, c := range paths {
		t.Run(c.name, func(t *testing.T) {
			from, _ := c.ends(a, b)
			ids := []uint8{1, 50, 255}
			var sockets []*Socket
			for _, id := range ids {
				sockets = append(sockets, b.open(SocketOptions{VRID: id, Source: ip(c.to)}))
			}
			for _, id := range []uint8{0, 1, 50, 51, 255} {
				message := c.message(from.Destination())
				message[1] = id
				must(t, from.Send(message))
			}
			for i, s := range sockets {
				if p := receive(t, s); p.Payload[1] != ids[i] {
					t.Errorf("%d hears %d", ids[i], p.Payload[1])
				}
				if p, err := s.Receive(); err != ErrNone {
					t.Errorf("%d hears %+v, %v", ids[i], p, err)
				}
			}
		})
	}
}

// What came before the filter was there is thrown away, and what comes later is not.
func TestDrain(t *testing.T) {
	a, b := lan(t)
	from, to := paths[0].ends(a, b)
	for range 100 {
		must(t, from.Send(paths[0].message(Multicast4)))
	}
	wait(t, to.FD())
	to.drain()
	if p, err := to.Receive(); err != ErrNone {
		t.Errorf("%+v, %v", p, err)
	}
	must(t, from.Send(paths[0].message(Multicast4)))
	receive(t, to)
}

// What cannot be seen on a link that has room.
func TestSocketOptions(t *testing.T) {
	a, _ := lan(t)
	four, six := a.open(SocketOptions{VRID: 51, Source: ip("192.0.2.1")}), a.open(SocketOptions{VRID: 51, Source: ip("fe80::ff:fe00:1")})
	for _, c := range []struct {
		s                 *Socket
		level, opt, value int
	}{
		{four, unix.SOL_SOCKET, unix.SO_PRIORITY, 6},
		{six, unix.SOL_SOCKET, unix.SO_PRIORITY, 6},
		{four, unix.SOL_SOCKET, unix.SO_RCVBUF, 2 * queue},
		{six, unix.SOL_SOCKET, unix.SO_SNDBUF, 2 * queue},
		{four, unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0},
		{six, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0},
		{six, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_OMIT},
	} {
		got, err := unix.GetsockoptInt(c.s.FD(), c.level, c.opt)
		if err != nil || got != c.value {
			t.Errorf("option %d of %d is %d, want %d; %v", c.opt, c.level, got, c.value, err)
		}
	}
}

// What is on the wire is what keepalived put there, but for what the kernel numbers: the identification of IPv4, so also
// the checksum of its header, and the flow label of IPv6.
func TestWireIsAsCaptured(t *testing.T) {
	a, b := lan(t)
	next := b.sniff()
	for _, v := range vectors {
		own := filepath.Dir(v.file) == "keepalived" && filepath.Base(v.file) != "v3_ipv4_vmac_noxmitbase" // others' MACs
		if !v.ours || !own || filepath.Base(v.file) == "v3_ipv6_unicast" {
			continue // the last has hop limit 64 there
		}
		t.Run(filepath.Base(v.file), func(t *testing.T) {
			p, _ := capture(t, v.file)
			o := SocketOptions{VRID: v.advert.VRID, Source: p.Src}
			if !p.Dst.IsMulticast() {
				o.Peers = []netip.Addr{p.Dst}
			}
			must(t, a.open(o).Send(p.Payload))
			want, got := masked(frame(t, v.file)), masked(next())
			if !bytes.Equal(got, want) {
				t.Errorf("\nours   %s\ntheirs %s", hex.EncodeToString(got), hex.EncodeToString(want))
			}
		})
	}
}

// masked takes away what the kernel numbers.
func masked(frame []byte) []byte {
	f := bytes.Clone(frame)
	if f[12] == 8 {
		clear(f[18:20])
		clear(f[24:26])
	} else {
		f[15] &= 0xf0
		clear(f[16:18])
	}
	return f
}

// With a virtual MAC, adverts come from it, although its link has no address; and the peer, which has a link with the same
// MAC, hears them, whatever its rp_filter is. A new program can take the socket over, and a link that was down hears again.
func TestSocketWithVirtualMAC(t *testing.T) {
	a, b := lan(t)
	next := b.sniff()
	for _, h := range []*host{a, b} {
		h.vmac("lvsd4.51", "00:00:5e:00:01:33")
		h.vmac("lvsd6.51", "00:00:5e:00:02:33")
	}
	for _, c := range []struct{ link, mac, from, to, vips string }{
		{"lvsd4.51", "00:00:5e:00:01:33", "192.0.2.1", "192.0.2.2", "192.0.2.110"},
		{"lvsd6.51", "00:00:5e:00:02:33", "fe80::ff:fe00:1", "fe80::ff:fe00:2", "fe80::100"},
	} {
		from := a.open(SocketOptions{Interface: c.link, VRID: 51, Source: ip(c.from)})
		to := b.open(SocketOptions{Interface: c.link, VRID: 51, Source: ip(c.to)})
		message := path{from: c.from, vips: c.vips}.message(from.Destination())
		hears := func(to *Socket) {
			t.Helper()
			other := bytes.Clone(message)
			other[1]++
			must(t, from.Send(other))
			must(t, from.Send(message))
			for range 2 {
				if frame := next(); !bytes.Equal(frame[6:12], mac(c.mac)) {
					t.Errorf("from %x", frame[6:12])
				}
			}
			if p := receive(t, to); p.Src != ip(c.from) || p.Dst != from.Destination() || p.TTL != TTL || !bytes.Equal(p.Payload, message) {
				t.Errorf("%+v", p)
			}
			for _, s := range []*Socket{from, to} {
				if p, err := s.Receive(); err != ErrNone {
					t.Errorf("one more: %+v, %v", p, err)
				}
			}
		}
		for _, filter := range []string{"0", "1", "2"} {
			b.do(func() {
				must(t, os.WriteFile("/proc/sys/net/ipv4/conf/all/rp_filter", []byte(filter), 0o644))
			})
			hears(to)
		}
		fd, err := unix.Dup(to.FD())
		must(t, err)
		must(t, to.Close())
		b.do(func() {
			to, err = FromFD(fd, to.o)
			must(t, err)
		})
		hears(to)
		b.do(func() {
			must(t, netlink.LinkSetDown(b.link(c.link)))
			must(t, netlink.LinkSetUp(b.link(c.link)))
		})
		b.running(c.link)
		if p, err := to.Receive(); err != ErrNone {
			t.Errorf("down and up: %+v, %v", p, err)
		}
		hears(to)
		must(t, to.Close())
	}
}

// A packet socket is given what is no business of ours, too.
func TestTapFilter(t *testing.T) {
	s := &Socket{o: SocketOptions{VRID: 51, Source: ip("192.0.2.2")}}
	var program []bpf.Instruction
	for _, f := range s.tapProgram()[2:] { // the virtual machine does not know the type of a packet
		program = append(program, bpf.RawInstruction{Op: f.Code, Jt: f.Jt, Jf: f.Jf, K: f.K}.Disassemble())
	}
	vm, err := bpf.NewVM(program)
	must(t, err)
	good := frame(t, "keepalived/v3_ipv4")[14:]
	good[21] = 51
	for _, c := range []struct {
		name  string
		at    int
		bytes []byte
		want  bool
	}{
		{"for the group", 0, nil, true},
		{"for our address", 16, []byte{192, 0, 2, 2}, true},
		{"for another", 16, []byte{192, 0, 2, 3}, false},
		{"another protocol", 9, []byte{51}, false},
		{"another virtual router", 21, []byte{52}, false},
		{"not to be fragmented", 6, []byte{0x40}, true},
		{"a first fragment", 6, []byte{0x20}, false},
		{"a last fragment", 7, []byte{1}, false},
	} {
		b := bytes.Clone(good)
		copy(b[c.at:], c.bytes)
		if n, err := vm.Run(b); err != nil || n > 0 != c.want {
			t.Errorf("%s: %d, %v", c.name, n, err)
		}
	}
}

// Every peer gets a message that is right for its own address.
func TestSendToManyPeers(t *testing.T) {
	for _, plain := range []bool{false, true} {
		a, b := lan(t)
		from := a.open(SocketOptions{VRID: 51, Source: ip("192.0.2.1"), Peers: addrs("192.0.2.2 192.0.2.3"), Plain: plain})
		to := b.open(SocketOptions{VRID: 51, Source: ip("192.0.2.2")})
		advert := sample("192.0.2.110")
		message := advert.Append(nil, ip("192.0.2.1"), from.Destination(), plain)
		before := bytes.Clone(message)
		must(t, from.Send(message))
		for _, peer := range addrs("192.0.2.2 192.0.2.3") {
			p := receive(t, to)
			if want := advert.Append(nil, p.Src, peer, plain); p.Dst != peer || !bytes.Equal(p.Payload, want) {
				t.Errorf("plain %v: to %v %x, want %x", plain, p.Dst, p.Payload, want)
			}
		}
		if !bytes.Equal(message, before) {
			t.Error("the message was written to")
		}
	}
}

// A router hears what goes the other way than its own adverts, so that it can tell.
func TestSocketHearsTheOtherWay(t *testing.T) {
	a, b := lan(t)
	for _, c := range paths {
		t.Run(c.name, func(t *testing.T) {
			o := SocketOptions{VRID: 51, Source: ip(c.to)}
			if !c.unicast {
				o.Peers = []netip.Addr{ip(c.from)}
			}
			from, _ := c.ends(a, b)
			other := b.open(o)
			must(t, from.Send(c.message(from.Destination())))
			if p := receive(t, other); p.Dst != from.Destination() {
				t.Errorf("%+v", p)
			}
		})
	}
}

// The longest message is longer than a link takes at once.
func TestSocketCarriesTheLongest(t *testing.T) {
	a, b := lan(t)
	c := paths[2]
	from, to := c.ends(a, b)
	advert := sample("fe80::100")
	for len(advert.VIPs) < MaxVIPs {
		advert.VIPs = append(advert.VIPs, ip("2001:db8::100"))
	}
	message := advert.Append(nil, ip(c.from), Multicast6, false)
	must(t, from.Send(message))
	if p := receive(t, to); !bytes.Equal(p.Payload, message) {
		t.Errorf("%d bytes of %d", len(p.Payload), len(message))
	}
}

// Adverts of another link do not come, although the group is joined for the whole host.
func TestSocketHearsItsLinkOnly(t *testing.T) {
	a, b := lan(t)
	a.do(func() {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = "eth1"
		must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "eth1", PeerNamespace: netlink.NsFd(b.ns)}))
	})
	a.up("eth1", "198.51.100.1/24", "fe80::1:1/64")
	b.up("eth1", "198.51.100.2/24", "fe80::1:2/64")
	a.running("eth1")
	for _, c := range []struct{ from, to, other string }{
		{"198.51.100.1", "198.51.100.2", "192.0.2.2"},
		{"fe80::1:1", "fe80::1:2", "fe80::ff:fe00:2"},
	} {
		from := a.open(SocketOptions{Interface: "eth1", VRID: 51, Source: ip(c.from)})
		there := b.open(SocketOptions{Interface: "eth1", VRID: 51, Source: ip(c.to)})
		elsewhere := b.open(SocketOptions{VRID: 51, Source: ip(c.other)})
		must(t, from.Send(path{from: c.from, vips: "192.0.2.110 fe80::100"}.message(from.Destination())))
		receive(t, there)
		if p, err := elsewhere.Receive(); err != ErrNone {
			t.Errorf("%+v, %v", p, err)
		}
	}
}

// A new program takes the socket of the old one over, with what waits in it.
func TestFromFD(t *testing.T) {
	a, b := lan(t)
	for _, c := range paths {
		t.Run(c.name, func(t *testing.T) {
			from, to := c.ends(a, b)
			must(t, from.Send(c.message(from.Destination())))
			wait(t, to.FD())
			fd, err := unix.Dup(to.FD()) // an inherited descriptor, which has no close-on-exec
			must(t, err)
			must(t, to.Close())
			var heir *Socket
			b.do(func() {
				heir, err = FromFD(fd, to.o)
				must(t, err)
			})
			defer heir.Close()
			for range 2 {
				if p := receive(t, heir); p.Src != ip(c.from) || p.TTL != TTL {
					t.Errorf("%+v", p)
				}
				must(t, from.Send(c.message(from.Destination())))
			}
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("not closed on exec: %v", err)
			}
			back := path{from: c.to, vips: c.vips}
			must(t, heir.Send(back.message(heir.Destination())))
			if p := receive(t, from); p.Src != ip(c.to) {
				t.Errorf("%+v", p)
			}
		})
	}
}

func TestFromFDRefuses(t *testing.T) {
	a, _ := lan(t)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	must(t, err)
	defer unix.Close(fd)
	six := a.open(SocketOptions{VRID: 51, Source: ip("fe80::ff:fe00:1")})
	for _, wrong := range []int{fd, six.FD(), 1 << 20} {
		if s, err := FromFD(wrong, SocketOptions{Interface: "lo", VRID: 51, Source: ip("192.0.2.1")}); err == nil {
			t.Errorf("descriptor %d was taken: %+v", wrong, s)
		}
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
		t.Errorf("a descriptor that was not taken: %v", err)
	}
}

// On a macvlan with a virtual MAC the descriptor is a packet socket, elsewhere it is none.
func TestFromFDRefusesTheOtherKind(t *testing.T) {
	a, _ := lan(t)
	a.vmac("lvsd4.51", "00:00:5e:00:01:33")
	plain, virtual := SocketOptions{Interface: "eth0", VRID: 51, Source: ip("192.0.2.1")}, SocketOptions{Interface: "lvsd4.51", VRID: 51, Source: ip("192.0.2.1")}
	onPlain, onVirtual := a.open(plain), a.open(virtual)
	a.do(func() {
		for fd, o := range map[int]SocketOptions{onPlain.FD(): virtual, onVirtual.FD(): plain} {
			if _, err := FromFD(fd, o); err == nil {
				t.Errorf("a socket of another kind was taken on %s", o.Interface)
			}
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
				t.Errorf("the descriptor on %s was closed: %v", o.Interface, err)
			}
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	a, _ := lan(t)
	many := make([]netip.Addr, MaxPeers+1)
	for i := range many {
		many[i] = ip("192.0.2.2")
	}
	a.do(func() {
		for _, c := range []struct {
			name string
			o    SocketOptions
			want error
		}{
			{"no such link", SocketOptions{Interface: "eth9", Source: ip("192.0.2.1")}, unix.ENODEV},
			{"a name too long", SocketOptions{Interface: "a-name-that-is-too-long", Source: ip("192.0.2.1")}, nil},
			{"no source", SocketOptions{Interface: "eth0"}, nil},
			{"a peer of the other family", SocketOptions{Interface: "eth0", Source: ip("192.0.2.1"), Peers: addrs("fe80::1")}, nil},
			{"a group as peer", SocketOptions{Interface: "eth0", Source: ip("192.0.2.1"), Peers: addrs("224.0.0.18")}, nil},
			{"too many peers", SocketOptions{Interface: "eth0", Source: ip("192.0.2.1"), Peers: many}, nil},
		} {
			s, err := Open(c.o)
			if err == nil {
				s.Close()
			}
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	})
}

// What Send says of a link that is down, of a source that is gone, and of a link that is; and that a socket is well again
// when its link is up again.
func TestSendErrors(t *testing.T) {
	for _, c := range paths {
		t.Run(c.name, func(t *testing.T) {
			a, b := lan(t)
			from, to := c.ends(a, b)
			send := func() error { return from.Send(c.message(from.Destination())) }

			a.do(func() { must(t, netlink.LinkSetDown(a.link("eth0"))) })
			if err := send(); err != unix.ENETUNREACH {
				t.Errorf("link down: %v", err)
			}
			a.up("eth0")
			a.running("eth0")
			a.readdress(c.from)
			must(t, send())
			receive(t, to)
			must(t, to.Send(path{from: c.to, vips: c.vips}.message(to.Destination())))
			receive(t, from)

			a.do(func() { must(t, netlink.LinkDel(a.link("eth0"))) })
			if err := send(); err != unix.ENODEV && err != unix.ENETUNREACH {
				t.Errorf("link gone: %v", err)
			}
			if p, err := from.Receive(); err != ErrNone {
				t.Errorf("link gone: %+v, %v", p, err)
			}
		})
	}
}

// readdress gives eth0 back the IPv6 address that it lost when it went down.
func (h *host) readdress(a string) {
	h.t.Helper()
	if ip(a).Is4() {
		return
	}
	h.do(func() {
		address, err := netlink.ParseAddr(a + "/64")
		must(h.t, err)
		address.Flags = unix.IFA_F_NODAD
		must(h.t, netlink.AddrReplace(h.link("eth0"), address))
	})
}

// An IPv4 source that is removed is not sent from. An IPv6 one is, for a macvlan's is of another link.
func TestSendWithoutSource(t *testing.T) {
	a, b := lan(t)
	from, _ := paths[0].ends(a, b)
	a.do(func() {
		address, err := netlink.ParseAddr("192.0.2.1/24")
		must(t, err)
		must(t, netlink.AddrDel(a.link("eth0"), address))
	})
	if err := from.Send(paths[0].message(from.Destination())); err != unix.EINVAL && err != unix.ENETUNREACH {
		t.Errorf("source gone: %v", err)
	}
}
