package neighbor

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// link is where a neighbour is to be asked.
type link struct {
	ifi *net.Interface
	src netip.Addr // this host's address towards the neighbour; 0.0.0.0 if it has none
}

// find gives the link that an address is on, by the kernel's own choice of route.
func find(addr netip.Addr) (link, error) {
	switch {
	case !addr.IsValid(), addr.IsUnspecified(), addr.IsMulticast(), addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return link{}, errors.New("not the address of one host")
	case addr.IsLinkLocalUnicast() && addr.Is6() && addr.Zone() == "":
		return link{}, errors.New("a link-local address needs its interface, as in fe80::1%eth0")
	}
	routes, err := netlink.RouteGetWithOptions(addr.AsSlice(), &netlink.RouteGetOptions{Oif: addr.Zone()})
	switch {
	case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.ENETDOWN):
		return link{}, fmt.Errorf("%w: no route: %w", ErrCutOff, err)
	case err != nil:
		return link{}, fmt.Errorf("look up route: %w", err)
	case len(routes) == 0:
		return link{}, fmt.Errorf("%w: no route", ErrCutOff)
	}
	r := routes[0]
	if r.Type == unix.RTN_LOCAL {
		return link{}, errors.New("an address of this host")
	}
	if gw, ok := nextHop(r); ok {
		return link{}, fmt.Errorf("not on a link of this host but behind %v", gw)
	}
	ifi, err := usable(r.LinkIndex)
	if err != nil {
		return link{}, err
	}
	src, ok := netip.AddrFromSlice(r.Src)
	if src = src.Unmap(); !ok || src.Is4() != addr.Is4() {
		if addr.Is6() {
			return link{}, fmt.Errorf("no IPv6 address of this host to ask from on %s", ifi.Name)
		}
		src = netip.IPv4Unspecified()
	}
	return link{ifi: ifi, src: src}, nil
}

// nextHop gives the gateway of a route; IPv4 ones may have one of IPv6.
func nextHop(r netlink.Route) (netip.Addr, bool) {
	if via, ok := r.Via.(*netlink.Via); ok {
		return netip.AddrFromSlice(via.Addr)
	}
	gw, ok := netip.AddrFromSlice(r.Gw)
	return gw.Unmap(), ok && !gw.IsUnspecified()
}

// usable gives an interface that neighbours can be asked on.
func usable(index int) (*net.Interface, error) {
	l, err := netlink.LinkByIndex(index)
	if err != nil {
		return nil, fmt.Errorf("look up interface %d: %w", index, err)
	}
	a := l.Attrs()
	switch {
	case a.RawFlags&unix.IFF_UP == 0:
		return nil, fmt.Errorf("%w: %s is down", ErrCutOff, a.Name)
	case a.RawFlags&(unix.IFF_NOARP|unix.IFF_LOOPBACK|unix.IFF_POINTOPOINT) != 0 || len(a.HardwareAddr) != 6:
		return nil, fmt.Errorf("%s is not a link with neighbours", a.Name)
	case a.RawFlags&unix.IFF_RUNNING == 0:
		return nil, fmt.Errorf("%w: %s has no carrier", ErrCutOff, a.Name)
	}
	return &net.Interface{Index: a.Index, MTU: a.MTU, Name: a.Name, HardwareAddr: a.HardwareAddr, Flags: a.Flags}, nil
}

// linkError marks the errors of a socket that mean that the link is gone.
func linkError(err error) error {
	for _, gone := range []error{unix.ENETDOWN, unix.ENXIO, unix.ENODEV} {
		if errors.Is(err, gone) {
			return fmt.Errorf("%w: %w", ErrCutOff, err)
		}
	}
	return err
}

// Gateways gives the gateways of the default routes of this network namespace's main table, IPv4 first, the preferred
// ones first. Link-local ones have their interface as zone. None is no error.
func Gateways() ([]netip.Addr, error) {
	var list []netip.Addr
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := routes(family)
		if err != nil {
			return nil, fmt.Errorf("list gateways: %w", err)
		}
		routes = slices.DeleteFunc(routes, func(r netlink.Route) bool { return !isDefault(r) })
		slices.SortStableFunc(routes, func(a, b netlink.Route) int { return a.Priority - b.Priority })
		for _, r := range routes {
			hops := []netlink.Route{r}
			for _, h := range r.MultiPath {
				hops = append(hops, netlink.Route{LinkIndex: h.LinkIndex, Gw: h.Gw, Via: h.Via})
			}
			for _, h := range hops {
				gw, ok := nextHop(h)
				if !ok {
					continue
				}
				if gw.Is6() && gw.IsLinkLocalUnicast() {
					ifi, err := net.InterfaceByIndex(h.LinkIndex)
					if err != nil {
						continue // it has just gone
					}
					gw = gw.WithZone(ifi.Name)
				}
				if !slices.Contains(list, gw) {
					list = append(list, gw)
				}
			}
		}
	}
	return list, nil
}

// routes lists the main table of a family, again if it changed meanwhile.
func routes(family int) ([]netlink.Route, error) {
	for try := 1; ; try++ {
		routes, err := netlink.RouteList(nil, family)
		if !errors.Is(err, netlink.ErrDumpInterrupted) || try == 5 {
			return routes, err
		}
	}
}

func isDefault(r netlink.Route) bool {
	if r.Dst == nil {
		return true
	}
	ones, _ := r.Dst.Mask.Size()
	return ones == 0 && r.Dst.IP.IsUnspecified()
}
