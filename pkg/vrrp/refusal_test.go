package vrrp

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Every refusal that RFC 9568 does not name, and what an operator reads.
func TestDecodeRefuses(t *testing.T) {
	two := func(auth uint8, password string) func(*Expect) {
		return func(e *Expect) {
			e.Version, e.Auth = 2, auth
			copy(e.Password[:], password)
		}
	}
	unicast := func(peers string) func(*Expect) {
		return func(e *Expect) { e.Peers = addrs(peers) }
	}
	to := func(dst string) func(*Packet) {
		return func(p *Packet) {
			p.Dst = netip.MustParseAddr(dst)
			resum(p)
		}
	}
	for _, c := range []struct {
		name   string
		make   func() Packet // good4 if nil
		change func(*Packet)
		expect func(*Expect)
		want   Refusal
		words  string
	}{
		{name: "version 2, no password", make: two4(AuthNone, ""), expect: two(AuthNone, "")},
		{name: "version 2, same password", make: two4(AuthPass, "secret"), expect: two(AuthPass, "secret")},
		{name: "version 2, other password", make: two4(AuthPass, "Secret"), expect: two(AuthPass, "secret"), want: BadPassword, words: "its password is another one"},
		{name: "version 2, prefix of the password", make: two4(AuthPass, "secre"), expect: two(AuthPass, "secret"), want: BadPassword, words: "its password is another one"},
		{name: "version 2, password not expected", make: two4(AuthPass, "secret"), expect: two(AuthNone, ""), want: BadAuth, words: "it has a password, this router has no password"},
		{name: "version 2, password missing", make: two4(AuthNone, ""), expect: two(AuthPass, "secret"), want: BadAuth, words: "it has no password, this router has a password"},
		{name: "version 2, AH", make: two4(2, ""), expect: two(AuthNone, ""), want: BadAuth, words: "it has an IPsec authentication header, this router has no password"},
		{name: "version 2, unknown authentication", make: two4(77, ""), expect: two(AuthNone, ""), want: BadAuth, words: "it has authentication of type 77"},
		{name: "version 2, other interval", make: two4(AuthNone, ""), expect: func(e *Expect) { two(AuthNone, "")(e); e.Interval = 2 * time.Second }, want: BadInterval, words: "its interval is 1 s, and version 2 wants all to have one; this router has 2s"},
		{name: "version 2 at version 3", make: two4(AuthNone, ""), want: BadVersion, words: "it is version 2, this router is version 3, and so both will be master"},
		{name: "version 3 at version 2", expect: two(AuthNone, ""), want: BadVersion, words: "it is version 3, this router is version 2"},
		{name: "version 2 without its trailer", make: two4(AuthNone, ""), change: func(p *Packet) { p.Payload = p.Payload[:len(p.Payload)-1] }, expect: two(AuthNone, ""), want: Truncated, words: "it has 23 bytes, fewer than its 2 addresses need"},
		{name: "version 2 with a pseudo-header", make: two4(AuthNone, ""), change: resum, expect: two(AuthNone, ""), want: BadChecksum, words: "bad checksum"},
		{name: "unicast from a peer", change: to("198.51.100.1"), expect: unicast("198.51.100.3 198.51.100.2")},
		{name: "unicast from a peer with a low TTL", change: func(p *Packet) { to("198.51.100.1")(p); p.TTL = 64 }, expect: unicast("198.51.100.2")},
		{name: "unicast from a stranger", change: to("198.51.100.1"), expect: unicast("198.51.100.3"), want: Stranger, words: "it is no peer; the peers are [198.51.100.3]"},
		{name: "unicast at multicast", change: to("198.51.100.1"), want: ByUnicast, words: "it is unicast to 198.51.100.1, this router is multicast"},
		{name: "multicast at unicast", expect: unicast("198.51.100.2"), want: ByMulticast, words: "it is multicast, this router has unicast peers"},
		{name: "multicast at unicast, IPv6, zone of the peer", make: good6, change: to("fe80::1"), expect: unicast("fe80::2%eth0")},
		{name: "an extension", change: func(p *Packet) { p.Payload = append(p.Payload, 0, 0, 1); resum(p) }, want: Extension, words: "3 bytes of an unknown extension follow its 2 addresses"},
		{name: "padding", change: func(p *Packet) { p.Payload = append(p.Payload, 0, 0, 0) }},
		{name: "padding that the checksum covers", change: func(p *Packet) { p.Payload = append(p.Payload, 0, 0, 0); resum(p) }},
		{name: "IPv6 without a pseudo-header", make: good6, change: func(p *Packet) {
			p.Payload[6], p.Payload[7] = 0, 0
			binary.BigEndian.PutUint16(p.Payload[6:], ^oracle(p.Payload))
		}, want: BadChecksum, words: "bad checksum"},
		{name: "own", change: func(p *Packet) { p.Src = netip.MustParseAddr("198.51.100.1") }, want: Own, words: "own packet"},
		{name: "far", change: func(p *Packet) { p.TTL = 9 }, want: LowTTL, words: "it came with TTL 9 instead of 255, so from beyond a router"},
		{name: "unknown type", change: set8(0, 3<<4|7), want: BadType, words: "it is of type 7, and only 1 is known"},
		{name: "no address", change: func(p *Packet) { p.Payload = p.Payload[:8]; set8(3, 0)(p) }, want: NoVIPs, words: "it names no address"},
		{name: "no interval", change: func(p *Packet) { p.Payload[4] = 0; set8(5, 0)(p) }, want: NoInterval, words: "refused: interval 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := good4()
			if c.make != nil {
				p = c.make()
			}
			if c.change != nil {
				c.change(&p)
			}
			e := expected(p)
			if c.expect != nil {
				c.expect(e)
			}
			checkDecode(t, e, p, c.want, 0)
			words := e.Words(c.want, p)
			if c.want != Accepted && (!strings.Contains(words, c.words) || !strings.HasPrefix(words, p.Src.String()+" sends VRRP with our id 51: ")) {
				t.Errorf("words are %q", words)
			}
		})
	}
}

