package pair

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vip"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// pairOf gives two directors of which the first is master and the second knows it.
func pairOf(t *testing.T, first, second []link.Router) (*lan, *node, *node) {
	l := newLAN(t)
	a := l.join("a", 101, first...)
	l.pass(5 * time.Second)
	b := l.join("b", 102, second...)
	l.pass(5 * time.Second)
	l.want("master backup")
	return l, a, b
}

func both(r ...link.Router) []link.Router { return r }

func TestTakeover(t *testing.T) {
	l, a, b := pairOf(t, both(vi(150)), both(vi(100)))
	if w, ok := a.keeper.Want("VI_1"); !ok || !w.Held || w.Election != 1 || w.Lease != 2*time.Second || w.Renew != 2*time.Second/3 {
		t.Errorf("the master wants %+v", w)
	}
	a.dead = true
	l.pass(2500 * time.Millisecond)
	l.want("dead backup")
	l.pass(2 * time.Second)
	l.want("dead master")
	if diff := cmp.Diff([]string{"stopped>backup: " + vrrp.CauseStart.String(), "backup>master: " + vrrp.CauseSilence.String()}, b.moves(0)); diff != "" {
		t.Error(diff)
	}
	transitions, _ := b.core.history.since(0)
	if last := transitions[len(transitions)-1]; last.Peer != netip.MustParseAddr("198.51.100.101") || last.Priority != 100 || last.Routers[0] != "VI_1" {
		t.Errorf("the transition says %+v", last)
	}
	if w, _ := b.keeper.Want("VI_1"); !w.Held {
		t.Error("the successor does not hold the VIPs")
	}
}

// The advert goes out before the addresses change.
func TestAdvertBeforeVIPs(t *testing.T) {
	l := newLAN(t)
	a := l.join("a", 101, vi(150))
	sets, sent := a.keeper.Sets(), 0
	a.core.addresses = ordered{Addresses: a.keeper, set: func() { sent = a.ports[0].sent }}
	l.pass(5 * time.Second)
	if a.keeper.Sets() != sets+1 || sent != 1 {
		t.Errorf("%d adverts were sent before the addresses were put on in %d steps", sent, a.keeper.Sets()-sets)
	}
}

type ordered struct {
	Addresses
	set func()
}

func (o ordered) Set(router string, w vip.Want) {
	if w.Held {
		o.set()
	}
	o.Addresses.Set(router, w)
}

func TestHandover(t *testing.T) {
	l, a, b := pairOf(t, both(vi(150)), both(vi(100)))
	var results []error
	hand := func() {
		a.core.handOver(l.now, link.Handover{By: "root"}, func(err error) { results = append(results, err) })
	}
	hand()
	if r := a.router("VI_1"); !r.Resigning || !r.Holds {
		t.Errorf("who gives its role away holds its VIPs until then: %+v", r)
	}
	l.pass(time.Second)
	l.want("backup master")
	if diff := cmp.Diff([]error{nil}, results); diff != "" {
		t.Fatal(diff)
	}
	hand()
	if len(results) != 2 || results[1] == nil || !strings.Contains(results[1].Error(), "VI_1 is backup here") {
		t.Errorf("a backup hands over: %v", results)
	}
	b.core.handOver(l.now, link.Handover{Router: "nobody"}, func(err error) { results = append(results, err) })
	if len(results) != 3 || results[2] == nil {
		t.Errorf("an unknown name: %v", results)
	}
	l.pass(time.Minute)
	l.want("backup master")
}

// Priority 0 is sent three times, a millisecond apart, for the loss of some.
func TestFarewell(t *testing.T) {
	l, a, _ := pairOf(t, both(vi(150)), both(vi(1, func(r *link.Router) { r.Interval = time.Second })))
	sent := a.ports[0].sent
	a.core.handOver(l.now, link.Handover{By: "root"}, func(error) {})
	for n := 1; n <= 3; n++ {
		if got := a.ports[0].sent - sent; got != n {
			t.Errorf("after %d ms: %d adverts", n-1, got)
		}
		l.pass(time.Millisecond)
	}
	l.pass(100 * time.Millisecond)
	if got := a.ports[0].sent - sent; got != 3 {
		t.Errorf("%d adverts in all", got)
	}
}

func TestHandoverToNobody(t *testing.T) {
	l, a, b := pairOf(t, both(vi(150)), both(vi(100)))
	b.dead = true
	var result error
	a.core.handOver(l.now, link.Handover{Router: "VI_1", By: "root"}, func(err error) { result = err })
	l.pass(2 * time.Second)
	if result != nil {
		t.Errorf("before the time is over: %v", result)
	}
	l.pass(2 * time.Second)
	if result == nil || !strings.Contains(result.Error(), "this director is still master") {
		t.Errorf("the answer is %v", result)
	}
	l.want("master dead")
}

