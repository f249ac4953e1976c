package vrrp

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var compareAddrs = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// vector is a packet that another program sent, and what it was told to send.
type vector struct {
	file     string
	src, dst string
	vips     string
	advert   Advert
	covers   string  // the address in the checksum's pseudo-header, if it is not dst
	ours     bool    // Append makes the same bytes
	refused  Refusal // what Decode says
	remark   Remark  // and beside it
	expect   func(*Expect)
}

const (
	ka4, ka6 = "192.0.2.1", "fe80::ff:fe00:1"
	all4     = "224.0.0.18"
	all6     = "ff02::12"
)

func v2(vrid uint8) Advert {
	return Advert{Version: 2, VRID: vrid, Priority: 200, Interval: time.Second}
}

func v2pass(vrid uint8, password string) Advert {
	a := v2(vrid)
	a.Auth = AuthPass
	copy(a.Password[:], password)
	return a
}

func v3(vrid, priority uint8, interval time.Duration) Advert {
	return Advert{Version: 3, VRID: vrid, Priority: priority, Interval: interval}
}

var vectors = []vector{
	{file: "frr/frr_v2", src: "192.0.2.2", dst: all4, vips: "192.0.2.162", advert: v2(62), ours: true},
	{file: "frr/frr_v3", src: "192.0.2.2", dst: all4, vips: "192.0.2.161", advert: v3(61, 200, 300*time.Millisecond), ours: true},
	{file: "frr/frr_v3_ipv6", src: "fe80::200:5eff:fe00:23d", dst: all6, vips: "2001:db8::161", advert: v3(61, 200, 300*time.Millisecond), ours: true, remark: FirstNotLinkLocal},
	{file: "keepalived/v2_none", src: ka4, dst: all4, vips: "192.0.2.101", advert: v2(1), ours: true},
	{file: "keepalived/v2_pass4", src: ka4, dst: all4, vips: "192.0.2.102", advert: v2pass(2, "1111"), ours: true},
	{file: "keepalived/v2_pass13_truncated", src: ka4, dst: all4, vips: "192.0.2.103", advert: v2pass(3, "keepalived_ms"), ours: true},
	{file: "keepalived/v2_ah", src: ka4, dst: all4, vips: "192.0.2.104", advert: v2(4), refused: BadAuth},
	{file: "keepalived/v2_subsec_advert_rounded", src: ka4, dst: all4, vips: "192.0.2.105", advert: v2(5), ours: true},
	{file: "keepalived/v2_three_vips_label", src: ka4, dst: all4, vips: "192.0.2.106 192.0.2.107 192.0.2.108", advert: v2(6), ours: true},
	{file: "keepalived/v2_unicast", src: ka4, dst: "192.0.2.2", vips: "192.0.2.109", advert: v2(7), ours: true},
	{file: "keepalived/v2_no_vip", src: ka4, dst: all4, advert: v2(20), ours: true, refused: NoVIPs},
	{file: "keepalived/v2_ipv6_keepalived_ext", src: ka6, dst: all6, vips: "fe80::102 2001:db8::102", advert: v2(16), refused: BadVersion, expect: func(e *Expect) { e.Version = 3 }},
	{file: "keepalived/v3_ipv4", src: ka4, dst: all4, vips: "192.0.2.110", advert: v3(8, 200, 300*time.Millisecond), ours: true},
	{file: "keepalived/v3_ipv4_max_interval", src: ka4, dst: all4, vips: "192.0.2.116", advert: v3(12, 255, 40950*time.Millisecond), ours: true},
	{file: "keepalived/v3_ipv4_owner255", src: ka4, dst: all4, vips: "192.0.2.117", advert: v3(13, 255, time.Second), ours: true},
	{file: "keepalived/v3_ipv4_three_vips", src: ka4, dst: all4, vips: "192.0.2.111 192.0.2.112 192.0.2.113", advert: v3(9, 200, time.Second), ours: true},
	{file: "keepalived/v3_ipv4_unicast", src: ka4, dst: "192.0.2.2", vips: "192.0.2.114", advert: v3(10, 200, 500*time.Millisecond), ours: true},
	{file: "keepalived/v3_ipv4_unicast_oldcsum", src: ka4, dst: "192.0.2.2", vips: "192.0.2.115", advert: v3(11, 200, 500*time.Millisecond), covers: all4, ours: true},
	{file: "keepalived/v3_ipv4_vmac", src: ka4, dst: all4, vips: "192.0.2.118", advert: v3(18, 200, time.Second), ours: true},
	{file: "keepalived/v3_ipv4_vmac_noxmitbase", src: ka4, dst: all4, vips: "192.0.2.119", advert: v3(19, 200, time.Second), ours: true},
	{file: "keepalived/v3_ipv6", src: ka6, dst: all6, vips: "fe80::100 2001:db8::100", advert: v3(14, 200, 300*time.Millisecond), ours: true},
	{file: "keepalived/v3_ipv6_nolinklocal_vip", src: ka6, dst: all6, vips: "2001:db8::101", advert: v3(15, 200, time.Second), ours: true, remark: FirstNotLinkLocal},
	{file: "keepalived/v3_ipv6_unicast", src: "2001:db8::1", dst: "2001:db8::2", vips: "2001:db8::103", advert: v3(17, 200, time.Second), ours: true, remark: FirstNotLinkLocal},
}

