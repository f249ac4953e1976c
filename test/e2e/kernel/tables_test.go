package kernel_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// dice makes tables that ipvsadm 1.31 can say: the ports of dr and tunnel are the service's, thresholds have 16 bits,
// marks 31, and sh and mh no third flag. All addresses lie in one half of the circle that ipvsadm sorts them on.
type dice struct{ *rand.Rand }

func roll(seed uint64) dice { return dice{rand.New(rand.NewPCG(seed, 0))} }

func one[T any](d dice, of ...T) T { return of[d.IntN(len(of))] }

func (d dice) address(ipv6 bool) netip.Addr {
	if ipv6 {
		prefix := one(d, "2001:db8", "fd00:1")
		return netip.MustParseAddr(fmt.Sprintf("%s::%x:%x", prefix, d.IntN(3), 1+d.IntN(1<<16-1)))
	}
	return netip.MustParseAddr(fmt.Sprintf("%s.%d.%d", one(d, "10.0", "172.16", "192.168"), d.IntN(256), 1+d.IntN(254)))
}

func (d dice) port() uint16 { return one(d, 1, 80, 443, 65535, uint16(1+d.IntN(1<<16-1))) }

func (d dice) key() lvs.Key {
	ipv6 := d.IntN(3) == 0
	if d.IntN(4) == 0 {
		return lvs.Key{Mark: one(d, 1, 2, uint32(1+d.IntN(1<<31-1))), IPv6: ipv6}
	}
	return lvs.Key{Protocol: one(d, lvs.TCP, lvs.UDP, lvs.SCTP), Addr: netip.AddrPortFrom(d.address(ipv6), d.port())}
}

func (d dice) service(k lvs.Key) lvs.Service {
	s := lvs.Service{
		Scheduler: one(d, "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh"),
		Netmask:   k.Bits(),
	}
	s.Flags = one(d, 0, 0, lvs.Sched1, lvs.Sched2, lvs.Sched3, lvs.Sched1|lvs.Sched2|lvs.Sched3)
	if s.Scheduler == "sh" || s.Scheduler == "mh" {
		s.Flags &^= lvs.Sched3
	}
	if k.Protocol == lvs.UDP && d.IntN(3) == 0 {
		s.Flags |= lvs.OnePacket
	}
	if d.IntN(3) == 0 {
		s.Flags |= lvs.Persistent
		s.Timeout = time.Duration(1+d.IntN(31*24*3600)) * time.Second
		s.Netmask = one(d, k.Bits(), k.Bits(), 1+d.IntN(k.Bits()))
		if k.Protocol == lvs.UDP {
			s.Engine = one(d, "", "sip")
		}
	}
	return s
}

func (d dice) server(k lvs.Key) (netip.AddrPort, lvs.Server) {
	s := lvs.Server{
		Forward: one(d, lvs.NAT, lvs.Tunnel, lvs.DR),
		Weight:  one(d, 0, 1, 100, 65536, 1<<31-1, d.IntN(1<<31)),
	}
	if d.IntN(3) == 0 {
		s.Upper = uint32(d.IntN(1 << 16))
		s.Lower = uint32(d.IntN(int(s.Upper) + 1))
	}
	port, ipv6 := k.Addr.Port(), k.Is6()
	switch s.Forward {
	case lvs.NAT:
		port = d.port()
	case lvs.Tunnel:
		s.Encap = one(d, lvs.Encap{}, lvs.Encap{Type: lvs.GUE, Port: d.port(), Flags: uint16(d.IntN(3))},
			lvs.Encap{Type: lvs.GRE, Flags: uint16(d.IntN(2))})
		ipv6 = ipv6 != (d.IntN(4) == 0)
	}
	return netip.AddrPortFrom(d.address(ipv6), port), s
}

// table makes a table; with near, one that shares much with that.
func (d dice) table(near lvs.Table) lvs.Table {
	t := lvs.Table{}
	for key, entry := range near {
		if d.IntN(3) == 0 {
			continue
		}
		e := lvs.Entry{Service: entry.Service, Servers: map[netip.AddrPort]lvs.Server{}}
		if d.IntN(3) == 0 {
			e.Service = d.service(key)
		}
		for addr, s := range entry.Servers {
			if d.IntN(3) > 0 {
				s.Weight = one(d, s.Weight, d.IntN(1000))
				e.Servers[addr] = s
			}
		}
		t[key] = e
	}
	for range d.IntN(5) {
		key := d.key()
		e := lvs.Entry{Service: d.service(key), Servers: map[netip.AddrPort]lvs.Server{}}
		for range d.IntN(8) {
			addr, s := d.server(key)
			e.Servers[addr] = s
		}
		t[key] = e
	}
	return t
}
