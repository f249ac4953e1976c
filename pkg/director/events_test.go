package director

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/notify"
	"github.com/lvsd/lvsd/pkg/plan"
)

// eventLine shows an event: "10s SERVICE service:s0 UP -> DOWN (reason)".
func (w *world) eventLine(e notify.Event) string {
	return fmt.Sprintf("%v %s %v %s -> %s (%s)", e.At.Sub(w.start), e.Title, e.Subject, e.Previous, e.State, e.Reason)
}

func (w *world) wantEvents(lines ...string) {
	w.t.Helper()
	w.given(func() {
		if !slices.Equal(w.events, lines) {
			w.t.Errorf("told\n%s\nwant\n%s", strings.Join(w.events, "\n"), strings.Join(lines, "\n"))
		}
		w.events = nil
	})
}

// First states are told as changes are. A server of several virtual services of one name is one.
func TestEvents(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		c := w.config("AB", "AB")
		c.Services[1].Name = "s0"
		w.apply(c)
		w.pass(time.Second)
		w.wantEvents(
			"0s SERVER server:s0/10.0.0.65:80  -> UP (alive: status 200)",
			"0s SERVICE service:s0  -> UP (tcp 192.0.2.1:80: weight 1 in service, quorum 1)",
			"500ms SERVER server:s0/10.0.0.66:80  -> UP (alive: status 200)",
		)
		w.servers['A'].answer(checks.BadAnswer)
		w.servers['B'].answer(checks.Refused)
		w.pass(10 * time.Second)
		w.wantEvents(
			"10s SERVER server:s0/10.0.0.65:80 UP -> DOWN (alive: status 503, want 200-399)",
			"10.5s SERVER server:s0/10.0.0.66:80 UP -> DOWN (alive: status 503, want 200-399)",
			"10.5s SERVICE service:s0 UP -> DOWN (2 of 2 virtual services down: tcp 192.0.2.1:80: weight 0 in service, quorum 1)",
		)
		w.servers['B'].answer(checks.Good)
		w.pass(15 * time.Second)
		w.wantEvents(
			"20.5s SERVER server:s0/10.0.0.66:80 DOWN -> UP (alive: status 200)",
			"20.5s SERVICE service:s0 DOWN -> UP (tcp 192.0.2.1:80: weight 1 in service, quorum 1)",
		)
		w.apply(c)
		w.pass(5 * time.Second)
		w.wantEvents() // a reload of the same tells nobody
	})
}

// One virtual service that is down is a service that is down.
func TestServiceIsAllItsVirtuals(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		w.servers['B'] = &server{outcome: checks.BadAnswer}
		c := w.config("A", "B")
		c.Services[1].Name = "s0"
		w.apply(c)
		w.pass(20 * time.Second)
		w.wantEvents(
			"0s SERVER server:s0/10.0.0.65:80  -> UP (alive: status 200)",
			"500ms SERVER server:s0/10.0.0.66:80  -> DOWN (alive: status 503, want 200-399)",
			"500ms SERVICE service:s0  -> DOWN (1 of 2 virtual services down: tcp 192.0.2.1:81: weight 0 in service, quorum 1)",
		)
	})
}

// What min_up holds is down to whom it concerns, and the event says that it is held.
func TestEventOfAHeldServer(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		c := w.config("AB")
		c.Services[0].MinUp = 100
		w.apply(c)
		w.pass(time.Second)
		w.wantEvents(
			"0s SERVER server:s0/10.0.0.65:80  -> UP (alive: status 200)",
			"0s SERVICE service:s0  -> UP (tcp 192.0.2.1:80: weight 1 in service, quorum 1)",
			"500ms SERVER server:s0/10.0.0.66:80  -> UP (alive: status 200)",
		)
		w.servers['A'].answer(checks.BadAnswer)
		w.pass(10 * time.Second)
		w.wantEvents("10s SERVER server:s0/10.0.0.65:80 UP -> DOWN (alive: status 503, want 200-399; held by min_up)")
	})
}

// A server that leaves the configuration and comes back is told anew.
func TestEventsOfWhatComesBack(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		w.apply(w.config("AB"))
		w.pass(time.Second)
		w.apply(w.config("A"))
		w.pass(time.Second)
		w.given(func() { w.events = nil })
		w.apply(w.config("AB"))
		w.pass(time.Second)
		w.wantEvents("2s SERVER server:s0/10.0.0.66:80  -> UP (alive: status 200)")
	})
}

// A real server that is a sorry server of its service too is told of as the real one.
func TestEventsOfASorryServer(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		w.servers['A'] = &server{outcome: checks.BadAnswer}
		c := w.config("AS")
		v := &c.Services[0]
		v.Servers, v.Sorry = v.Servers[:1], v.Servers[1:]
		v.Sorry = append(v.Sorry, plan.Server{Addr: addrOf('A'), Set: lvs.Server{Weight: 1}})
		w.apply(c)
		w.pass(20 * time.Second)
		w.wantEvents(
			"0s SERVER server:s0/10.0.0.65:80  -> DOWN (alive: status 503, want 200-399)",
			"0s SERVICE service:s0  -> DOWN (tcp 192.0.2.1:80: weight 0 in service, quorum 1)",
			"500ms SERVER server:s0/10.0.0.83:80  -> UP (sorry server; weight 0 of the real servers in service, quorum 1)",
		)
	})
}

func TestStateOf(t *testing.T) {
	for _, r := range []struct {
		is   plan.ServerState
		want string
	}{
		{plan.ServerState{}, ""},
		{plan.ServerState{Verdict: lvs.Up}, "UP"},
		{plan.ServerState{Verdict: lvs.Down}, "DOWN"},
		{plan.ServerState{Verdict: lvs.Down, Admin: lvs.Drained}, "DRAINED"},
		{plan.ServerState{Verdict: lvs.Up, Admin: lvs.Disabled}, "DISABLED"},
	} {
		if got := stateOf(r.is); got != r.want {
			t.Errorf("%+v: %q, want %q", r.is, got, r.want)
		}
	}
}
