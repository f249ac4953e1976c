package pair

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vip"
)

func TestRenewal(t *testing.T) {
	tests := []struct{ interval, lease, want time.Duration }{
		{time.Second, 2 * time.Second, 2 * time.Second / 3},
		{time.Second, 30 * time.Second, time.Second},
		{10 * time.Millisecond, 2 * time.Second, 250 * time.Millisecond},
		{300 * time.Millisecond, time.Second, 300 * time.Millisecond},
		{time.Second, 0, 0},
	}
	for _, test := range tests {
		if got := renewal(test.interval, test.lease); got != test.want {
			t.Errorf("%v of %v: every %v, want %v", test.interval, test.lease, got, test.want)
		}
	}
}

// With a virtual MAC the VIPs of its parent are on its interface, and those of another link stay there.
func TestVMAC(t *testing.T) {
	r := vi(100, func(r *link.Router) {
		r.VMAC, r.Family, r.ID = true, 6, 200
		r.VIPs = []vip.Address{
			{Prefix: netip.MustParsePrefix("2001:db8::10/128"), Link: "eth0"},
			{Prefix: netip.MustParsePrefix("198.51.100.10/32"), Link: "eth0"},
			{Prefix: netip.MustParsePrefix("2001:db8:1::10/128"), Link: "eth1"},
			{Prefix: netip.MustParsePrefix("fe80::10/128")},
		}
	})
	want := vip.VMAC{Name: "lvsd6.200", Parent: "eth0", MAC: [6]byte{0, 0, 0x5e, 0, 2, 200}}
	if got := vmac(&r); got != want {
		t.Errorf("the interface is %+v", got)
	}
	var links []string
	for _, a := range addressesOf(&r) {
		links = append(links, a.Link)
	}
	if diff := cmp.Diff([]string{"lvsd6.200", "lvsd6.200", "eth1", "lvsd6.200"}, links); diff != "" {
		t.Error(diff)
	}
	advertisedWant := []netip.Addr{netip.MustParseAddr("fe80::10"), netip.MustParseAddr("2001:db8::10"), netip.MustParseAddr("2001:db8:1::10")}
	if diff := cmp.Diff(advertisedWant, advertised(&r), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
	r.Family = 4
	if got := vmac(&r); got.Name != "lvsd4.200" || got.MAC != [6]byte{0, 0, 0x5e, 0, 1, 200} {
		t.Errorf("the interface is %+v", got)
	}
	if r.VMAC = false; vmac(&r) != (vip.VMAC{}) {
		t.Error("there is one although none is wanted")
	}
}

func TestSource(t *testing.T) {
	prefixes := func(list ...string) (l vip.Link) {
		for _, p := range list {
			l.Addresses = append(l.Addresses, netip.MustParsePrefix(p))
		}
		return l
	}
	both := prefixes("198.51.100.1/24", "198.51.100.2/24", "2001:db8::1/64", "fe80::1/64")
	four := vi(100)
	six := vi(100, func(r *link.Router) { r.Family = 6 })
	peers := func(r link.Router, peer string) link.Router {
		r.Peers = []netip.Addr{netip.MustParseAddr(peer)}
		return r
	}
	from := func(r link.Router, source string) link.Router { r.Source = netip.MustParseAddr(source); return r }
	owner := vi(255)
	tests := []struct {
		name  string
		r     link.Router
		l     vip.Link
		inUse string
		want  string
	}{
		{"first", four, both, "", "198.51.100.1"},
		{"in use", four, both, "198.51.100.2", "198.51.100.2"},
		{"in use and gone", four, both, "198.51.100.3", "198.51.100.1"},
		{"a VIP is none", four, prefixes("198.51.100.10/32"), "", ""},
		{"but the owner's", owner, prefixes(), "", "198.51.100.10"},
		{"IPv6 multicast", six, both, "", "fe80::1"},
		{"IPv6 multicast without link-local", six, prefixes("2001:db8::1/64"), "", ""},
		{"IPv6 unicast", peers(six, "2001:db8::2"), both, "fe80::1", "2001:db8::1"},
		{"configured", from(four, "198.51.100.2"), both, "198.51.100.1", "198.51.100.2"},
		{"configured and not there", from(four, "198.51.100.3"), both, "", ""},
		{"configured for unicast", peers(from(four, "203.0.113.1"), "203.0.113.2"), both, "", "203.0.113.1"},
		{"nothing", four, prefixes(), "", ""},
	}
	isVIP := func(a netip.Addr) bool { return a == netip.MustParseAddr("198.51.100.10") }
	for _, test := range tests {
		var inUse, want netip.Addr
		if test.inUse != "" {
			inUse = netip.MustParseAddr(test.inUse)
		}
		if test.want != "" {
			want = netip.MustParseAddr(test.want)
		}
		if got := source(&test.r, test.l, inUse, isVIP); got != want {
			t.Errorf("%s: %v, want %v", test.name, got, want)
		}
	}
}
