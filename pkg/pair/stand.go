package pair

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vip"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// priority gives what a configured priority is worth with reasons in force, and whether one of them is a fault. 255 is the
// owner's, whatever happens.
func priority(configured uint8, reasons []link.Reason) (inEffect uint8, fault bool) {
	sum := int(configured)
	for _, r := range reasons {
		sum += r.Weight
		fault = fault || r.Fault
	}
	if configured == vrrp.PriorityOwner {
		return configured, fault
	}
	return uint8(min(max(sum, 1), 254)), fault
}

// reasonsOf gathers what counts for a router: all that is said of it and of the others of its group, each once.
func (c *core) reasonsOf(now moment, r *router) []link.Reason {
	var all []link.Reason
	add := func(reasons ...link.Reason) {
		for _, reason := range reasons {
			if !slices.Contains(all, reason) {
				all = append(all, reason)
			}
		}
	}
	for _, member := range r.group.routers {
		if !c.word.lost {
			add(c.word.Reasons[member.config.Name]...)
		}
		add(c.tracked(&member.config)...)
		if member.stale {
			add(link.Reason{Words: "the leases of " + member.config.Name + "'s VIPs cannot be renewed", Fault: true})
		}
	}
	if r.group.counted && r.config.OnLost != 0 {
		add(link.Reason{Words: "lvsd run is not heard, and a peer is", Weight: r.config.OnLost})
	}
	return all
}

// tracked gives the reasons of interfaces.
func (c *core) tracked(r *link.Router) []link.Reason {
	var reasons []link.Reason
	for _, t := range r.Tracks {
		if !c.links[t.Interface].Up {
			reasons = append(reasons, link.Reason{
				Words: "interface " + t.Interface + " is " + condition(c.links[t.Interface]), Weight: t.Weight, Fault: t.Weight == 0,
			})
		}
	}
	return reasons
}

func condition(l vip.Link) string {
	switch {
	case l.Index == 0:
		return "not there"
	case !l.Up:
		return "down"
	}
	return "up"
}

// restand tells the machines of a group what this host can say of itself, if that changed.
func (c *core) restand(now moment, g *group) {
	g.counted = c.word.lost && c.peerAlive(now, g)
	for i, r := range g.routers {
		r.reasons = c.reasonsOf(now, r)
		s := c.standing(r)
		if s == r.standing {
			continue
		}
		r.standing = s
		c.step(now, g, i, vrrp.Event{Kind: vrrp.Stand, Standing: s})
	}
}

// standing gives what this host can say of itself for a router, whose reasons are gathered.
func (c *core) standing(r *router) vrrp.Standing {
	s := vrrp.Standing{Primary: r.primary, Down: r.port == nil || !c.links[r.device()].Up}
	s.Priority, s.Sick = priority(r.config.Priority, r.reasons)
	return s
}

func (c *core) restandAll(now moment) {
	for _, g := range slices.Clone(c.groups) {
		c.restand(now, g)
	}
}

// faults gives the words of the faults among reasons.
func faults(reasons []link.Reason) string {
	var words []string
	for _, r := range reasons {
		if r.Fault {
			words = append(words, r.Words)
		}
	}
	return strings.Join(words, "; ")
}

// source gives the address that a router's adverts come from, and none if it has none to come from. One that is in use
// stays while it is there. A VIP is none, unless this host is its owner and has no other.
func source(r *link.Router, l vip.Link, inUse netip.Addr, isVIP func(netip.Addr) bool) netip.Addr {
	has := func(a netip.Addr) bool {
		return slices.ContainsFunc(l.Addresses, func(p netip.Prefix) bool { return p.Addr().WithZone("") == a.WithZone("") })
	}
	if r.Source.IsValid() {
		if len(r.Peers) > 0 || has(r.Source) {
			return r.Source.WithZone("")
		}
		return netip.Addr{}
	}
	if inUse.IsValid() && suits(r, inUse) && has(inUse) {
		return inUse
	}
	for _, p := range l.Addresses {
		if a := p.Addr().WithZone(""); suits(r, a) && !isVIP(a) {
			return a
		}
	}
	if r.Priority == vrrp.PriorityOwner {
		for _, a := range advertised(r) {
			if suits(r, a) {
				return a
			}
		}
	}
	return netip.Addr{}
}

// suits tells whether adverts of a router may come from an address: IPv6 multicast comes from the link-local one (RFC 9568
// section 5.1.2.1).
func suits(r *link.Router, a netip.Addr) bool {
	if r.Family == 4 {
		return a.Is4()
	}
	return a.Is6() && a.IsLinkLocalUnicast() == (len(r.Peers) == 0)
}
