package ipvs

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// attributes walks over what the kernel sent and ends at the first thing that is not one. Flags in the type are masked.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofNlAttr {
			size := int(binary.NativeEndian.Uint16(b))
			kind := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
			if size < unix.SizeofNlAttr || size > len(b) || !yield(kind, b[unix.SizeofNlAttr:size]) {
				return
			}
			b = b[min((size+unix.NLA_ALIGNTO-1)&^(unix.NLA_ALIGNTO-1), len(b)):]
		}
	}
}

// number reads a value of 1, 2 or 4 bytes in the host's order; of another size it is 0.
func number(b []byte) uint32 {
	switch len(b) {
	case 1:
		return uint32(b[0])
	case 2:
		return uint32(binary.NativeEndian.Uint16(b))
	case 4:
		return binary.NativeEndian.Uint32(b)
	default:
		return 0
	}
}

func port(b []byte) uint16 {
	if len(b) != 2 {
		return 0
	}
	return binary.BigEndian.Uint16(b)
}

func text(b []byte) string { return strings.TrimRight(string(b), "\x00") }

// address reads an address of a family; the kernel sends 16 bytes for either.
func address(b []byte, family uint16) netip.Addr {
	switch {
	case family == unix.AF_INET && len(b) >= 4:
		return netip.AddrFrom4([4]byte(b))
	case family == unix.AF_INET6 && len(b) >= 16:
		return netip.AddrFrom16([16]byte(b))
	default:
		return netip.Addr{}
	}
}

// parseService reads the value of a service attribute. What has no effect reads as nothing: the persistence of a service
// that is not persistent, and flags that are the kernel's own. ok is false if it is no service that lvs can name.
func parseService(b []byte) (key lvs.Key, s lvs.Service, ok bool) {
	var fam uint16
	var addr, mask []byte
	var svcport uint16
	for kind, v := range attributes(b) {
		switch kind {
		case svcFamily:
			fam = uint16(number(v))
		case svcProtocol:
			key.Protocol = lvs.Protocol(number(v))
		case svcAddr:
			addr = v
		case svcPort:
			svcport = port(v)
		case svcMark:
			key.Mark = number(v)
		case svcScheduler:
			s.Scheduler = text(v)
		case svcFlags:
			if len(v) == 8 {
				s.Flags = lvs.Flags(number(v[:4])) & lvs.AllFlags
			}
		case svcTimeout:
			s.Timeout = time.Duration(number(v)) * time.Second
		case svcNetmask:
			mask = v
		case svcEngine:
			s.Engine = text(v)
		}
	}
	if key.Mark != 0 {
		key = lvs.Key{Mark: key.Mark, IPv6: fam == unix.AF_INET6}
	} else {
		key.Addr = netip.AddrPortFrom(address(addr, fam), svcport)
	}
	s.Netmask = prefixLength(key, mask)
	if s.Flags&lvs.Persistent == 0 {
		s.Timeout, s.Netmask = 0, key.Bits()
	}
	return key, s, (fam == unix.AF_INET || fam == unix.AF_INET6) && (key.Mark != 0 || key.Addr.IsValid())
}

// prefixLength reads a netmask; -1 is a mask that is no prefix, which somebody else must have set.
func prefixLength(k lvs.Key, b []byte) int {
	if len(b) != 4 {
		return k.Bits()
	}
	if k.Is6() {
		return int(int32(number(b)))
	}
	mask := binary.BigEndian.Uint32(b)
	length := bits.LeadingZeros32(^mask)
	if mask != ^uint32(0)<<(32-length) {
		return -1
	}
	return length
}

// parseServer reads the value of a server attribute of a service. Kernels before 3.18 do not tell the family: it is the
// service's. Encapsulation is read of tunnels only.
func parseServer(b []byte, of lvs.Key) (netip.AddrPort, Observed, bool) {
	fam := family(of.Is6())
	var addr []byte
	var dstport uint16
	var o Observed
	for kind, v := range attributes(b) {
		switch kind {
		case dstAddr:
			addr = v
		case dstPort:
			dstport = port(v)
		case dstForward:
			o.Forward = lvs.Forward(number(v) & forwardMask)
		case dstWeight:
			o.Weight = int(int32(number(v)))
		case dstUpper:
			o.Upper = number(v)
		case dstLower:
			o.Lower = number(v)
		case dstActive:
			o.Active = number(v)
		case dstInactive:
			o.Inactive = number(v)
		case dstPersistent:
			o.Persistent = number(v)
		case dstFamily:
			fam = uint16(number(v))
		case dstTunType:
			o.Encap.Type = lvs.TunnelType(number(v))
		case dstTunPort:
			o.Encap.Port = port(v)
		case dstTunFlags:
			o.Encap.Flags = uint16(number(v))
		}
	}
	if o.Forward != lvs.Tunnel {
		o.Encap = lvs.Encap{}
	}
	at := netip.AddrPortFrom(address(addr, fam), dstport)
	return at, o, at.IsValid()
}
