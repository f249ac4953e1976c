package vrrp

import (
	"bytes"
	"net/netip"
	"testing"
	"time"
)

// FuzzDecode gives any bytes to routers of every kind. What is accepted has a checksum that an independent sum calls right,
// and is the same again when it is sent and received.
func FuzzDecode(f *testing.F) {
	for _, v := range vectors {
		p, _ := capture(f, v.file)
		f.Add(p.Payload, p.Src.AsSlice(), p.Dst.AsSlice(), uint8(p.TTL))
	}
	f.Add([]byte{0x31, 51, 1, 1, 0, 1, 0, 0, 1, 2, 3, 4, 0, 0}, []byte{198, 51, 100, 2}, []byte{224, 0, 0, 18}, uint8(255))
	f.Fuzz(func(t *testing.T, payload, from, to []byte, ttl uint8) {
		p := Packet{TTL: int(ttl), Payload: payload}
		var ok, ok2 bool
		p.Src, ok = netip.AddrFromSlice(from)
		p.Dst, ok2 = netip.AddrFromSlice(to)
		if !ok || !ok2 || p.Src.Is4() != p.Dst.Is4() || len(payload) > 60000 {
			return
		}
		for _, e := range fuzzRouters(p) {
			checkAny(t, e, p)
		}
		if len(payload) < headSize {
			return
		}
		p.Payload = bytes.Clone(payload)
		resum(&p) // few get beyond the checksum otherwise
		for _, e := range fuzzRouters(p) {
			checkAny(t, e, p)
		}
	})
}

// fuzzRouters are routers of the packet's own id.
func fuzzRouters(p Packet) []*Expect {
	h := head(p.Payload)
	base := Expect{VRID: h[1], Version: 3, Interval: time.Second, Self: netip.MustParseAddr("192.0.2.250")}
	if !p.Dst.IsMulticast() {
		base.Peers = []netip.Addr{p.Src}
	}
	two := base
	two.Version, two.Auth, two.Interval = 2, h[4], time.Duration(h[5])*time.Second
	if len(p.Payload) >= authSize {
		copy(two.Password[:], p.Payload[len(p.Payload)-authSize:])
	}
	return []*Expect{&base, &two}
}

func checkAny(t *testing.T, e *Expect, p Packet) {
	t.Helper()
	var a, again Advert
	before := bytes.Clone(p.Payload)
	refused, _ := e.Decode(p, &a)
	if !bytes.Equal(before, p.Payload) {
		t.Fatal("the packet was written to")
	}
	for _, c := range e.Words(refused, p) {
		if c < ' ' || c > '~' {
			t.Fatalf("words hold %q", c)
		}
	}
	if refused != Accepted {
		return
	}
	if p.Dst.IsMulticast() && p.TTL != 255 || len(a.VIPs) == 0 || a.Interval <= 0 || a.VRID != e.VRID || a.Version != e.Version {
		t.Fatalf("accepted %+v of %+v", a, p)
	}
	if !rightByOracle(p) {
		t.Fatalf("accepted a wrong checksum: %x from %v to %v", p.Payload, p.Src, p.Dst)
	}
	for _, plain := range []bool{false, true} {
		sent := Packet{Src: p.Src, Dst: p.Dst, TTL: TTL, Payload: a.Append(nil, p.Src, p.Dst, plain)}
		if refused, _ := e.Decode(sent, &again); refused != Accepted {
			t.Fatalf("refused its own for %v", refused)
		}
		if second := again.Append(nil, p.Src, p.Dst, plain); !bytes.Equal(second, sent.Payload) {
			t.Fatalf("%x became %x", sent.Payload, second)
		}
	}
}

// rightByOracle does not know how long the message is, so it takes each length that zeros at the end allow.
func rightByOracle(p Packet) bool {
	for n := len(p.Payload); n >= headSize; n-- {
		b := p.Payload[:n]
		if p.Src.Is6() {
			if oracle(pseudo6(p.Src, p.Dst, n), b) == 0xffff {
				return true
			}
		} else if oracle(b) == 0xffff || oracle(pseudo4(p.Src, p.Dst, n), b) == 0xffff || oracle(pseudo4(p.Src, Multicast4, n), b) == 0xffff {
			return true
		}
		if p.Payload[n-1] != 0 {
			return false
		}
	}
	return false
}

// FuzzAppend makes adverts of anything that fits the types. What is sent is what comes, and the sum is right.
func FuzzAppend(f *testing.F) {
	f.Add(uint8(51), uint8(150), int64(time.Second), uint8(1), []byte("secret"), []byte{198, 51, 100, 10}, false, true)
	f.Add(uint8(1), uint8(0), int64(0), uint8(0), []byte{}, []byte{}, true, false)
	f.Fuzz(func(t *testing.T, vrid, priority uint8, interval int64, auth uint8, password, vips []byte, six, two bool) {
		a := Advert{Version: 3, VRID: vrid, Priority: priority, Interval: time.Duration(interval)}
		p := Packet{Src: netip.MustParseAddr("198.51.100.2"), Dst: Multicast4, TTL: TTL}
		size := 4
		if six {
			p.Src, p.Dst, size = netip.MustParseAddr("fe80::2"), Multicast6, 16
		} else if two {
			a.Version, a.Auth = 2, auth%2
			copy(a.Password[:], password)
		}
		for ; len(vips) >= size && len(a.VIPs) < MaxVIPs; vips = vips[size:] {
			v, _ := netip.AddrFromSlice(vips[:size])
			a.VIPs = append(a.VIPs, v)
		}
		p.Payload = a.Append([]byte("before"), p.Src, p.Dst, false)[len("before"):]
		if !rightByOracle(p) {
			t.Fatalf("wrong checksum: %x", p.Payload)
		}
		e := expects(a, p)
		e.Interval = interval2(a)
		var got Advert
		refused, _ := e.Decode(p, &got)
		if want := len(a.VIPs) == 0; want != (refused == NoVIPs) || !want && refused != Accepted {
			t.Fatalf("%+v is refused for %v", a, refused)
		}
		if refused == Accepted && (got.VRID != vrid || got.Priority != priority || got.Auth != a.Auth || len(got.VIPs) != len(a.VIPs)) {
			t.Fatalf("%+v became %+v", a, got)
		}
	})
}

// interval2 is what version 2 makes of an interval.
func interval2(a Advert) time.Duration {
	return min(max(a.Interval.Truncate(time.Second), time.Second), MaxV2)
}
