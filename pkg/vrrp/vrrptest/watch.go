package vrrptest

import (
	"fmt"
	"time"

	"github.com/lvsd/lvsd/pkg/vrrp"
)

// Violation is an invariant that was broken, and when.
type Violation struct {
	Invariant string // I1 to I11
	At        time.Duration
	What      string
}

// Error makes a violation an error.
func (v *Violation) Error() string { return fmt.Sprintf("%s at %v: %s", v.Invariant, v.At, v.What) }

// watch looks at a world from outside. It computes what it expects from the parameters and from what it saw go over the
// wire, not from what the state machines think.
type watch struct {
	w      *World
	broken *Violation
	moves  int

	calm    bool // no fault for long: exactly one holder, and nothing moves
	best    bool // and it is the one of highest priority
	doubles time.Duration
	seen    [][]seen // by node, then LAN
}

// seen is what was seen of a router.
type seen struct {
	since  time.Duration // it listens, or heard the last advert other than 0
	heard  bool          // so that since is the advert's
	zero   bool          // the last one that it heard had priority 0
	master int           // that was last heard, and not to leave; -1 is none
	spoke  time.Duration // last advert that it sent since it is master and nothing changed; -1 is none
}

func newWatch(w *World) watch {
	v := watch{w: w, doubles: -1}
	for range w.nodes {
		v.seen = append(v.seen, make([]seen, w.LANs))
	}
	return v
}

// fail notes the first violation.
func (v *watch) fail(invariant, format string, args ...any) {
	if v.broken == nil && (v.w.Only == "" || v.w.Only == invariant) {
		v.broken = &Violation{Invariant: invariant, At: v.w.now, What: fmt.Sprintf(format, args...)}
		v.w.trace(v.broken.Error)
	}
}

// slack is what a timer may differ by drift and by ways of the wire.
func slack(d time.Duration) time.Duration { return d/2000 + 2*wire }

// restart forgets the times of a node, which begins to listen or to speak anew.
func (v *watch) restart(n *node) {
	for lan, s := range v.seen[n.id] {
		if n.core.Router(lan).State() == vrrp.Stopped {
			s.master = -1
		}
		v.seen[n.id][lan] = seen{since: v.w.now, spoke: -1, master: s.master}
	}
}

func (v *watch) woke(n *node) {
	v.restart(n)
	v.doubles = -1 // the lease bounded what was
}

// heard is an advert that reaches a router that runs.
func (v *watch) heard(n *node, p packet) {
	s := &v.seen[n.id][p.lan]
	zero := p.event.Priority == vrrp.PriorityLeave
	if zero && s.master >= 0 && s.master != p.from {
		return // of one that has a successor
	}
	s.since, s.heard, s.zero, s.master = v.w.now, true, zero, p.from
	if zero {
		s.master = -1
	}
}

// sent watches the pace of adverts: I8.
func (v *watch) sent(n *node, lan int, f vrrp.Effect) {
	s := &v.seen[n.id][lan]
	if f.Priority == vrrp.PriorityLeave {
		s.spoke = -1
		return
	}
	if s.spoke >= 0 && v.w.now-s.spoke < 10*time.Millisecond-10*time.Microsecond {
		v.fail("I8", "node %d sends two adverts within %v on LAN %d", n.id, v.w.now-s.spoke, lan)
	}
	s.spoke = v.w.now
}

// stepped watches what a step did to a group: I4 and I5, and to the order of succession: I7.
func (v *watch) stepped(n *node, was vrrp.State, effects []vrrp.Effect) {
	is := n.core.State()
	masters := 0
	for lan := range v.w.LANs {
		if n.core.Router(lan).State() == vrrp.Master {
			masters++
		}
	}
	if masters != 0 && masters != v.w.LANs {
		v.fail("I5", "%d of %d routers of node %d are master", masters, v.w.LANs, n.id)
	}
	if h := holds(n.core); h != (is == vrrp.Master) {
		v.fail("I4", "node %d is %v and its holding the VIPs is %v", n.id, is, h)
	}
	if is == was {
		return
	}
	if v.calm {
		v.fail("I2", "node %d becomes %v, nothing having happened (%s)", n.id, is, causes(effects))
	}
	if is == vrrp.Master {
		v.moves++
		v.usurped(n)
		n.became = v.w.now
		v.succession(n, effects)
	}
	if is == vrrp.Master || was != vrrp.Backup {
		v.restart(n)
	}
}

// succession: whoever follows a master that fell silent is of the highest priority of those that listened: I7.
func (v *watch) succession(n *node, effects []vrrp.Effect) {
	c := effects[0].Cause
	if v.w.LANs > 1 || c != vrrp.CauseSilence && c != vrrp.CauseLeft || !v.w.clean(v.down(n)) {
		return
	}
	mine := v.seen[n.id][0]
	for _, h := range v.w.nodes {
		theirs := v.seen[h.id][0]
		ahead := time.Duration(int(h.stand[0].Priority)-int(n.stand[0].Priority)) * v.unit() / 256
		if h == n || !v.eligible(h) || ahead < slack(v.down(n)) || mine.zero != theirs.zero || !mine.heard || !theirs.heard {
			continue
		}
		if d := mine.since - theirs.since; max(d, -d) <= wire {
			v.fail("I7", "node %d becomes master and not node %d, which heard the same and is of higher priority", n.id, h.id)
		}
	}
}

