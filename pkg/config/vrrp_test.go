package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/vip"
)

// pairInvariants holds the routers of a Config to what the rest of the program takes for granted, and notes the checks
// that they use.
func pairInvariants(t *testing.T, c *Config, used map[lvs.CheckID]bool) {
	t.Helper()
	if c.Pair == nil {
		if c.Director.Routers != nil || c.Sync != (ipvs.Sync{}) {
			t.Errorf("without [[vrrp]]: %+v, %+v", c.Director.Routers, c.Sync)
		}
		return
	}
	names, held := map[string]bool{}, map[netip.Addr]bool{}
	for i, r := range c.Pair.Routers {
		if names[r.Name] || r.Name == "" || r.Interface == "" || r.ID == 0 || r.Priority == 0 || len(r.VIPs) == 0 || c.Director.Routers[i].Name != r.Name {
			t.Errorf("unfinished: %+v", r)
		}
		names[r.Name] = true
		if r.Interval <= 0 || r.DownAdverts < 2 || r.Lease%time.Second != 0 || r.Lease < 0 || r.Version == 2 && (r.Interval%time.Second != 0 || r.Family == 6) {
			t.Errorf("%s: timers %+v", r.Name, r)
		}
		for _, a := range r.VIPs {
			if held[a.Prefix.Addr()] || a.Link == "" || familyOf(a.Prefix.Addr()) != r.Family {
				t.Errorf("%s: %+v", r.Name, a)
			}
			held[a.Prefix.Addr()] = true
		}
		for _, track := range c.Director.Routers[i].Tracks {
			if track.Service != "" {
				continue
			}
			used[track.Check] = true
			if _, ok := c.Director.Checks[track.Check]; !ok {
				t.Errorf("%s: no probe %v", r.Name, track.Check)
			}
		}
	}
}

const bareRouter = `
[[vrrp]]
name = "VI_1"
interface = "lo"
id = 66
vips = ["192.0.2.10"]
`

func address4(s string) vip.Address {
	return vip.Address{Prefix: netip.MustParsePrefix(s), Link: "lo"}
}

func TestRouterDefaults(t *testing.T) {
	c := parse(t, `name = "lvs-a"`+bareRouter)
	same(t, "pair", c.Pair, &link.Config{Node: "lvs-a", Routers: []link.Router{{
		Name: "VI_1", Interface: "lo", ID: 66, Family: 4, Version: 3, Priority: 100, Interval: time.Second, DownAdverts: 3,
		StartupHold: 4 * time.Second, OnLost: -20, Lease: 2 * time.Second, VIPs: []vip.Address{address4("192.0.2.10/32")},
		Announce: vip.Schedule{Repeat: 5, Delay: 5 * time.Second, Refresh: 10 * time.Second},
	}}})
	same(t, "routers", c.Director.Routers, []director.Router{{Name: "VI_1", OnSuspect: -20}})
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %v", c.Warnings)
	}
}

