package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/plan"
)

var (
	web     = lvs.Key{Protocol: lvs.TCP, Addr: netip.MustParseAddrPort("192.0.2.1:80")}
	old     = lvs.Key{Protocol: lvs.TCP, Addr: netip.MustParseAddrPort("192.0.2.2:80")}
	strange = lvs.Key{Protocol: lvs.TCP, Addr: netip.MustParseAddrPort("192.0.2.3:80")}
	one     = netip.MustParseAddrPort("10.0.0.1:80")
	two     = netip.MustParseAddrPort("10.0.0.2:80")
	three   = netip.MustParseAddrPort("10.0.0.3:80")
)

func alive(addr netip.AddrPort) lvs.CheckID { return lvs.CheckID{Check: "alive", Addr: addr} }

// pool is one virtual service with two servers of weight 1.
func pool(edit func(*plan.Virtual)) director.Config {
	v := plan.Virtual{
		Name: "web", Key: web, Service: lvs.Service{Scheduler: "wlc", Netmask: 32}, Quorum: 1,
		Servers: []plan.Server{
			{Addr: one, Set: lvs.Server{Forward: lvs.DR, Weight: 1}, Checks: []lvs.CheckID{alive(one)}},
			{Addr: two, Set: lvs.Server{Forward: lvs.DR, Weight: 1}, Checks: []lvs.CheckID{alive(two)}},
		},
	}
	if edit != nil {
		edit(&v)
	}
	return director.Config{Services: []plan.Virtual{v}}
}

func held(weights map[netip.AddrPort]int) lvs.Entry {
	e := lvs.Entry{Service: lvs.Service{Scheduler: "wlc", Netmask: 32}, Servers: map[netip.AddrPort]lvs.Server{}}
	for addr, w := range weights {
		e.Servers[addr] = lvs.Server{Forward: lvs.DR, Weight: w}
	}
	return e
}

// knows is a daemon with these verdicts; servers are as it decided.
func knows(verdicts map[netip.AddrPort]string, servers ...director.ServerState) *control.Status {
	s := &control.Status{}
	for addr, v := range verdicts {
		s.Checks = append(s.Checks, director.CheckState{Check: "alive", Addr: addr, Verdict: v, Since: time.Unix(1, 0)})
	}
	s.Services = []director.ServiceState{{Name: "web", Virtual: web, State: "up", Servers: servers}}
	return s
}

func TestPreview(t *testing.T) {
	both := map[netip.AddrPort]int{one: 1, two: 1}
	tests := []struct {
		name       string
		config     director.Config
		have       lvs.Table
		owned      map[lvs.Key]bool
		status     *control.Status
		now, later []string
	}{
		{
			name: "nothing there, no daemon", config: pool(nil),
			now:   []string{"-A -t 192.0.2.1:80 -s wlc"},
			later: []string{"-a -t 192.0.2.1:80 -r 10.0.0.1:80 -g -w 1", "-a -t 192.0.2.1:80 -r 10.0.0.2:80 -g -w 1"},
		},
		{name: "as wanted, no daemon", config: pool(nil), have: lvs.Table{web: held(both)}},
		{
			name: "as wanted, daemon", config: pool(nil), have: lvs.Table{web: held(both)},
			status: knows(map[netip.AddrPort]string{one: "up", two: "up"}),
		},
		{
			name: "one is down", config: pool(nil), have: lvs.Table{web: held(both)},
			status: knows(map[netip.AddrPort]string{one: "up", two: "down"}),
			now:    []string{"-d -t 192.0.2.1:80 -r 10.0.0.2:80"},
		},
		{
			name: "one is down, the director suspects itself", config: pool(nil), have: lvs.Table{web: held(both)},
			status: func() *control.Status {
				s := knows(map[netip.AddrPort]string{one: "up", two: "down"})
				s.Suspect.Suspected = true
				return s
			}(),
		},
		{
			name: "a new weight", config: pool(func(v *plan.Virtual) { v.Servers[1].Set.Weight = 5 }), have: lvs.Table{web: held(both)},
			status: knows(map[netip.AddrPort]string{one: "up", two: "up"}, director.ServerState{Addr: two, In: true, Weight: 1, Full: 1}),
			now:    []string{"-e -t 192.0.2.1:80 -r 10.0.0.2:80 -g -w 5"},
		},
		{
			name: "a slow start under way", config: pool(func(v *plan.Virtual) { v.Servers[1].Set.Weight = 100 }),
			have:   lvs.Table{web: held(map[netip.AddrPort]int{one: 1, two: 40})},
			status: knows(map[netip.AddrPort]string{one: "up", two: "up"}, director.ServerState{Addr: two, In: true, Weight: 40, Full: 100}),
		},
		{
			name: "a drained server", config: pool(nil), have: lvs.Table{web: held(map[netip.AddrPort]int{one: 1, two: 0})},
			status: knows(map[netip.AddrPort]string{one: "up", two: "up"}, director.ServerState{Addr: two, Admin: "drained", Full: 1}),
		},
		{
			name: "dropped and foreign services", config: pool(nil),
			have: lvs.Table{web: held(both), old: held(both), strange: held(both)}, owned: map[lvs.Key]bool{web: true, old: true},
			now: []string{"-D -t 192.0.2.2:80"},
		},
		{
			name: "a sorry server without a verdict", have: lvs.Table{web: held(both)},
			config: pool(func(v *plan.Virtual) {
				v.Sorry = []plan.Server{{Addr: three, Set: lvs.Server{Forward: lvs.DR, Weight: 1}, Checks: []lvs.CheckID{alive(three)}}}
			}),
		},
		{
			name: "a lost quorum that needs more to be reached again", have: lvs.Table{web: held(map[netip.AddrPort]int{three: 1})},
			config: pool(func(v *plan.Virtual) {
				v.Hysteresis = 1
				v.Sorry = []plan.Server{{Addr: three, Set: lvs.Server{Forward: lvs.DR, Weight: 1}, Checks: []lvs.CheckID{alive(three)}}}
			}),
			status: func() *control.Status {
				s := knows(map[netip.AddrPort]string{one: "up", two: "down", three: "up"})
				s.Services[0].State = "down"
				return s
			}(),
		},
		{
			name: "a scheduler", config: pool(func(v *plan.Virtual) { v.Service.Scheduler = "wrr" }), have: lvs.Table{web: held(both)},
			now: []string{"-E -t 192.0.2.1:80 -s wrr"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			now, later := preview(test.config, test.have, test.owned, test.status)
			if diff := cmp.Diff(append([]string{}, test.now...), lines(now)); diff != "" {
				t.Errorf("now (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(append([]string{}, test.later...), lines(later)); diff != "" {
				t.Errorf("later (-want +got):\n%s", diff)
			}
		})
	}
}