func TestSick(t *testing.T) {
	l, a, _ := pairOf(t, both(vi(150)), both(vi(100)))
	a.say(map[string][]link.Reason{"VI_1": {{Words: "check app: exit 1", Fault: true}}})
	l.pass(time.Second)
	l.want("fault master")
	r := a.router("VI_1")
	if diff := cmp.Diff([]link.Reason{{Words: "check app: exit 1", Fault: true}}, r.Reasons); diff != "" {
		t.Error(diff)
	}
	if moves := a.moves(0); !strings.Contains(moves[len(moves)-1], "check app: exit 1") {
		t.Errorf("the cause does not say which check: %v", moves)
	}
	a.say(nil)
	l.pass(time.Minute)
	l.want("backup master")
}

// The last director goes on although it is sick, and its successor takes over when there is one.
func TestLastMan(t *testing.T) {
	l := newLAN(t)
	a := l.join("a", 101, vi(150))
	l.pass(5 * time.Second)
	a.say(map[string][]link.Reason{"VI_1": {{Words: "check app: exit 1", Fault: true}}})
	l.pass(10 * time.Second)
	l.want("master")
	if p := a.router("VI_1").Priority; p != 1 {
		t.Errorf("its priority is %d", p)
	}
	l.join("b", 102, vi(100, func(r *link.Router) { r.Preempt = true }))
	l.pass(time.Minute)
	l.want("fault master")
}

func TestPriority(t *testing.T) {
	reasons := func(weights ...int) (list []link.Reason) {
		for _, w := range weights {
			list = append(list, link.Reason{Weight: w})
		}
		return list
	}
	tests := []struct {
		configured uint8
		reasons    []link.Reason
		want       uint8
		fault      bool
	}{
		{100, nil, 100, false},
		{100, reasons(-20, 5), 85, false},
		{100, reasons(-200), 1, false},
		{200, reasons(200), 254, false},
		{255, reasons(-200), 255, false},
		{100, []link.Reason{{Fault: true}, {Weight: -10}}, 90, true},
	}
	for _, test := range tests {
		if got, fault := priority(test.configured, test.reasons); got != test.want || fault != test.fault {
			t.Errorf("%d with %v: %d %t, want %d %t", test.configured, test.reasons, got, fault, test.want, test.fault)
		}
	}
}

// What counts for one router of a group counts for the others, once.
func TestReasonsOfAGroup(t *testing.T) {
	l := newLAN(t)
	other := vi(150, func(r *link.Router) {
		r.Name, r.ID, r.Group, r.Interface = "VI_2", 52, "G", "eth1"
		r.VIPs = []vip.Address{{Prefix: netip.MustParsePrefix("203.0.113.10/32"), Link: "eth1"}}
		r.Tracks = []link.Track{{Interface: "eth7", Weight: -3}}
	})
	a := l.join("a", 101, vi(150, func(r *link.Router) { r.Group = "G" }), other)
	common := link.Reason{Words: "check gateway: timeout", Weight: -10}
	a.say(map[string][]link.Reason{"VI_1": {common, {Words: "own", Weight: -1}}, "VI_2": {common}})
	for _, name := range []string{"VI_1", "VI_2"} {
		if r := a.router(name); r.Priority != 150-10-1-3 || len(r.Reasons) != 3 {
			t.Errorf("%s has priority %d for %v", name, r.Priority, r.Reasons)
		}
	}
	a.links[0].Up = false
	a.keeper.Change(vip.Link{Name: "eth7", Index: 9, Up: true})
	if r := a.router("VI_1"); r.Priority != 150-10-1 {
		t.Errorf("the tracked interface is up: %d for %v", r.Priority, r.Reasons)
	}
}

func TestGroupMovesAsOne(t *testing.T) {
	members := func(priority uint8) []link.Router {
		return both(vi(priority, func(r *link.Router) { r.Group = "G" }), vi(priority, func(r *link.Router) {
			r.Name, r.ID, r.Group, r.Interface = "VI_2", 52, "G", "eth1"
			r.VIPs = []vip.Address{{Prefix: netip.MustParsePrefix("203.0.113.10/32"), Link: "eth1"}}
		}))
	}
	l, a, b := pairOf(t, members(150), members(100))
	seq := a.core.history.seq
	eth1 := a.links[1]
	eth1.Up = false
	a.keeper.Change(eth1)
	l.pass(time.Second)
	if got := a.router("VI_1").State + " " + a.router("VI_2").State; got != "fault fault" {
		t.Errorf("the group is %s", got)
	}
	if moves := a.moves(seq); len(moves) != 1 || !strings.HasPrefix(moves[0], "master>fault") {
		t.Errorf("a group moves at once: %v", moves)
	}
	l.pass(5 * time.Second)
	if got := b.router("VI_1").State + " " + b.router("VI_2").State; got != "master master" {
		t.Errorf("the other one's group is %s", got)
	}
	transitions, _ := b.core.history.since(0)
	if last := transitions[len(transitions)-1]; last.Group != "G" || !slices.Equal(last.Routers, []string{"VI_1", "VI_2"}) {
		t.Errorf("told is %+v", last)
	}
}

