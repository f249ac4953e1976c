// Package lvs holds the nouns of the program: virtual services, real servers, the table that the kernel holds, and
// what changes one table into another. Everything here is a value and nothing here does I/O. Things print as ipvsadm
// prints them, because that is the language of the people who read it.
package lvs

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"
)

// Protocol is an IP protocol number (IANA), of those that IPVS balances.
type Protocol uint8

// The protocols that ip_vs can be told of; a service by firewall mark has none.
const (
	TCP  Protocol = 6
	UDP  Protocol = 17
	SCTP Protocol = 132
)

// String gives the protocol's name as the configuration and ipvsadm's listing write it, in lower case.
func (p Protocol) String() string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case SCTP:
		return "sctp"
	default:
		return fmt.Sprintf("protocol %d", uint8(p))
	}
}

// Key says which virtual service is meant: protocol, address and port, or a firewall mark and a family. It is
// comparable, and two keys that are equal are the same service to the kernel.
type Key struct {
	Protocol Protocol       // zero for a mark
	Addr     netip.AddrPort // zero for a mark
	Mark     uint32         // zero unless the service is chosen by firewall mark
	IPv6     bool           // family of a service by mark; for others see Addr
}

// Is6 tells the family of the service.
func (k Key) Is6() bool { return k.IPv6 || k.Addr.Addr().Is6() }

// Compare orders keys: addressed services by protocol, address and port, then marks. It is the order in which things
// are done; Table.Listed gives the one in which ipvsadm shows them.
func (k Key) Compare(o Key) int {
	return cmp.Or(
		cmp.Compare(k.Mark, o.Mark),
		cmp.Compare(k.Protocol, o.Protocol),
		k.Addr.Compare(o.Addr),
		cmp.Compare(b2i(k.IPv6), b2i(o.IPv6)),
	)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Flags are the IP_VS_SVC_F_ bits of include/uapi/linux/ip_vs.h that a user may set. The kernel's own bit HASHED is
// never among them.
type Flags uint32

// What may be set on a service. The three scheduler flags mean port and fallback to sh and mh.
const (
	Persistent Flags = 0x0001
	OnePacket  Flags = 0x0004
	Sched1     Flags = 0x0008 // flag-1; sh-fallback, mh-fallback
	Sched2     Flags = 0x0010 // flag-2; sh-port, mh-port
	Sched3     Flags = 0x0020 // flag-3

	AllFlags = Persistent | OnePacket | Sched1 | Sched2 | Sched3
)

// Service is how a virtual service balances. It is comparable; its servers stand beside it in an Entry.
type Service struct {
	Scheduler string
	Flags     Flags
	Timeout   time.Duration // of persistence, whole seconds; zero without Persistent
	Netmask   int           // prefix length that clients are grouped by; 32 or 128 unless set for persistence
	Engine    string        // persistence engine, as "sip"; usually empty
}

// Forward is how packets reach a real server: IP_VS_CONN_F_ of include/uapi/linux/ip_vs.h.
type Forward uint8

// The forwarding methods that lvsd sets, and the one that the kernel may report for an address of its own.
const (
	NAT    Forward = 0
	Local  Forward = 1
	Tunnel Forward = 2
	DR     Forward = 3
)

// String gives the name that ipvsadm's listing uses.
func (f Forward) String() string {
	switch f {
	case NAT:
		return "Masq"
	case Local:
		return "Local"
	case Tunnel:
		return "Tunnel"
	case DR:
		return "Route"
	default:
		return fmt.Sprintf("Forward(%d)", uint8(f))
	}
}

// TunnelType is the encapsulation of the tunnel method: IP_VS_CONN_F_TUNNEL_TYPE_ of include/uapi/linux/ip_vs.h.
type TunnelType uint8

// The encapsulations.
const (
	IPIP TunnelType = 0
	GUE  TunnelType = 1
	GRE  TunnelType = 2
)

// Encap is how a tunnel wraps packets; zero is plain ipip.
type Encap struct {
	Type  TunnelType
	Port  uint16 // of GUE
	Flags uint16 // IP_VS_TUNNEL_ENCAP_FLAG_: 1 checksum, 2 remote checksum offload
}

// Server is how the kernel treats one real server of one service. Weight 0 takes no new connections.
type Server struct {
	Forward Forward
	Weight  int
	Upper   uint32 // connections above which it takes no more; 0 is no bound
	Lower   uint32 // connections below which it takes some again
	Encap   Encap
}

// Entry is a service and its real servers. An Entry that has been handed on is never changed: who wants another one
// makes another one.
type Entry struct {
	Service Service
	Servers map[netip.AddrPort]Server
}

// Table is what the kernel holds, or should hold. Tables share entries, so an entry is replaced, not changed.
type Table map[Key]Entry

// Connections are what the kernel counts for a real server now.
type Connections struct{ Active, Inactive, Persistent uint32 }

// CheckID says which probe is meant: the check's name in the configuration and the address that it asks. The same ID is
// asked once, however many services use it.
type CheckID struct {
	Check string         `json:"check"`
	Addr  netip.AddrPort `json:"address"`
}

// String gives "alive of 10.0.0.1:80".
func (id CheckID) String() string { return id.Check + " of " + id.Addr.String() }

// Verdict is what the probes say of one check. The zero value is Unknown.
type Verdict uint8

// Unknown means: leave it as it is.
const (
	Unknown Verdict = iota
	Up
	Down
)

// String gives "unknown", "up" or "down".
func (v Verdict) String() string { return [...]string{"unknown", "up", "down"}[v] }

// Admin is what an operator has said of a server.
type Admin uint8

// The states that an operator can put a server in.
const (
	Enabled  Admin = iota
	Drained        // weight 0: open connections go on
	Disabled       // out of the table
)

// String gives "enabled", "drained" or "disabled".
func (a Admin) String() string { return [...]string{"enabled", "drained", "disabled"}[a] }
