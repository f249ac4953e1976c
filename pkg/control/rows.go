package control

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Virtual is one virtual service as the kernel has it.
type Virtual struct {
	Key        lvs.Key       `json:"virtual"`
	Foreign    bool          `json:"foreign,omitempty"` // not lvsd's; never touched
	Scheduler  string        `json:"scheduler"`
	Flags      lvs.Flags     `json:"flags"`                   // IP_VS_SVC_F_ bits of linux/ip_vs.h
	Persistent time.Duration `json:"persistent_ns,omitempty"` // timeout of persistence; 0 is none
	Netmask    int           `json:"netmask"`                 // prefix length that persistent clients are grouped by
	Engine     string        `json:"engine,omitempty"`        // of persistence
	Servers    []Real        `json:"servers"`                 // in the order of their addresses
}

// Real is one real server of one virtual service as the kernel has it.
type Real struct {
	Addr       netip.AddrPort `json:"address"`
	Forward    string         `json:"forward"` // "dr", "nat", "tunnel" or "local", as in the configuration
	Weight     int            `json:"weight"`
	Upper      uint32         `json:"upper,omitempty"`
	Lower      uint32         `json:"lower,omitempty"`
	Encap      *Encap         `json:"tunnel,omitempty"` // only of a tunnel other than plain ipip
	Active     uint32         `json:"active"`
	Inactive   uint32         `json:"inactive"`
	Persistent uint32         `json:"persistent"` // connections of persistence templates
}

// Encap is how a tunnel wraps packets.
type Encap struct {
	Type  lvs.TunnelType `json:"type"`           // IP_VS_CONN_F_TUNNEL_TYPE_ of linux/ip_vs.h: 1 gue, 2 gre
	Port  uint16         `json:"port,omitempty"` // of gue
	Flags uint16         `json:"flags,omitempty"`
}

// VirtualOf makes the row of a service, without servers.
func VirtualOf(key lvs.Key, s lvs.Service, foreign bool) Virtual {
	return Virtual{
		Key: key, Foreign: foreign, Scheduler: s.Scheduler, Flags: s.Flags,
		Persistent: s.Timeout, Netmask: s.Netmask, Engine: s.Engine, Servers: []Real{},
	}
}

// Service gives the service that a row was made of.
func (v Virtual) Service() lvs.Service {
	return lvs.Service{Scheduler: v.Scheduler, Flags: v.Flags, Timeout: v.Persistent, Netmask: v.Netmask, Engine: v.Engine}
}

// RealOf makes the row of a real server.
func RealOf(addr netip.AddrPort, s lvs.Server, c lvs.Connections) Real {
	r := Real{
		Addr: addr, Forward: forwards[s.Forward], Weight: s.Weight, Upper: s.Upper, Lower: s.Lower,
		Active: c.Active, Inactive: c.Inactive, Persistent: c.Persistent,
	}
	if s.Encap != (lvs.Encap{}) {
		r.Encap = &Encap{Type: s.Encap.Type, Port: s.Encap.Port, Flags: s.Encap.Flags}
	}
	return r
}

// Server gives the real server that a row was made of. A way of forwarding that this program does not know is an error.
func (r Real) Server() (lvs.Server, error) {
	s := lvs.Server{Weight: r.Weight, Upper: r.Upper, Lower: r.Lower}
	if r.Encap != nil {
		s.Encap = lvs.Encap{Type: r.Encap.Type, Port: r.Encap.Port, Flags: r.Encap.Flags}
	}
	for f, word := range forwards {
		if word == r.Forward {
			s.Forward = f
			return s, nil
		}
	}
	return lvs.Server{}, fmt.Errorf("read server %v: no such forwarding method: %q", r.Addr, r.Forward)
}

// Connections gives the counts of a row.
func (r Real) Connections() lvs.Connections {
	return lvs.Connections{Active: r.Active, Inactive: r.Inactive, Persistent: r.Persistent}
}

var forwards = map[lvs.Forward]string{lvs.DR: "dr", lvs.NAT: "nat", lvs.Tunnel: "tunnel", lvs.Local: "local"}
