package vip

import (
	"bytes"
	"net/netip"

	"golang.org/x/sys/unix"
)

// addrInfo is what the kernel says of one address.
type addrInfo struct {
	index  int
	prefix netip.Prefix
	flags  uint32 // IFA_F_*
}

// usable tells whether packets can be sent from the address: duplicate address detection is over, without a find.
func (a addrInfo) usable() bool {
	return a.flags&unix.IFA_F_DADFAILED == 0 &&
		(a.flags&unix.IFA_F_TENTATIVE == 0 || a.flags&unix.IFA_F_OPTIMISTIC != 0)
}

// linkInfo is what the kernel says of one interface. It is comparable.
type linkInfo struct {
	index    int
	name     string
	flags    uint32 // IFF_*
	mac      [6]byte
	ethernet bool // has such a MAC
	parent   int  // index of the interface that this one is on; 0 is none
	kind     string
	mode     uint32 // of a macvlan
	conf4    conf4
	routes6  bool // forwards IPv6
}

// conf4 are the settings in net.ipv4.conf that matter to a VMAC.
type conf4 struct{ rpFilter, arpIgnore, arpFilter, arpAnnounce uint32 }

func (l linkInfo) up() bool {
	const all = unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_LOWER_UP
	return l.flags&all == all
}

// message is one netlink message that was read.
type message struct {
	kind, flags uint16
	seq, port   uint32
	body        []byte
}

// messages calls each for every message in a datagram. What is cut short is left out.
func messages(b []byte, each func(message)) {
	for len(b) >= headerSize {
		size := int(order.Uint32(b))
		if size < headerSize || size > len(b) {
			return
		}
		each(message{
			kind: order.Uint16(b[4:]), flags: order.Uint16(b[6:]), seq: order.Uint32(b[8:]), port: order.Uint32(b[12:]),
			body: b[headerSize:size],
		})
		b = b[min((size+3)&^3, len(b)):]
	}
}

// attrs calls each for every attribute in b, without the flags of its kind. It is false if b is malformed.
func attrs(b []byte, each func(kind uint16, v []byte)) bool {
	for len(b) >= 4 {
		size := int(order.Uint16(b))
		if size < 4 || size > len(b) {
			return false
		}
		each(order.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[4:size])
		b = b[min((size+3)&^3, len(b)):]
	}
	return true
}

// parseAddr reads a message of RTM_NEWADDR or RTM_DELADDR.
func parseAddr(b []byte) (addrInfo, bool) {
	if len(b) < addrMsgSize || b[0] != unix.AF_INET && b[0] != unix.AF_INET6 {
		return addrInfo{}, false
	}
	a := addrInfo{index: int(order.Uint32(b[4:])), flags: uint32(b[2])}
	var address, local netip.Addr
	ok := attrs(b[addrMsgSize:], func(kind uint16, v []byte) {
		switch kind {
		case unix.IFA_ADDRESS:
			address, _ = netip.AddrFromSlice(v)
		case unix.IFA_LOCAL: // IFA_ADDRESS is then the other end's, where there is one
			local, _ = netip.AddrFromSlice(v)
		case unix.IFA_FLAGS:
			if len(v) == 4 {
				a.flags = order.Uint32(v)
			}
		}
	})
	if local.IsValid() {
		address = local
	}
	if !ok || !address.IsValid() || address.Is4() != (b[0] == unix.AF_INET) {
		return addrInfo{}, false
	}
	a.prefix = netip.PrefixFrom(address, int(b[1]))
	return a, a.prefix.IsValid() && a.index > 0
}

// Attributes and places in them that the package unix has no names for.
const (
	inetConf        = 1 // IFLA_INET_CONF
	inet6Conf       = 2 // IFLA_INET6_CONF
	inet6AddrGen    = 8 // IFLA_INET6_ADDR_GEN_MODE
	addrGenNone     = 1 // IN6_ADDR_GEN_MODE_NONE
	macvlanMode     = 1 // IFLA_MACVLAN_MODE
	modePrivate     = 1 // MACVLAN_MODE_PRIVATE
	confForward6    = 0 // DEVCONF_FORWARDING
	confRPFilter    = 8 // IPV4_DEVCONF_RP_FILTER, from 1 (include/uapi/linux/ip.h)
	confARPFilter   = 13
	confARPAnnounce = 18
	confARPIgnore   = 19
)

// parseLink reads a message of RTM_NEWLINK or RTM_DELLINK.
func parseLink(b []byte) (linkInfo, bool) {
	if len(b) < linkMsgSize || b[0] != unix.AF_UNSPEC {
		return linkInfo{}, false // bridges tell of their ports in messages of their own family
	}
	l := linkInfo{index: int(order.Uint32(b[4:])), flags: order.Uint32(b[8:])}
	arphrd := order.Uint16(b[2:])
	ok := attrs(b[linkMsgSize:], func(kind uint16, v []byte) {
		switch kind {
		case unix.IFLA_IFNAME:
			l.name = text(v)
		case unix.IFLA_ADDRESS:
			l.ethernet = arphrd == unix.ARPHRD_ETHER && len(v) == 6
			copy(l.mac[:], v)
		case unix.IFLA_LINK:
			l.parent = int(number(v))
		case unix.IFLA_LINKINFO:
			l.linkKind(v)
		case unix.IFLA_AF_SPEC:
			l.families(v)
		}
	})
	return l, ok && l.index > 0 && l.name != ""
}

func (l *linkInfo) linkKind(b []byte) {
	attrs(b, func(kind uint16, v []byte) {
		switch {
		case kind == unix.IFLA_INFO_KIND:
			l.kind = text(v)
		case kind == unix.IFLA_INFO_DATA && l.kind == "macvlan":
			attrs(v, func(kind uint16, v []byte) {
				if kind == macvlanMode {
					l.mode = number(v)
				}
			})
		}
	})
}

func (l *linkInfo) families(b []byte) {
	attrs(b, func(family uint16, v []byte) {
		attrs(v, func(kind uint16, v []byte) {
			switch {
			case family == unix.AF_INET && kind == inetConf:
				l.conf4 = conf4{
					rpFilter: at(v, confRPFilter-1), arpIgnore: at(v, confARPIgnore-1),
					arpFilter: at(v, confARPFilter-1), arpAnnounce: at(v, confARPAnnounce-1),
				}
			case family == unix.AF_INET6 && kind == inet6Conf:
				l.routes6 = at(v, confForward6) != 0
			}
		})
	})
}

// at gives a number in an array of them, or 0 past its end.
func at(b []byte, i int) uint32 {
	if len(b) < 4*i+4 {
		return 0
	}
	return order.Uint32(b[4*i:])
}

func number(v []byte) uint32 { return at(v, 0) }

func text(v []byte) string { return string(bytes.TrimRight(v, "\x00")) }

// Attributes of RTM_NEWNETCONF (include/uapi/linux/netconf.h).
const (
	netconfIndex   = 1
	netconfForward = 2
	netconfFilter  = 3
	netconfAll     = -1 // NETCONFA_IFINDEX_ALL
)

// parseNetconf reads from a message of RTM_NEWNETCONF about IPv6 whether an interface forwards.
func parseNetconf(b []byte) (index int, routes, ok bool) {
	if len(b) < 4 || b[0] != unix.AF_INET6 {
		return 0, false, false
	}
	told := false
	well := attrs(b[4:], func(kind uint16, v []byte) {
		switch kind {
		case netconfIndex:
			index = int(int32(number(v)))
		case netconfForward:
			routes, told = number(v) != 0, true
		}
	})
	return index, routes, well && told && index > 0
}
