package vrrp

import "time"

const (
	// breather is the least time between an advert that something heard calls for and any other.
	breather = 10 * time.Millisecond

	// calm is the least time without a second master after which one more is an election of its own.
	calm = time.Second

	// grace is what a successor has beyond the longest skews to be heard by the one who resigned.
	grace = time.Second

	// lastManRetry is the least time between two attempts of a sick master to give the role away.
	lastManRetry = 30 * time.Second
)

// skew is Skew_Time for a priority: RFC 9568 section 6.1; in version 2 it does not scale (RFC 3768 section 6.1).
func (m *Machine) skew(priority uint8, interval time.Duration) time.Duration {
	if m.params.Version == 2 {
		interval = time.Second
	}
	return time.Duration(256-int(priority)) * interval / 256
}

// Learned is the interval of the master's adverts: this router's own until one was heard, and always in version 2.
func (m Machine) Learned() time.Duration {
	if m.params.Version == 2 || m.learned == 0 {
		return m.params.Interval
	}
	return m.learned
}

// Down is Active_Down_Interval (RFC 9568 section 6.1): how long a backup waits for an advert before it takes over.
func (m Machine) Down() time.Duration {
	return m.missed() + m.skew(m.Priority(), m.Learned())
}

// missed is how long the adverts take that may be lost.
func (m *Machine) missed() time.Duration { return time.Duration(m.params.DownAdverts) * m.Learned() }

// patience is how long a sick router waits before it believes that nobody else is there: every other backup has then
// had the time to speak.
func (m *Machine) patience() time.Duration {
	return m.missed() + m.Learned() + m.skew(1, m.Learned())
}

// settle is how long one who resigns waits for a successor.
func (m *Machine) settle(interval time.Duration) time.Duration { return 2*m.skew(1, interval) + grace }

// arm starts the timer of a router that listens, as from an advert heard at an instant; left, if it had priority 0.
func (m *Machine) arm(from Instant, left bool) {
	m.base, m.left, m.preempting = from, left, false
	m.rearm(from)
}

// rearm computes the timer anew from when it was started, but for no earlier than now.
func (m *Machine) rearm(now Instant) {
	wait := m.Down()
	switch {
	case !m.able():
		m.timer = Never
		return
	case m.standing.Sick && m.left: // whoever resigned takes the role back before a sick router takes it
		wait = max(m.patience(), m.settle(m.Learned())+m.Learned())
	case m.standing.Sick:
		wait = m.patience()
	case m.left:
		wait = m.skew(m.Priority(), m.Learned())
	}
	m.timer = max(now, m.base.Add(wait))
}
