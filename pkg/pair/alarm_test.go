package pair

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vip"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// Each misconfiguration of a peer is told in words on both sides while it lasts, and is over when it is.
func TestRefusedPeer(t *testing.T) {
	v2 := func(password string, interval time.Duration) func(*link.Router) {
		return func(r *link.Router) { r.Version, r.Password, r.Interval = 2, password, interval }
	}
	unicast := func(r *link.Router) { r.Peers = []netip.Addr{netip.MustParseAddr("198.51.100.102")} }
	tests := []struct {
		name   string
		a, b   func(*link.Router)
		onA    string
		onB    string
		reason vrrp.Refusal // on a
	}{
		{
			"version", func(*link.Router) {}, v2("", time.Second),
			"198.51.100.102 sends VRRP with our id 51: it is version 2, this router is version 3", "it is version 3, this router is version 2",
			vrrp.BadVersion,
		},
		{"password", v2("one", time.Second), v2("two", time.Second), "password is another one", "password is another one", vrrp.BadPassword},
		{"no password", v2("", time.Second), v2("two", time.Second), "it has a password", "it has no password", vrrp.BadAuth},
		{"interval", v2("", time.Second), v2("", 2*time.Second), "its interval is 2 s", "its interval is 1 s", vrrp.BadInterval},
		{"unicast", unicast, func(*link.Router) {}, "it is multicast", "it is unicast", vrrp.ByMulticast},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLAN(t)
			a, b := l.join("a", 101, vi(150, test.a)), l.join("b", 102, vi(100, test.b))
			l.pass(20 * time.Second)
			l.want("master master")
			for _, side := range []struct {
				n     *node
				words string
			}{{a, test.onA}, {b, test.onB}} {
				alarms := side.n.router("VI_1").Alarms
				if len(alarms) != 1 || !strings.Contains(alarms[0], side.words) {
					t.Errorf("%s alarms %q, want %q", side.n.name, alarms, side.words)
				}
				_, notices := side.n.core.history.since(0)
				if len(notices) != 1 || !notices[0].Alarm {
					t.Errorf("%s is told once, not %+v", side.n.name, notices)
				}
			}
			if n := a.router("VI_1").Refused[test.reason.String()]; n < 5 {
				t.Errorf("%d packets are counted as %v", n, test.reason)
			}
			b.dead = true
			l.pass(20 * time.Second)
			if alarms := a.router("VI_1").Alarms; len(alarms) != 0 || !a.noticed("over: ") {
				t.Errorf("silence does not end %q", alarms)
			}
		})
	}
}

// A stranger's packets move no timer: the adverts go on as if they were not there.
func TestStrangerMovesNothing(t *testing.T) {
	l, a, b := pairOf(t, both(vi(150)), both(vi(100)))
	seq, sent := b.core.history.seq, a.ports[0].sent
	junk := vrrp.Packet{Src: netip.MustParseAddr("198.51.100.66"), Dst: vrrp.Multicast4, TTL: 255, Payload: []byte{0x21, 51, 200, 1, 0, 1, 0, 0, 1, 2, 3, 4}}
	for range 100 {
		for range 3 {
			a.core.hear(l.now, a.core.routers[0], junk)
			b.core.hear(l.now, b.core.routers[0], junk)
		}
		l.pass(100 * time.Millisecond)
	}
	l.want("master backup")
	if n := a.ports[0].sent - sent; n != 10 {
		t.Errorf("%d adverts in 10 s", n)
	}
	if b.moves(seq) != nil {
		t.Errorf("the backup moved: %v", b.moves(seq))
	}
}

// One or two packets that are refused are no alarm, nor are rare ones.
func TestRareRefusals(t *testing.T) {
	l, a, _ := pairOf(t, both(vi(150)), both(vi(100)))
	junk := vrrp.Packet{Src: netip.MustParseAddr("198.51.100.66"), Dst: vrrp.Multicast4, TTL: 255, Payload: []byte{0x21, 51, 200, 1, 0, 1, 0, 0, 1, 2, 3, 4}}
	for range 10 {
		a.core.hear(l.now, a.core.routers[0], junk)
		a.core.hear(l.now, a.core.routers[0], junk)
		l.pass(5 * time.Second)
	}
	if alarms := a.router("VI_1").Alarms; len(alarms) != 0 {
		t.Errorf("alarms %q", alarms)
	}
	for range 3 {
		a.core.hear(l.now, a.core.routers[0], junk)
	}
	if alarms := a.router("VI_1").Alarms; len(alarms) != 1 {
		t.Errorf("alarms %q", alarms)
	}
}

