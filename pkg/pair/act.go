package pair

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// everyone is the member that means all of a group.
const everyone = -1

// leaveGap is between the adverts of priority 0 of one resignation.
const leaveGap = time.Millisecond

// step gives an event to a member of a group, and does what comes of it: adverts first, then VIPs.
func (c *core) step(now moment, g *group, member int, e vrrp.Event) {
	c.act(now, g, g.machines.Step(now.at, member, e), e)
}

// act does what comes of an event, and records what it made of the group.
func (c *core) act(now moment, g *group, effects []vrrp.Effect, e vrrp.Event) {
	c.perform(now, g, effects, e)
	c.move(now, g, effects)
}

func (c *core) perform(now moment, g *group, effects []vrrp.Effect, e vrrp.Event) {
	for i, r := range g.routers {
		c.send(now, r, effects[i])
	}
	for i, r := range g.routers {
		c.follow(now, r, effects[i], e)
	}
}

func (c *core) send(now moment, r *router, e vrrp.Effect) {
	switch {
	case e.Adverts == 0:
	case e.Priority == vrrp.PriorityLeave:
		r.burst = e.Adverts
		c.sendLeave(now, r)
	default:
		r.burst = 0
		if r.mine.Priority != e.Priority {
			r.mine.Priority = e.Priority
			r.compose()
		}
		c.transmit(now, r, r.message)
		c.enter(r)
	}
}

func (c *core) sendLeave(now moment, r *router) {
	r.burst--
	r.burstAt = now.at.Add(leaveGap)
	c.transmit(now, r, r.leave)
}

func (c *core) transmit(now moment, r *router, message []byte) {
	if r.port == nil {
		return
	}
	if err := r.port.Send(message); err != nil {
		c.sendFailed(now, r, err)
		return
	}
	r.sent++
	r.sentAt = now.at
	if r.alarms.held(alarmSend) {
		c.calm(now, r, alarmSend, "adverts can be sent again")
	}
}

// sendFailed tells that an advert did not go out. A link that is gone is told of by who watches links.
func (c *core) sendFailed(now moment, r *router, err error) {
	switch {
	case errors.Is(err, unix.EADDRNOTAVAIL), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENETDOWN):
		return
	}
	c.raise(now, r, alarmSend, vrrp.Never, "adverts cannot be sent: "+err.Error())
}

// compose makes the bytes of a router's adverts in the place of those before.
func (r *router) compose() {
	if r.port == nil {
		return
	}
	r.message = r.mine.Append(r.message[:0], r.primary, r.port.Destination(), r.config.Plain)
	leave := r.mine
	leave.Priority = vrrp.PriorityLeave
	r.leave = leave.Append(r.leave[:0], r.primary, r.port.Destination(), r.config.Plain)
}

// follow brings a router's VIPs and alarms after its machine.
func (c *core) follow(now moment, r *router, e vrrp.Effect, event vrrp.Event) {
	m := r.machine()
	if e.Announce {
		r.election++
	}
	changed := m.Holds() != r.holds || m.Resigning() != r.resigning
	if m.Holds() != r.holds || e.Announce {
		r.holds = m.Holds()
		c.want(now, r)
	}
	if changed {
		r.resigning = m.Resigning()
		c.enter(r)
	}
	if e.Contested {
		c.contest(now, r, event)
	}
}

// move records what a step made of a group.
func (c *core) move(now moment, g *group, effects []vrrp.Effect) {
	cause, at := vrrp.NoCause, 0
	for i, e := range effects {
		if e.Cause != vrrp.NoCause && (cause == vrrp.NoCause || cause == vrrp.CauseGroup) {
			cause, at = e.Cause, i
		}
	}
	state := g.machines.State()
	if state == g.state {
		if cause != vrrp.NoCause {
			c.note(now, g.routers[at], false, state.String()+": "+c.because(g.routers[at], cause, state))
		}
		return
	}
	from := g.state
	r := g.routers[at]
	peer, _, _ := r.machine().Peer()
	g.state, g.since, g.cause = state, now, c.because(r, cause, state)
	g.transitions++
	c.history.transition(link.Transition{
		At: now.wall, Mono: time.Duration(now.at), Group: g.name, Routers: g.names(), From: from.String(), To: state.String(), Cause: g.cause,
		Priority: r.machine().Priority(), Peer: peer,
	})
	for _, r := range g.routers {
		c.enter(r)
		if state != vrrp.Master {
			c.uncontest(now, r)
		}
	}
}

// because says why a router is in a state: the cause, and what of this host it comes from.
func (c *core) because(r *router, cause vrrp.Cause, state vrrp.State) string {
	what := ""
	switch {
	case cause == vrrp.CauseLinkDown:
		what = c.trouble(r)
	case cause == vrrp.CauseSick, cause == vrrp.CauseLastMan, state == vrrp.Fault:
		what = faults(r.reasons)
	}
	if what == "" {
		return cause.String()
	}
	return cause.String() + " (" + what + ")"
}

// trouble says why a router's interface cannot be used.
func (c *core) trouble(r *router) string {
	for _, name := range []string{r.config.Interface, r.device()} {
		if l := c.links[name]; !l.Up {
			return name + " is " + condition(l)
		}
	}
	if r.broken != "" {
		return r.broken
	}
	return r.config.Interface + " has no address to send from"
}

func (g *group) names() []string {
	names := make([]string, len(g.routers))
	for i, r := range g.routers {
		names[i] = r.config.Name
	}
	return names
}

// enter writes a router into the record.
func (c *core) enter(r *router) {
	m := r.machine()
	c.journal.write(r.place, &Entry{
		Router: identity(&r.config), Name: r.hash, State: m.State(), Resigning: m.Resigning(),
		Advert: r.sentAt, Interval: m.Interval(), Seq: c.history.seq,
	})
}

// note tells `lvsd run` something in words.
func (c *core) note(now moment, r *router, alarm bool, words string) {
	name := ""
	if r != nil {
		name = r.config.Name
	}
	c.history.notice(link.Notice{At: now.wall, Router: name, Alarm: alarm, Words: words})
}
