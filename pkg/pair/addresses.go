package pair

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vip"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// renewGap is the least time between two renewals, unless the lease needs them sooner.
const renewGap = 250 * time.Millisecond

// renewal gives how often a lease is renewed.
func renewal(interval, lease time.Duration) time.Duration {
	return min(max(min(interval, lease/3), renewGap), lease/3)
}

// vmacName is the interface with the virtual MAC.
func vmacName(r *link.Router) string { return fmt.Sprintf("lvsd%d.%d", r.Family, r.ID) }

// vmac gives the interface with the virtual MAC (RFC 9568 section 7.3), or none.
func vmac(r *link.Router) vip.VMAC {
	if !r.VMAC {
		return vip.VMAC{}
	}
	v := vip.VMAC{Name: vmacName(r), Parent: r.Interface, MAC: [6]byte{0, 0, 0x5e, 0, 1, r.ID}}
	if r.Family == 6 {
		v.MAC[4] = 2
	}
	return v
}

// addressesOf gives a router's VIPs where they belong: those of an interface with a virtual MAC's are on it instead.
func addressesOf(r *link.Router) []vip.Address {
	list := slices.Clone(r.VIPs)
	for i := range list {
		if list[i].Link == "" {
			list[i].Link = r.Interface
		}
		if r.VMAC && list[i].Link == r.Interface {
			list[i].Link = vmacName(r)
		}
	}
	return list
}

// advertised gives the addresses that go into adverts: those of the adverts' family, the link-local ones first (RFC 9568
// section 5.2.9).
func advertised(r *link.Router) []netip.Addr {
	var list []netip.Addr
	for _, a := range r.VIPs {
		if addr := a.Prefix.Addr(); addr.Is4() == (r.Family == 4) {
			list = append(list, addr)
		}
	}
	slices.SortStableFunc(list, func(a, b netip.Addr) int { return rank(a) - rank(b) })
	return list
}

func rank(a netip.Addr) int {
	if a.Is6() && a.IsLinkLocalUnicast() {
		return 0
	}
	return 1
}

// want tells the keeper of addresses what shall be of a router's.
func (c *core) want(now moment, r *router) {
	r.renewed = now.at
	r.settled = false
	c.addresses.Set(r.config.Name, vip.Want{
		Addresses: r.addresses, Held: r.holds, Lease: r.config.Lease, Renew: renewal(r.config.Interval, r.config.Lease),
		Schedule: r.config.Announce, Election: r.election, VMAC: vmac(&r.config),
	})
}

// overdue is how long after the last renewal an alarm is due.
func (r *router) overdue() time.Duration {
	return renewal(r.config.Interval, r.config.Lease) + r.config.Lease/2
}

// leaseNext is when tickLease has something to do.
func (r *router) leaseNext() vrrp.Instant {
	switch {
	case !r.holds || r.config.Lease == 0 || r.stale:
		return vrrp.Never
	case r.alarms.held(alarmLease):
		return r.renewed.Add(r.config.Lease)
	}
	return r.renewed.Add(r.overdue())
}

// tickLease notices leases that are not renewed. Past the lease the addresses are gone, and the role with them.
func (c *core) tickLease(now moment, r *router) {
	if now.at < r.leaseNext() {
		return
	}
	if !r.alarms.held(alarmLease) {
		words := fmt.Sprintf("the leases of its VIPs were not renewed for %v of %v", now.at.Sub(r.renewed).Round(time.Millisecond), r.config.Lease)
		if r.vipError != "" {
			words += ": " + r.vipError
		}
		c.raise(now, r, alarmLease, vrrp.Never, words)
	}
	if now.at >= r.renewed.Add(r.config.Lease) {
		r.stale = true
		c.restand(now, r.group)
	}
}

// report takes what came of keeping addresses.
func (c *core) report(now moment, rep *vip.Report) {
	switch rep.Kind {
	case vip.LinkChanged:
		c.linkChanged(now, rep.Link)
		return
	case vip.Duplicate:
		c.duplicate(now, rep)
		return
	}
	r := c.keptAs(rep.Router)
	if r == nil {
		return
	}
	switch rep.Kind {
	case vip.Settled:
		c.renewed(now, r, vrrp.Instant(rep.At))
	case vip.Failed:
		if words := rep.Err.Error(); words != r.vipError {
			r.vipError = words
			c.note(now, r, true, "VIPs: "+words)
		}
	case vip.Restored:
		c.mend(now, r, rep.Address, "was gone and is put back")
	case vip.Removed:
		c.mend(now, r, rep.Address, "was here and is taken off: this router does not hold it")
	}
}

// keptAs gives the router of a name as the keeper of addresses knows it: one that leaves has it until it left.
func (c *core) keptAs(name string) *router {
	for _, r := range c.routers {
		if r.config.Name == name {
			return r
		}
	}
	return nil
}

// renewed takes that a router's addresses were as wanted at that time.
func (c *core) renewed(now moment, r *router, at vrrp.Instant) {
	if at < r.renewed && r.settled {
		return
	}
	r.renewed, r.settled = max(at, r.renewed), true
	r.vipError = ""
	if r.stale {
		r.stale = false
		c.restand(now, r.group)
	}
	if r.alarms.held(alarmLease) {
		c.calm(now, r, alarmLease, "the leases of its VIPs are renewed again")
	}
}

// How addresses that are put back or taken off again and again are told of: each one, until there were so many in a row.
const (
	mendings  = 10
	mendPause = time.Minute
)

func (c *core) mend(now moment, r *router, a vip.Address, what string) {
	words := fmt.Sprintf("%v on %s %s", a.Prefix, a.Link, what)
	r.mended.again(now.at, mendPause)
	switch {
	case r.mended.run > mendings:
		c.raise(now, r, alarmMended, now.at.Add(mendPause), "another program changes its VIPs again and again; last: "+words)
	default:
		c.note(now, r, false, words)
	}
}

// duplicate tells that somebody else answers for an address that is held here.
func (c *core) duplicate(now moment, rep *vip.Report) {
	for _, r := range c.routers {
		if !r.holds || !slices.Contains(r.addresses, rep.Address) {
			continue
		}
		// Each of n addresses is asked for every n times 10 s.
		until := now.at.Add(time.Minute + time.Duration(len(r.addresses))*25*time.Second)
		a := rep.Address.Prefix.Addr()
		words := fmt.Sprintf("%v answers for %v too", net.HardwareAddr(rep.MAC[:]), a)
		if !r.alarms.held(alarmContested) {
			words += ", and VRRP does not hear it"
		}
		c.raise(now, r, alarmDuplicate(a), until, words)
	}
}
