package director

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/plan"
)

func (d *director) record(e audit.Entry) {
	e.Time = time.Now()
	d.out.Record(e)
}

// recordChanges records what a decision changes for the servers of a service and for the service itself.
func (d *director) recordChanges(s *service, after plan.State) {
	for i, st := range after.Servers {
		var was plan.ServerState
		if i < len(s.state.Servers) && s.state.Servers[i].Addr == st.Addr && s.state.Servers[i].Sorry == st.Sorry {
			was = s.state.Servers[i]
		} else {
			was = find(s.state.Servers, st)
		}
		from, to := place(s.state.Entry, was, st.Addr), place(after.Entry, st, st.Addr)
		if from == to && (!st.Rising.IsZero() || !was.Rising.IsZero()) {
			continue // a slow start was told when it began
		}
		if old, now := s.state.Entry.Servers[st.Addr].Weight, after.Entry.Servers[st.Addr].Weight; from == to && old != now {
			from, to = fmt.Sprintf("%s, weight %d", from, old), fmt.Sprintf("%s, weight %d", to, now)
		}
		if from == to {
			continue
		}
		d.record(audit.Entry{
			Event: audit.EventServer, Actor: d.cause, Service: s.virtual.Name, Virtual: s.virtual.Key.String(),
			Server: st.Addr.String(), From: from, To: to, Reason: d.reason(s, st, after),
		})
	}
	if after.Quorum != s.state.Quorum && (s.state.Quorum != plan.Pending || after.Quorum == plan.Lost) {
		d.record(audit.Entry{
			Event: audit.EventService, Actor: d.cause, Service: s.virtual.Name, Virtual: s.virtual.Key.String(),
			From: s.state.Quorum.String(), To: after.Quorum.String(),
			Reason: fmt.Sprintf("weight %d in service, quorum %d", after.Weight, s.virtual.Quorum),
		})
	}
}

func find(list []plan.ServerState, like plan.ServerState) plan.ServerState {
	for _, st := range list {
		if st.Addr == like.Addr && st.Sorry == like.Sorry {
			return st
		}
	}
	return plan.ServerState{}
}

// place says in a word or two where a server is.
func place(e lvs.Entry, st plan.ServerState, addr netip.AddrPort) string {
	set, there := e.Servers[addr]
	switch {
	case !there:
		return "out"
	case st.Held == plan.HeldByMinUp || st.Held == plan.HeldBySuspicion:
		return "down, " + st.Held.String()
	case set.Weight == 0:
		return "in with weight 0"
	default:
		return "in"
	}
}

// reason says why a server is where it is, with the last word of the check that decided.
func (d *director) reason(s *service, st plan.ServerState, after plan.State) string {
	switch {
	case st.Admin != lvs.Enabled:
		return st.Admin.String() + " by an operator"
	case st.Sorry && after.Quorum == plan.Reached, st.Sorry && st.Verdict == lvs.Up:
		return fmt.Sprintf("sorry server; weight %d of the real servers in service, quorum %d", after.Weight, s.virtual.Quorum)
	case !st.In && st.Verdict == lvs.Up:
		return fmt.Sprintf("up, but the sorry server stands in: weight %d in service, quorum %d", after.Weight, s.virtual.Quorum)
	}
	return d.word(s, st)
}

// word gives the last word of the check that decided a server's verdict, or of its first check if all passed.
func (d *director) word(s *service, st plan.ServerState) string {
	id := st.Check
	if id == (lvs.CheckID{}) {
		for _, servers := range [][]plan.Server{s.virtual.Servers, s.virtual.Sorry} {
			for _, server := range servers {
				if server.Addr == st.Addr && len(server.Checks) > 0 {
					id = server.Checks[0]
				}
			}
		}
	}
	c := d.checks[id]
	switch {
	case c == nil:
		return "not checked"
	case c.last() == nil:
		return id.Check + ": not tried yet"
	default:
		return id.Check + ": " + c.last().Reason
	}
}
