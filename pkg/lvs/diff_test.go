package lvs_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lvsd/lvsd/pkg/lvs"
)

func tcp(s string) lvs.Key { return lvs.Key{Protocol: lvs.TCP, Addr: netip.MustParseAddrPort(s)} }

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func entry(scheduler string, servers map[netip.AddrPort]lvs.Server) lvs.Entry {
	return lvs.Entry{Service: lvs.Service{Scheduler: scheduler, Netmask: 32}, Servers: servers}
}

func lines(changes []lvs.Change) []string {
	var l []string
	for _, c := range changes {
		l = append(l, c.String())
	}
	return l
}

func TestDiffOrder(t *testing.T) {
	type servers = map[netip.AddrPort]lvs.Server
	web, tls, old := tcp("192.0.2.1:80"), tcp("192.0.2.1:443"), tcp("192.0.2.0:80")
	have := lvs.Table{
		old: entry("rr", servers{ap("10.0.0.1:80"): {Forward: lvs.DR, Weight: 1}}),
		web: entry("rr", servers{
			ap("10.0.0.1:80"): {Forward: lvs.DR, Weight: 1},
			ap("10.0.0.2:80"): {Forward: lvs.DR, Weight: 1},
			ap("10.0.0.3:80"): {Forward: lvs.DR, Weight: 1},
		}),
	}
	want := lvs.Table{
		web: entry("wlc", servers{
			ap("10.0.0.3:80"): {Forward: lvs.DR, Weight: 1},
			ap("10.0.0.2:80"): {Forward: lvs.DR, Weight: 5},
			ap("10.0.0.9:80"): {Forward: lvs.DR, Weight: 1},
			ap("10.0.0.8:80"): {Forward: lvs.NAT, Weight: 0},
		}),
		tls: entry("rr", servers{ap("10.0.0.1:443"): {Forward: lvs.Tunnel, Weight: 1}}),
	}
	got := lines(lvs.Diff(have, want))
	if diff := cmp.Diff([]string{
		"-E -t 192.0.2.1:80 -s wlc",
		"-a -t 192.0.2.1:80 -r 10.0.0.8:80 -m -w 0",
		"-a -t 192.0.2.1:80 -r 10.0.0.9:80 -g -w 1",
		"-e -t 192.0.2.1:80 -r 10.0.0.2:80 -g -w 5",
		"-d -t 192.0.2.1:80 -r 10.0.0.1:80",
		"-A -t 192.0.2.1:443 -s rr",
		"-a -t 192.0.2.1:443 -r 10.0.0.1:443 -i -w 1 --tun-type ipip",
		"-D -t 192.0.2.0:80",
	}, got); diff != "" {
		t.Error(diff)
	}
	if c := lvs.Diff(want, want); c != nil {
		t.Errorf("equal tables differ: %v", c)
	}
}

func TestDiffKeepsWhatWas(t *testing.T) {
	have := lvs.Table{tcp("192.0.2.1:80"): entry("rr", map[netip.AddrPort]lvs.Server{
		ap("10.0.0.1:80"): {Weight: 1}, ap("10.0.0.2:80"): {Weight: 2},
	})}
	want := lvs.Table{tcp("192.0.2.1:80"): entry("wrr", map[netip.AddrPort]lvs.Server{ap("10.0.0.1:80"): {Weight: 3}})}
	key := tcp("192.0.2.1:80")
	if diff := cmp.Diff([]lvs.Change{
		{Op: lvs.EditService, Key: key, Service: want[key].Service, WasService: have[key].Service},
		{Op: lvs.EditServer, Key: key, Addr: ap("10.0.0.1:80"), Server: lvs.Server{Weight: 3}, WasServer: lvs.Server{Weight: 1}},
		{Op: lvs.DelServer, Key: key, Addr: ap("10.0.0.2:80"), WasServer: lvs.Server{Weight: 2}},
	}, lvs.Diff(have, want), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// apply does what the kernel does, without its errors: it is what Diff is measured by.
func apply(t lvs.Table, changes []lvs.Change) lvs.Table {
	for _, c := range changes {
		e := lvs.Entry{Service: t[c.Key].Service, Servers: map[netip.AddrPort]lvs.Server{}}
		for addr, s := range t[c.Key].Servers {
			e.Servers[addr] = s
		}
		switch c.Op {
		case lvs.AddService, lvs.EditService:
			e.Service = c.Service
		case lvs.DelService:
			delete(t, c.Key)
			continue
		case lvs.AddServer, lvs.EditServer:
			e.Servers[c.Addr] = c.Server
		case lvs.DelServer:
			delete(e.Servers, c.Addr)
		}
		t[c.Key] = e
	}
	return t
}

func tables() *rapid.Generator[lvs.Table] {
	server := rapid.Custom(func(t *rapid.T) lvs.Server {
		return lvs.Server{Forward: lvs.DR, Weight: rapid.IntRange(0, 2).Draw(t, "weight")}
	})
	addrs := rapid.SampledFrom([]netip.AddrPort{ap("10.0.0.1:80"), ap("10.0.0.2:80"), ap("[2001:db8::1]:80")})
	entries := rapid.Custom(func(t *rapid.T) lvs.Entry {
		return entry(rapid.SampledFrom([]string{"rr", "wlc"}).Draw(t, "scheduler"), rapid.MapOf(addrs, server).Draw(t, "servers"))
	})
	keys := rapid.SampledFrom([]lvs.Key{tcp("192.0.2.1:80"), tcp("192.0.2.1:443"), {Mark: 1}, {Mark: 1, IPv6: true}})
	return rapid.Custom(func(t *rapid.T) lvs.Table { return rapid.MapOf(keys, entries).Draw(t, "table") })
}

func TestDiffLeadsFromOneToTheOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have, want := tables().Draw(t, "have"), tables().Draw(t, "want")
		changes := lvs.Diff(have, want)
		if again := lvs.Diff(have, want); !slices.Equal(changes, again) {
			t.Fatalf("not deterministic: %v, then %v", changes, again)
		}
		if diff := cmp.Diff(want.String(), apply(have, changes).String()); diff != "" {
			t.Fatal(diff)
		}
	})
}
