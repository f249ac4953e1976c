package config

import (
	"fmt"
	"net/netip"

	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/plan"
)

// How much one configuration may make.
const (
	mostVirtuals = 1 << 16
	mostServers  = 1 << 18 // of all virtual services together
)

// expansion turns services into virtual services and the probes that they need.
type expansion struct {
	virtuals []plan.Virtual
	specs    map[lvs.CheckID]health.Spec
	owners   map[lvs.Key]*service
	servers  int
}

// expand makes a virtual service of every VIP x port and of every mark.
func expand(services []*service) ([]plan.Virtual, map[lvs.CheckID]health.Spec) {
	x := &expansion{specs: map[lvs.CheckID]health.Spec{}, owners: map[lvs.Key]*service{}}
	for _, s := range services {
		n := len(s.vips) * len(s.ports)
		x.servers += n * (len(s.servers) + len(s.sorry))
		if len(x.virtuals)+n > mostVirtuals || x.servers > mostServers {
			s.at.fail("makes more than %d virtual services, or %d servers of them, with those before it: use ports = 0 or fwmark",
				mostVirtuals, mostServers)
			break
		}
		if s.mark.Mark != 0 {
			x.virtual(s, s.at.table["fwmark"], s.mark)
		}
		for _, v := range s.vips {
			for _, port := range s.ports {
				x.virtual(s, v.at, lvs.Key{Protocol: s.proto, Addr: netip.AddrPortFrom(v.addr, port)})
			}
		}
	}
	return x.virtuals, x.specs
}

func (x *expansion) virtual(s *service, at *value, key lvs.Key) {
	if before := x.owners[key]; before != nil {
		if !at.blamed() { // one port says it for all
			at.fail("%v is also in the service at %s", key, before.at.where())
		}
		return
	}
	x.owners[key] = s
	v := s.virtual
	v.Key = key
	if v.Service.Netmask == 0 {
		v.Service.Netmask = 32
		if key.Is6() {
			v.Service.Netmask = 128
		}
	}
	taken := make(map[netip.AddrPort]*value, len(s.servers)+len(s.sorry))
	v.Servers = x.members(s, key, s.servers, taken)
	v.Sorry = x.members(s, key, s.sorry, taken)
	x.virtuals = append(x.virtuals, v)
}

// members gives the servers of one virtual service, without those that something is wrong with.
func (x *expansion) members(s *service, key lvs.Key, list []server, taken map[netip.AddrPort]*value) []plan.Server {
	if len(list) == 0 {
		return nil
	}
	all := make([]plan.Server, 0, len(list))
	for i := range list {
		one := &list[i]
		if one.at.blamed() { // for another port of the service
			continue
		}
		addr := netip.AddrPortFrom(one.addr, key.Addr.Port())
		if one.own {
			addr = netip.AddrPortFrom(one.addr, one.port)
		}
		if err := s.fits(one, key, addr); err != nil {
			one.at.fail("%v", err)
			continue
		}
		if before := taken[addr]; before != nil {
			one.at.fail("%v is also at line %d", addr, before.line)
			continue
		}
		taken[addr] = one.at
		all = append(all, plan.Server{Addr: addr, Set: one.set, Checks: x.probes(one, addr)})
	}
	return all
}

// fits says why the kernel cannot forward from a virtual service to a server.
func (s *service) fits(one *server, key lvs.Key, addr netip.AddrPort) error {
	forward := one.set.Forward
	if one.addr.Is6() != key.Is6() && forward != lvs.Tunnel {
		return fmt.Errorf(`%v and %v are of different families, which only forward = "tunnel" can join`, one.addr, key)
	}
	switch port := key.Addr.Port(); {
	case !one.own || one.port == port:
	case forward != lvs.NAT && port == 0:
		return fmt.Errorf(`port %d cannot be reached: only forward = "nat" changes a packet's port; set port in the check if that is meant`, one.port)
	case forward != lvs.NAT:
		return fmt.Errorf(`port %d is not the service's port %d, which only forward = "nat" can change; leave the port out`, one.port, port)
	case port == 0 && s.virtual.Service.Flags&lvs.Persistent != 0: // ip_vs_sched_persist of net/netfilter/ipvs/ip_vs_core.c
		one.at.warn("port %d is not heeded: with persistence on all ports a packet keeps its own", one.port)
	}
	return nil
}

// probes gives the checks of a server and notes how they are asked.
func (x *expansion) probes(one *server, addr netip.AddrPort) []lvs.CheckID {
	if len(one.checks) == 0 {
		return nil
	}
	ids := make([]lvs.CheckID, 0, len(one.checks))
	for _, u := range one.checks {
		if u.check.broken {
			continue
		}
		id, spec, err := u.check.For(addr)
		if err != nil {
			u.at.fail("%v", err)
			continue
		}
		x.specs[id] = spec
		ids = append(ids, id)
	}
	return ids
}