// A link that comes back, as another one, has its socket opened again.
func TestLinkGoneAndBack(t *testing.T) {
	l, a, _ := pairOf(t, both(vi(150)), both(vi(100)))
	eth0 := a.links[0]
	a.keeper.Change(vip.Link{Name: "eth0"})
	l.want("fault backup")
	if moves := a.moves(0); !strings.Contains(moves[len(moves)-1], "eth0 is not there") {
		t.Errorf("the cause does not say what is missing: %v", moves)
	}
	if len(a.ports) != 0 {
		t.Error("its socket is still open")
	}
	l.pass(5 * time.Second)
	l.want("fault master")
	eth0.Index = 17
	a.keeper.Change(eth0)
	first := a.ports[0]
	eth0.Index = 18 // gone and back before anybody looked
	a.keeper.Change(eth0)
	if len(a.ports) != 1 || a.ports[0] == first {
		t.Error("its socket is still that of the link that is gone")
	}
	l.pass(10 * time.Second)
	l.want("backup master")
	if len(a.ports) != 1 || a.router("VI_1").Heard == 0 {
		t.Error("it does not listen")
	}
}

// A new primary address is advertised from at once; one that stays in use is not left for another.
func TestPrimaryChanges(t *testing.T) {
	l, a, b := pairOf(t, both(vi(150)), both(vi(100)))
	eth0 := a.links[0]
	eth0.Addresses = []netip.Prefix{netip.MustParsePrefix("198.51.100.7/24"), netip.MustParsePrefix("198.51.100.101/24")}
	a.keeper.Change(eth0)
	if p := a.router("VI_1").Primary; p != netip.MustParseAddr("198.51.100.101") {
		t.Errorf("it adverts from %v", p)
	}
	eth0.Addresses = eth0.Addresses[:1]
	a.keeper.Change(eth0)
	l.pass(time.Millisecond)
	if p := b.router("VI_1").Peer; p != netip.MustParseAddr("198.51.100.7") {
		t.Errorf("the peer has heard %v", p)
	}
	l.pass(time.Minute)
	l.want("master backup")
	eth0.Addresses = []netip.Prefix{netip.MustParsePrefix("198.51.100.10/32")} // the VIP itself
	a.keeper.Change(eth0)
	l.pass(10 * time.Second)
	l.want("fault master")
}

func TestHoldAfterStart(t *testing.T) {
	l := newLAN(t)
	a := l.join("a", 101)
	a.mute = true
	a.start(both(vi(150)), nil)
	l.pass(20 * time.Second)
	l.want("backup")
	if !a.router("VI_1").WaitsForTable {
		t.Error("it does not say that it waits")
	}
	a.core.hearWord(l.now, link.Word{Ready: true})
	l.pass(10 * time.Millisecond)
	l.want("master")
}

func TestRunGone(t *testing.T) {
	l, a, b := pairOf(t, both(vi(150, func(r *link.Router) { r.PeerPriority = 100 })), both(vi(100, func(r *link.Router) { r.OnLost = -20 })))
	a.say(map[string][]link.Reason{"VI_1": {{Words: "check app: exit 1", Weight: -10}}})
	b.say(map[string][]link.Reason{"VI_1": {{Words: "check app: exit 1", Weight: -1}}})
	l.pass(time.Second)
	if a.router("VI_1").Priority != 140 || b.router("VI_1").Priority != 99 {
		t.Fatalf("%d and %d", a.router("VI_1").Priority, b.router("VI_1").Priority)
	}
	a.mute, b.mute = true, true
	l.pass(11 * time.Second)
	if p := a.router("VI_1").Priority; p != 150 {
		t.Errorf("reasons lapse: priority %d", p)
	}
	if p := b.router("VI_1").Priority; p != 80 {
		t.Errorf("a peer is heard, so on_lost counts and the rest does not: priority %d", p)
	}
	if !a.noticed("lvsd run was not heard for 10s") || a.core.state(l.now).Run.Heard {
		t.Error("nothing tells that lvsd run is gone")
	}
	a.dead = true
	l.pass(10 * time.Second)
	l.want("dead master")
	if p := b.router("VI_1").Priority; p != 100 {
		t.Errorf("no peer is heard, so on_lost does not count: priority %d", p)
	}
	b.mute = false
	l.pass(time.Second)
	if !b.noticed("lvsd run is heard again") || b.router("VI_1").Priority != 99 {
		t.Errorf("lvsd run is back: priority %d", b.router("VI_1").Priority)
	}
}

func TestLeaseNotRenewed(t *testing.T) {
	l, a, _ := pairOf(t, both(vi(150)), both(vi(100)))
	a.lazy = true
	a.core.report(l.now, &vip.Report{Kind: vip.Failed, Router: "VI_1", Err: errors.New("no memory")})
	l.pass(1900 * time.Millisecond)
	if r := a.router("VI_1"); len(r.Alarms) != 1 || r.VIPError != "no memory" {
		t.Errorf("alarms %v, error %q", r.Alarms, r.VIPError)
	}
	l.want("master backup")
	l.pass(2 * time.Second)
	l.want("fault master")
	a.lazy = false
	l.pass(2 * time.Second)
	l.want("backup master")
	if alarms := a.router("VI_1").Alarms; len(alarms) != 0 {
		t.Errorf("still %v", alarms)
	}
}