func TestOtherAddresses(t *testing.T) {
	l, a, b := pairOf(t, both(vi(150)), both(vi(100, func(r *link.Router) {
		r.VIPs = []vip.Address{{Prefix: netip.MustParsePrefix("198.51.100.99/32"), Link: "eth0"}}
	})))
	_ = a
	if alarms := b.router("VI_1").Alarms; len(alarms) != 1 || !strings.Contains(alarms[0], "none is common") {
		t.Errorf("alarms %q", alarms)
	}
	l.want("master backup")
	same := both(vi(100))
	if err := b.core.apply(l.now, &link.Config{Routers: same}); err != nil {
		t.Fatal(err)
	}
	l.pass(20 * time.Second)
	if alarms := b.router("VI_1").Alarms; len(alarms) != 0 {
		t.Errorf("still %q", alarms)
	}
}

func TestContested(t *testing.T) {
	l, a, b := pairOf(t, both(vi(150)), both(vi(100)))
	l.cut = func(from, to *node) bool { return from == a }
	l.pass(10 * time.Second)
	l.want("master master")
	r := a.router("VI_1")
	if r.Contested.IsZero() || !strings.Contains(r.ContestedBy, "198.51.100.102 has priority 100, this router 150: it does not hear this router") {
		t.Errorf("contested %v by %q", r.Contested, r.ContestedBy)
	}
	if len(r.Alarms) != 1 {
		t.Errorf("alarms %q", r.Alarms)
	}
	if len(b.router("VI_1").Alarms) != 0 {
		t.Error("who hears nobody knows of nobody")
	}
	eth0 := a.links[0]
	eth0.Up = false
	a.keeper.Change(eth0)
	if r := a.router("VI_1"); !r.Contested.IsZero() || len(r.Alarms) != 0 {
		t.Errorf("who is master no more contests nothing: %+v", r)
	}
	eth0.Up = true
	a.keeper.Change(eth0)
	l.cut = nil
	l.pass(30 * time.Second)
	l.want("backup master")
	if r := a.router("VI_1"); !r.Contested.IsZero() || len(r.Alarms) != 0 {
		t.Errorf("still %+v", r)
	}
}

func TestDuplicate(t *testing.T) {
	l, a, b := pairOf(t, both(vi(150)), both(vi(100)))
	report := vip.Report{Kind: vip.Duplicate, Address: a.core.routers[0].addresses[0], MAC: [6]byte{0xaa, 0xbb, 0xcc, 1, 2, 3}}
	a.core.report(l.now, &report)
	b.core.report(l.now, &report)
	if alarms := a.router("VI_1").Alarms; len(alarms) != 1 || alarms[0] != "aa:bb:cc:01:02:03 answers for 198.51.100.10 too, and VRRP does not hear it" {
		t.Errorf("alarms %q", alarms)
	}
	if alarms := b.router("VI_1").Alarms; len(alarms) != 0 {
		t.Errorf("a backup alarms %q", alarms)
	}
	l.pass(3 * time.Minute)
	if alarms := a.router("VI_1").Alarms; len(alarms) != 0 {
		t.Errorf("still %q", alarms)
	}
}

func TestMended(t *testing.T) {
	l, a, b := pairOf(t, both(vi(150)), both(vi(100)))
	address := a.core.routers[0].addresses[0]
	a.core.report(l.now, &vip.Report{Kind: vip.Restored, Router: "VI_1", Address: address})
	b.core.report(l.now, &vip.Report{Kind: vip.Removed, Router: "VI_1", Address: address})
	if !a.noticed("198.51.100.10/32 on eth0 was gone and is put back") || !b.noticed("198.51.100.10/32 on eth0 was here and is taken off") {
		t.Error(l.story())
	}
	for range 1000 {
		a.core.report(l.now, &vip.Report{Kind: vip.Restored, Router: "VI_1", Address: address})
	}
	if _, notices := a.core.history.since(0); len(notices) > mendings+2 {
		t.Errorf("%d notices", len(notices))
	}
	if alarms := a.router("VI_1").Alarms; len(alarms) != 1 || !strings.Contains(alarms[0], "again and again") {
		t.Errorf("alarms %q", alarms)
	}
}

// A process that slept past what a peer waits for takes its VIPs off and listens first.
func TestSlept(t *testing.T) {
	l, a, _ := pairOf(t, both(vi(150)), both(vi(100)))
	a.dead = true // SIGSTOP
	l.pass(10 * time.Second)
	a.dead = false
	l.pass(time.Millisecond)
	l.want("backup master")
	if moves := a.moves(0); moves[len(moves)-1] != "master>backup: "+vrrp.CauseSlept.String() {
		t.Errorf("%v", moves)
	}
}
