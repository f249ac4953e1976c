package vrrptest

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/vrrp"
)

// node is a host with a process that runs a group, or does not.
type node struct {
	w       *World
	id      int
	core    Core
	running bool
	paused  bool
	ending  bool          // asked to stop
	unread  bool          // it became ready while it was paused
	inbox   []packet      // what came while it was paused
	wakes   time.Duration // its next tick
	stand   []vrrp.Standing
	set     Setting

	vips    bool          // in the kernel, by the process that runs or the last one
	expires time.Duration // of them, while no process renews them
	gone    bool          // it had given its role away before
	rival   bool          // another was master too
	lapsed  time.Duration // nobody renews them since
	became  time.Duration // master
	beat    time.Duration // last advert that a process left in the state record; -1 if it was not master
}

func newNode(w *World, id int) *node {
	n := &node{w: w, id: id, set: w.Nodes[id], wakes: never, beat: -1, core: w.Make(id, w.LANs)}
	for lan := range w.LANs {
		n.stand = append(n.stand, vrrp.Standing{Priority: n.set.Priority, Primary: n.address(lan)})
	}
	return n
}

// address is greater for a later node, on every LAN.
func (n *node) address(lan int) netip.Addr {
	return netip.AddrFrom4([4]byte{192, 0, byte(lan), byte(10 + n.id)})
}

// local is the node's clock, and global the first instant at which it shows at least a local one.
func (n *node) local() vrrp.Instant {
	return vrrp.Instant(n.w.now + n.w.now/1e6*time.Duration(n.set.Drift))
}

func (n *node) global(i vrrp.Instant) time.Duration {
	if i == vrrp.Never {
		return never
	}
	t := time.Duration(float64(i) / (1 + float64(n.set.Drift)/1e6))
	for t+t/1e6*time.Duration(n.set.Drift) < time.Duration(i) {
		t += time.Microsecond
	}
	return t
}

// master tells whether its process runs, or hangs, as master.
func (n *node) master() bool { return n.running && n.core.State() == vrrp.Master }

// holds tells whether the kernel has the VIPs.
func (n *node) holds() bool { return n.vips && n.w.now < n.expires }

// begin starts the process. One that finds in the record that the process before was master a moment ago resumes.
func (n *node) begin() {
	if n.running {
		return
	}
	n.running, n.paused, n.ending, n.unread, n.inbox = true, false, false, false, nil
	fresh := n.beat >= 0 && n.w.now-n.beat < 2*n.w.Params.Interval
	if s, ok := n.core.(interface{ Stale() bool }); ok && n.beat >= 0 && s.Stale() {
		fresh = true
	}
	n.core = n.w.Make(n.id, n.w.LANs)
	for lan := range n.w.LANs {
		n.step(lan, vrrp.Event{Kind: vrrp.Configure, Params: n.w.Params})
		n.step(lan, vrrp.Event{Kind: vrrp.Stand, Standing: n.stand[lan]})
	}
	if fresh {
		n.step(-1, vrrp.Event{Kind: vrrp.Resume})
		n.w.watch.resumed(n)
		return
	}
	n.step(-1, vrrp.Event{Kind: vrrp.Start})
	n.w.watch.doubles = -1 // the VIPs of the life before are gone: what follows is between others
	if h := n.w.Params.Hold; h > 0 {
		n.w.after(n.w.upTo(h), n.ready)
	}
}

// ready is that the first table is in the kernel.
func (n *node) ready() {
	switch {
	case n.paused:
		n.unread = true
	case n.running:
		n.step(-1, vrrp.Event{Kind: vrrp.Ready})
		n.due()
	}
}

// stop asks the process to end, and handover to give its role away.
func (n *node) stop() {
	if n.running && !n.paused {
		n.ending = true
		n.step(-1, vrrp.Event{Kind: vrrp.Stop})
	}
}

func (n *node) handover() {
	if n.running && !n.paused {
		n.step(-1, vrrp.Event{Kind: vrrp.Handover})
	}
}

// crash ends the process without a word; the kernel keeps the VIPs for what is left of their lease.
func (n *node) crash() {
	if !n.running {
		return
	}
	n.w.trace(func() string { return fmt.Sprintf("node %d crashes", n.id) })
	n.lapse()
	n.running, n.paused, n.wakes = false, false, never
}

// pause keeps the process from running; resume lets it go on and read what came first, then look at its timers.
func (n *node) pause() {
	if !n.running || n.paused {
		return
	}
	n.w.trace(func() string { return fmt.Sprintf("node %d hangs", n.id) })
	n.lapse()
	n.paused, n.wakes = true, never
}

