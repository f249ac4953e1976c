package main

import (
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/plan"
)

// preview says what a configuration would change of the kernel's table: at once, and each at a server's first good
// verdict. owned are the services that lvsd may remove. status is what the running daemon knows, or nil; without a
// verdict a server stays as the kernel has it.
func preview(c director.Config, have lvs.Table, owned map[lvs.Key]bool, status *control.Status) (now, later []lvs.Change) {
	known := knowledgeOf(status)
	want := make(lvs.Table, len(c.Services))
	ours := make(lvs.Table, len(have))
	for key := range owned {
		if entry, there := have[key]; there {
			ours[key] = entry
		}
	}
	for _, v := range c.Services {
		had, there := have[v.Key]
		if there {
			ours[v.Key] = had
		}
		state := plan.Decide(v, plan.State{Entry: had, Quorum: known.quorum[v.Key]}, plan.Input{
			Now: time.Now(), Health: known.health, Admin: known.adminOf, Withhold: known.withhold,
		})
		known.keepWeights(v, state.Entry)
		want[v.Key] = state.Entry
		for _, st := range state.Servers {
			_, in := state.Entry.Servers[st.Addr]
			if !in && !st.Sorry && st.Verdict == lvs.Unknown && st.Admin != lvs.Disabled {
				later = append(later, lvs.Change{Op: lvs.AddServer, Key: v.Key, Addr: st.Addr, Server: settingsOf(v, st.Addr)})
			}
		}
	}
	return lvs.Diff(ours, want), later
}

func settingsOf(v plan.Virtual, addr netip.AddrPort) lvs.Server {
	for _, s := range v.Servers {
		if s.Addr == addr {
			return s.Set
		}
	}
	return lvs.Server{}
}

// place is a server of a virtual service.
type place struct {
	key  lvs.Key
	addr netip.AddrPort
}

// knowledge is what the daemon knows, as the decision asks for it.
type knowledge struct {
	checks   map[lvs.CheckID]plan.Health
	quorum   map[lvs.Key]plan.Quorum
	admin    map[string]map[netip.AddrPort]lvs.Admin
	servers  map[place]director.ServerState
	withhold bool
}

func knowledgeOf(s *control.Status) *knowledge {
	k := &knowledge{
		checks: map[lvs.CheckID]plan.Health{}, quorum: map[lvs.Key]plan.Quorum{},
		admin: map[string]map[netip.AddrPort]lvs.Admin{}, servers: map[place]director.ServerState{},
	}
	if s == nil {
		return k
	}
	k.withhold = s.Suspect.Suspected
	for _, c := range s.Checks {
		k.checks[c.ID()] = plan.Health{Verdict: word(c.Verdict, lvs.Unknown, lvs.Up, lvs.Down), Since: c.Since}
	}
	for _, v := range s.Services {
		k.quorum[v.Virtual] = word(v.State, plan.Pending, plan.Reached, plan.Lost)
		if k.admin[v.Name] == nil {
			k.admin[v.Name] = map[netip.AddrPort]lvs.Admin{}
		}
		for _, st := range v.Servers {
			k.admin[v.Name][st.Addr] = word(st.Admin, lvs.Enabled, lvs.Drained, lvs.Disabled)
			if !st.Sorry {
				k.servers[place{v.Virtual, st.Addr}] = st
			}
		}
	}
	return k
}

// word gives the value whose name a daemon said.
func word[T interface{ String() string }](name string, values ...T) T {
	for _, v := range values {
		if v.String() == name {
			return v
		}
	}
	return values[0]
}

func (k *knowledge) health(id lvs.CheckID) plan.Health { return k.checks[id] }

func (k *knowledge) adminOf(service string, server netip.AddrPort) lvs.Admin {
	return k.admin[service][server]
}

// keepWeights leaves the weights that the daemon has given other than the configured ones, as long as the configured
// ones are the same: a slow start under way, and what a check asks for.
func (k *knowledge) keepWeights(v plan.Virtual, decided lvs.Entry) {
	for _, s := range v.Servers {
		st, there := k.servers[place{v.Key, s.Addr}]
		set, in := decided.Servers[s.Addr]
		if there && in && st.In && st.Full == s.Set.Weight && set.Weight == s.Set.Weight {
			set.Weight = st.Weight
			decided.Servers[s.Addr] = set
		}
	}
}
