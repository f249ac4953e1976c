package vrrp

import (
	"encoding/binary"
	"net/netip"
)

// oracle is the one's complement sum of RFC 1071, done another way than the package does it: byte by byte, with the carry
// put back at once. A message with its checksum in it gives 0xffff.
func oracle(parts ...[]byte) uint16 {
	total, high := 0, true
	for _, part := range parts {
		for _, c := range part {
			if high {
				total += int(c) * 256
			} else {
				total += int(c)
			}
			total = total%65536 + total/65536
			high = !high
		}
	}
	return uint16(total)
}

// pseudo4 is the pseudo-header of RFC 9293 section 3.1 in bytes.
func pseudo4(src, dst netip.Addr, length int) []byte {
	b := append(src.AsSlice(), dst.AsSlice()...)
	return binary.BigEndian.AppendUint16(append(b, 0, 112), uint16(length))
}

// pseudo6 is that of RFC 8200 section 8.1.
func pseudo6(src, dst netip.Addr, length int) []byte {
	b := append(src.AsSlice(), dst.AsSlice()...)
	return append(binary.BigEndian.AppendUint32(b, uint32(length)), 0, 0, 0, 112)
}
