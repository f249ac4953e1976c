package pair

import (
	"net/netip"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// quietPort is a socket that takes everything.
type quietPort struct{ sent int }

func (p *quietPort) Send([]byte) error       { p.sent++; return nil }
func (p *quietPort) Destination() netip.Addr { return vrrp.Multicast4 }
func (p *quietPort) FD() int                 { return -1 }
func (p *quietPort) Close() error            { return nil }

// steady gives a director in a steady state, with a record, and what its router sends to or hears of the other one.
func steady(t testing.TB, priority uint8) (c *core, now moment, port *quietPort, packet vrrp.Packet) {
	l := newLAN(t)
	n := l.join("a", 101, vi(priority, func(r *link.Router) { r.Interval = 10 * time.Millisecond }))
	l.pass(5 * time.Second)
	if n.core.groups[0].state != vrrp.Master {
		t.Fatal("it is not master")
	}
	port = &quietPort{}
	r := n.core.routers[0]
	r.port = port
	other := r.mine
	other.Priority = 200
	src := netip.MustParseAddr("198.51.100.102")
	packet = vrrp.Packet{Src: src, Dst: vrrp.Multicast4, TTL: 255, Payload: other.Append(nil, src, vrrp.Multicast4, false)}
	return n.core, l.now, port, packet
}

// turnOf is what the loop does when an advert is due.
func turnOf(c *core, now *moment) {
	next := c.next()
	now.wall = now.wall.Add(next.Sub(now.at))
	now.at = next
	c.tick(*now)
	c.word.at = now.at
	c.routers[0].renewed = now.at
}

func TestAdvertAllocatesNothing(t *testing.T) {
	c, now, port, packet := steady(t, 150)
	if n := testing.AllocsPerRun(1000, func() { turnOf(c, &now) }); n != 0 {
		t.Errorf("an advert sent allocates %v times", n)
	}
	if port.sent < 1000 {
		t.Errorf("%d adverts were sent", port.sent)
	}
	c.hear(now, c.routers[0], packet) // and is backup
	heard := c.routers[0].heard
	n := testing.AllocsPerRun(1000, func() {
		now.at = now.at.Add(10 * time.Millisecond)
		c.hear(now, c.routers[0], packet)
		_ = c.next()
	})
	if n != 0 {
		t.Errorf("an advert received allocates %v times", n)
	}
	if c.routers[0].heard < heard+1000 || c.groups[0].state != vrrp.Backup {
		t.Error("they were not heard")
	}
	junk := packet
	junk.Payload = append([]byte{0x21}, packet.Payload[1:]...)
	n = testing.AllocsPerRun(1000, func() {
		now.at = now.at.Add(10 * time.Millisecond)
		c.hear(now, c.routers[0], junk)
	})
	if n != 0 || c.routers[0].refused[vrrp.BadVersion].count < 1000 {
		t.Errorf("a stranger's packet allocates %v times", n)
	}
}

func BenchmarkAdvertSent(b *testing.B) {
	c, now, _, _ := steady(b, 150)
	b.ReportAllocs()
	for b.Loop() {
		turnOf(c, &now)
	}
}

func BenchmarkAdvertReceived(b *testing.B) {
	c, now, _, packet := steady(b, 150)
	c.hear(now, c.routers[0], packet)
	b.ReportAllocs()
	for b.Loop() {
		now.at = now.at.Add(10 * time.Millisecond)
		c.hear(now, c.routers[0], packet)
		_ = c.next()
	}
}
