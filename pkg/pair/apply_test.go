package pair

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vip"
)

func (n *node) apply(routers ...link.Router) {
	n.lan.t.Helper()
	links, _ := n.keeper.Links()
	n.core.meet(links)
	if err := n.core.apply(n.lan.now, &link.Config{Node: n.name, Routers: routers}); err != nil {
		n.lan.t.Fatal(err)
	}
}

// second is another router of a group.
func second(priority uint8, change ...func(*link.Router)) link.Router {
	return vi(priority, append([]func(*link.Router){func(r *link.Router) {
		r.Name, r.ID, r.Interface = "VI_2", 52, "eth1"
		r.VIPs = []vip.Address{{Prefix: netip.MustParsePrefix("203.0.113.10/32"), Link: "eth1"}}
	}}, change...)...)
}

func inGroup(r *link.Router) { r.Group = "G" }

// What changes live keeps the role: nobody moves, and the new addresses are advertised.
func TestApplyKeepsTheRole(t *testing.T) {
	changes := map[string]func(*link.Router){
		"nothing":  func(*link.Router) {},
		"priority": func(r *link.Router) { r.Priority = 200 },
		"addresses": func(r *link.Router) {
			r.VIPs = append(slices.Clone(r.VIPs), vip.Address{Prefix: netip.MustParsePrefix("198.51.100.11/32"), Link: "eth0"})
		},
		"interval": func(r *link.Router) { r.Interval = 300 * time.Millisecond },
		"name":     func(r *link.Router) { r.Name = "VI_new" },
		"preempt":  func(r *link.Router) { r.Preempt, r.PreemptDelay = true, time.Minute },
		"group":    inGroup,
		"lease":    func(r *link.Router) { r.Lease = 0 },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			l, a, b := pairOf(t, both(vi(150)), both(vi(100)))
			seqs := [2]uint64{a.core.history.seq, b.core.history.seq}
			to := vi(150, change)
			a.apply(to)
			l.pass(time.Minute)
			l.want("master backup")
			if a.moves(seqs[0]) != nil || b.moves(seqs[1]) != nil {
				t.Error(l.story())
			}
			w, _ := a.keeper.Want(to.Name)
			if !w.Held || !slices.Equal(w.Addresses, to.VIPs) || w.Lease != to.Lease || w.Election != 1 {
				t.Errorf("wanted is %+v", w)
			}
			if _, old := a.keeper.Want("VI_1"); old != (to.Name == "VI_1") {
				t.Error("the old name is still kept")
			}
			if r := a.router(to.Name); r.Priority != to.Priority || r.Interval != to.Interval || r.Group != to.Group {
				t.Errorf("it is %+v", r)
			}
			if r := b.core.routers[0]; !slices.Equal(r.advert.VIPs, advertised(&to)) || r.advert.Interval != to.Interval {
				t.Errorf("the peer heard %+v", r.advert)
			}
		})
	}
}

// A router with another version is another router: the old one leaves softly, and then the new one begins.
func TestApplyReplaces(t *testing.T) {
	l, a, b := pairOf(t, both(vi(150)), both(vi(100)))
	v2 := vi(150, func(r *link.Router) { r.Version = 2 })
	a.apply(v2)
	if r := a.core.state(l.now).Routers; len(r) != 1 || !r[0].Resigning || r[0].Version != 3 {
		t.Errorf("at first: %+v", r)
	}
	l.pass(time.Second)
	if s := b.router("VI_1").State; s != "master" {
		t.Errorf("the successor is %s", s)
	}
	l.pass(2 * time.Second)
	if r := a.core.state(l.now).Routers; len(r) != 1 || r[0].Version != 2 {
		t.Errorf("then: %+v", r)
	}
	b.apply(v2)
	l.pass(20 * time.Second)
	if got := l.states(); got != "master backup" && got != "backup master" {
		t.Errorf("the directors are %s\n%s", got, l.story())
	}
}

func TestApplyRemoves(t *testing.T) {
	l, a, _ := pairOf(t, both(vi(150), second(150)), both(vi(100), second(100)))
	a.apply(second(150))
	l.pass(10 * time.Second)
	if _, kept := a.keeper.Want("VI_1"); kept || len(a.core.routers) != 1 || len(a.ports) != 1 {
		t.Error("it is not gone")
	}
	if s := a.router("VI_2").State; s != "master" {
		t.Errorf("the other one is %s", s)
	}
	entries := parseRecord(a.memory).Entries
	if len(entries) != 1 || entries[0].Router.ID != 52 {
		t.Errorf("the record has %+v", entries)
	}
	a.apply()
	l.pass(10 * time.Second)
	if len(a.core.routers) != 0 || len(a.core.groups) != 0 {
		t.Error("somebody stays")
	}
}

