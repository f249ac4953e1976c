package pair

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vip"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// A process that dies as master and is back within two intervals goes on: no transition on either side.
func TestResumeAfterCrash(t *testing.T) {
	l, a, b := pairOf(t, both(vi(150)), both(vi(100)))
	seq := b.core.history.seq
	for range 20 {
		a.dead = true
		l.pass(700 * time.Millisecond)
		a.start(both(vi(150)), nil)
		l.want("master backup")
		if a.ports[0].sent != 1 {
			t.Fatalf("%d adverts were sent at once", a.ports[0].sent)
		}
		if w, _ := a.keeper.Want("VI_1"); !w.Held || w.Election != 0 {
			t.Errorf("wanted is %+v", w)
		}
		if a.moves(0) != nil {
			t.Errorf("it moved: %v", a.moves(0))
		}
	}
	if b.moves(seq) != nil {
		t.Errorf("the peer moved: %v", b.moves(seq))
	}
	if a.core.history.seq <= seq {
		t.Error("the numbers began anew")
	}
}

func TestNoResume(t *testing.T) {
	tests := map[string]func(l *lan, a *node){
		"too late":     func(l *lan, a *node) { a.dead = true; l.pass(2500 * time.Millisecond) },
		"another boot": func(_ *lan, a *node) { putHead(a.memory, "99999999-2222-3333-4444-555555555555") },
		"torn":         func(_ *lan, a *node) { clear(a.memory[headSize+10:]) },
		"no record":    func(_ *lan, a *node) { clear(a.memory) },
		"link down":    func(_ *lan, a *node) { a.links[0].Up = false },
		"resigning": func(l *lan, a *node) {
			a.core.handOver(l.now, link.Handover{By: "test"}, func(error) {})
		},
	}
	for name, before := range tests {
		t.Run(name, func(t *testing.T) {
			l, a, _ := pairOf(t, both(vi(150)), both(vi(100)))
			before(l, a)
			a.start(both(vi(150)), nil)
			if a.router("VI_1").Holds || len(a.ports) > 0 && a.ports[0].sent != 0 {
				t.Error("it resumed")
			}
			if w, ok := a.keeper.Want("VI_1"); !ok || w.Held {
				t.Error("what the dead one left is not taken off")
			}
		})
	}
}

// A group resumes whole or not at all.
func TestResumeOfAGroup(t *testing.T) {
	l, a, _ := pairOf(t, both(vi(150, inGroup), second(150, inGroup)), both(vi(100, inGroup), second(100, inGroup)))
	a.start(both(vi(150, inGroup), second(150, inGroup)), nil)
	if got := a.router("VI_1").State + " " + a.router("VI_2").State; got != "master master" {
		t.Errorf("it is %s", got)
	}
	a.links[1].Up = false
	a.start(both(vi(150, inGroup), second(150, inGroup)), nil)
	if got := a.router("VI_1").State + " " + a.router("VI_2").State; got != "fault fault" {
		t.Errorf("with a link down it is %s", got)
	}
	_ = l
}

// A program that is replaced in place knows what the one before did; a backup does not forget how slow its master is.
func TestFreeze(t *testing.T) {
	slow := func(r *link.Router) { r.Interval = 100 * time.Millisecond }
	l, a, b := pairOf(t, both(vi(150)), both(vi(100, slow)))
	a.say(map[string][]link.Reason{"VI_1": {{Words: "check app: exit 1", Weight: -10}}})
	if b.router("VI_1").Learned != time.Second {
		t.Fatal("nothing was learned")
	}
	for _, n := range []*node{a, b} {
		before := n.router("VI_1")
		text, err := json.Marshal(n.core.freeze(l.now))
		if err != nil {
			t.Fatal(err)
		}
		var f Frozen
		if err := json.Unmarshal(text, &f); err != nil {
			t.Fatal(err)
		}
		seq := n.core.history.seq
		n.mute = true
		n.start([]link.Router{n.core.routers[0].config}, &f)
		after := n.router("VI_1")
		if moves := n.moves(seq); moves != nil {
			t.Errorf("%s moved: %v", n.name, moves)
		}
		if after.State != before.State || after.Learned != before.Learned || after.Priority != before.Priority || after.WaitsForTable {
			t.Errorf("%s was %+v and is %+v", n.name, before, after)
		}
		if after.Transitions != before.Transitions || after.Heard != before.Heard || after.Sent < before.Sent || !after.Since.Equal(before.Since) {
			t.Errorf("%s was %+v and is %+v", n.name, before, after)
		}
		if len(n.moves(0)) == 0 {
			t.Errorf("%s forgot what was told", n.name)
		}
	}
	l.pass(5 * time.Second)
	l.want("master backup")
}

