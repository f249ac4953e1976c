package pair

import (
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/link"
)

// unplug takes the second link from a node.
func unplug(l *lan, n *node) {
	eth1 := n.links[1]
	eth1.Up = false
	n.keeper.Change(eth1)
	l.pass(time.Second)
}

// A router that leaves a group is no longer kept from being master by it.
func TestLeavingAGroupThatCannot(t *testing.T) {
	for name, rest := range map[string][]link.Router{
		"the other is removed": both(vi(150, inGroup)),
		"both are ungrouped":   both(vi(150), second(150)),
	} {
		t.Run(name, func(t *testing.T) {
			l := newLAN(t)
			n := l.join("a", 1, vi(150, inGroup), second(150, inGroup))
			l.pass(10 * time.Second)
			unplug(l, n)
			n.apply(rest...)
			l.pass(time.Minute)
			if r := n.router("VI_1"); r.State != "master" || !r.Holds {
				t.Errorf("a minute later: %s (%s), holds its VIPs: %t", r.State, r.Cause, r.Holds)
			}
		})
	}
}

// A master that joins a router which cannot be master holds nothing any more.
func TestJoiningOneThatCannot(t *testing.T) {
	l := newLAN(t)
	n := l.join("a", 1, vi(150), second(150))
	l.pass(10 * time.Second)
	unplug(l, n)
	n.apply(vi(150, inGroup), second(150, inGroup))
	l.pass(30 * time.Second)
	for _, name := range []string{"VI_1", "VI_2"} {
		if r := n.router(name); r.State != "fault" || r.Holds {
			t.Errorf("%s: %s, holds its VIPs: %t", name, r.State, r.Holds)
		}
	}
}

// A handover is answered although a reload regroups meanwhile.
func TestHandoverWhileRegrouped(t *testing.T) {
	l := newLAN(t)
	n := l.join("a", 1, vi(150))
	l.pass(10 * time.Second)
	answered := false
	n.core.handOver(l.now, link.Handover{Router: "VI_1", By: "x"}, func(error) { answered = true })
	n.apply(vi(150, inGroup), second(150, inGroup))
	l.pass(10 * time.Second)
	if !answered || len(n.core.handovers) > 0 {
		t.Errorf("answered: %t, %d wait", answered, len(n.core.handovers))
	}
}