func TestRouterKeys(t *testing.T) {
	c := parse(t, `
name = "lvs-a"
[check.app]
type = "script"
command = ["/bin/true"]
[check.db]
type = "tcp"
address = "192.0.2.99"
port = 5432
[[vrrp]]
name = "VI_1"
interface = "lo"
id = 66
version = 2
priority = 150
peer_priority = 100
advertise = "2s"
down_adverts = 4
lease = "3s"
source = "198.18.77.1"
peers = ["198.18.77.2", "198.18.77.3"]
password = "s3cret"
preempt = true
preempt_delay = "1m"
startup_hold = "10s"
vips = ["192.0.2.10/32", { address = "192.0.2.11", label = "lo:1" }, { address = "192.0.2.12", interface = "lo" }]
group = "gateway"
garp = { repeat = 3, delay = "1s", refresh = "0s" }
sync_connections = true
on_lost = -30
on_suspect = 0
track = [
  { check = "app", weight = -30 },
  { check = "db" },
  { interface = "lo", weight = 5 },
  { service = "web", weight = -50, share = "50%" },
]
[[vrrp]]
name = "VI_6"
interface = "lo"
id = 66
advertise = "40.95s"
vips = ["2001:db8::10"]
group = "gateway"
[[service]]
name = "web"
vips = ["192.0.2.10", "192.0.2.11", "192.0.2.12", "2001:db8::10"]
ports = [80]
forward = "tunnel"
checks = ["db"]
servers = ["10.0.0.1"]
`)
	labelled := address4("192.0.2.11/32")
	labelled.Label = "lo:1"
	same(t, "first", c.Pair.Routers[0], link.Router{
		Name: "VI_1", Group: "gateway", Interface: "lo", ID: 66, Family: 4, Version: 2, Priority: 150, Interval: 2 * time.Second,
		DownAdverts: 4, Password: "s3cret", Source: netip.MustParseAddr("198.18.77.1"),
		Peers:   []netip.Addr{netip.MustParseAddr("198.18.77.2"), netip.MustParseAddr("198.18.77.3")},
		Preempt: true, PreemptDelay: time.Minute, PeerPriority: 100, StartupHold: 10 * time.Second, OnLost: -30, Lease: 3 * time.Second,
		VIPs:     []vip.Address{address4("192.0.2.10/32"), labelled, address4("192.0.2.12/32")},
		Announce: vip.Schedule{Repeat: 3, Delay: time.Second},
		Tracks:   []link.Track{{Interface: "lo", Weight: 5}},
	})
	if r := c.Pair.Routers[1]; r.Family != 6 || r.Group != "gateway" || r.Lease != 121*time.Second || r.StartupHold != 30*time.Second {
		t.Errorf("second: %+v", r)
	}
	same(t, "routers", c.Director.Routers, []director.Router{
		{Name: "VI_1", Tracks: []director.Track{
			{Check: lvs.CheckID{Check: "app", Addr: netip.MustParseAddrPort("127.0.0.1:0")}, Weight: -30},
			{Check: lvs.CheckID{Check: "db", Addr: netip.MustParseAddrPort("192.0.2.99:5432")}},
			{Service: "web", Share: 50, Weight: -50},
		}},
		{Name: "VI_6", OnSuspect: -20},
	})
	same(t, "sync", c.Sync, ipvs.Sync{Interface: "lo", ID: 66})
	if len(c.Director.Checks) != 2 || len(c.Warnings) > 0 {
		t.Errorf("checks %v, warnings:\n%s", c.Director.Checks, strings.Join(c.Warnings, "\n"))
	}
}

// The lease leaves the kernel, which counts in seconds, time to drop VIPs before a peer takes over.
func TestLease(t *testing.T) {
	for keys, want := range map[string]time.Duration{
		"":                                2 * time.Second,
		`lease = "auto"`:                  2 * time.Second,
		`lease = "off"`:                   0,
		`lease = "1s"`:                    time.Second,
		"priority = 255":                  0,
		"priority = 255\nlease = \"off\"": 0,
		`advertise = "100ms"`:             time.Second,
		`advertise = "1500ms"`:            3 * time.Second,
		"down_adverts = 5\nadvertise = \"700ms\"": 2 * time.Second,
		`advertise = "2s"`:                        5 * time.Second,
	} {
		if got := parse(t, bareRouter+keys).Pair.Routers[0].Lease; got != want {
			t.Errorf("%s: %v, want %v", keys, got, want)
		}
	}
}

// The owner of the addresses is always master: nothing lowers its priority.
func TestOwner(t *testing.T) {
	c := parse(t, bareRouter+"priority = 255")
	if r := c.Pair.Routers[0]; !r.Preempt || r.OnLost != 0 || r.Lease != 0 || c.Director.Routers[0].OnSuspect != 0 {
		t.Errorf("%+v, %+v", r, c.Director.Routers[0])
	}
}
