package vrrptest

import (
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/vrrp"
)

// TestMutants shows that each invariant can fail: a mutant keeps every rule but one, and the watch has to name the invariant.
func TestMutants(t *testing.T) {
	for _, m := range []struct {
		invariant string
		breaks    string
		setup     func(*Setup) // what the mutant needs to show; nil takes worlds as they come
		make      func(node, routers int) Core
	}{
		{"I1", "a master does not yield to an equal of higher address", equals, func(_, n int) Core { return stubborn{vrrp.NewGroup(n)} }},
		{"I2", "a master gives its role away for no reason", nil, func(_, n int) Core { return &fickle{Group: vrrp.NewGroup(n)} }},
		{"I3", "a backup never preempts", preempting, func(_, n int) Core { return meek{vrrp.NewGroup(n)} }},
		{"I3", "a backup preempts although it may not", peaceful, func(_, n int) Core { return usurper{vrrp.NewGroup(n)} }},
		{"I4", "a backup keeps the VIPs", nil, func(_, n int) Core { return &clinging{Group: vrrp.NewGroup(n)} }},
		{"I5", "routers of a group are master each for itself", grouped, func(_, n int) Core { return newLoose(n) }},
		{"I6", "priority 0 is not heard", nil, func(_, n int) Core { return deafToZero{vrrp.NewGroup(n)} }},
		{"I7", "the down interval has no skew", alone, func(_, n int) Core { return hasty{vrrp.NewGroup(n)} }},
		{"I8", "every advert of another master is answered", slow, func(_, n int) Core { return chatty{vrrp.NewGroup(n)} }},
		{"I8", "an advert of another master moves the timer of one's own", slow, func(_, n int) Core { return &silenced{Group: vrrp.NewGroup(n)} }},
		{"I9", "a refused packet moves the timers", nil, func(_, n int) Core { return gullible{vrrp.NewGroup(n)} }},
		{"I10", "the VIPs have no lease", nil, func(_, n int) Core { return unleased{vrrp.NewGroup(n)} }},
		{"I11", "a process resumes, however long ago the one before was master", nil, func(_, n int) Core { return stale{vrrp.NewGroup(n)} }},
		{"I11", "a process resumes twice", nil, func(_, n int) Core { return twice{vrrp.NewGroup(n)} }},
	} {
		t.Run(m.invariant+" "+m.breaks, func(t *testing.T) {
			for seed := range uint64(400) {
				s := Random(seed + 1)
				if m.setup != nil {
					m.setup(&s)
				}
				s.Make, s.Only = m.make, m.invariant
				if v := windows(New(s, seed+1), 5); v != nil {
					t.Logf("seed %d: %v", seed+1, v)
					return
				}
			}
			t.Fatal("nothing was noticed")
		})
	}
}

func equals(s *Setup) {
	for i := range s.Nodes {
		s.Nodes[i].Priority = 100
	}
}

func preempting(s *Setup) { s.Params.Preempt = true }
func peaceful(s *Setup)   { s.Params.Preempt = false }
func grouped(s *Setup)    { s.LANs = 2 }
func alone(s *Setup)      { s.LANs, s.Params.Interval, s.Params.Hold = 1, time.Second, 0 }
func slow(s *Setup)       { s.LANs, s.Params.Interval = 1, time.Second }

type stubborn struct{ *vrrp.Group }

func (g stubborn) Step(now vrrp.Instant, i int, e vrrp.Event) []vrrp.Effect {
	if e.Kind == vrrp.Heard && g.State() == vrrp.Master && !g.Router(i).Resigning() && e.Priority == g.Router(i).Priority() {
		e.From = e.From.Prev().Prev().Prev().Prev().Prev()
	}
	return g.Group.Step(now, i, e)
}

type fickle struct {
	*vrrp.Group
	ticks int
}

func (g *fickle) Due(now vrrp.Instant) []vrrp.Effect {
	if g.ticks++; g.ticks%40 == 0 && g.State() == vrrp.Master {
		return g.Step(now, -1, vrrp.Event{Kind: vrrp.Handover})
	}
	return g.Group.Due(now)
}

type meek struct{ *vrrp.Group }

func (g meek) Step(now vrrp.Instant, i int, e vrrp.Event) []vrrp.Effect {
	e.Params.Preempt = false
	return g.Group.Step(now, i, e)
}

