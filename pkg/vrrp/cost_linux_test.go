package vrrp

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// trip is an advert's way from one router to another, over a real link.
type trip struct {
	from, to *Socket
	src      netip.Addr
	advert   Advert
	message  []byte
	expect   *Expect
	heard    Advert
}

func newTrip(a, b *host, c path) *trip {
	r := &trip{src: ip(c.from), advert: sample(c.vips), message: make([]byte, 0, MaxMessage)}
	r.from, r.to = c.ends(a, b)
	r.expect = expects(r.advert, Packet{Src: r.src, Dst: r.from.Destination()})
	r.heard.VIPs = make([]netip.Addr, 0, MaxVIPs)
	return r
}

// send builds and sends.
func (r *trip) send() error {
	r.message = r.advert.Append(r.message[:0], r.src, r.from.Destination(), false)
	return r.from.Send(r.message)
}

// receive takes what was sent, which comes while Send is under way, or within a second, and then finds nothing more.
func (r *trip) receive() error {
	p, err := r.to.Receive()
	for deadline := time.Now().Add(time.Second); err == ErrNone && time.Now().Before(deadline); {
		p, err = r.to.Receive()
	}
	if err != nil {
		return err
	}
	if refused, _ := r.expect.Decode(p, &r.heard); refused != Accepted {
		return fmt.Errorf("refused: %v", refused)
	}
	if _, err := r.to.Receive(); err != ErrNone {
		return fmt.Errorf("one more, %w", err)
	}
	return nil
}

// An advert that goes and one that comes cost no allocation; one that is refused neither.
func TestAdvertAllocatesNothing(t *testing.T) {
	a, b := lan(t)
	for _, c := range paths {
		t.Run(c.name, func(t *testing.T) {
			r := newTrip(a, b, c)
			var sent, came error
			if n := testing.AllocsPerRun(100, func() { sent, came = r.send(), r.receive() }); n != 0 || sent != nil || came != nil {
				t.Errorf("%v allocations; %v, %v", n, sent, came)
			}
		})
	}
}

func TestErrorAllocatesNothing(t *testing.T) {
	a, b := lan(t)
	r := newTrip(a, b, paths[0])
	must(t, r.send())
	must(t, r.receive())
	a.do(func() {
		must(t, netlink.LinkSetDown(a.link("eth0")))
	})
	var err error
	if n := testing.AllocsPerRun(100, func() { err = r.send() }); n != 0 || err != unix.ENETUNREACH {
		t.Errorf("%v allocations; %v", n, err)
	}
}

func TestRefusalAllocatesNothing(t *testing.T) {
	p := good4()
	p.Payload[6]++
	e, into := expected(p), Advert{}
	if n := testing.AllocsPerRun(100, func() { e.Decode(p, &into) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, vips := range []int{1, 16, MaxVIPs} {
		b.Run(fmt.Sprintf("vips=%d", vips), func(b *testing.B) {
			a, message := sample(""), make([]byte, 0, MaxMessage)
			a.VIPs = some(vips)
			src := ip("198.51.100.2")
			for b.Loop() {
				message = a.Append(message[:0], src, Multicast4, false)
			}
			b.ReportAllocs()
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, vips := range []int{1, 16, MaxVIPs} {
		p := good4()
		a := sample("")
		a.VIPs = some(vips)
		p.Payload = a.Append(nil, p.Src, p.Dst, false)
		e := expects(a, p)
		reversed := *e
		reversed.VIPs = some(vips)
		for i, j := 0, vips-1; i < j; i, j = i+1, j-1 {
			reversed.VIPs[i], reversed.VIPs[j] = reversed.VIPs[j], reversed.VIPs[i]
		}
		wrong := p
		wrong.Payload = append([]byte(nil), p.Payload...)
		wrong.Payload[6]++
		for _, c := range []struct {
			name string
			e    *Expect
			p    Packet
			want Refusal
		}{{"same", e, p, Accepted}, {"reversed", &reversed, p, Accepted}, {"bad checksum", e, wrong, BadChecksum}} {
			b.Run(fmt.Sprintf("vips=%d/%s", vips, c.name), func(b *testing.B) {
				into := Advert{VIPs: make([]netip.Addr, 0, MaxVIPs)}
				for b.Loop() {
					if refused, _ := c.e.Decode(c.p, &into); refused != c.want {
						b.Fatal(refused)
					}
				}
				b.ReportAllocs()
			})
		}
	}
}

func some(vips int) []netip.Addr {
	out := make([]netip.Addr, vips)
	for i := range out {
		out[i] = netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
	}
	return out
}

// BenchmarkSend is over a veth pair, whose other end takes the packet in within the system call; nobody reads it there.
func BenchmarkSend(b *testing.B) {
	for _, c := range paths {
		b.Run(c.name, func(b *testing.B) {
			one, two := lan(b)
			r := newTrip(one, two, c)
			must(b, r.send())
			must(b, r.to.Close())
			for b.Loop() {
				must(b, r.from.Send(r.message))
			}
			b.ReportAllocs()
		})
	}
}

// BenchmarkTrip is build, send, receive, decode, and finding that nothing more waits.
func BenchmarkTrip(b *testing.B) {
	for _, c := range paths {
		b.Run(c.name, func(b *testing.B) {
			one, two := lan(b)
			r := newTrip(one, two, c)
			for b.Loop() {
				must(b, r.send())
				must(b, r.receive())
			}
			b.ReportAllocs()
		})
	}
}
