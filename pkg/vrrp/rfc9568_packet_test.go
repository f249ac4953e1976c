package vrrp

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What RFC 9568 says of packets, sections 5 and 7, a row for each rule; those of the state machine are in rfc9568_test.go.
// The rules on what is around the message (5.1, and 7.2 on addresses) are tested on a real link in socket_linux_test.go.

// good4 and good6 are packets that the router of expected takes.
func good4() Packet { return packet("198.51.100.2", all4, "198.51.100.10 198.51.100.20") }
func good6() Packet { return packet("fe80::2", all6, "fe80::10 2001:db8::10") }

func packet(src, dst, vips string) Packet {
	p := Packet{Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst), TTL: TTL}
	a := sample(vips)
	p.Payload = a.Append(nil, p.Src, p.Dst, false)
	return p
}

func sample(vips string) Advert {
	return Advert{Version: 3, VRID: 51, Priority: 150, Interval: time.Second, VIPs: addrs(vips)}
}

func expected(p Packet) *Expect {
	e := &Expect{VRID: 51, Version: 3, Interval: time.Second, Self: netip.MustParseAddr("198.51.100.1"), VIPs: addrs("198.51.100.10 198.51.100.20")}
	if p.Src.Is6() {
		e.Self, e.VIPs = netip.MustParseAddr("fe80::1"), addrs("fe80::10 2001:db8::10")
	}
	return e
}

// resum makes the checksum of a changed message right again.
func resum(p *Packet) {
	p.Payload[6], p.Payload[7] = 0, 0
	s := sum(pseudo(p.Src, p.Dst, len(p.Payload)), p.Payload)
	binary.BigEndian.PutUint16(p.Payload[6:], ^fold(s))
}

func set8(at int, value byte) func(*Packet) {
	return func(p *Packet) {
		p.Payload[at] = value
		resum(p)
	}
}

func TestRFC9568Receive(t *testing.T) {
	for _, c := range []struct {
		rule   string
		change func(*Packet)
		expect func(*Expect)
		want   Refusal
		remark Remark
	}{
		{rule: "7.1 what is right is accepted"},
		{rule: "5.1.1.3, 5.1.2.3, 7.1 TTL or hop limit is 255: 254 is discarded", change: func(p *Packet) { p.TTL = 254 }, want: LowTTL},
		{rule: "5.1.1.3, 5.1.2.3, 7.1 TTL or hop limit is 255: 1 is discarded", change: func(p *Packet) { p.TTL = 1 }, want: LowTTL},
		{rule: "7.1 version is 3: 2 is discarded", change: set8(0, 2<<4|1), want: BadVersion},
		{rule: "7.1 version is 3: 4 is discarded", change: set8(0, 4<<4|1), want: BadVersion},
		{rule: "5.2.2, 7.1 type is 1: 0 is discarded", change: set8(0, 3<<4), want: BadType},
		{rule: "5.2.2, 7.1 type is 1: 2 is discarded", change: set8(0, 3<<4|2), want: BadType},
		{rule: "7.1 the packet is complete: a head that is cut is discarded", change: func(p *Packet) { p.Payload = p.Payload[:7] }, want: Truncated},
		{rule: "7.1 the packet is complete: nothing is discarded", change: func(p *Packet) { p.Payload = nil }, want: Truncated},
		{rule: "7.1 the packet is complete: a list that is cut is discarded", change: func(p *Packet) { p.Payload = p.Payload[:len(p.Payload)-1] }, want: Truncated},
		{rule: "7.1 the packet is complete: a count beyond its end is discarded", change: set8(3, 3), want: Truncated},
		{rule: "7.1 the checksum is right: one bit wrong is discarded", change: func(p *Packet) { p.Payload[7] ^= 1 }, want: BadChecksum},
		{rule: "7.1 the checksum is right: another priority under it is discarded", change: func(p *Packet) { p.Payload[2]++ }, want: BadChecksum},
		{rule: "7.1 the VRID is one of the interface: another is discarded", change: set8(1, 52), want: NotOurs},
		{rule: "7.1 the VRID comes first, for it says whom the rest concerns", change: func(p *Packet) { p.Payload[1], p.TTL = 52, 1 }, want: NotOurs},
		{rule: "5.2.5 a count of 0 is ignored (erratum 8299)", change: func(p *Packet) { p.Payload = p.Payload[:8]; set8(3, 0)(p) }, want: NoVIPs},
		{rule: "5.2.7 an interval of 0 is ignored (erratum 8301)", change: func(p *Packet) { p.Payload[4] = 0; set8(5, 0)(p) }, want: NoInterval},
		{rule: "5.2.6 the reserved bits are ignored", change: func(p *Packet) { p.Payload[4] |= 0xf0; resum(p) }},
		{rule: "7.1 another interval is accepted, and may be told", change: set8(5, 50), remark: IntervalDiffers},
		{rule: "7.1 another list is accepted, and told", expect: func(e *Expect) { e.VIPs = e.VIPs[:1] }, remark: ListDiffers},
		{rule: "7.1 another list is accepted, and told: nothing in common", expect: func(e *Expect) { e.VIPs = addrs("192.0.2.1 2001:db8::1") }, remark: ListDiffers | ListDisjoint},
		{rule: "7.1 the order of the list does not matter", expect: func(e *Expect) { e.VIPs = []netip.Addr{e.VIPs[1], e.VIPs[0]} }},
		{rule: "5.2.4 priority 255 is accepted", change: set8(2, 255)},
		{rule: "5.2.4 priority 0 is accepted", change: set8(2, 0)},
		{rule: "6.4 an owner discards nothing more than others (erratum 8298): that is for the machine", change: set8(2, 255)},
	} {
		for _, p := range []Packet{good4(), good6()} {
			t.Run(c.rule, func(t *testing.T) {
				if c.change != nil {
					c.change(&p)
				}
				e := expected(p)
				if c.expect != nil {
					c.expect(e)
				}
				checkDecode(t, e, p, c.want, c.remark)
			})
		}
	}
}