// The hold after a start is not begun anew by a program that is replaced, nor forgotten.
func TestFreezeKeepsTheHold(t *testing.T) {
	l := newLAN(t)
	a := l.join("a", 101)
	a.mute = true
	a.start(both(vi(150)), nil)
	l.pass(time.Second)
	a.start(both(vi(150)), a.core.freeze(l.now))
	if !a.router("VI_1").WaitsForTable {
		t.Error("the hold is forgotten")
	}
	l.pass(time.Minute)
	l.want("master")
	eth0 := a.links[0]
	a.keeper.Change(vip.Link{Name: "eth0"})
	a.start(both(vi(150)), a.core.freeze(l.now))
	a.keeper.Change(eth0)
	if a.router("VI_1").WaitsForTable {
		t.Error("it waits again")
	}
}

// A program that is replaced in place together with its configuration makes before it breaks.
func TestFreezeWithAnotherConfig(t *testing.T) {
	l, a, b := pairOf(t, both(vi(150), second(150)), both(vi(100), second(100)))
	port, sent := a.ports[0], a.ports[0].sent
	f := a.core.freeze(l.now)
	more := vi(200, func(r *link.Router) {
		r.VIPs = append(r.VIPs, vip.Address{Prefix: netip.MustParsePrefix("198.51.100.11/32"), Link: "eth0"})
	})
	if port.sent != sent+1 {
		t.Errorf("%d adverts were sent last", port.sent-sent)
	}
	a.start(both(more), f)
	l.want("master backup")
	if w, _ := a.keeper.Want("VI_2"); !w.Held {
		t.Error("the VIPs of the one that goes are gone before its successor is there")
	}
	l.pass(5 * time.Second)
	if _, kept := a.keeper.Want("VI_2"); kept || b.router("VI_2").State != "master" {
		t.Errorf("the one that goes is still kept, or its peer is %s", b.router("VI_2").State)
	}
	if w, _ := a.keeper.Want("VI_1"); len(w.Addresses) != 2 || a.router("VI_1").Priority != 200 {
		t.Error("the new configuration is not in force")
	}
	l.want("master backup")
}

func TestRecordRoundTrip(t *testing.T) {
	b := make([]byte, recordSize)
	putHead(b, testBoot)
	j := &journal{memory: b}
	first := Entry{
		Router: Identity{Interface: "a-name-of-15-b.", ID: 51, Family: 4}, Name: NameHash("VI_1"), State: vrrp.Master,
		Advert: 123456789, Interval: 10 * time.Millisecond, Seq: 7,
	}
	second := first
	second.Resigning, second.Advert, second.Seq = true, 223456789, 8
	for range 3 {
		j.write(5, &first)
		j.write(5, &second)
		if diff := cmp.Diff(&Record{Boot: testBoot, Entries: []Entry{second}}, parseRecord(b)); diff != "" {
			t.Fatal(diff)
		}
	}
	// The process died while it wrote: what was before still stands.
	entryAt(b, 5, j.turns[5])[20] ^= 1
	if diff := cmp.Diff([]Entry{first}, parseRecord(b).Entries); diff != "" {
		t.Error(diff)
	}
	j.clear(5)
	if r := parseRecord(b); len(r.Entries) != 0 {
		t.Errorf("cleared: %+v", r)
	}
}

func TestResumable(t *testing.T) {
	e := Entry{State: vrrp.Master, Advert: vrrp.Instant(time.Hour), Interval: time.Second}
	at := func(d time.Duration) vrrp.Instant { return e.Advert.Add(d) }
	backup, resigning := e, e
	backup.State, resigning.Resigning = vrrp.Backup, true
	tests := []struct {
		name       string
		e          Entry
		boot, then string
		now        vrrp.Instant
		want       bool
	}{
		{"fresh", e, "x", "x", at(0), true},
		{"before two intervals", e, "x", "x", at(2*time.Second - 1), true},
		{"two intervals", e, "x", "x", at(2 * time.Second), false},
		{"from the future", e, "x", "x", at(-1), false},
		{"another boot", e, "x", "y", at(0), false},
		{"no boot", e, "", "", at(0), false},
		{"backup", backup, "x", "x", at(0), false},
		{"resigning", resigning, "x", "x", at(0), false},
	}
	for _, test := range tests {
		if got := test.e.Resumable(test.boot, test.then, test.now); got != test.want {
			t.Errorf("%s: %t", test.name, got)
		}
	}
}

// Whatever is in the file, reading ends, and what was written whole is read as it was.
func FuzzRecord(f *testing.F) {
	b := make([]byte, recordSize)
	putHead(b, testBoot)
	j := &journal{memory: b}
	j.write(0, &Entry{Router: Identity{Interface: "eth0", ID: 51, Family: 4}, State: vrrp.Master, Interval: time.Second})
	j.write(0, &Entry{Router: Identity{Interface: "eth0", ID: 51, Family: 4}, State: vrrp.Backup, Interval: time.Second})
	f.Add(b[headSize : headSize+2*entrySize])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, entries []byte) {
		b := make([]byte, recordSize)
		putHead(b, testBoot)
		copy(b[headSize:], entries)
		r := parseRecord(b)
		for _, e := range r.Entries {
			again := make([]byte, entrySize)
			putEntry(again, &e, 1)
			if got, _, ok := parseEntry(again); !ok || got != e {
				t.Errorf("%+v is read as %+v", e, got)
			}
		}
		_ = parseRecord(entries)
	})
}