// two4 makes packets of version 2.
func two4(auth uint8, password string) func() Packet {
	return func() Packet {
		p := good4()
		a := sample("198.51.100.10 198.51.100.20")
		a.Version, a.Auth = 2, auth
		copy(a.Password[:], password)
		p.Payload = a.Append(nil, p.Src, p.Dst, false)
		return p
	}
}

// The three checksums of version 3 over IPv4, each with unicast and multicast.
func TestDecodeTakesEachChecksum(t *testing.T) {
	for _, dst := range []string{all4, "198.51.100.1"} {
		for _, covers := range []string{"", all4, "198.51.100.1", "198.51.100.77"} {
			p := good4()
			p.Dst = netip.MustParseAddr(dst)
			a := sample("198.51.100.10 198.51.100.20")
			if covers == "" {
				p.Payload = a.Append(nil, p.Src, p.Dst, true)
			} else {
				p.Payload = a.Append(nil, p.Src, netip.MustParseAddr(covers), false)
			}
			e := expected(p)
			if dst != all4 {
				e.Peers = addrs("198.51.100.2")
			}
			want := Accepted
			if covers != "" && covers != all4 && covers != dst {
				want = BadChecksum
			}
			checkDecode(t, e, p, want, 0)
		}
	}
}

// Names are the keys of counters, so each is there and no two are alike. Words are there for any refusal of any bytes.
func TestRefusalNames(t *testing.T) {
	seen := make(map[string]Refusal)
	for r := range Refusals {
		name := r.String()
		if other, again := seen[name]; again || name == "" {
			t.Errorf("%d and %d are both %q", r, other, name)
		}
		seen[name] = r
		for _, p := range []Packet{{}, {Payload: []byte{1}}, good4(), good6()} {
			if expected(good4()).Words(r, p) == "" {
				t.Errorf("no words for %v", r)
			}
		}
		if ignored := r == NotOurs || r == Own; r.Ignored() != ignored {
			t.Errorf("%v: ignored is %v", r, !ignored)
		}
	}
	if Refusals.String() == "" {
		t.Error("no name for what is beyond the last")
	}
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		ours, theirs string
		want         Remark
	}{
		{"192.0.2.1", "192.0.2.1", 0},
		{"192.0.2.1 192.0.2.2", "192.0.2.2 192.0.2.1", 0},
		{"192.0.2.1", "192.0.2.1 192.0.2.2", ListDiffers},
		{"192.0.2.1 192.0.2.2", "192.0.2.1", ListDiffers},
		{"192.0.2.1 192.0.2.2", "192.0.2.1 192.0.2.1", ListDiffers},
		{"192.0.2.1", "192.0.2.2", ListDiffers | ListDisjoint},
		{"", "192.0.2.2", ListDiffers | ListDisjoint},
	} {
		if got := compare(addrs(c.ours), addrs(c.theirs)); got != c.want {
			t.Errorf("%q and %q: %b, want %b", c.ours, c.theirs, got, c.want)
		}
	}
}

