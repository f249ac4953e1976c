package director

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/notify"
	"github.com/lvsd/lvsd/pkg/plan"
)

// What is told of services and servers.
const (
	stateUp       = "UP"
	stateDown     = "DOWN"
	stateDrained  = "DRAINED"
	stateDisabled = "DISABLED"
)

// serverOf is a server as notifiers know it: virtual services of one name share it.
type serverOf struct {
	service string
	addr    netip.AddrPort
}

// events is what was last told of each service and server; what is not there was not told yet.
type events struct {
	services map[string]string
	servers  map[serverOf]string
}

// forget drops what the configuration has no more, so that it is told anew when it comes back.
func (e *events) forget(services []*service) {
	kept := events{services: map[string]string{}, servers: map[serverOf]string{}}
	for _, s := range services {
		if state, there := e.services[s.virtual.Name]; there {
			kept.services[s.virtual.Name] = state
		}
		for _, servers := range [][]plan.Server{s.virtual.Servers, s.virtual.Sorry} {
			for _, one := range servers {
				key := serverOf{s.virtual.Name, one.Addr}
				if state, there := e.servers[key]; there {
					kept.servers[key] = state
				}
			}
		}
	}
	*e = kept
}

// tellServers tells of the servers of a virtual service whose state is not what was told last.
func (d *director) tellServers(s *service) {
	real := s.state.Servers[:len(s.virtual.Servers)]
	for _, st := range s.state.Servers {
		state := stateOf(st)
		key := serverOf{s.virtual.Name, st.Addr}
		before := d.events.servers[key]
		if state == "" || state == before {
			continue
		}
		if st.Sorry && slices.ContainsFunc(real, func(r plan.ServerState) bool { return r.Addr == st.Addr }) {
			continue
		}
		d.events.servers[key] = state
		reason := d.reason(s, st, s.state)
		if held := st.Held.String(); held != "" {
			reason += "; " + held
		}
		d.out.Event(notify.Event{
			Subject: notify.ServerSubject(s.virtual.Name, st.Addr), Title: "SERVER",
			State: state, Previous: before, Reason: reason, At: time.Now(),
		})
	}
}

// stateOf names the state of a server; empty while it is not known.
func stateOf(st plan.ServerState) string {
	switch {
	case st.Admin == lvs.Drained:
		return stateDrained
	case st.Admin == lvs.Disabled:
		return stateDisabled
	case st.Verdict == lvs.Up:
		return stateUp
	case st.Verdict == lvs.Down:
		return stateDown
	}
	return ""
}

// tellService tells of a service if its state is not what was told last: it is down when one of its virtual services
// is, and up when all are.
func (d *director) tellService(name string) {
	state, reason, lost := stateUp, "", 0
	all := d.named[name]
	for _, s := range all {
		switch s.state.Quorum {
		case plan.Pending:
			if state == stateUp {
				state = ""
			}
		case plan.Lost:
			lost++
			if state != stateDown {
				state, reason = stateDown, s.quorumWords()
			}
		case plan.Reached:
			if reason == "" {
				reason = s.quorumWords()
			}
		}
	}
	before := d.events.services[name]
	if state == "" || state == before {
		return
	}
	d.events.services[name] = state
	if lost > 0 && len(all) > 1 {
		reason = fmt.Sprintf("%d of %d virtual services down: %s", lost, len(all), reason)
	}
	d.out.Event(notify.Event{
		Subject: notify.Subject{Kind: "service", Name: name}, Title: "SERVICE",
		State: state, Previous: before, Reason: reason, At: time.Now(),
	})
}

func (s *service) quorumWords() string {
	return fmt.Sprintf("%v: weight %d in service, quorum %d", s.virtual.Key, s.state.Weight, s.virtual.Quorum)
}
