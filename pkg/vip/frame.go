package vip

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// mac is an Ethernet address.
type mac = [6]byte

var broadcast = mac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

const (
	ethernetSize = 14
	arpSize      = 28
	ipv6Size     = 40

	arpRequest = 1
	arpReply   = 2

	neighborSolicitation  = 135
	neighborAdvertisement = 136
	routerBit             = 0x80
	overrideBit           = 0x20
)

func ethernet(to, from mac, protocol uint16) []byte {
	b := make([]byte, 0, ethernetSize+ipv6Size+32)
	b = append(b, to[:]...)
	b = append(b, from[:]...)
	return binary.BigEndian.AppendUint16(b, protocol)
}

// arp builds a broadcast ARP frame (RFC 826).
func arp(operation uint16, sender mac, from netip.Addr, target mac, to netip.Addr) []byte {
	b := ethernet(broadcast, sender, unix.ETH_P_ARP)
	b = append(b, 0, 1, 8, 0, 6, 4) // Ethernet, IPv4, 6 and 4 bytes of address
	b = binary.BigEndian.AppendUint16(b, operation)
	b = append(b, sender[:]...)
	b = append(b, from.AsSlice()...)
	b = append(b, target[:]...)
	return append(b, to.AsSlice()...)
}

// gratuitous builds both forms in which ARP caches are told of an address (RFC 5944 section 4.6): hosts exist that
// believe only one of them. The request is also the announcement of RFC 5227 section 2.3.
func gratuitous(vip netip.Addr, at mac) (request, reply []byte) {
	return arp(arpRequest, at, vip, mac{}, vip), arp(arpReply, at, vip, at, vip)
}

// arpProbe asks whether somebody else has an address, without a claim to it (RFC 5227 section 1.1).
func arpProbe(vip netip.Addr, from mac) []byte {
	return arp(arpRequest, from, netip.IPv4Unspecified(), mac{}, vip)
}

// unsolicited builds the neighbour advertisement that tells all nodes of an address (RFC 4861 sections 4.4 and 7.2.6; RFC
// 9568 section 8.2.2): router flag as this host forwards, not solicited, override.
func unsolicited(vip netip.Addr, at mac, router bool) []byte {
	flags := byte(overrideBit)
	if router {
		flags |= routerBit
	}
	body := append([]byte{neighborAdvertisement, 0, 0, 0, flags, 0, 0, 0}, vip.AsSlice()...)
	body = append(append(body, 2, 1), at[:]...) // target link-layer address
	return icmp6(at, vip, netip.IPv6LinkLocalAllNodes(), body)
}

// ndProbe asks whether somebody else has an address, as duplicate address detection does (RFC 4862 section 5.4.2).
func ndProbe(vip netip.Addr, from mac) []byte {
	body := append([]byte{neighborSolicitation, 0, 0, 0, 0, 0, 0, 0}, vip.AsSlice()...)
	group := netip.MustParseAddr("ff02::1:ff00:0").As16() // RFC 4291 section 2.7.1
	last := vip.As16()
	copy(group[13:], last[13:])
	return icmp6(from, netip.IPv6Unspecified(), netip.AddrFrom16(group), body)
}

// icmp6 builds a frame to a multicast address around an ICMPv6 message, whose checksum it fills in.
func icmp6(at mac, from, to netip.Addr, body []byte) []byte {
	group := to.As16()
	b := ethernet(mac{0x33, 0x33, group[12], group[13], group[14], group[15]}, at, unix.ETH_P_IPV6) // RFC 2464 section 7
	b = append(b, 6<<4, 0, 0, 0, 0, byte(len(body)), unix.IPPROTO_ICMPV6, 255)
	b = append(append(b, from.AsSlice()...), to.AsSlice()...)
	b = append(b, body...)
	binary.BigEndian.PutUint16(b[ethernetSize+ipv6Size+2:], ^checksum(b[ethernetSize:]))
	return b
}

// checksum is the Internet checksum (RFC 1071), not inverted, of an ICMPv6 message and its pseudo header (RFC 8200
// section 8.1). b is an IPv6 packet without extension headers, whose message has an even length.
func checksum(b []byte) uint16 {
	s := uint32(len(b)-ipv6Size) + unix.IPPROTO_ICMPV6
	for rest := b[8:]; len(rest) > 1; rest = rest[2:] {
		s += uint32(binary.BigEndian.Uint16(rest))
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// parseARP gives who says in an ARP packet, of either form, to have which address. Probes say nothing.
func parseARP(b []byte) (netip.Addr, mac, bool) {
	if len(b) < arpSize || [6]byte(b) != (mac{0, 1, 8, 0, 6, 4}) {
		return netip.Addr{}, mac{}, false
	}
	addr := netip.AddrFrom4([4]byte(b[14:]))
	return addr, mac(b[8:]), !addr.IsUnspecified()
}

// parseNA gives who says in a neighbour advertisement, from its ICMPv6 header on, to have which address. One without a
// target link-layer address does not say who.
func parseNA(b []byte) (netip.Addr, mac, bool) {
	if len(b) < 24 || b[0] != neighborAdvertisement || b[1] != 0 {
		return netip.Addr{}, mac{}, false
	}
	addr := netip.AddrFrom16([16]byte(b[8:]))
	for options := b[24:]; len(options) >= 8; {
		size := 8 * int(options[1])
		if size == 0 || size > len(options) {
			break
		}
		if options[0] == 2 && size == 8 {
			return addr, mac(options[2:]), !addr.IsMulticast()
		}
		options = options[size:]
	}
	return netip.Addr{}, mac{}, false
}
