package vrrp

import "time"

// claim makes the router master: RFC 9568 section 6.4.1 for the owner and section 6.4.2 for a backup.
func (m *Machine) claim(now Instant, c Cause) Effect {
	farewells := m.Resigning() && !m.rested(now) // some may be on their way: an advert has to come after them
	m.state, m.leave, m.lastMan = Master, staying, c == CauseLastMan
	m.held, m.told, m.left, m.preempting, m.lowerHeard = false, false, false, false, false
	m.stirred, m.calmed = 0, true
	m.retry = now.Add(max(lastManRetry, 10*m.params.Interval))
	f := Effect{}
	if m.timer = m.sent.Add(breather); !farewells {
		f = m.advertise(now)
	}
	f.Announce, f.Cause = true, c
	return f
}

// advertise sends an advert and starts the timer of the next one.
func (m *Machine) advertise(now Instant) Effect {
	m.timer = now.Add(m.params.Interval)
	return m.speak(now)
}

// speak sends an advert beside the schedule.
func (m *Machine) speak(now Instant) Effect {
	m.sent, m.pace = now, m.params.Interval
	return Effect{Adverts: 1, Priority: m.Priority()}
}

// hasten advertises as soon as there has been a breather since the last advert.
func (m *Machine) hasten(now Instant) Effect {
	if m.rested(now) {
		return m.advertise(now)
	}
	m.timer = min(m.timer, m.sent.Add(breather))
	return Effect{}
}

// answer advertises to another master, after a breather, and leaves the schedule alone unless that would be too late.
func (m *Machine) answer(now Instant) Effect {
	switch {
	case !m.rested(now):
		m.timer = min(m.timer, m.sent.Add(breather))
	case m.timer.Sub(now) >= breather:
		return m.speak(now)
	}
	return Effect{}
}

func (m *Machine) rested(now Instant) bool { return now.Sub(m.sent) >= breather }

// meet is an advert heard by a master that does not resign: RFC 9568 section 6.4.3. No flood of them makes it send more
// than one advert in a breather, nor keeps it from the scheduled ones.
func (m *Machine) meet(now Instant, e Event) Effect {
	switch {
	case m.Priority() == PriorityOwner:
		return Effect{}
	case e.Priority == PriorityLeave: // who else heard it waits for an advert
		f := m.hasten(now)
		f.Announce = m.stir(now)
		return f
	case e.Priority > m.Priority(), e.Priority == m.Priority() && m.standing.Primary.Less(e.From):
		m.learn(e)
		return m.yield(now, CauseHigher)
	}
	f := m.answer(now)
	f.Contested, f.Announce = true, m.stir(now)
	return f
}

// stir notes that another master was heard, and tells whether it is the first one after calm: then whose the VIPs are
// has to be told, as the other told that they were its own.
func (m *Machine) stir(now Instant) bool {
	first := m.calmed || now.Sub(m.stirred) >= max(calm, m.Down())
	m.stirred, m.calmed = now, false
	return first
}

// yield ends being master without a word on the link.
func (m *Machine) yield(now Instant, c Cause) Effect {
	if m.leave == stopping {
		m.state, m.leave = Stopped, staying
		return Effect{Cause: c}
	}
	m.state, m.leave = m.rest(), staying
	m.arm(now, false)
	return Effect{Cause: c}
}

// wake finds out whether the process slept while master, for so long that a peer must have taken over. The VIPs are
// let go before anything else is looked at. An owner has no other state to be in.
func (m *Machine) wake(now Instant) Effect {
	switch {
	case m.state != Master || m.standing.Priority == PriorityOwner && !m.Resigning():
		return Effect{}
	case m.Resigning() && now.Sub(m.until) < m.params.Interval:
		return Effect{}
	case !m.Resigning() && now.Sub(m.sent) < time.Duration(m.params.DownAdverts)*m.pace:
		return Effect{}
	}
	f := m.yield(now, CauseSlept)
	if m.state != Stopped {
		m.listenBriefly(now)
	}
	return f
}
