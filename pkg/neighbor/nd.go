package neighbor

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	ipv6Size     = 40
	adSize       = 24 // of a neighbour advertisement without options
	icmpv6       = 58
	solicit      = 135
	advertise    = 136
	solicitedBit = 0x40
)

// solicitation asks by RFC 4861, section 4.3. It is built from the IPv6 header on, so that it needs no address of the
// host that is past duplicate address detection, and no firewall rule.
func solicitation(mac net.HardwareAddr, src, addr netip.Addr) (question, []bpf.Instruction) {
	target := addr.As16()
	group := netip.MustParseAddr("ff02::1:ff00:0").As16() // RFC 4291, section 2.7.1
	copy(group[13:], target[13:])

	body := []byte{solicit, 0, 0, 0, 0, 0, 0, 0}
	body = append(body, target[:]...)
	body = append(append(body, 1, 1), mac...) // source link-layer address
	b := []byte{6 << 4, 0, 0, 0, 0, byte(len(body)), icmpv6, 255}
	b = append(append(b, src.AsSlice()...), group[:]...)
	b = append(b, body...)
	binary.BigEndian.PutUint16(b[ipv6Size+2:], ^sum(b))

	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: 6, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: icmpv6<<8 | 255, SkipTrue: 11},
		bpf.LoadAbsolute{Off: ipv6Size, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: advertise << 8, SkipTrue: 9},
	}
	for i := uint32(0); i < 16; i += 4 {
		program = append(program,
			bpf.LoadAbsolute{Off: ipv6Size + 8 + i, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(target[i:]), SkipTrue: uint8(7 - i/2)},
		)
	}
	program = append(program, bpf.RetConstant{Val: 1500}, bpf.RetConstant{Val: 0})
	return question{
		protocol: unix.ETH_P_IPV6,
		to:       append(net.HardwareAddr{0x33, 0x33}, group[12:]...), // RFC 2464, section 7
		request:  b,
		parse: func(b []byte, from net.HardwareAddr) (net.HardwareAddr, bool) {
			return parseAdvertisement(b, from, mac, addr)
		},
	}, program
}

// parseAdvertisement gives the MAC in a solicited neighbour advertisement for addr: that of its target link-layer
// option or, without one, of the frame. It makes the checks of RFC 4861, section 7.1.2.
func parseAdvertisement(b []byte, from, own net.HardwareAddr, addr netip.Addr) (net.HardwareAddr, bool) {
	if len(b) < ipv6Size+adSize || b[0]>>4 != 6 || b[6] != icmpv6 || b[7] != 255 {
		return nil, false
	}
	size := int(binary.BigEndian.Uint16(b[4:]))
	if size < adSize || len(b) < ipv6Size+size {
		return nil, false
	}
	b = b[:ipv6Size+size]
	ad := b[ipv6Size:]
	if ad[0] != advertise || ad[1] != 0 || ad[4]&solicitedBit == 0 || b[24] == 0xff || sum(b) != 0xffff ||
		!bytes.Equal(ad[8:adSize], addr.AsSlice()) {
		return nil, false
	}
	mac := bytes.Clone(from)
	for options := ad[adSize:]; len(options) > 0; {
		if len(options) < 2 || options[1] == 0 || len(options) < 8*int(options[1]) {
			return nil, false
		}
		if options[0] == 2 && options[1] == 1 {
			mac = bytes.Clone(options[2:8])
		}
		options = options[8*int(options[1]):]
	}
	return mac, isNeighbour(mac, own)
}

// sum is the Internet checksum (RFC 1071) of an ICMPv6 message and its pseudo header (RFC 8200, section 8.1), not
// inverted: 0xffff if the message has the right one in it. b is a whole IPv6 packet without extension headers.
func sum(b []byte) uint16 {
	s := uint32(len(b)-ipv6Size) + icmpv6
	rest := b[8:]
	for ; len(rest) > 1; rest = rest[2:] {
		s += uint32(binary.BigEndian.Uint16(rest))
	}
	if len(rest) == 1 {
		s += uint32(rest[0]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