type usurper struct{ *vrrp.Group }

func (g usurper) Step(now vrrp.Instant, i int, e vrrp.Event) []vrrp.Effect {
	e.Params.Preempt = true
	return g.Group.Step(now, i, e)
}

type clinging struct {
	*vrrp.Group
	had bool
}

func (g *clinging) Holds() bool {
	g.had = g.had || g.State() == vrrp.Master
	return g.had
}

// loose is a group of groups of one.
type loose struct {
	each    []*vrrp.Group
	effects []vrrp.Effect
}

func newLoose(n int) *loose {
	g := &loose{effects: make([]vrrp.Effect, n)}
	for range n {
		g.each = append(g.each, vrrp.NewGroup(1))
	}
	return g
}

func (g *loose) Step(now vrrp.Instant, router int, e vrrp.Event) []vrrp.Effect {
	clear(g.effects)
	for i, m := range g.each {
		if router < 0 || router == i {
			g.effects[i] = m.Step(now, 0, e)[0]
		}
	}
	return g.effects
}

func (g *loose) Due(now vrrp.Instant) []vrrp.Effect {
	for i, m := range g.each {
		g.effects[i] = m.Due(now)[0]
	}
	return g.effects
}

func (g *loose) Next() vrrp.Instant        { return min(g.each[0].Next(), g.each[1].Next()) }
func (g *loose) State() vrrp.State         { return g.each[0].State() }
func (g *loose) Router(i int) vrrp.Machine { return g.each[i].Router(0) }

type deafToZero struct{ *vrrp.Group }

func (g deafToZero) Step(now vrrp.Instant, i int, e vrrp.Event) []vrrp.Effect {
	if e.Kind == vrrp.Heard && e.Priority == vrrp.PriorityLeave {
		e.Kind = vrrp.Tick
	}
	return g.Group.Step(now, i, e)
}

// hasty lives in a time that is a skew ahead while it listens.
type hasty struct{ *vrrp.Group }

func (g hasty) ahead() time.Duration {
	m := g.Router(0)
	if m.State() != vrrp.Backup {
		return 0
	}
	return time.Duration(256-int(m.Priority())) * time.Second / 256
}

func (g hasty) Next() vrrp.Instant { return g.Group.Next().Add(-g.ahead()) }

func (g hasty) Due(now vrrp.Instant) []vrrp.Effect { return g.Group.Due(now.Add(g.ahead())) }

type chatty struct{ *vrrp.Group }

func (g chatty) Step(now vrrp.Instant, i int, e vrrp.Event) []vrrp.Effect {
	f := g.Group.Step(now, i, e)
	if e.Kind == vrrp.Heard && f[i].Contested && f[i].Adverts == 0 {
		f[i].Adverts, f[i].Priority = 1, g.Router(i).Priority()
	}
	return f
}

// silenced forgets the advert that is due when it hears another master.
type silenced struct {
	*vrrp.Group
	moved vrrp.Instant
}

func (g *silenced) Step(now vrrp.Instant, i int, e vrrp.Event) []vrrp.Effect {
	f := g.Group.Step(now, i, e)
	if f[max(i, 0)].Contested {
		f[max(i, 0)].Adverts = 0
		g.moved = now.Add(g.Router(0).Interval())
	}
	return f
}

func (g *silenced) Next() vrrp.Instant {
	if g.State() == vrrp.Master {
		return max(g.moved, g.Group.Next())
	}
	return g.Group.Next()
}

type gullible struct{ *vrrp.Group }

func (g gullible) Refused(now vrrp.Instant, i int) {
	g.Group.Step(now, i, vrrp.Event{Kind: vrrp.Heard, Priority: 100, Interval: time.Second})
}

type stale struct{ *vrrp.Group }

func (stale) Stale() bool { return true }

type unleased struct{ *vrrp.Group }

func (unleased) Unleased() bool { return true }

type twice struct{ *vrrp.Group }

func (g twice) Step(now vrrp.Instant, i int, e vrrp.Event) []vrrp.Effect {
	if e.Kind == vrrp.Resume && g.State() == vrrp.Master {
		return g.Group.Step(now, i, vrrp.Event{Kind: vrrp.Handover})
	}
	return g.Group.Step(now, i, e)
}
