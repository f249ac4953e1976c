package vrrp

import "net/netip"

// able tells whether the router may be master at all.
func (m *Machine) able() bool { return !m.standing.Down && !m.barred }

// rest is the state of a router that runs and is not master.
func (m *Machine) rest() State {
	if m.able() && !m.standing.Sick {
		return Backup
	}
	return Fault
}

// listen makes the router one that is not master and waits a full interval, or the owner of the VIPs their master.
func (m *Machine) listen(now Instant, c Cause) Effect {
	m.state = m.rest()
	m.leave = staying
	m.lowerHeard, m.told = false, false
	m.arm(now, false)
	switch {
	case m.state == Backup && m.standing.Priority == PriorityOwner:
		return m.claim(now, CauseOwner)
	case m.state == Fault && c == CauseStart && m.standing.Down:
		c = CauseLinkDown
	case m.state == Fault && c == CauseStart && m.standing.Sick:
		c = CauseSick
	}
	return Effect{Cause: c}
}

// follow is an advert heard by a router that is not master: RFC 9568 section 6.4.2.
func (m *Machine) follow(now Instant, e Event) {
	m.restartHold(now)
	switch {
	case e.Priority == PriorityLeave:
		m.lowerHeard = false
		m.arm(now, true)
		return
	case m.state == Backup && e.Priority < m.Priority():
		if !m.lowerHeard {
			m.lowerHeard, m.lower = true, now
		}
		if m.preempts(now) {
			m.preempting = true
			return
		}
	default:
		m.lowerHeard = false
	}
	m.learn(e)
	m.told = m.told && m.held
	m.arm(now, false)
}

// succeededBy tells whether somebody other than from was heard as master since: the last of several adverts of priority
// 0 may arrive after the first one of the successor, and is no reason to take over from it.
func (m *Machine) succeededBy(from netip.Addr) bool {
	return m.peer != from && m.peerPri != 0 && m.peerAt >= m.base && !m.left
}

// learn takes the master's interval over: RFC 9568 section 6.4.2. Adverts of version 2 that tell another are refused.
func (m *Machine) learn(e Event) {
	if e.Interval > 0 {
		m.learned = e.Interval
	}
}

// preempts tells whether a master of lower priority, of which an advert was heard, is to be replaced.
func (m *Machine) preempts(now Instant) bool {
	return m.lowerHeard && m.params.Preempt && !m.held && m.state == Backup && now.Sub(m.lower) >= m.params.PreemptDelay
}

// restartHold begins the hold anew, if it is still in force: somebody else is master, so there is no hurry.
func (m *Machine) restartHold(now Instant) {
	if m.held && now >= m.hold {
		m.endHold(now)
	} else if m.held {
		m.hold = now.Add(m.params.Hold)
	}
}

// endHold lets a router whose timer ran out meanwhile claim at the next Tick, which is due at once.
func (m *Machine) endHold(now Instant) {
	if !m.held {
		return
	}
	m.held, m.told = false, false
	if m.state != Master {
		m.timer = max(m.timer, min(now, m.hold))
	}
}

// expire is the end of the down interval: RFC 9568 section 6.4.2.
func (m *Machine) expire(now Instant) Effect {
	if m.held && now < m.hold {
		m.told = true
		return Effect{Cause: CauseHeld}
	}
	m.endHold(now)
	if now < m.timer {
		return Effect{}
	}
	if now.Sub(m.timer) > m.Learned() { // late: what was to be heard may have been missed
		m.listenBriefly(now)
		return Effect{Cause: CauseSlept}
	}
	switch {
	case m.standing.Sick:
		return m.claim(now, CauseLastMan)
	case m.preempting:
		return m.claim(now, CausePreempt)
	case m.left:
		return m.claim(now, CauseLeft)
	}
	return m.claim(now, CauseSilence)
}

// listenBriefly gives a master, if there is one, the time for an advert.
func (m *Machine) listenBriefly(now Instant) {
	m.arm(now, false)
	if m.able() && !m.standing.Sick {
		m.timer = now.Add(m.Learned() + m.skew(m.Priority(), m.Learned()))
	}
}

// postpone waits once more: the group hears a master elsewhere.
func (m *Machine) postpone(now Instant) Effect {
	if m.state == Master {
		return Effect{}
	}
	m.arm(now, false)
	if m.told {
		return Effect{}
	}
	m.told = true
	return Effect{Cause: CauseGroupHeld}
}

// follows tells whether the router hears a master that would not yield to it.
func (m *Machine) follows(now Instant) bool {
	listens := m.state != Master && m.able() && now < m.timer && m.peerPri != 0 && m.peerAt >= m.base && !m.left
	return listens && (m.peerPri >= m.Priority() || !m.preempts(now))
}
