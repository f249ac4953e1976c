package vrrp

// leave is why a master has given its role away and waits for a successor.
type leave uint8

const (
	staying leave = iota
	handingOver
	stopping
	outranked // by a peer, since the priority here was lowered
	unwell
)

// farewell is how many adverts of priority 0 are sent, for the loss of some.
const farewell = 3

// resign gives the role away softly: priority 0 is sent, and the VIPs are held until a successor is heard.
func (m *Machine) resign(now Instant, why leave, c Cause) Effect {
	if m.state != Master || m.Resigning() && why != stopping {
		return Effect{}
	}
	m.leave = why
	m.until = now.Add(m.settle(m.params.Interval))
	m.sent, m.pace = now, m.params.Interval
	return Effect{Adverts: farewell, Priority: PriorityLeave, Cause: c}
}

// stop ends a router; a master waits for a successor first.
func (m *Machine) stop(now Instant) Effect {
	switch {
	case m.leave == stopping:
		return Effect{}
	case m.state == Master:
		return m.resign(now, stopping, CauseStopped)
	}
	m.state = Stopped
	return Effect{Cause: CauseStopped}
}

// succeeded is an advert heard by a master that resigns: that of the successor, unless it goes too.
func (m *Machine) succeeded(now Instant, e Event) Effect {
	if e.Priority == PriorityLeave {
		return Effect{}
	}
	m.learn(e)
	return m.yield(now, CauseHandedOver)
}

// unheeded is the end of the wait for a successor: nobody is there to take the role.
func (m *Machine) unheeded(now Instant) Effect {
	if m.leave == stopping {
		m.state, m.leave = Stopped, staying
		return Effect{Cause: CauseStopped}
	}
	known := m.lastMan
	f := m.claim(now, CauseKept)
	if !m.standing.Sick {
		return f
	}
	m.lastMan, f.Cause = true, CauseLastMan
	if known {
		f.Cause = NoCause
	}
	return f
}

// outranks tells whether the peer, as far as it is known, stands above a priority. Of a peer never heard nor configured
// one that does not preempt is taken to be the equal of what this router was at its best.
func (m *Machine) outranks(priority uint8) bool {
	switch {
	case m.peerPri != 0:
		return m.peerPri > priority
	case m.params.PeerPriority != 0:
		return m.params.PeerPriority > priority
	}
	return !m.params.Preempt && m.highest > priority
}
