package lvs

import (
	"net/netip"
	"testing"
)

func TestBeforeAndAfter(t *testing.T) {
	key := Key{Protocol: TCP, Addr: netip.MustParseAddrPort("192.0.2.1:80")}
	addr := netip.MustParseAddrPort("10.0.0.1:80")
	one, two := Server{Forward: DR, Weight: 1}, Server{Forward: DR, Weight: 2, Upper: 9}
	rr, wlc := Service{Scheduler: "rr", Netmask: 32}, Service{Scheduler: "wlc", Netmask: 32}
	for _, r := range []struct {
		c             Change
		before, after string
	}{
		{Change{Op: AddServer, Key: key, Addr: addr, Server: one}, "", "-g -w 1"},
		{Change{Op: EditServer, Key: key, Addr: addr, Server: two, WasServer: one}, "-g -w 1", "-g -w 2 -x 9 -y 0"},
		{Change{Op: DelServer, Key: key, Addr: addr, WasServer: two}, "-g -w 2 -x 9 -y 0", ""},
		{Change{Op: AddService, Key: key, Service: rr}, "", "-s rr"},
		{Change{Op: EditService, Key: key, Service: wlc, WasService: rr}, "-s rr", "-s wlc"},
		{Change{Op: DelService, Key: key, WasService: wlc}, "-s wlc", ""},
	} {
		if got := r.c.Before(); got != r.before {
			t.Errorf("%v: before %q, want %q", r.c, got, r.before)
		}
		if got := r.c.After(); got != r.after {
			t.Errorf("%v: after %q, want %q", r.c, got, r.after)
		}
	}
}
