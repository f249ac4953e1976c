package pair

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vip"
	"github.com/lvsd/lvsd/pkg/vip/viptest"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// lan is a link in memory on virtual time, and the directors on it: each with a core of its own, real packets between them.
type lan struct {
	t     testing.TB
	now   moment
	nodes []*node
	wire  []inFlight
	cut   func(from, to *node) bool
}

type inFlight struct {
	at     vrrp.Instant
	from   *node
	port   *fakePort
	packet vrrp.Packet
}

// node is a director.
type node struct {
	name   string
	lan    *lan
	core   *core
	keeper *viptest.Keeper
	ports  []*fakePort
	links  []vip.Link
	memory []byte // of the record, which outlives the core
	dead   bool
	mute   bool // `lvsd run` says nothing
	lazy   bool // leases are not renewed
	word   link.Word
	beat   vrrp.Instant
}

// fakePort is a router's socket.
type fakePort struct {
	node   *node
	router *router
	o      vrrp.SocketOptions
	sent   int
	err    error
}

func (p *fakePort) FD() int { return -1 }

func (p *fakePort) Destination() netip.Addr {
	switch {
	case len(p.o.Peers) > 0:
		return p.o.Peers[0]
	case p.o.Source.Is4():
		return vrrp.Multicast4
	}
	return vrrp.Multicast6
}

func (p *fakePort) Close() error {
	p.node.ports = slices.DeleteFunc(p.node.ports, func(x *fakePort) bool { return x == p })
	return nil
}

func (p *fakePort) Send(message []byte) error {
	if p.err != nil {
		return p.err
	}
	p.sent++
	p.node.lan.carry(p, message)
	return nil
}

// delay is how long a packet is under way.
const delay = 100 * time.Microsecond

func (l *lan) carry(from *fakePort, message []byte) {
	payload := slices.Clone(message)
	packet := vrrp.Packet{Src: from.o.Source, Dst: from.Destination(), TTL: vrrp.TTL, Payload: payload}
	for _, n := range l.nodes {
		if n == from.node || n.dead || l.cut != nil && l.cut(from.node, n) {
			continue
		}
		for _, to := range n.ports {
			if to.o.Interface == from.o.Interface && to.o.VRID == from.o.VRID && to.o.Source.Is4() == from.o.Source.Is4() {
				l.wire = append(l.wire, inFlight{at: l.now.at.Add(delay), from: from.node, port: to, packet: packet})
			}
		}
	}
}

// newLAN begins at some time after the boot.
func newLAN(t testing.TB) *lan {
	return &lan{t: t, now: moment{at: vrrp.Instant(time.Hour), wall: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)}}
}

// testBoot is the boot of every node.
const testBoot = "11111111-2222-3333-4444-555555555555"

// join adds a director that has the last byte of its addresses, and starts it.
func (l *lan) join(name string, host byte, routers ...link.Router) *node {
	n := &node{
		name: name, lan: l, memory: make([]byte, recordSize), word: link.Word{Ready: true},
		links: []vip.Link{
			{Name: "eth0", Index: 2, Up: true, Addresses: []netip.Prefix{
				netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, host}), 24),
				netip.MustParsePrefix(fmt.Sprintf("fe80::%x/64", host)),
			}},
			{Name: "eth1", Index: 3, Up: true, Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, host}), 24)}},
		},
	}
	l.nodes = append(l.nodes, n)
	n.start(routers, nil)
	return n
}

// start begins a core, as a process does.
func (n *node) start(routers []link.Router, f *Frozen) {
	l := n.lan
	p := past{record: parseRecord(n.memory), frozen: f}
	n.ports, n.dead = nil, false
	j := &journal{memory: make([]byte, recordSize)}
	putHead(j.memory, testBoot)
	n.memory = j.memory
	n.core = &core{
		version: "test", boot: testBoot, started: l.now.wall, links: map[string]vip.Link{}, journal: j,
		open: func(o vrrp.SocketOptions, r *router) (port, error) {
			p := &fakePort{node: n, router: r, o: o}
			n.ports = append(n.ports, p)
			return p, nil
		},
	}
	n.keeper = viptest.New(func(r vip.Report) { n.core.report(l.now, &r) }, n.links...)
	n.core.addresses = n.keeper
	p.links, _ = n.keeper.Links()
	n.core.prepare(l.now, &link.Config{Node: n.name, Routers: routers}, p)
	n.core.begin(l.now, p)
	if !n.mute {
		n.core.hearWord(l.now, n.word)
	}
	n.beat = l.now.at
}

// say changes what `lvsd run` says there.
func (n *node) say(reasons map[string][]link.Reason) {
	n.word.Reasons = reasons
	n.core.hearWord(n.lan.now, n.word)
}

// pulse renews what is leased, and is the word of `lvsd run`.
func (n *node) pulse() {
	l := n.lan
	n.beat = l.now.at.Add(250 * time.Millisecond)
	if !n.lazy {
		for _, r := range slices.Clone(n.core.routers) {
			n.core.report(l.now, &vip.Report{Kind: vip.Settled, Router: r.config.Name, At: time.Duration(l.now.at)})
		}
	}
	if !n.mute {
		n.core.hearWord(l.now, n.word)
	}
}

