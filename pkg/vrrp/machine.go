package vrrp

import (
	"net/netip"
	"time"
)

// Machine is the state machine of one virtual router: RFC 9568 section 6.4, and what SAFETY.md adds. It is a comparable
// value; the zero one is stopped and wants Configure and Stand before Start.
type Machine struct {
	params   Params
	standing Standing
	highest  uint8 // priority it ever stood with
	barred   bool  // a router of the group cannot be master
	state    State

	// While it listens.
	timer      Instant // of the down interval; as master that of the next advert
	base       Instant // from when the down interval counts
	left       bool    // the timer was started by an advert of priority 0
	preempting bool    // an advert of lower priority was heard and left the timer alone
	lowerHeard bool    // adverts of lower priority were the last that were heard,
	lower      Instant // since then
	held       bool    // the hold after Start is in force,
	hold       Instant // until then
	told       bool    // CauseHeld or CauseGroupHeld

	// As master.
	sent    Instant       // when the last advert went out
	pace    time.Duration // interval that it told
	stirred Instant       // when another master was last heard
	calmed  bool          // none was yet
	leave   leave
	until   Instant // a resigning one waits for a successor
	retry   Instant // a sick one gives the role away again
	lastMan bool    // CauseLastMan was told

	// What was last heard.
	learned time.Duration
	peer    netip.Addr
	peerPri uint8 // other than 0
	peerAt  Instant
}

// State is what the router is.
func (m Machine) State() State { return m.state }

// Holds tells whether the VIPs are to be on this host: as master, also while it resigns.
func (m Machine) Holds() bool { return m.state == Master }

// Resigning tells whether this master has given the role away and waits for a successor.
func (m Machine) Resigning() bool { return m.leave != staying }

// Held tells whether the hold after Start is in force.
func (m Machine) Held() bool { return m.held }

// Interval is this router's own, for its adverts.
func (m Machine) Interval() time.Duration { return m.params.Interval }

// Priority is the one for adverts and elections: 1 while a check of this host says that it should not be master.
func (m Machine) Priority() uint8 {
	if m.standing.Sick {
		return 1
	}
	return m.standing.Priority
}

// Peer tells of the last advert that was heard: from whom, and when. The priority is the last one other than 0, and 0 if
// none was heard.
func (m Machine) Peer() (addr netip.Addr, priority uint8, at Instant) {
	return m.peer, m.peerPri, m.peerAt
}

// Next is when the next Tick is due.
func (m Machine) Next() Instant {
	switch {
	case m.state == Stopped:
		return Never
	case m.state != Master && m.held && m.told:
		return max(m.timer, m.hold)
	case m.state != Master && m.held:
		return min(m.timer, m.hold)
	case m.state != Master:
		return m.timer
	case m.Resigning():
		return m.until
	case m.standing.Sick:
		return min(m.timer, m.retry)
	}
	return m.timer
}

// Step is what becomes of the router by an event, and what is to be done about it. Instants never decrease from one
// step to the next.
func (m Machine) Step(now Instant, e Event) (Machine, Effect) {
	if m.state == Stopped {
		return m, m.begin(now, e)
	}
	woke := m.wake(now)
	return m, woke.then(m.step(now, e))
}

// then is the effect of two steps taken at once.
func (f Effect) then(next Effect) Effect {
	if next.Adverts > 0 {
		f.Adverts, f.Priority = next.Adverts, next.Priority
	}
	if f.Cause == NoCause || next.Cause != NoCause {
		f.Cause = next.Cause
	}
	f.Announce = f.Announce || next.Announce
	f.Contested = f.Contested || next.Contested
	return f
}

// begin is a step of a stopped router.
func (m *Machine) begin(now Instant, e Event) Effect {
	switch e.Kind {
	case Configure:
		m.params = e.Params
	case Stand:
		m.standing = e.Standing
		m.highest = max(m.highest, e.Standing.Priority)
	case Start:
		m.fresh()
		m.held, m.hold = m.params.Hold > 0, now.Add(m.params.Hold)
		return m.listen(now, CauseStart)
	case Resume:
		m.fresh()
		if !m.able() {
			return m.listen(now, CauseStart)
		}
		f := m.claim(now, CauseResumed)
		f.Announce = false
		m.retry = now
		return f
	}
	return Effect{}
}

// fresh forgets what an earlier life of the router has heard.
func (m *Machine) fresh() {
	*m = Machine{params: m.params, standing: m.standing, highest: m.highest, barred: m.barred}
}

// step is one of a router that runs.
func (m *Machine) step(now Instant, e Event) Effect {
	switch e.Kind {
	case Tick:
		return m.tick(now)
	case Heard:
		return m.heard(now, e)
	case Stand:
		return m.stand(now, e.Standing, m.barred)
	case Configure:
		m.configure(now, e.Params)
	case Ready:
		m.endHold(now)
	case Handover:
		return m.resign(now, handingOver, NoCause)
	case Stop:
		return m.stop(now)
	case Promote:
		if m.state != Master && m.able() {
			return m.claim(now, CauseGroup)
		}
	case Demote:
		if m.state == Master {
			return m.yield(now, CauseGroup)
		}
	case Postpone:
		return m.postpone(now)
	}
	return Effect{}
}

func (m *Machine) tick(now Instant) Effect {
	switch {
	case now < m.Next():
		return Effect{}
	case m.state != Master:
		return m.expire(now)
	case m.Resigning():
		return m.unheeded(now)
	case m.standing.Sick && now >= m.retry:
		return m.resign(now, unwell, NoCause)
	}
	return m.advertise(now)
}

func (m *Machine) heard(now Instant, e Event) Effect {
	if m.state != Master && e.Priority == PriorityLeave && m.succeededBy(e.From) {
		return Effect{}
	}
	m.peer, m.peerAt = e.From, now
	if e.Priority != PriorityLeave {
		m.peerPri = e.Priority
	}
	switch {
	case m.state != Master:
		m.follow(now, e)
		return Effect{}
	case m.Resigning():
		return m.succeeded(now, e)
	}
	return m.meet(now, e)
}

// configure is live: an interval counts from the next advert on, what a backup waits for from the next one it hears.
func (m *Machine) configure(now Instant, p Params) {
	m.params = p
	if m.state == Master {
		m.timer = min(m.timer, now.Add(p.Interval))
	}
}
