package vip

import "time"

const (
	repeatGap   = 5 * time.Millisecond // between announcements "at once": one queue that overflows does not eat them all
	eagerEvery  = time.Second
	eagerFor    = time.Minute
	noWave      = time.Duration(1<<63 - 1)
	beforeFirst = time.Duration(-1)
)

// after gives the first announcement later than t, both counted from the election event; noWave if none follows.
func (s Schedule) after(t time.Duration) time.Duration {
	next := min(s.burst(0, t), s.burst(s.Delay, t))
	if t < eagerFor && s.Refresh > 0 {
		next = min(next, (max(t, 0)/eagerEvery+1)*eagerEvery)
	} else if s.Refresh > 0 {
		next = min(next, eagerFor+((t-eagerFor)/s.Refresh+1)*s.Refresh)
	}
	return next
}

// burst is the first of the Repeat announcements from start on that is later than t.
func (s Schedule) burst(start, t time.Duration) time.Duration {
	next := start
	if t >= start {
		next += ((t-start)/repeatGap + 1) * repeatGap
	}
	if next >= start+time.Duration(s.Repeat)*repeatGap {
		return noWave
	}
	return next
}
