package lvs

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// ListHeader is the two lines that stand above every listing of `ipvsadm -Ln`, after the line with the version.
const ListHeader = "Prot LocalAddress:Port Scheduler Flags\n" +
	"  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"

// ListVersion gives the first line of `ipvsadm -Ln` from what the kernel says of itself: its version as three bytes,
// and the size of its connection table.
func ListVersion(version, size uint32) string {
	return fmt.Sprintf("IP Virtual Server version %d.%d.%d (size=%d)\n", version>>16&0xff, version>>8&0xff, version&0xff, size)
}

// ListService gives a service's row of `ipvsadm -Ln`, without the end of line: "TCP  192.0.2.1:80 wlc persistent 300".
// Two rows differ from ipvsadm 1.31, which shows a mark above 2^31 as a negative number and flag-3 of sh and mh as "()".
func ListService(k Key, s Service) string {
	var b strings.Builder
	switch {
	case k.Mark != 0 && k.IPv6:
		fmt.Fprintf(&b, "FWM  %d IPv6 %s", k.Mark, s.Scheduler)
	case k.Mark != 0:
		fmt.Fprintf(&b, "FWM  %d %s", k.Mark, s.Scheduler)
	default:
		fmt.Fprintf(&b, "%-4s %s %s", strings.ToUpper(k.Protocol.String()), k.Addr, s.Scheduler)
	}
	if names := s.flagNames(); len(names) > 0 {
		b.WriteString(" (" + strings.Join(names, ",") + ")")
	}
	if s.Flags&Persistent != 0 {
		b.WriteString(" persistent " + seconds(s.Timeout))
		if s.Netmask != k.Bits() {
			b.WriteString(" mask " + k.mask(s.Netmask))
		}
		if s.Engine != "" {
			b.WriteString(" pe " + s.Engine)
		}
	}
	if s.Flags&OnePacket != 0 {
		b.WriteString(" ops")
	}
	return b.String()
}

// ListServer gives a real server's row of `ipvsadm -Ln`, without the end of line. The last column is padded with
// blanks, as ipvsadm's is.
func ListServer(addr netip.AddrPort, s Server, c Connections) string {
	return fmt.Sprintf("  -> %-28s %-7s %-6d %-10d %-10d", addr, s.Forward, s.Weight, c.Active, c.Inactive)
}

// Listed gives the table's keys in the order of `ipvsadm -Ln`: by mark, family, protocol, address and port. ipvsadm
// compares numbers by the sign of their 32-bit difference, so 192.0.2.1 stands before 10.0.0.1 but after 128.0.0.1.
// That order can run in a circle; ipvsadm's then depends on the kernel's hash, ours only on the keys.
func (t Table) Listed() []Key {
	keys := slices.SortedFunc(maps.Keys(t), Key.Compare)
	slices.SortStableFunc(keys, func(a, b Key) int {
		return cmp.Or(
			sign(a.Mark, b.Mark),
			cmp.Compare(a.Bits(), b.Bits()),
			cmp.Compare(a.Protocol, b.Protocol),
			compareListed(a.Addr, b.Addr),
		)
	})
	return keys
}

// Listed gives the addresses of the service's servers in the order of `ipvsadm -Ln`; see Table.Listed.
func (e Entry) Listed() []netip.AddrPort {
	addrs := slices.SortedFunc(maps.Keys(e.Servers), netip.AddrPort.Compare)
	slices.SortStableFunc(addrs, compareListed)
	return addrs
}

func compareListed(a, b netip.AddrPort) int {
	x, y := words(a.Addr()), words(b.Addr())
	for i := range x {
		if c := sign(x[i], y[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(a.Port(), b.Port())
}

// words gives an address as the kernel's union nf_inet_addr has it: four words, of which IPv4 uses the first.
func words(a netip.Addr) (w [4]uint32) {
	for i, b := 0, a.AsSlice(); len(b) >= 4; i, b = i+1, b[4:] {
		w[i] = binary.BigEndian.Uint32(b)
	}
	return w
}

func sign(a, b uint32) int { return cmp.Compare(int32(a-b), 0) }
