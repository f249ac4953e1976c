// Package vrrptest is directors on LANs in memory and in virtual time, for the state machine of pkg/vrrp: packets that are
// late or lost, one way or both, processes that crash, hang or restart, clocks that drift, and the kernel's leases on
// VIPs. It watches what the state machines do and names the first invariant that one breaks, with the moment.
//
// The same seed gives the same run.
package vrrptest

import (
	"container/heap"
	"math/rand/v2"
	"time"

	"github.com/lvsd/lvsd/pkg/vrrp"
)

// Core is what a node runs: a *vrrp.Group, or one that breaks a rule.
type Core interface {
	Step(now vrrp.Instant, router int, e vrrp.Event) []vrrp.Effect
	Due(now vrrp.Instant) []vrrp.Effect
	Next() vrrp.Instant
	State() vrrp.State
	Router(i int) vrrp.Machine
}

// World is nodes on LANs; router i of each node is on LAN i.
type World struct {
	Setup
	now    time.Duration
	nodes  []*node
	flight flight
	order  uint64
	rand   *rand.Rand
	net    network
	watch  watch
	quiet  time.Duration // jumped over
}

// Setup is what a world is made of.
type Setup struct {
	Nodes  []Setting
	LANs   int // routers of a node, which are one group
	Params vrrp.Params
	Lease  time.Duration                    // of the VIPs in the kernel
	Make   func(node, routers int) Core     // nil is vrrp.NewGroup
	Only   string                           // the invariant to watch; empty is all
	Trace  func(at time.Duration, s string) // nil traces nothing
}

// Setting is what the nodes of a world differ in.
type Setting struct {
	Priority uint8
	Drift    int // of its clock, in millionths
}

// New makes a world in which no process runs yet.
func New(s Setup, seed uint64) *World {
	w := &World{Setup: s, rand: rand.New(rand.NewPCG(seed, 9568))}
	if w.Make == nil {
		w.Make = func(_, routers int) Core { return vrrp.NewGroup(routers) }
	}
	w.net = quiet(len(s.Nodes), s.LANs)
	for i := range s.Nodes {
		w.nodes = append(w.nodes, newNode(w, i))
	}
	w.watch = newWatch(w)
	return w
}

// packet is an advert under way, or what is to happen to the world.
type packet struct {
	at       time.Duration
	order    uint64
	from, to int
	lan      int
	event    vrrp.Event
	act      func()
}

// flight is the packets under way, the next one first.
type flight []packet

func (f flight) Len() int { return len(f) }
func (f flight) Less(i, j int) bool {
	return f[i].at < f[j].at || f[i].at == f[j].at && f[i].order < f[j].order
}
func (f flight) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f *flight) Push(x any)   { *f = append(*f, x.(packet)) }
func (f *flight) Pop() any {
	last := (*f)[len(*f)-1]
	*f = (*f)[:len(*f)-1]
	return last
}

func (w *World) put(p packet) {
	w.order++
	p.order = w.order
	heap.Push(&w.flight, p)
}

// after lets something happen to the world, d from now.
func (w *World) after(d time.Duration, act func()) { w.put(packet{at: w.now + d, act: act}) }

// send puts n adverts of a router on its LAN, a millisecond apart.
func (w *World) send(from *node, lan, n int, priority uint8) {
	e := vrrp.Event{Kind: vrrp.Heard, Priority: priority, Interval: from.core.Router(lan).Interval(), From: from.address(lan)}
	for i := range n {
		for to := range w.nodes {
			delay, lost := w.net.pass(w.rand, from.id, to, lan)
			if to == from.id || lost {
				continue
			}
			w.put(packet{at: w.now + time.Duration(i)*time.Millisecond + delay, from: from.id, to: to, lan: lan, event: e})
		}
	}
}

// Run lets time pass until an instant, or the first invariant is broken.
func (w *World) Run(until time.Duration) *Violation {
	for w.watch.broken == nil {
		next, who := w.next()
		if next > until {
			break
		}
		w.now = max(w.now, next)
		if who != nil {
			who.due()
		} else {
			w.happen(heap.Pop(&w.flight).(packet))
		}
		w.watch.look()
	}
	w.now = until
	return w.watch.broken
}

// next is when something happens, and to which node's timer; nil is a packet.
func (w *World) next() (at time.Duration, who *node) {
	at = never
	if len(w.flight) > 0 {
		at = w.flight[0].at
	}
	for _, n := range w.nodes {
		if n.wakes < at {
			at, who = n.wakes, n
		}
	}
	return at, who
}

func (w *World) happen(p packet) {
	if p.act != nil {
		p.act()
		return
	}
	w.nodes[p.to].receive(p)
}

// Lived is how long the world has been, with the quiet that was jumped over.
func (w *World) Lived() time.Duration { return w.now + w.quiet }

// Moves is how often a group became master.
func (w *World) Moves() int { return w.watch.moves }

func (w *World) trace(s func() string) {
	if w.Trace != nil {
		w.Trace(w.now, s())
	}
}
