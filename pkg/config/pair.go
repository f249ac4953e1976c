package config

import (
	"net"
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// pair is every [[vrrp]] beside what they are about.
type pair struct {
	routers  []*router
	services []*service
}

// settle finishes the routers and judges them together. It adds the checks of their tracks to specs.
func (p pair) settle(all map[string]*check, specs map[lvs.CheckID]health.Spec) (*link.Config, []director.Router, ipvs.Sync) {
	if len(p.routers) == 0 {
		return nil, nil, ipvs.Sync{}
	}
	p.checkNames()
	p.checkClashes()
	p.checkVIPs()
	p.checkInterfaces()
	p.noteDouble()
	out := &link.Config{}
	var tracked []director.Router
	for _, r := range p.routers {
		tracked = append(tracked, r.bindTracks(all, p.services, specs))
		if len(p.services) == 0 && r.at.table["startup_hold"] == nil {
			r.StartupHold = time.Duration(r.DownAdverts+1) * r.Interval // there is no table to wait for: the down interval
		}
		out.Routers = append(out.Routers, r.Router)
	}
	return out, tracked, p.syncing()
}

// checkNames holds names apart: a router and a group are both told of, and handed over, by name.
func (p pair) checkNames() {
	names := map[string]*value{}
	for _, r := range p.routers {
		if before := names[r.Name]; before != nil && r.Name != "" {
			r.at.failKey("name", "%q is also the name of the router at %s", clip(r.Name), before.where())
		}
		names[r.Name] = r.at
	}
	for _, r := range p.routers {
		if before := names[r.Group]; before != nil && r.Group != "" {
			r.at.failKey("group", "%q is also the name of the router at %s", clip(r.Group), before.where())
		}
	}
}

// checkClashes finds routers that hear one another's adverts as their own, unicast or not.
func (p pair) checkClashes() {
	type circuit struct {
		link   string
		id     uint8
		family uint8
	}
	taken := map[circuit]*value{}
	for _, r := range p.routers {
		c := circuit{r.Interface, r.ID, r.Family}
		if r.ID == 0 || r.Interface == "" {
			continue
		}
		if before := taken[c]; before != nil {
			r.at.failKey("id", "%d of IPv%d on %s is also that of the router at %s", r.ID, r.Family, r.Interface, before.where())
			continue
		}
		taken[c] = r.at
	}
}

// checkVIPs finds VIPs that are twice, that no service has, and that no router holds.
func (p pair) checkVIPs() {
	held := map[netip.Addr]*value{}
	for _, r := range p.routers {
		for _, a := range r.vips {
			addr := a.Prefix.Addr()
			if before := held[addr]; before != nil {
				a.at.fail("%v is also a VIP of the router at %s", addr, before.where())
				continue
			}
			held[addr] = a.at
		}
	}
	served, marked := map[netip.Addr]bool{}, false
	for _, s := range p.services {
		marked = marked || s.mark.Mark != 0
		for _, v := range s.vips {
			if !served[v.addr] && held[v.addr] == nil {
				v.at.warn("no [[vrrp]] has %v: it stays on whichever host has it now", v.addr)
			}
			served[v.addr] = true
		}
	}
	if len(served) == 0 || marked { // a mark's addresses are in the firewall's rules
		return
	}
	for _, r := range p.routers {
		for _, a := range r.vips {
			if !served[a.Prefix.Addr()] {
				a.at.warn("no service has %v: it moves, and nothing is balanced there", a.Prefix.Addr())
			}
		}
	}
}

// checkInterfaces warns of interfaces that this host does not have now; they may come.
func (p pair) checkInterfaces() {
	all, err := net.Interfaces()
	if err != nil {
		return
	}
	there := map[string]bool{"": true}
	for _, i := range all {
		there[i.Name] = true
	}
	missing := func(at *value, key, name string) {
		if !there[name] {
			at.warnKey(key, "this host has no interface %s now; until it comes, the router is in fault", name)
			there[name] = true // said once
		}
	}
	for _, r := range p.routers {
		missing(r.at, "interface", r.Interface)
		for _, a := range r.vips {
			missing(a.at, "interface", a.Link)
		}
		for _, t := range r.tracks {
			missing(t.at, "interface", t.iface)
		}
	}
}

// noteDouble tells once for how long a process's death may leave VIPs in two places (SAFETY.md, "Lease").
func (p pair) noteDouble() {
	for _, r := range p.routers {
		if d := r.double(); d > 0 {
			r.at.warnKey("lease", "if this process dies, a peer takes over before the kernel has dropped its VIPs: both may hold them for up to %s", brief(d))
			return
		}
	}
}

// syncing gives the kernel's connection synchronisation, of which a host has one, and warns where it is missing.
func (p pair) syncing() ipvs.Sync {
	var sync ipvs.Sync
	var first *value
	for _, r := range p.routers {
		if !r.sync {
			continue
		}
		next := ipvs.Sync{Interface: r.Interface, ID: r.ID}
		if first != nil {
			r.at.failKey("sync_connections", "is also true at %s: the kernel synchronises over one interface with one id", first.where())
			continue
		}
		first, sync = r.at, next
	}
	if first == nil {
		p.warnUnsynced()
	}
	return sync
}

func (p pair) warnUnsynced() {
	for _, s := range p.services {
		for _, one := range s.servers {
			if one.set.Forward == lvs.DR || one.set.Forward == lvs.NAT {
				p.routers[0].at.warnKey("sync_connections", "is false everywhere: open connections of dr and nat services break when the VIPs move")
				return
			}
		}
	}
}
