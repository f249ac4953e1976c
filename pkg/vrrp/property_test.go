package vrrp

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestAnySequence gives a group whatever can happen, in any order and at any time, and looks at what holds after each step.
func TestAnySequence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 3).Draw(t, "routers")
		g, now := NewGroup(n), Instant(0)
		for i := range n {
			g.Step(now, i, Event{Kind: Configure, Params: anyParams(t)})
			g.Step(now, i, Event{Kind: Stand, Standing: anyStanding(t)})
		}
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			now = anyTime(t, g, now)
			was := g.State()
			var effects []Effect
			if rapid.Bool().Draw(t, "due") {
				effects = g.Due(now)
			} else {
				effects = g.Step(now, rapid.IntRange(0, n-1).Draw(t, "router"), anyEvent(t))
			}
			lookAt(t, g, was, effects)
		}
	})
}

// lookAt is what no sequence may break.
func lookAt(t *rapid.T, g *Group, was State, effects []Effect) {
	masters, resigning := 0, 0
	for i, f := range effects {
		m := g.Router(i)
		if m.State() == Master {
			masters++
		}
		if m.Resigning() {
			resigning++
		}
		switch {
		case m.Holds() != (m.State() == Master):
			t.Fatalf("router %d is %v and holds: %v", i, m.State(), m.Holds())
		case m.Resigning() && m.State() != Master:
			t.Fatalf("router %d resigns what it does not have", i)
		case f.Adverts > 0 && f.Priority != PriorityLeave && (m.State() != Master || m.Resigning()):
			t.Fatalf("router %d is %v and advertises %d", i, m.State(), f.Priority)
		case f.Priority == PriorityLeave && f.Adverts > 0 && was != Master:
			t.Fatalf("router %d gives up a role that it did not have", i)
		case f.Announce && m.State() != Master:
			t.Fatalf("router %d announces VIPs that it does not hold", i)
		case m.State() == Master && m.standing.Down:
			t.Fatalf("router %d is master on an interface that cannot be used", i)
		case m.State() == Backup && m.standing.Sick:
			t.Fatalf("router %d is backup and sick", i)
		case m.State() == Stopped && m.Next() != Never:
			t.Fatalf("router %d is stopped and waits for something", i)
		}
	}
	if masters != 0 && masters != len(effects) || resigning != 0 && resigning != len(effects) {
		t.Fatalf("of %d routers %d are master and %d resign", len(effects), masters, resigning)
	}
	if (masters > 0) != (was == Master) && effects[0].Cause == NoCause && !anyCause(effects) {
		t.Fatalf("%v, was %v, and no cause is told", g.State(), was)
	}
}

func anyCause(effects []Effect) bool {
	for _, f := range effects {
		if f.Cause != NoCause {
			return true
		}
	}
	return false
}

// anyTime is when something is due, or some time later.
func anyTime(t *rapid.T, g *Group, now Instant) Instant {
	if next := g.Next(); next != Never && rapid.Bool().Draw(t, "in time") {
		return max(now, next)
	}
	return now.Add(time.Duration(rapid.Int64Range(0, int64(5*time.Second)).Draw(t, "later")))
}

func anyParams(t *rapid.T) Params {
	interval := time.Duration(rapid.IntRange(1, 200).Draw(t, "interval")) * 10 * time.Millisecond
	return Params{
		Version:      uint8(rapid.IntRange(2, 3).Draw(t, "version")),
		Interval:     interval,
		DownAdverts:  rapid.IntRange(3, 10).Draw(t, "down adverts"),
		Preempt:      rapid.Bool().Draw(t, "preempt"),
		PreemptDelay: interval * time.Duration(rapid.IntRange(0, 5).Draw(t, "delay")),
		PeerPriority: rapid.Uint8().Draw(t, "peer"),
		Hold:         interval * time.Duration(rapid.IntRange(0, 9).Draw(t, "hold")),
	}
}

func anyStanding(t *rapid.T) Standing {
	return Standing{
		Priority: rapid.Uint8Range(1, 255).Draw(t, "priority"),
		Sick:     rapid.IntRange(0, 4).Draw(t, "sick") == 0,
		Down:     rapid.IntRange(0, 4).Draw(t, "down") == 0,
		Primary:  self,
	}
}

// anyEvent is one of those that come from outside.
func anyEvent(t *rapid.T) Event {
	e := Event{Kind: rapid.SampledFrom([]Kind{
		Tick, Start, Start, Resume, Heard, Heard, Heard, Stand, Stand, Configure, Ready,
		Handover, Stop,
	}).Draw(t, "kind")}
	switch e.Kind {
	case Heard:
		e.Priority = rapid.SampledFrom([]uint8{0, 1, 50, 100, 128, 200, 255}).Draw(t, "heard")
		e.From = above
		if rapid.Bool().Draw(t, "below") {
			e.From = below
		}
		e.Interval = time.Duration(rapid.IntRange(1, 4095).Draw(t, "its interval")) * 10 * time.Millisecond
	case Stand:
		e.Standing = anyStanding(t)
	case Configure:
		e.Params = anyParams(t)
	}
	return e
}