// usurped: where nobody preempts, nobody takes the role from a master that had an interval to speak: I3.
func (v *watch) usurped(n *node) {
	if v.w.Params.Preempt || !v.w.clean(2*v.longest()) {
		return
	}
	for _, m := range v.w.nodes {
		if m != n && m.master() && !m.paused && !m.core.Router(0).Resigning() && v.w.now-m.became > v.w.Params.Interval+2*wire {
			v.fail("I3", "node %d takes the role from node %d, which has it", n.id, m.id)
		}
	}
}

// eligible tells whether a node could become master by listening.
func (v *watch) eligible(n *node) bool {
	return n.running && !n.paused && !n.ending && n.core.State() == vrrp.Backup && !n.sick() && !n.core.Router(0).Held()
}

// unit is what the skew is a fraction of.
func (v *watch) unit() time.Duration {
	if v.w.Params.Version == 2 {
		return time.Second
	}
	return v.w.Params.Interval
}

// skew and down are those of the RFC for a node.
func (v *watch) skew(n *node) time.Duration {
	return time.Duration(256-int(n.stand[0].Priority)) * v.unit() / 256
}

func (v *watch) down(n *node) time.Duration {
	return time.Duration(v.w.Params.DownAdverts)*v.w.Params.Interval + v.skew(n)
}

// look is after each event.
func (v *watch) look() {
	holders := 0
	for _, n := range v.w.nodes {
		if n.holds() && n.linked() {
			holders++
		}
		if n.running && !n.paused {
			v.overdue(n)
		}
	}
	v.double(holders)
	if v.calm {
		v.settled(holders)
	}
}

// overdue: a backup takes over in time (I6), and a master speaks in time (I8).
func (v *watch) overdue(n *node) {
	switch {
	case n.core.State() == vrrp.Master && !n.core.Router(0).Resigning():
		for lan, s := range v.seen[n.id] {
			if i := v.w.Params.Interval; s.spoke >= 0 && v.w.now-s.spoke > i+slack(i) {
				v.fail("I8", "node %d is master and silent since %v on LAN %d", n.id, v.w.now-s.spoke, lan)
			}
		}
	case v.eligible(n):
		last := seen{}
		for _, s := range v.seen[n.id] {
			if s.since >= last.since {
				last = s
			}
		}
		wait := v.down(n)
		if last.zero && v.w.LANs == 1 {
			wait = v.skew(n)
		}
		if d := v.w.now - last.since; d > wait+slack(wait) {
			v.fail("I6", "node %d listens since %v and is no master; its time is %v", n.id, d, wait)
		}
	}
}

// double: two hold the VIPs no longer than by what the lease exceeds the shortest takeover, and a packet's way: I10.
func (v *watch) double(holders int) {
	if holders < 2 || !v.w.clean(2*v.longest()) {
		v.doubles = -1
		return
	}
	if v.doubles < 0 {
		v.doubles = v.w.now
	}
	bound := 10*time.Millisecond + slack(0) + 2*wire // a master answers another within a breather
	for _, n := range v.w.nodes {
		if n.vips && n.expires != never && n.expires > v.doubles { // a process that hangs or is gone
			quickest := time.Duration(v.w.Params.DownAdverts-1) * v.w.Params.Interval
			if n.gone || v.w.Params.Preempt {
				quickest = 0
			}
			v.doubles = max(v.doubles, n.lapsed) // one may have gone after another
			bound += max(0, v.w.Lease-quickest+slack(v.w.Lease))
		}
	}
	if d := v.w.now - v.doubles; d > bound {
		v.fail("I10", "two hold the VIPs since %v; the bound is %v", d, bound)
	}
}

// longest is the longest down interval.
func (v *watch) longest() time.Duration {
	return time.Duration(v.w.Params.DownAdverts)*v.w.Params.Interval + v.unit()
}

// settled: exactly one holds the VIPs (I1), and that is who should (I3).
func (v *watch) settled(holders int) {
	var best, holder *node
	for _, n := range v.w.nodes {
		if !n.running || !n.linked() {
			continue
		}
		if best == nil || n.rank() > best.rank() {
			best = n
		}
		if n.holds() {
			holder = n
		}
	}
	switch {
	case best == nil:
	case holders != 1:
		v.fail("I1", "%d nodes hold the VIPs", holders)
	case (v.best || holder.sick()) && holder.rank() < best.rank():
		v.fail("I3", "node %d holds the VIPs and not node %d", holder.id, best.id)
	}
}

// resumed: resuming twice is resuming once, and is only for a role that nobody has taken: I11.
func (v *watch) resumed(n *node) {
	now := n.local()
	v.doubles = -1 // what follows is between two that speak
	for _, k := range []vrrp.Kind{vrrp.Resume, vrrp.Start} {
		before := n.core.Router(0)
		for _, f := range n.core.Step(now, -1, vrrp.Event{Kind: k}) {
			if f != (vrrp.Effect{}) || n.core.Router(0) != before {
				v.fail("I11", "node %d resumed and then event %d made a difference", n.id, k)
			}
		}
	}
	if !n.rival && v.rival(n) && v.w.clean(2*v.longest()) {
		v.fail("I11", "node %d resumes as master although another is", n.id)
	}
}

// rival tells whether another node is master, and not by having preempted this one.
func (v *watch) rival(n *node) bool {
	for _, other := range v.w.nodes {
		preempts := v.w.Params.Preempt && other.rank() > n.rank()
		if other != n && other.master() && !other.paused && !preempts {
			return true
		}
	}
	return false
}

// refused: a refused packet changes nothing: I9.
func (v *watch) refused(n *node, before, after vrrp.Machine) {
	if before != after {
		v.fail("I9", "node %d is changed by a refused packet", n.id)
	}
}
