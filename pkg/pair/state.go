package pair

import (
	"time"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// state gives everything that is known, for people and for `lvsd run`.
func (c *core) state(now moment) *link.State {
	s := &link.State{
		Seq: c.history.seq, Boot: c.boot, Version: c.version, Node: c.config.Node, PID: c.pid, At: now.wall, Started: c.started, Image: c.image,
		RealTime: c.realTime, Run: link.RunState{Heard: c.word.ever && !c.word.lost, Ready: c.word.Ready},
	}
	if c.word.ever {
		s.Run.Age = now.at.Sub(c.word.at)
	}
	for _, g := range c.groups {
		for _, r := range g.routers {
			s.Routers = append(s.Routers, c.routerState(now, r))
		}
	}
	return s
}

func (c *core) routerState(now moment, r *router) link.RouterState {
	g, m := r.group, r.machine()
	s := link.RouterState{
		Name: r.config.Name, Group: g.name, Interface: r.config.Interface, ID: r.config.ID, Version: r.config.Version,
		State: g.state.String(), Resigning: m.Resigning(), Since: g.since.wall, SinceMono: time.Duration(g.since.at), Cause: g.cause,
		Priority: m.Priority(), Configured: r.config.Priority, Reasons: r.reasons,
		Primary: r.primary, Interval: m.Interval(), Learned: m.Learned(), Down: m.Down(),
		Holds: r.holds, VIPError: r.vipError, Lease: r.config.Lease,
		Contested: r.contestedAt, ContestedBy: r.contestedBy,
		Sent: r.sent, Heard: r.heard, Refused: r.refusals(), Alarms: r.alarms.words(), LatenessMax: r.lateness,
		Transitions: g.transitions, Preempt: r.config.Preempt, PreemptDelay: r.config.PreemptDelay, WaitsForTable: m.Held(),
	}
	peer, priority, at := m.Peer()
	if peer.IsValid() {
		s.Peer, s.PeerPriority, s.PeerHeard = peer, priority, wallOf(now, at)
	}
	if r.holds && r.config.Lease > 0 {
		s.LeaseAge = now.at.Sub(r.renewed)
	}
	for _, a := range r.addresses {
		s.VIPs = append(s.VIPs, a.Prefix.String())
	}
	return s
}

// wallOf gives what the wall clock would say of a moment.
func wallOf(now moment, at vrrp.Instant) time.Time { return now.wall.Add(-now.at.Sub(at)) }
