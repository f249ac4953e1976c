package vrrptest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lvsd/lvsd/pkg/vrrp"
)

// Boot starts every process, at some moment within twice the longest down interval.
func (w *World) Boot() {
	for _, n := range w.nodes {
		w.after(w.upTo(2*w.watch.longest()), n.begin)
	}
}

// Window is one thing after another going wrong, at random, and then calm in which everything has to be right. What a
// network does to packets ends before the calm; a node may stay dead or sick. It returns the first broken invariant.
func (w *World) Window() *Violation {
	w.watch.calm = false
	end := w.now
	for range 1 + w.rand.IntN(4) {
		at, lasts := w.upTo(3*w.watch.longest()), w.upTo(5*w.watch.longest())
		w.after(at, func() { w.fault(lasts) })
		end = max(end, w.now+at+lasts)
	}
	if v := w.Run(end + wire); v != nil {
		return v
	}
	w.heal()
	if v := w.Run(w.now + w.settling()); v != nil {
		return v
	}
	w.watch.calm, w.watch.best = true, w.Params.Preempt
	v := w.Run(w.now + 3*w.watch.longest() + 5*w.Params.Interval)
	w.watch.calm = false
	w.jump()
	return v
}

// jump passes over the quiet until the next trouble, an hour on average: every interval of it is as the last one was.
// With a sick node it is not, since a sick master tries again and again to give its role away.
func (w *World) jump() {
	for _, n := range w.nodes {
		if n.sick() {
			return
		}
	}
	w.quiet += time.Duration(w.rand.ExpFloat64() * float64(time.Hour))
}

// heal ends what went wrong, mostly.
func (w *World) heal() {
	for _, n := range w.nodes {
		n.resume()
		for lan := range w.LANs {
			n.say(lan, func(s *vrrp.Standing) { s.Down = false })
			if w.rand.IntN(4) > 0 {
				n.say(lan, func(s *vrrp.Standing) { s.Sick = false })
			}
		}
		if w.rand.IntN(4) > 0 && !n.ending {
			n.begin()
		}
	}
}

// settling is how long it may take after the last fault until nothing moves any more.
func (w *World) settling() time.Duration {
	resigning := 2*w.watch.unit() + time.Second
	d := w.Params.Hold + w.Params.PreemptDelay + 2*resigning + 6*w.watch.longest() + w.Lease
	for _, n := range w.nodes {
		if n.sick() {
			return d + 30*time.Second + 10*w.Params.Interval + resigning
		}
	}
	return d
}

func (w *World) upTo(d time.Duration) time.Duration { return time.Duration(w.rand.Int64N(int64(d))) }

// fault lets something go wrong with a node or on a LAN for some time.
func (w *World) fault(lasts time.Duration) {
	n, lan := w.nodes[w.rand.IntN(len(w.nodes))], w.rand.IntN(w.LANs)
	if w.rand.IntN(2) == 0 { // rather the one that matters
		for _, m := range w.nodes {
			if m.master() {
				n = m
			}
		}
	}
	kind := w.rand.IntN(len(faults))
	w.trace(func() string { return fmt.Sprintf("%s, node %d, LAN %d, for %v", faults[kind].name, n.id, lan, lasts) })
	faults[kind].begin(w, n, lan, lasts)
}

var faults = []struct {
	name  string
	begin func(w *World, n *node, lan int, lasts time.Duration)
}{
	{"crash", func(w *World, n *node, _ int, lasts time.Duration) { n.crash(); w.after(lasts, n.begin) }},
	{"crash and quick restart", func(w *World, n *node, _ int, _ time.Duration) {
		n.crash()
		w.after(w.upTo(2*w.Params.Interval), n.begin)
	}},
	{"stop", func(w *World, n *node, _ int, lasts time.Duration) { n.stop(); w.after(lasts, n.begin) }},
	{"hang", func(w *World, n *node, _ int, lasts time.Duration) { n.pause(); w.after(lasts, n.resume) }},
	{"short hang", func(w *World, n *node, _ int, _ time.Duration) {
		n.pause()
		w.after(w.upTo(3*w.Params.Interval), n.resume)
	}},
	{"handover", func(_ *World, n *node, _ int, _ time.Duration) { n.handover() }},
	{"refused packets", func(w *World, n *node, lan int, _ time.Duration) { w.stranger(n, lan) }},
	{"sick", func(w *World, n *node, lan int, lasts time.Duration) {
		n.say(lan, func(s *vrrp.Standing) { s.Sick = true })
		w.after(lasts, func() { n.say(lan, func(s *vrrp.Standing) { s.Sick = false }) })
	}},
	{"link down", func(w *World, n *node, lan int, lasts time.Duration) {
		n.say(lan, func(s *vrrp.Standing) { s.Down = true })
		w.after(lasts, func() { n.say(lan, func(s *vrrp.Standing) { s.Down = false }) })
	}},
	{"partition", func(w *World, n *node, lan int, lasts time.Duration) {
		w.impair(lan, lasts, way{loss: 1}, func(from, to int) bool { return (from == n.id) != (to == n.id) })
	}},
	{"not heard", func(w *World, n *node, lan int, lasts time.Duration) {
		w.impair(lan, lasts, way{loss: 1}, func(from, _ int) bool { return from == n.id })
	}},
	{"deaf", func(w *World, n *node, lan int, lasts time.Duration) {
		w.impair(lan, lasts, way{loss: 1}, func(_, to int) bool { return to == n.id })
	}},
	{"loss", func(w *World, _ *node, lan int, lasts time.Duration) {
		w.impair(lan, lasts, way{loss: 0.3}, func(_, _ int) bool { return true })
	}},
	{"delay", func(w *World, _ *node, lan int, lasts time.Duration) {
		w.impair(lan, lasts, way{delay: w.Params.Interval / 2}, func(_, _ int) bool { return true })
	}},
}

// stranger sends packets that the codec refuses, ten in an interval.
func (w *World) stranger(n *node, lan int) {
	for i := range 30 {
		w.after(time.Duration(i)*w.Params.Interval/10, func() { n.refused(lan) })
	}
}

// Random is a setup: two to five nodes, one or two LANs, and what an operator could have written.
func Random(seed uint64) Setup {
	r := rand.New(rand.NewPCG(seed, 112))
	pick := func(d ...time.Duration) time.Duration { return d[r.IntN(len(d))] }
	s := Setup{LANs: 1 + r.IntN(2), Params: vrrp.Params{
		Version:     3,
		Interval:    pick(10*time.Millisecond, 100*time.Millisecond, time.Second),
		DownAdverts: 3 + 2*r.IntN(2),
		Preempt:     r.IntN(2) == 0,
	}}
	if s.Params.Interval == time.Second {
		s.Params.Version = uint8(2 + r.IntN(2))
	}
	if s.Params.Preempt {
		s.Params.PreemptDelay = pick(0, 0, s.Params.Interval*5)
	}
	s.Params.Hold = pick(0, s.Params.Interval*8)
	s.Lease = max(time.Second, (time.Duration(s.Params.DownAdverts)*s.Params.Interval - time.Second).Truncate(time.Second))
	equal := r.IntN(3) == 0
	for range 2 + r.IntN(4) {
		n := Setting{Priority: uint8(50 + r.IntN(200)), Drift: r.IntN(201) - 100}
		if equal {
			n.Priority = 100
		}
		s.Nodes = append(s.Nodes, n)
	}
	return s
}