// capture gives a packet as it was on the wire, and what the kernel would fill in: nil for IPv6, else the IPv4 header.
func capture(t testing.TB, file string) (Packet, []byte) {
	t.Helper()
	b := frame(t, file)[14:]
	if b[0]>>4 == 6 {
		src, _ := netip.AddrFromSlice(b[8:24])
		dst, _ := netip.AddrFromSlice(b[24:40])
		return Packet{Src: src, Dst: dst, TTL: int(b[7]), Payload: b[40:]}, nil
	}
	if b[9] == 51 { // the authentication header; nobody gives it to a socket for VRRP, but what is in it can be looked at
		payload := b[20+4*(int(b[21])+2):]
		return Packet{Src: netip.AddrFrom4([4]byte(b[12:])), Dst: netip.AddrFrom4([4]byte(b[16:])), TTL: int(b[8]), Payload: payload}, nil
	}
	p, ok := packet4(append(b, 0, 0, 0, 0)) // as a real link pads it
	if !ok {
		t.Fatalf("%s: the IPv4 header was not understood", file)
	}
	return p, b[:20]
}

func addrs(list string) []netip.Addr {
	var out []netip.Addr
	for _, a := range strings.Fields(list) {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

// expects is a router that is set up like the sender of an advert to dst.
func expects(a Advert, p Packet) *Expect {
	e := &Expect{VRID: a.VRID, Version: a.Version, Interval: a.Interval, Auth: a.Auth, Password: a.Password, VIPs: a.VIPs}
	if !p.Dst.IsMulticast() {
		e.Peers, e.Self = []netip.Addr{p.Src}, p.Dst
	}
	return e
}

func TestVectors(t *testing.T) {
	for _, v := range vectors {
		for _, leaving := range []bool{false, true} {
			file, advert := v.file, v.advert
			if leaving {
				file += "_prio0"
				advert.Priority = PriorityLeave
			}
			t.Run(filepath.Base(file), func(t *testing.T) {
				advert.VIPs = addrs(v.vips)
				p, _ := capture(t, file)
				if p.Src != netip.MustParseAddr(v.src) || p.Dst != netip.MustParseAddr(v.dst) {
					t.Fatalf("from %v to %v", p.Src, p.Dst)
				}
				checkVector(t, v, advert, p)
			})
		}
	}
}

func checkVector(t *testing.T, v vector, advert Advert, p Packet) {
	t.Helper()
	covers := p.Dst
	if v.covers != "" {
		covers = netip.MustParseAddr(v.covers)
	}
	if made := advert.Append(nil, p.Src, covers, false); v.ours != bytes.Equal(made, p.Payload) {
		t.Errorf("ours %x, theirs %x", made, p.Payload)
	}
	e := expects(advert, p)
	if v.expect != nil {
		v.expect(e)
	}
	var got Advert
	refused, remark := e.Decode(p, &got)
	if refused != v.refused || remark != v.remark {
		t.Errorf("refused for %v with remark %b; want %v and %b", refused, remark, v.refused, v.remark)
	}
	if v.refused == Accepted {
		if diff := cmp.Diff(advert, got, compareAddrs); diff != "" {
			t.Error(diff)
		}
	}
}

// Every vector is in the table: none is forgotten.
func TestVectorsAreAll(t *testing.T) {
	files, err := filepath.Glob("testdata/vectors/*/*.hex")
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]bool)
	for _, v := range vectors {
		listed[v.file], listed[v.file+"_prio0"] = true, true
	}
	for _, f := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(f, "testdata/vectors/"), ".hex")
		if !listed[name] {
			t.Errorf("%s is in no test", name)
		}
		delete(listed, name)
	}
	for name := range listed {
		t.Errorf("%s is missing", name)
	}
}

// frame is a captured frame.
func frame(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/vectors", file+".hex"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
