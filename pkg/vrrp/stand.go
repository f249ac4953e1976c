package vrrp

// stand is what this host says of itself; barred, that a router of the group cannot be master.
func (m *Machine) stand(now Instant, s Standing, barred bool) Effect {
	was, wasBarred := m.standing, m.barred
	if s == was && barred == wasBarred {
		return Effect{}
	}
	m.standing, m.barred = s, barred
	m.highest = max(m.highest, s.Priority)
	switch {
	case m.state == Stopped:
		return Effect{}
	case !m.able():
		return m.fail(now, was, wasBarred)
	case was.Down || wasBarred:
		return m.recover(now, was)
	case m.state == Master:
		return m.reconsider(now, was)
	}
	return m.relisten(now, was)
}

// fail ends what the router is; if its own interface works, the peers are told.
func (m *Machine) fail(now Instant, was Standing, wasBarred bool) Effect {
	f := Effect{}
	switch {
	case m.standing.Down && !was.Down:
		f.Cause = CauseLinkDown
	case m.barred && !wasBarred && m.state != Fault:
		f.Cause = CauseGroup
	}
	if m.state == Master && !m.standing.Down {
		f.Adverts, f.Priority = farewell, PriorityLeave
	}
	if m.leave == stopping {
		m.state, m.leave = Stopped, staying
		return f
	}
	m.state, m.leave = Fault, staying
	m.arm(now, false)
	return f
}

// recover begins to listen when the interface, or the group's, can be used again. The hold after Start is not repeated.
func (m *Machine) recover(now Instant, was Standing) Effect {
	if was.Down {
		return m.listen(now, CauseLinkUp)
	}
	return m.listen(now, CauseGroup)
}

// relisten is for a router that is not master and could be.
func (m *Machine) relisten(now Instant, was Standing) Effect {
	m.state = m.rest()
	switch {
	case m.state == Backup && m.standing.Priority == PriorityOwner:
		return m.claim(now, CauseOwner)
	case m.standing.Sick == was.Sick:
		return Effect{}
	}
	m.rearm(now)
	if m.standing.Sick {
		return Effect{Cause: CauseSick}
	}
	return Effect{Cause: CauseWell}
}

// reconsider is for a master: whether it should still be one.
func (m *Machine) reconsider(now Instant, was Standing) Effect {
	s := m.standing
	sicker, better := s.Sick && !was.Sick, was.Sick && !s.Sick
	lower := s.Priority < was.Priority && m.outranks(s.Priority)
	switch {
	case sicker && m.Resigning():
		return Effect{Cause: CauseSick}
	case sicker:
		return m.resign(now, unwell, CauseSick)
	case lower && !s.Sick && !m.Resigning():
		return m.resign(now, outranked, NoCause)
	case m.leave == outranked && !s.Sick && !m.outranks(s.Priority):
		return m.claim(now, CauseKept)
	case better && m.leave == unwell:
		return m.claim(now, CauseWell)
	case better && !m.Resigning():
		m.lastMan = false
		f := m.hasten(now)
		f.Cause = CauseWell
		return f
	case s.Primary != was.Primary && !m.Resigning():
		return m.hasten(now)
	}
	return Effect{}
}