func (n *node) resume() {
	if !n.paused {
		return
	}
	n.w.trace(func() string { return fmt.Sprintf("node %d goes on", n.id) })
	n.paused = false
	n.w.watch.woke(n)
	waiting := n.inbox
	n.inbox = nil
	for _, p := range waiting {
		n.receive(p)
	}
	for lan := range n.stand {
		n.say(lan, func(*vrrp.Standing) {})
	}
	if n.unread {
		n.step(-1, vrrp.Event{Kind: vrrp.Ready})
	}
	n.unread = false
	n.due()
}

// lapse lets the lease of the VIPs run, which was renewed at some moment within the last renewal period.
func (n *node) lapse() {
	if n.vips && n.expires == never {
		n.lapsed, n.expires = n.w.now, n.w.now+n.w.Lease
		if c, ok := n.core.(interface{ Unleased() bool }); ok && c.Unleased() {
			n.expires = n.w.now + time.Hour
		}
		n.gone = n.core.Router(0).Resigning()
		n.rival = n.w.watch.rival(n)
		n.w.after(n.w.Lease, func() {})
	}
}

func (n *node) receive(p packet) {
	switch {
	case n.paused:
		n.inbox = append(n.inbox, p)
	case n.running && !n.stand[p.lan].Down:
		n.w.watch.heard(n, p)
		n.step(p.lan, p.event)
	}
}

// refused is a packet that the codec refuses: it ends there.
func (n *node) refused(lan int) {
	if !n.running || n.paused {
		return
	}
	before := n.core.Router(lan)
	if c, ok := n.core.(interface {
		Refused(now vrrp.Instant, router int)
	}); ok {
		c.Refused(n.local(), lan)
	}
	n.w.watch.refused(n, before, n.core.Router(lan))
}

// say changes what the host says of one of its routers.
func (n *node) say(lan int, change func(*vrrp.Standing)) {
	change(&n.stand[lan])
	if n.running && !n.paused {
		n.step(lan, vrrp.Event{Kind: vrrp.Stand, Standing: n.stand[lan]})
	}
}

// due gives the group its ticks.
func (n *node) due() {
	now := n.local()
	n.act(func() []vrrp.Effect { return n.core.Due(now) }, "tick")
}

func (n *node) step(lan int, e vrrp.Event) {
	now := n.local()
	n.act(func() []vrrp.Effect { return n.core.Step(now, lan, e) }, "event")
}

// act does what comes of a step: adverts first, then the VIPs.
func (n *node) act(step func() []vrrp.Effect, what string) {
	was, resigning := n.core.State(), n.core.Router(0).Resigning()
	effects := step()
	if resigning && !n.core.Router(0).Resigning() {
		n.became = n.w.now
	}
	n.w.watch.stepped(n, was, effects)
	for lan, f := range effects {
		if f.Adverts > 0 {
			n.beat = n.w.now
			if f.Priority == vrrp.PriorityLeave {
				n.beat = -1
			}
			n.w.watch.sent(n, lan, f)
			n.w.send(n, lan, f.Adverts, f.Priority)
		}
	}
	n.record()
	if state := n.core.State(); state != was {
		n.w.trace(func() string {
			return fmt.Sprintf("node %d is %v, not %v (%s): %s", n.id, state, was, what, causes(effects))
		})
	}
	if !n.running {
		return
	}
	n.wakes = max(n.global(n.core.Next()), n.w.now)
	if n.wakes == n.w.now && n.core.Next() > n.local() {
		n.wakes += time.Microsecond
	}
}

// record is what the kernel and the state record have after a step.
func (n *node) record() {
	held := holds(n.core)
	switch {
	case held:
		n.vips, n.expires = true, never
	default:
		n.vips = false
	}
	if !n.master() {
		n.beat = -1
	}
	if n.ending && n.core.State() == vrrp.Stopped {
		n.running, n.wakes = false, never
	}
}

// holds tells whether a core wants the VIPs, on all its LANs.
func holds(c Core) bool {
	if h, ok := c.(interface{ Holds() bool }); ok {
		return h.Holds()
	}
	return c.Router(0).Holds()
}

func causes(effects []vrrp.Effect) string {
	s := ""
	for _, f := range effects {
		if f.Cause != vrrp.NoCause {
			s += "[" + f.Cause.String() + "]"
		}
	}
	return s
}

// linked tells whether all its interfaces can be used.
func (n *node) linked() bool {
	for _, s := range n.stand {
		if s.Down {
			return false
		}
	}
	return true
}

func (n *node) sick() bool {
	for _, s := range n.stand {
		if s.Sick {
			return true
		}
	}
	return !n.linked()
}

// rank orders the nodes by who should be master.
func (n *node) rank() int {
	if n.sick() {
		return 1
	}
	return int(n.stand[0].Priority)
}
