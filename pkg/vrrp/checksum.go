package vrrp

import (
	"encoding/binary"
	"net/netip"
)

// sum adds b to the one's complement sum s (RFC 1071), unfolded. b has an even number of bytes, as messages have, and at most
// MaxMessage: it cannot overflow.
func sum(s uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	return s
}

// fold gives an unfolded sum in 16 bits.
func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// sumAddr adds an address.
func sumAddr(s uint32, a netip.Addr) uint32 {
	if a.Is4() {
		b := a.As4()
		return sum(s, b[:])
	}
	b := a.As16()
	return sum(s, b[:])
}

// pseudo is the unfolded sum of the pseudo-header: that of RFC 8200 section 8.1 for IPv6, and for IPv4 that of RFC 9293
// section 3.1 with protocol 112, which is how implementers read RFC 5798 section 5.2.8.
func pseudo(src, dst netip.Addr, length int) uint32 {
	return sumAddr(sumAddr(uint32(length)+Protocol, src), dst)
}

// retarget makes the checksum of a message whose pseudo-header had the destination from right for to (RFC 1624).
func retarget(message []byte, from, to netip.Addr) {
	field := message[6:8]
	s := uint32(^binary.BigEndian.Uint16(field)) + uint32(^fold(sumAddr(0, from))) + uint32(fold(sumAddr(0, to)))
	binary.BigEndian.PutUint16(field, ^fold(s))
}