// A router that joins the group of a master is master with it.
func TestApplyGrowsAGroup(t *testing.T) {
	l, a, b := pairOf(t, both(vi(150, inGroup)), both(vi(100, inGroup)))
	a.apply(vi(150, inGroup), second(150, inGroup))
	seq := b.core.history.seq
	b.apply(second(100, inGroup), vi(100, inGroup))
	if moves := b.moves(seq); moves != nil {
		t.Errorf("a backup that grows moves: %v", moves)
	}
	if got := a.router("VI_1").State + " " + a.router("VI_2").State; got != "master master" {
		t.Errorf("at once they are %s", got)
	}
	l.pass(time.Minute)
	for _, name := range []string{"VI_1", "VI_2"} {
		if got := a.router(name).State + " " + b.router(name).State; got != "master backup" {
			t.Errorf("%s is %s\n%s", name, got, l.story())
		}
	}
	if w, _ := a.keeper.Want("VI_2"); !w.Held {
		t.Error("the VIPs of the new one are not held")
	}
	a.apply(second(150, inGroup), vi(150, inGroup))
	l.pass(time.Minute)
	if got := a.router("VI_1").State + " " + a.router("VI_2").State; got != "master master" {
		t.Errorf("in another order they are %s", got)
	}
}

// Routers of different states that become a group are one state.
func TestApplyMixes(t *testing.T) {
	l, a, b := pairOf(t, both(vi(150), second(100)), both(vi(100), second(150)))
	b.core.handOver(l.now, link.Handover{By: "test"}, func(error) {})
	a.core.handOver(l.now, link.Handover{Router: "VI_2", By: "test"}, func(error) {})
	l.pass(5 * time.Second)
	if got := a.router("VI_1").State + " " + a.router("VI_2").State; got != "master backup" {
		t.Fatalf("at first %s", got)
	}
	a.apply(vi(150, inGroup), second(100, inGroup))
	if a.router("VI_1").Holds || a.router("VI_2").Holds {
		t.Error("one of a group is master alone")
	}
	for range 600 {
		l.pass(100 * time.Millisecond)
		if x, y := a.router("VI_1").State, a.router("VI_2").State; x != y {
			t.Fatalf("a group that is %s and %s", x, y)
		}
	}
	for _, name := range []string{"VI_1", "VI_2"} {
		got := []string{a.router(name).State, b.router(name).State}
		if slices.Sort(got); !slices.Equal(got, []string{"backup", "master"}) {
			t.Errorf("%s is %s", name, got)
		}
	}
}

func TestApplyRefuses(t *testing.T) {
	tests := map[string][]link.Router{
		"two virtual routers have this name": {vi(150), vi(150, func(r *link.Router) { r.ID = 52 })},
		"has id 51 on eth0, as has VI_1":     {vi(150), vi(150, func(r *link.Router) { r.Name = "VI_2" })},
		"cannot be an interface":             {vi(150, func(r *link.Router) { r.Interface = "a-name-of-16-byte" })},
		"version 2 for IPv6":                 {vi(150, func(r *link.Router) { r.Family, r.Version = 6, 2 })},
		"no VIP is of IPv6":                  {vi(150, func(r *link.Router) { r.Family = 6 })},
		"it is of whole seconds":             {vi(150, func(r *link.Router) { r.Lease = time.Millisecond })},
		"virtual routers, and 128":           make([]link.Router, 129),
	}
	l := newLAN(t)
	a := l.join("a", 101, vi(150))
	l.pass(5 * time.Second)
	seq := a.core.history.seq
	for words, routers := range tests {
		err := a.core.apply(l.now, &link.Config{Routers: routers})
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v, want %q", err, words)
		}
	}
	l.pass(time.Minute)
	l.want("master")
	if a.core.history.seq != seq {
		t.Error(l.story())
	}
}

// What a socket is made of changes live.
func TestApplyReopens(t *testing.T) {
	l, a, _ := pairOf(t, both(vi(150)), both(vi(100)))
	old := a.ports[0]
	a.apply(vi(150, func(r *link.Router) { r.Plain = true }))
	if len(a.ports) != 1 || a.ports[0] == old || !a.ports[0].o.Plain {
		t.Error("the socket is as it was")
	}
	a.apply(vi(150, func(r *link.Router) { r.Plain, r.Peers = true, []netip.Addr{netip.MustParseAddr("198.51.100.102")} }))
	if len(a.ports) != 1 || len(a.ports[0].o.Peers) != 1 {
		t.Error("the socket is as it was")
	}
	l.want("master backup")
}

// Stop gives the role away and takes the VIPs off.
func TestStop(t *testing.T) {
	l, a, b := pairOf(t, both(vi(150)), both(vi(100)))
	a.core.stop(l.now)
	if w, _ := a.keeper.Want("VI_1"); !w.Held || a.core.over(l.now) {
		t.Error("the VIPs are gone before the successor is there")
	}
	l.pass(time.Second)
	l.want("stopped master")
	if w, _ := a.keeper.Want("VI_1"); w.Held || !a.core.over(l.now) {
		t.Error("it does not end")
	}
	b.core.stop(l.now)
	l.pass(5 * time.Second)
	if !b.core.over(l.now) {
		t.Error("the last one does not end")
	}
}
