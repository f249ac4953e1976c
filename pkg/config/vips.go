package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsd/lvsd/pkg/vip"
)

// How many addresses an advert has room for: a byte counts them (RFC 9568 section 5.2.5), and those of IPv6 must fit
// in a frame of 1500 bytes.
const (
	mostVIPs4 = 255
	mostVIPs6 = (1500 - 40 - 8) / 16
)

// mostLabel is IFNAMSIZ of the kernel without its final zero.
const mostLabel = 15

// address is one VIP of a router.
type address struct {
	at *value
	vip.Address
}

// readVIPs reads the addresses, and the family of adverts, which is that of the first.
func (r *router) readVIPs() {
	at := r.at
	list := at.elements("vips")
	if v := at.table["vips"]; v != nil && v.lists && len(list) == 0 {
		v.fail("is empty")
	}
	for _, e := range list {
		a, ok := r.readVIP(e)
		if !ok {
			continue
		}
		addr := a.Prefix.Addr()
		switch family := familyOf(addr); {
		case r.Family == 0:
			r.Family = family
		case r.Family != family:
			e.fail("%v is IPv%d among IPv%d: write a second [[vrrp]], and a group to move both together", addr, family, r.Family)
			continue
		}
		if r.holds(addr) {
			e.fail("%v is there twice", addr)
			continue
		}
		r.vips = append(r.vips, a)
		r.VIPs = append(r.VIPs, a.Address)
	}
	if r.Family == 0 {
		r.Family = 4
	}
	most := mostVIPs4
	if r.Family == 6 {
		most = mostVIPs6
		if r.Version == 2 {
			at.failKey("version", "2 knows no IPv6: version = 3 does")
		}
		if r.Plain {
			at.failKey("checksum", "means something only with IPv4")
		}
	}
	if len(r.vips) > most {
		at.failKey("vips", "are %d: an advert has room for %d; write a second [[vrrp]], and a group to move both together", len(r.vips), most)
	}
}

func familyOf(a netip.Addr) uint8 {
	if a.Is4() {
		return 4
	}
	return 6
}

// readVIP reads "address", "address/length" or { address, interface, label }.
func (r *router) readVIP(at *value) (address, bool) {
	a := address{at: at, Address: vip.Address{Link: r.Interface}}
	if at.table == nil {
		if _, ok := at.data.(string); !ok {
			at.fail("must be an address or a table, not %s", at.shown())
			return a, false
		}
		return a, a.readPrefix(at)
	}
	defer at.done()
	ok := false
	if inner := at.get("address"); inner != nil {
		ok = a.readPrefix(inner)
	} else {
		at.failKey("address", "is missing")
	}
	if name := at.netInterface("interface"); name != "" {
		a.Link = name
		if r.VMAC && name != r.Interface {
			at.failKey("interface", "cannot stand beside vmac = true: the VIPs are on the interface with the virtual MAC")
		}
	}
	a.Label = at.text("label", "")
	if l := at.table["label"]; l != nil && !l.blamed() && ok {
		if err := checkLabel(a.Address, r.VMAC); err != nil {
			l.fail("%v", err)
		}
	}
	return a, ok
}

func (a *address) readPrefix(at *value) bool {
	text, ok := at.asText()
	if !ok {
		return false
	}
	host, _, long := strings.Cut(text, "/")
	addr, err := parseAddr(host)
	switch {
	case err != nil:
		at.fail("%v", err)
		return false
	case addr.IsLoopback():
		at.fail("%q is not an address on a link", host)
		return false
	case !long:
		a.Prefix = netip.PrefixFrom(addr, addr.BitLen())
		return true
	}
	if a.Prefix, err = netip.ParsePrefix(text); err != nil {
		at.fail("%q is not an address with a prefix length", clip(text))
		return false
	}
	if !a.Prefix.IsSingleIP() {
		at.warn("/%d brings its subnet with it and may vanish with another address of it: /%d is meant almost always", a.Prefix.Bits(), addr.BitLen())
	}
	return true
}

// checkLabel says what is wrong with an address's label. inet_rtm_newaddr of net/ipv4/devinet.c takes any; ifconfig and
// the rules of firewalls know it by the interface before the colon.
func checkLabel(a vip.Address, vmac bool) error {
	rest, ours := strings.CutPrefix(a.Label, a.Link)
	switch {
	case a.Prefix.Addr().Is6():
		return fmt.Errorf("means something only with IPv4")
	case vmac:
		return fmt.Errorf("cannot stand beside vmac = true: the VIPs are on the interface with the virtual MAC")
	case len(a.Label) > mostLabel:
		return fmt.Errorf("%q is longer than the %d bytes that the kernel takes", clip(a.Label), mostLabel)
	case !ours || rest != "" && (rest[0] != ':' || !isInterface(rest[1:])):
		return fmt.Errorf("%q is not the interface with more after a colon, as %q", clip(a.Label), a.Link+":1")
	}
	return nil
}

// isOwn reports whether this host has an address now.
func isOwn(addr netip.Addr) bool {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(all, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		if !ok {
			return false
		}
		own, ok := netip.AddrFromSlice(n.IP)
		return ok && own.Unmap() == addr
	})
}