// checkDecode also looks whether a refused packet leaves the advert as it was.
func checkDecode(t *testing.T, e *Expect, p Packet, want Refusal, remark Remark) {
	t.Helper()
	before := Advert{Version: 9, VRID: 9, Priority: 9, Interval: 9, Auth: 9, Password: [8]byte{9}, VIPs: addrs("192.0.2.9")}
	got := before
	got.VIPs = addrs("192.0.2.9")
	refused, remarked := e.Decode(p, &got)
	if refused != want || remarked != remark {
		t.Errorf("%v with remark %b, want %v with %b", refused, remarked, want, remark)
	}
	if refused == Accepted {
		return
	}
	if diff := cmp.Diff(before, got, compareAddrs); diff != "" {
		t.Errorf("a refused packet changed the advert: %s", diff)
	}
}

func TestRFC9568FirstIPv6AddressIsLinkLocal(t *testing.T) { // 5.2.9, erratum 8300; keepalived's may not be, so it is told
	p := packet("fe80::2", all6, "2001:db8::10 fe80::10")
	checkDecode(t, expected(p), p, Accepted, FirstNotLinkLocal)
}

// Section 5.2 and 7.2: what is in a packet that is sent, byte for byte.
func TestRFC9568Send(t *testing.T) {
	a := sample("198.51.100.10 198.51.100.20")
	a.Interval = 40950 * time.Millisecond
	src, group := netip.MustParseAddr("198.51.100.1"), Multicast4
	b := a.Append(nil, src, group, true)
	for _, c := range []struct {
		rule string
		at   int
		want []byte
	}{
		{"5.2.1, 5.2.2 version 3, type 1", 0, []byte{0x31}},
		{"5.2.3 VRID", 1, []byte{51}},
		{"5.2.4 priority", 2, []byte{150}},
		{"5.2.5 count", 3, []byte{2}},
		{"5.2.6, 5.2.7 reserved 0, interval in centiseconds in 12 bits", 4, []byte{0x0f, 0xff}},
		{"5.2.9 the addresses in their order", 8, []byte{198, 51, 100, 10, 198, 51, 100, 20}},
	} {
		if got := b[c.at : c.at+len(c.want)]; string(got) != string(c.want) {
			t.Errorf("%s: %x, want %x", c.rule, got, c.want)
		}
	}
	if len(b) != 16 {
		t.Errorf("%d bytes", len(b))
	}
	if s := oracle(b); s != 0xffff {
		t.Errorf("5.2.8 IPv4: the checksum is over the message: %#x", s)
	}
	with := a.Append(nil, src, group, false)
	if s := oracle(pseudo4(src, group, len(with)), with); s != 0xffff {
		t.Errorf("RFC 5798: the checksum is with a pseudo-header: %#x", s)
	}
	six := sample("fe80::10")
	for _, plain := range []bool{false, true} {
		src, group := netip.MustParseAddr("fe80::1"), Multicast6
		b := six.Append(nil, src, group, plain)
		if s := oracle(pseudo6(src, group, len(b)), b); s != 0xffff {
			t.Errorf("5.2.8 IPv6: the checksum is with a pseudo-header, whatever is said: %#x", s)
		}
	}
}

// Intervals that a message cannot say become ones that it can.
func TestAppendBoundsIntervals(t *testing.T) {
	for _, c := range []struct {
		version uint8
		in, out time.Duration
	}{
		{3, 0, Unit},
		{3, -time.Second, Unit},
		{3, Unit, Unit},
		{3, 19 * time.Millisecond, Unit},
		{3, time.Hour, MaxV3},
		{3, MaxV3, MaxV3},
		{2, 0, time.Second},
		{2, 1999 * time.Millisecond, time.Second},
		{2, MaxV2, MaxV2},
		{2, time.Hour, MaxV2},
	} {
		a := sample("198.51.100.10")
		a.Version, a.Interval = c.version, c.in
		p := good4()
		p.Payload = a.Append(nil, p.Src, p.Dst, false)
		e := expected(p)
		e.Version, e.Interval = c.version, c.out
		var got Advert
		if refused, _ := e.Decode(p, &got); refused != Accepted || got.Interval != c.out {
			t.Errorf("version %d, %v: %v, refused for %v; want %v", c.version, c.in, got.Interval, refused, c.out)
		}
	}
}

// A message holds what its count can say, and addresses of one family.
func TestAppendBoundsLists(t *testing.T) {
	p := good6()
	e := expected(p)
	a := sample("198.51.100.10 fe80::10")
	for range 300 {
		a.VIPs = append(a.VIPs, netip.MustParseAddr("2001:db8::10"))
	}
	p.Payload = a.Append(nil, p.Src, p.Dst, false)
	var got Advert
	if refused, _ := e.Decode(p, &got); refused != Accepted || len(got.VIPs) != MaxVIPs || got.VIPs[0] != a.VIPs[1] {
		t.Errorf("refused for %v, %d VIPs", refused, len(got.VIPs))
	}
	if n := len(p.Payload); n > MaxMessage {
		t.Errorf("%d bytes, more than MaxMessage", n)
	}
}