// next is the next thing that happens.
func (l *lan) next() vrrp.Instant {
	next := vrrp.Never
	for _, f := range l.wire {
		next = min(next, f.at)
	}
	for _, n := range l.nodes {
		if !n.dead {
			next = min(next, n.core.next(), n.beat)
		}
	}
	return next
}

// pass lets time pass.
func (l *lan) pass(d time.Duration) {
	l.t.Helper()
	end := l.now.at.Add(d)
	for turns := 0; ; turns++ {
		if turns > 2_000_000 {
			l.t.Fatalf("time stands still at %v", time.Duration(l.now.at))
		}
		next := max(l.next(), l.now.at)
		if next > end {
			l.advance(end)
			return
		}
		l.advance(next)
		l.arrive()
		for _, n := range l.nodes {
			if !n.dead && n.core.next() <= l.now.at {
				n.core.tick(l.now)
			}
			if !n.dead && n.beat <= l.now.at {
				n.pulse()
			}
			n.checkHeld()
		}
	}
}

func (l *lan) advance(to vrrp.Instant) {
	l.now.wall = l.now.wall.Add(to.Sub(l.now.at))
	l.now.at = to
}

// arrive delivers what is due, in the order in which it was sent.
func (l *lan) arrive() {
	var due []inFlight
	l.wire = slices.DeleteFunc(l.wire, func(f inFlight) bool {
		if f.at <= l.now.at {
			due = append(due, f)
			return true
		}
		return false
	})
	for _, f := range due {
		if n := f.port.node; !n.dead && slices.Contains(n.ports, f.port) {
			n.core.hear(l.now, f.port.router, f.packet)
		}
	}
}

// checkHeld: the VIPs that the keeper is told to hold are those of masters, always.
func (n *node) checkHeld() {
	if n.dead {
		return
	}
	for _, r := range n.core.routers {
		if w, ok := n.keeper.Want(r.config.Name); ok && w.Held != r.machine().Holds() {
			n.lan.t.Errorf("%s: %s holds its VIPs: %t, and its machine is %v", n.name, r.config.Name, w.Held, r.machine().State())
		}
	}
}

// states gives "master backup": of the first router of each director.
func (l *lan) states() string {
	var list []string
	for _, n := range l.nodes {
		switch {
		case n.dead:
			list = append(list, "dead")
		default:
			list = append(list, n.core.state(l.now).Routers[0].State)
		}
	}
	return strings.Join(list, " ")
}

func (l *lan) want(states string) {
	l.t.Helper()
	if got := l.states(); got != states {
		l.t.Fatalf("the directors are %q, want %q\n%s", got, states, l.story())
	}
}

// story gives all that was told, to read when a test fails.
func (l *lan) story() string {
	var b strings.Builder
	for _, n := range l.nodes {
		transitions, notices := n.core.history.since(0)
		for _, t := range transitions {
			fmt.Fprintf(&b, "%s %s %d: %s %s -> %s: %s (priority %d, peer %v)\n", n.name, t.At.Format("05.000"), t.Seq, t.Routers, t.From, t.To, t.Cause, t.Priority, t.Peer)
		}
		for _, x := range notices {
			fmt.Fprintf(&b, "%s %s %d: %s %s alarm=%t\n", n.name, x.At.Format("05.000"), x.Seq, x.Router, x.Words, x.Alarm)
		}
	}
	return b.String()
}

// moves gives the transitions since seq as "from>to: cause".
func (n *node) moves(seq uint64) []string {
	transitions, _ := n.core.history.since(seq)
	var list []string
	for _, t := range transitions {
		list = append(list, t.From+">"+t.To+": "+t.Cause)
	}
	return list
}

// noticed tells whether a notice with these words was told.
func (n *node) noticed(words string) bool {
	_, notices := n.core.history.since(0)
	return slices.ContainsFunc(notices, func(x link.Notice) bool { return strings.Contains(x.Words, words) })
}

func (n *node) router(name string) link.RouterState {
	for _, r := range n.core.state(n.lan.now).Routers {
		if r.Name == name {
			return r
		}
	}
	n.lan.t.Fatalf("%s has no router %s", n.name, name)
	return link.RouterState{}
}

// vi is a router for tests: version 3, 1 s, without preempt.
func vi(priority uint8, change ...func(*link.Router)) link.Router {
	r := link.Router{
		Name: "VI_1", Interface: "eth0", ID: 51, Family: 4, Version: 3, Priority: priority, Interval: time.Second, DownAdverts: 3,
		StartupHold: 30 * time.Second, Lease: 2 * time.Second, VIPs: []vip.Address{{Prefix: netip.MustParsePrefix("198.51.100.10/32"), Link: "eth0"}},
	}
	for _, f := range change {
		f(&r)
	}
	return r
}
