package lab

import (
	"fmt"
	"net/netip"
)

// Site is a ready topology: directors, real servers and a client. See test/README.md for drawings.
type Site struct {
	Net       *Net
	Directors []*Host // the first holds the VIPs, unless Size.Unheld
	Servers   []*Host
	Client    *Host
	Outside   *Bridge // of client and directors
	Inside    *Bridge // of directors and servers; with one bridge the same

	holder *Host
}

// Size says how many machines a Site has. The zero value is one director and one server.
type Size struct {
	Directors int // at most 2
	Servers   int // at most 100

	Unheld bool // no director has the VIPs: what runs on them sees to that
}

// The addresses of every Site. Directors are .101 and .102, servers .103 and up, the client .1, on every bridge that
// they are on; each has an IPv6 address with the same last part.
var (
	VIP  = netip.MustParseAddr("198.51.100.10")
	VIP2 = netip.MustParseAddr("198.51.100.20")
	VIP6 = netip.MustParseAddr("2001:db8::10")

	outside4 = netip.MustParsePrefix("198.51.100.0/24")
	outside6 = netip.MustParsePrefix("2001:db8::/64")
	inside4  = netip.MustParsePrefix("10.0.0.0/24")
	inside6  = netip.MustParsePrefix("2001:db8:1::/64")
)

// vips are the virtual addresses of every Site.
func vips() []netip.Addr { return []netip.Addr{VIP, VIP2, VIP6} }

// OneBridge makes a site for direct routing and tunnels: all machines are on one bridge, and each server has the VIPs on
// its loopback, for which it does not answer ARP.
func OneBridge(t T, size Size) *Site {
	t.Helper()
	n := New(t)
	s := &Site{Net: n, Outside: n.Bridge("lan")}
	s.Inside = s.Outside
	s.build(size, outside4, outside6)
	for _, server := range s.Servers {
		server.ServeVIPs(vips()...)
	}
	return s
}

// TwoBridges makes a site for NAT: client and directors are outside, directors and servers inside, and the servers' gateway
// is the first director.
func TwoBridges(t T, size Size) *Site {
	t.Helper()
	n := New(t)
	s := &Site{Net: n, Outside: n.Bridge("outside"), Inside: n.Bridge("inside")}
	s.build(size, inside4, inside6)
	for i, d := range s.Directors {
		d.Join(s.Inside, nth(inside4, 101+i), nth(inside6, 101+i))
	}
	s.GatewayOf(s.Directors[0])
	return s
}

// build makes the machines; the servers are on Inside with addresses of the prefixes given.
func (s *Site) build(size Size, servers4, servers6 netip.Prefix) {
	s.Net.t.Helper()
	s.Client = s.Net.Host("client")
	s.Client.Join(s.Outside, nth(outside4, 1), nth(outside6, 1))
	for i := range max(size.Directors, 1) {
		d := s.Net.Host("lvs-" + string(rune('a'+i)))
		d.Join(s.Outside, nth(outside4, 101+i), nth(outside6, 101+i))
		d.Forward()
		s.Directors = append(s.Directors, d)
	}
	for i := range max(size.Servers, 1) {
		h := s.Net.Host(fmt.Sprintf("rs%d", i+1))
		h.Join(s.Inside, nth(servers4, 103+i), nth(servers6, 103+i))
		s.Servers = append(s.Servers, h)
	}
	if !size.Unheld {
		s.HoldVIPs(s.Directors[0])
	}
}

// nth is the host of the prefix whose address ends in n as written: nth(2001:db8::/64, 103) is 2001:db8::103.
func nth(p netip.Prefix, n int) netip.Prefix {
	a := p.Addr().AsSlice()
	if p.Addr().Is4() {
		a[3] = byte(n)
	} else {
		a[14], a[15] = byte(n/100), byte(n/10%10<<4|n%10)
	}
	addr, _ := netip.AddrFromSlice(a)
	return netip.PrefixFrom(addr, p.Bits())
}

// Address is the IPv4 address of a director or the client outside, of a server inside.
func (h *Host) Address() netip.Addr { return h.first(netip.Addr.Is4) }

// Address6 is the same for IPv6.
func (h *Host) Address6() netip.Addr { return h.first(netip.Addr.Is6) }

// first is the first address that Join gave the host.
func (h *Host) first(family func(netip.Addr) bool) netip.Addr {
	h.net.t.Helper()
	for _, p := range h.ports {
		for _, a := range p.addresses {
			if family(a.Addr()) {
				return a.Addr()
			}
		}
	}
	h.net.t.Fatalf("find address of %s: it has none of that family", h.Name)
	return netip.Addr{}
}

// HoldVIPs moves the VIPs to a director, as a takeover does.
func (s *Site) HoldVIPs(d *Host) {
	s.Net.t.Helper()
	for _, v := range vips() {
		p := netip.PrefixFrom(v, v.BitLen())
		if s.holder != nil {
			s.holder.DelAddress("eth0", p)
		}
		d.AddAddress("eth0", p)
	}
	if s.holder != nil {
		s.Client.Run("ip", "neigh", "flush", "dev", "eth0")
	}
	s.holder = d
}

// GatewayOf makes a director of TwoBridges the servers' gateway.
func (s *Site) GatewayOf(d *Host) {
	s.Net.t.Helper()
	for _, server := range s.Servers {
		for _, a := range d.ports[1].addresses {
			server.Gateway(a.Addr())
		}
	}
}

// Forward makes the host forward packets, as a director of NAT must.
func (h *Host) Forward() {
	h.net.t.Helper()
	h.Sysctl("net.ipv4.ip_forward", "1")
	h.Sysctl("net.ipv6.conf.all.forwarding", "1")
	h.Sysctl("net.ipv4.conf.all.send_redirects", "0")
}

// ServeVIPs makes the host a real server of direct routing: it has the addresses on its loopback and is silent about them.
func (h *Host) ServeVIPs(addresses ...netip.Addr) {
	h.net.t.Helper()
	h.Sysctl("net.ipv4.conf.all.arp_ignore", "1")
	h.Sysctl("net.ipv4.conf.all.arp_announce", "2")
	for _, a := range addresses {
		h.AddAddress("lo", netip.PrefixFrom(a, a.BitLen()))
	}
}

// TunnelEnd makes the host a real server of tunnels, besides ServeVIPs: it unpacks IPv4 in IPv4 and IPv6 in IPv6.
func (h *Host) TunnelEnd() {
	h.net.t.Helper()
	h.Run("modprobe", "-a", "ipip", "ip6_tunnel")
	for _, device := range []string{"tunl0", "ip6tnl0"} {
		if err := setUp(h.ns.nl, device, true); err != nil {
			h.net.t.Fatalf("set up %s of %s: %v", device, h.Name, err)
		}
	}
	h.Sysctl("net.ipv4.conf.all.rp_filter", "0")
	h.Sysctl("net.ipv4.conf.tunl0.rp_filter", "0")
}