// A message made for one peer becomes one for another.
func TestRetarget(t *testing.T) {
	for _, c := range []struct{ src, vips, peers string }{
		{"198.51.100.1", "198.51.100.10", "198.51.100.2 198.51.100.3 0.0.0.1 255.255.255.254"},
		{"fe80::1", "fe80::10 2001:db8::10", "fe80::2 2001:db8::ffff:ffff ::1"},
	} {
		src, peers, a := netip.MustParseAddr(c.src), addrs(c.peers), sample(c.vips)
		for _, from := range peers {
			for _, to := range peers {
				got := a.Append(nil, src, from, false)
				retarget(got, from, to)
				if want := a.Append(nil, src, to, false); binary.BigEndian.Uint16(got[6:]) != binary.BigEndian.Uint16(want[6:]) {
					t.Errorf("from %v to %v: %x, want %x", from, to, got, want)
				}
			}
		}
	}
}

func TestFold(t *testing.T) {
	for s, want := range map[uint32]uint16{0: 0, 0xffff: 0xffff, 0x10000: 1, 0x1ffff: 1, 0xffffffff: 0xffff, 0x8000ffff: 0x8000} {
		if got := fold(s); got != want {
			t.Errorf("%#x: %#x, want %#x", s, got, want)
		}
	}
}

func TestPacket4(t *testing.T) {
	header := func(b ...byte) []byte {
		h := make([]byte, 20)
		h[0], h[3], h[8], h[9] = 0x45, 24, 255, Protocol
		copy(h[12:], []byte{192, 0, 2, 1, 224, 0, 0, 18})
		return append(h, b...)
	}
	for _, c := range []struct {
		name   string
		b      []byte
		change func([]byte)
		want   int // bytes of payload, -1: not a packet
	}{
		{"whole", header(1, 2, 3, 4), nil, 4},
		{"padded", header(1, 2, 3, 4, 0, 0, 0), nil, 4},
		{"cut", header(1, 2), nil, 2},
		{"with options", header(1, 2, 3, 4, 5, 6, 7, 8), func(b []byte) { b[0], b[3] = 0x46, 28 }, 4},
		{"options beyond its end", header(), func(b []byte) { b[0] = 0x46 }, -1},
		{"shorter than its header", header(), func(b []byte) { b[3] = 19 }, -1},
		{"header too short", header(), func(b []byte) { b[0] = 0x44 }, -1},
		{"another protocol", header(), func(b []byte) { b[9] = 51 }, -1},
		{"another version", header(), func(b []byte) { b[0] = 0x65 }, -1},
		{"nothing", nil, nil, -1},
		{"nearly a header", header()[:19], nil, -1},
	} {
		if c.change != nil {
			c.change(c.b)
		}
		number(c.b)
		p, ok := packet4(c.b)
		if ok != (c.want >= 0) || ok && len(p.Payload) != c.want {
			t.Errorf("%s: %v, %d bytes, want %d", c.name, ok, len(p.Payload), c.want)
		}
	}
}

// number makes the checksum of an IPv4 header right.
func number(b []byte) {
	if head := 20; len(b) >= head {
		if b[0] == 0x46 && len(b) >= 24 {
			head = 24
		}
		binary.BigEndian.PutUint16(b[10:], ^oracle(b[:head]))
	}
}

func TestPacket4LooksAtItsChecksum(t *testing.T) {
	b := frame(t, "keepalived/v3_ipv4")[14:]
	if _, ok := packet4(b); !ok {
		t.Error("a right one is refused")
	}
	b[12]++
	if _, ok := packet4(b); ok {
		t.Error("a wrong one is accepted")
	}
}
