package config

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// server is one real or sorry server of a service as it was read.
type server struct {
	at     *value
	addr   netip.Addr
	port   uint16
	own    bool // port is set, and is not the service's
	set    lvs.Server
	checks []use
}

// use is a check where a service or a server names it.
type use struct {
	at    *value
	check *check
}

var forwards = map[string]lvs.Forward{"dr": lvs.DR, "nat": lvs.NAT, "tunnel": lvs.Tunnel}

// mostWeight is what ipvsadm takes; listings of the kernel's weights are often read in 16 bits.
const mostWeight = 65535

// readServers reads the servers, the sorry servers, and what holds for all of them.
func (s *service) readServers(checks map[string]*check) {
	at := s.at
	standard := server{set: lvs.Server{
		Forward: forwards[at.word("forward", "dr", "dr", "nat", "tunnel")],
		Weight:  at.whole("weight", 1, 0, mostWeight),
		Encap:   readEncap(at.get("tunnel")),
	}}
	standard.checks = readUses(at, "checks", checks, nil)
	if at.table["servers"] == nil {
		at.failKey("servers", "is missing")
	}
	s.servers = readServerList(at, "servers", standard, checks)
	if list := at.table["servers"]; list != nil && list.lists && len(list.list) == 0 {
		list.warn("is empty: only a sorry server can answer")
	}
	unchecked := slices.ContainsFunc(s.servers, func(one server) bool { return len(one.checks) == 0 })
	if unchecked && at.table["checks"].empty() {
		at.warnKey("checks", "is empty: servers are taken to be always up")
	}
	s.sorry = readServerList(at, "sorry", standard, checks)
	tunnels := func(one server) bool { return one.set.Forward == lvs.Tunnel }
	if t := at.table["tunnel"]; t != nil && t.table != nil && standard.set.Forward != lvs.Tunnel && !slices.ContainsFunc(slices.Concat(s.servers, s.sorry), tunnels) {
		t.fail(`means something only with forward = "tunnel"`)
	}
}

// empty tells whether a list is absent or has nothing in it.
func (v *value) empty() bool { return v == nil || v.lists && len(v.list) == 0 }

// readUses reads a list of the names of checks, and adds them to those that are used already.
func readUses(at *value, key string, checks map[string]*check, uses []use) []use {
	uses = slices.Clip(uses)
	for _, e := range at.elements(key) {
		name, ok := e.asText()
		if !ok {
			continue
		}
		c := checks[name]
		if c == nil {
			e.fail("unknown check %q%s", clip(name), e.doc.report.didYouMean(name, maps.Keys(checks)))
			continue
		}
		c.used = true
		if slices.ContainsFunc(uses, func(u use) bool { return u.check == c }) {
			e.fail("check %q is there twice", name)
			continue
		}
		uses = append(uses, use{e, c})
	}
	return uses
}

// readServerList reads a list of "address", "address:port" and tables.
func readServerList(at *value, key string, standard server, checks map[string]*check) []server {
	list := at.elements(key)
	all := make([]server, 0, len(list))
	for _, e := range list {
		one := standard
		one.at = e
		var ok bool
		switch e.data.(type) {
		case string:
			ok = one.readAddress(e)
		default:
			if e.table == nil {
				e.fail("must be an address or a table, not %s", e.shown())
				continue
			}
			ok = one.readTable(e, checks)
		}
		if ok {
			all = append(all, one)
		}
	}
	return all
}

// readTable reads a server that is a table.
func (one *server) readTable(at *value, checks map[string]*check) bool {
	defer at.done()
	one.set.Weight = at.whole("weight", one.set.Weight, 0, mostWeight)
	one.set.Upper = uint32(at.whole("upper", 0, 0, 1<<32-1))
	one.set.Lower = uint32(at.whole("lower", 0, 0, 1<<32-1))
	if one.set.Upper < one.set.Lower && !at.table["upper"].blamed() { // ip_vs_add_dest of net/netfilter/ipvs/ip_vs_ctl.c
		at.failKey("lower", "%d is above upper, which is %d", one.set.Lower, one.set.Upper)
	}
	if at.get("forward") != nil {
		one.set.Forward = forwards[at.word("forward", "dr", "dr", "nat", "tunnel")]
	}
	if one.set.Forward != lvs.Tunnel {
		one.set.Encap = lvs.Encap{}
	}
	one.checks = readUses(at, "extra_checks", checks, one.checks)
	address, port := at.get("address"), at.get("port")
	if address == nil {
		at.failKey("address", "is missing")
	}
	ok := address != nil && one.readAddress(address)
	if port != nil {
		if one.own {
			port.fail("is already part of address")
		}
		n, good := port.asWhole(1, 65535)
		one.port, one.own = uint16(n), true
		ok = ok && good
	}
	return ok
}

// readAddress reads "address", "address:port" or "[v6]:port".
func (one *server) readAddress(at *value) bool {
	text, ok := at.asText()
	if !ok {
		return false
	}
	if _, err := netip.ParseAddr(text); err != nil {
		if p, err := netip.ParseAddrPort(text); err == nil {
			if p.Port() == 0 {
				at.fail("%q: 0 is not the port of a server", text)
				return false
			}
			one.port, one.own = p.Port(), true
			text = p.Addr().String()
		}
	}
	addr, err := parseAddr(text)
	if err == nil && addr.Is6() && addr.IsLinkLocalUnicast() {
		at.fail("%q is link-local: the kernel does not take it as a server", text)
		return false
	}
	if err != nil {
		at.fail("%v", err)
		return false
	}
	one.addr = addr
	return true
}

// readEncap reads tunnel = { type, port, checksum }.
func readEncap(at *value) lvs.Encap {
	var e lvs.Encap
	if at == nil || !at.isTable() {
		return e
	}
	defer at.done()
	kind := at.word("type", "ipip", "ipip", "gue", "gre")
	e.Type = map[string]lvs.TunnelType{"ipip": lvs.IPIP, "gue": lvs.GUE, "gre": lvs.GRE}[kind]
	e.Port = uint16(at.whole("port", 0, 1, 65535))
	if kind == "gue" && at.table["port"] == nil {
		at.failKey("port", `is missing: type = "gue" needs it`)
	}
	if kind != "gue" && at.table["port"] != nil {
		at.failKey("port", `means something only with type = "gue"`)
	}
	switch checksum := at.word("checksum", "none", "none", "csum", "remcsum"); {
	case checksum == "none":
	case kind == "ipip":
		at.failKey("checksum", `means something only with type = "gue" or "gre"`)
	case checksum == "csum":
		e.Flags = 1 // IP_VS_TUNNEL_ENCAP_FLAG_CSUM
	case kind == "gre":
		at.failKey("checksum", `"remcsum" means something only with type = "gue"`)
	default:
		e.Flags = 2 // IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM
	}
	return e
}
