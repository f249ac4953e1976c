package vrrp

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// Packet is what came for a virtual router. Addresses have no zone.
type Packet struct {
	Src, Dst netip.Addr
	TTL      int    // or hop limit
	Payload  []byte // the VRRP message
}

// Expect is what a router accepts.
type Expect struct {
	VRID     uint8
	Version  uint8         // 2 (IPv4 only) or 3
	Interval time.Duration // own; version 2 refuses every other
	Auth     uint8         // version 2: AuthNone or AuthPass
	Password [8]byte       // version 2 with AuthPass
	Self     netip.Addr    // from which this host's adverts come
	Peers    []netip.Addr  // unicast; none is multicast
	VIPs     []netip.Addr  // of Self's family
}

// Decode looks at a packet as RFC 9568 section 7.1 says, in the order of the Refusals, and makes it into an advert. A packet
// that is refused leaves it as it was. Nothing of the packet is kept, and nothing is allocated once into.VIPs has room for
// MaxVIPs. Version 3 over IPv4 may have any of the three checksums in use: without pseudo-header, with it, and, for unicast
// packets too, with the group's address in it (keepalived's old_unicast_checksum).
//
// The work for a packet is bounded by its length, and once it is accepted by the product of both lists of VIPs.
func (e *Expect) Decode(p Packet, into *Advert) (Refusal, Remark) {
	if len(p.Payload) >= 2 && p.Payload[1] != e.VRID {
		return NotOurs, 0
	}
	if p.Src == e.Self {
		return Own, 0
	}
	if len(p.Payload) < headSize {
		return Truncated, 0
	}
	h := head(p.Payload)
	if r := e.checkForm(p, h); r != Accepted {
		return r, 0
	}
	if r := e.checkSender(p); r != Accepted {
		return r, 0
	}
	if r := e.checkContent(p, h); r != Accepted {
		return r, 0
	}
	return Accepted, e.fill(p, h, into)
}

// checkForm looks for what no implementation should send.
func (e *Expect) checkForm(p Packet, h [headSize]byte) Refusal {
	size := messageSize(h, p.Src)
	switch {
	case p.Dst.IsMulticast() && p.TTL != TTL: // keepalived sends IPv6 unicast with 64
		return LowTTL
	case h[0]>>4 != e.Version:
		return BadVersion
	case h[0]&0xf != typeAdvert:
		return BadType
	case len(p.Payload) < size:
		return Truncated
	case !allZero(p.Payload[size:]):
		return Extension
	case !intact(p, size):
		return BadChecksum
	}
	return Accepted
}

// checkSender looks at the path that the packet took.
func (e *Expect) checkSender(p Packet) Refusal {
	switch {
	case len(e.Peers) == 0 && !p.Dst.IsMulticast():
		return ByUnicast
	case len(e.Peers) == 0:
		return Accepted
	case p.Dst.IsMulticast():
		return ByMulticast
	}
	for _, peer := range e.Peers {
		if peer.WithZone("") == p.Src {
			return Accepted
		}
	}
	return Stranger
}

// checkContent looks at what the message says.
func (e *Expect) checkContent(p Packet, h [headSize]byte) Refusal {
	switch {
	case h[3] == 0: // erratum 8299 of RFC 9568
		return NoVIPs
	case interval(h) == 0: // erratum 8301
		return NoInterval
	case e.Version != 2:
		return Accepted
	case h[4] != e.Auth:
		return BadAuth
	case e.Auth == AuthPass && !bytes.Equal(e.Password[:], p.Payload[messageSize(h, p.Src)-authSize:][:authSize]):
		return BadPassword
	case interval(h) != e.Interval:
		return BadInterval
	}
	return Accepted
}

func (e *Expect) fill(p Packet, h [headSize]byte, into *Advert) Remark {
	*into = Advert{Version: h[0] >> 4, VRID: h[1], Priority: h[2], Interval: interval(h), VIPs: into.VIPs[:0]}
	list, step := p.Payload[headSize:], addrSize(p.Src)
	for range h[3] {
		v, _ := netip.AddrFromSlice(list[:step])
		into.VIPs = append(into.VIPs, v)
		list = list[step:]
	}
	if into.Version == 2 {
		into.Auth = h[4]
		copy(into.Password[:], list)
	}
	var remark Remark
	if into.Interval != e.Interval {
		remark |= IntervalDiffers
	}
	if p.Src.Is6() && !into.VIPs[0].IsLinkLocalUnicast() {
		remark |= FirstNotLinkLocal
	}
	return remark | compare(e.VIPs, into.VIPs)
}

// compare tells how two lists of addresses differ; their order does not matter.
func compare(ours, theirs []netip.Addr) Remark {
	if slices.Equal(ours, theirs) {
		return 0
	}
	added, missing := without(theirs, ours), without(ours, theirs)
	switch {
	case added == len(theirs):
		return ListDiffers | ListDisjoint
	case added > 0, missing > 0:
		return ListDiffers
	}
	return 0
}

// without counts what of a is not in b.
func without(a, b []netip.Addr) int {
	n := 0
	for _, v := range a {
		if !slices.Contains(b, v) {
			n++
		}
	}
	return n
}

// interval is that of the message that h begins. The upper 4 bits of version 3's are reserved and ignored.
func interval(h [headSize]byte) time.Duration {
	if h[0]>>4 == 2 {
		return time.Duration(h[5]) * time.Second
	}
	return time.Duration(binary.BigEndian.Uint16(h[4:])&0xfff) * Unit
}

// intact tells whether the checksum of a packet is right in any way that is in use. Zeros after the message count as part
// of it or not.
func intact(p Packet, size int) bool {
	s, is4 := sum(0, p.Payload[:size]), p.Src.Is4()
	if is4 && fold(s) == 0xffff {
		return true
	}
	if p.Payload[0]>>4 == 2 {
		return false
	}
	for _, length := range [...]int{size, len(p.Payload)} {
		if fold(s+pseudo(p.Src, p.Dst, length)) == 0xffff || is4 && fold(s+pseudo(p.Src, Multicast4, length)) == 0xffff {
			return true
		}
	}
	return false
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// messageSize is the length of the message that h begins.
func messageSize(h [headSize]byte, src netip.Addr) int {
	n := headSize + int(h[3])*addrSize(src)
	if h[0]>>4 == 2 {
		n += authSize
	}
	return n
}

func addrSize(a netip.Addr) int {
	if a.Is4() {
		return 4
	}
	return 16
}
