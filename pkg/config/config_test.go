package config

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/user"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/plan"
)

func parse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse(Source{"lvsd.toml", []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	invariants(t, c)
	return c
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true })); d != "" {
		t.Errorf("%s: -want +got\n%s", what, d)
	}
}

func TestEmptyFileIsDefaults(t *testing.T) {
	same(t, "config", parse(t, ""), &Config{
		State:   "/var/lib/lvsd",
		Runtime: "/run/lvsd-vrrp",
		Resync:  2 * time.Second,
		Audit: audit.Config{
			File: "/var/log/lvsd/audit.log", MaxSize: 50 * 1024 * 1024, MaxFiles: 10, MaxAge: 720 * time.Hour, Compress: true,
		},
		Control: Control{Socket: "/run/lvsd/lvsd.sock"},
		Director: director.Config{
			Checks:  map[lvs.CheckID]health.Spec{},
			Suspect: director.Suspect{Share: 50, Hold: time.Minute},
		},
		Checks:   map[string]Check{},
		Files:    []string{"lvsd.toml"},
		Warnings: []string{"lvsd.toml:1: there is no [[service]]: nothing is balanced"},
	})
}

func TestGlobals(t *testing.T) {
	c := parse(t, `
name = "lvs-a"
state = "/srv/lvsd/"
runtime = "/run/pair/"
resync = "500ms"
audit = { file = "/a/b", max_size = "64KB", max_files = 0, max_age = "1d12h", compress = false }
control = { socket = "/s", read = ["@lvsd", "1000"], admin = ["ops"] }
suspect = { share = "off", probe = ["192.0.2.1", "2001:db8::1"], hold = "90s" }
[ipvs.timeouts]
tcp = "15m"
udp = "5m"
`)
	c.Warnings, c.Checks, c.Director.Checks = nil, nil, nil
	same(t, "config", c, &Config{
		Name:     "lvs-a",
		State:    "/srv/lvsd",
		Runtime:  "/run/pair",
		Resync:   500 * time.Millisecond,
		Audit:    audit.Config{File: "/a/b", MaxSize: 65536, MaxAge: 36 * time.Hour},
		Control:  Control{Socket: "/s", Read: []string{"@lvsd", "1000"}, Admin: []string{"ops"}},
		Timeouts: Timeouts{TCP: 15 * time.Minute, UDP: 5 * time.Minute},
		Director: director.Config{Name: "lvs-a", Suspect: director.Suspect{
			Probe: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}, Hold: 90 * time.Second,
		}},
		Files: []string{"lvsd.toml"},
	})
}

// show prints a virtual service in a line, and its servers in a line each.
func show(v plan.Virtual) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %v %s flags=%#x timeout=%v netmask=%d engine=%q\n", v.Name, v.Key, v.Service.Scheduler,
		uint32(v.Service.Flags), v.Service.Timeout, v.Service.Netmask, v.Service.Engine)
	fmt.Fprintf(&b, "  on_down=%d quorum=%d+%d min_up=%d slow=%v\n", v.OnDown, v.Quorum, v.Hysteresis, v.MinUp, v.SlowStart)
	line := func(kind string, s plan.Server) {
		fmt.Fprintf(&b, "  %s %v %v w%d", kind, s.Addr, s.Set.Forward, s.Set.Weight)
		if s.Set.Upper > 0 || s.Set.Lower > 0 {
			fmt.Fprintf(&b, " %d-%d", s.Set.Lower, s.Set.Upper)
		}
		if s.Set.Encap != (lvs.Encap{}) {
			fmt.Fprintf(&b, " %+v", s.Set.Encap)
		}
		for _, id := range s.Checks {
			fmt.Fprintf(&b, " [%v]", id)
		}
		b.WriteByte('\n')
	}
	for _, s := range v.Servers {
		line("server", s)
	}
	for _, s := range v.Sorry {
		line("sorry", s)
	}
	return b.String()
}

const checksOfTests = `
check.tcp = { type = "tcp" }
check.web = { type = "http", port = 8000 }
check.db  = { type = "tcp", address = "10.9.9.9", port = 5432 }
check.more = { type = "tcp", port = 81 }
check.run = { type = "script", command = ["/bin/true"] }
[[service]]
name = "s"
`

func TestServices(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"defaults": {`
vips = ["192.0.2.1"]
ports = 80
servers = ["10.0.0.1"]
`, `
s tcp 192.0.2.1:80 wlc flags=0x0 timeout=0s netmask=32 engine=""
  on_down=0 quorum=1+0 min_up=0 slow=0s
  server 10.0.0.1:80 Route w1
`},
		"every VIP x every port": {`
vips = ["192.0.2.1", "192.0.2.2"]
ports = [443, "80-81"]
checks = ["tcp"]
servers = ["10.0.0.1"]
`, `
s tcp 192.0.2.1:443 wlc flags=0x0 timeout=0s netmask=32 engine=""
  on_down=0 quorum=1+0 min_up=0 slow=0s
  server 10.0.0.1:443 Route w1 [tcp of 10.0.0.1:443]
s tcp 192.0.2.1:80 wlc flags=0x0 timeout=0s netmask=32 engine=""
  on_down=0 quorum=1+0 min_up=0 slow=0s
  server 10.0.0.1:80 Route w1 [tcp of 10.0.0.1:80]
s tcp 192.0.2.1:81 wlc flags=0x0 timeout=0s netmask=32 engine=""
  on_down=0 quorum=1+0 min_up=0 slow=0s
  server 10.0.0.1:81 Route w1 [tcp of 10.0.0.1:81]
s tcp 192.0.2.2:443 wlc flags=0x0 timeout=0s netmask=32 engine=""
  on_down=0 quorum=1+0 min_up=0 slow=0s
  server 10.0.0.1:443 Route w1 [tcp of 10.0.0.1:443]
s tcp 192.0.2.2:80 wlc flags=0x0 timeout=0s netmask=32 engine=""
  on_down=0 quorum=1+0 min_up=0 slow=0s
  server 10.0.0.1:80 Route w1 [tcp of 10.0.0.1:80]
s tcp 192.0.2.2:81 wlc flags=0x0 timeout=0s netmask=32 engine=""
  on_down=0 quorum=1+0 min_up=0 slow=0s
  server 10.0.0.1:81 Route w1 [tcp of 10.0.0.1:81]
`},
		"everything": {`
vips = ["2001:db8::1"]
ports = "53"
protocol = "udp"
scheduler = "mh"
flags = ["mh-port", "mh-fallback", "flag-3"]
forward = "nat"
persistent = "5m"
netmask = 64
engine = "sip"
one_packet = true
checks = ["web", "db"]
on_down = "quiesce"
quorum = 3
hysteresis = 2
min_up = "30%"
weight = 2
servers = ["[2001:db8::10]:5353", { address = "2001:db8::11", port = 54, weight = 0, upper = 9, lower = 4, extra_checks = ["run"] }, "2001:db8::12", { address = "2001:db8::13" }]
sorry = ["2001:db8::99", { address = "2001:db8::98", weight = 7 }]
`, `
s udp [2001:db8::1]:53 mh flags=0x3d timeout=5m0s netmask=64 engine="sip"
  on_down=1 quorum=3+2 min_up=30 slow=0s
  server [2001:db8::10]:5353 Masq w2 [web of [2001:db8::10]:8000] [db of 10.9.9.9:5432]
  server [2001:db8::11]:54 Masq w0 4-9 [web of [2001:db8::11]:8000] [db of 10.9.9.9:5432] [run of [2001:db8::11]:54]
  server [2001:db8::12]:53 Masq w2 [web of [2001:db8::12]:8000] [db of 10.9.9.9:5432]
  server [2001:db8::13]:53 Masq w2 [web of [2001:db8::13]:8000] [db of 10.9.9.9:5432]
  sorry [2001:db8::99]:53 Masq w2 [web of [2001:db8::99]:8000] [db of 10.9.9.9:5432]
  sorry [2001:db8::98]:53 Masq w7 [web of [2001:db8::98]:8000] [db of 10.9.9.9:5432]
`},
		"a mark over tunnels": {`
fwmark = 4294967295
family = "ipv6"
scheduler = "wrr"
slow_start = "30s"
forward = "tunnel"
tunnel = { type = "gue", port = 6080, checksum = "remcsum" }
checks = ["web", "run"]
servers = ["10.0.0.1", "2001:db8::1", { address = "2001:db8::2", forward = "nat", port = 81 }]
`, `
s fwmark 4294967295 ipv6 wrr flags=0x0 timeout=0s netmask=128 engine=""
  on_down=0 quorum=1+0 min_up=0 slow=30s
  server 10.0.0.1:0 Tunnel w1 {Type:1 Port:6080 Flags:2} [web of 10.0.0.1:8000] [run of 10.0.0.1:0]
  server [2001:db8::1]:0 Tunnel w1 {Type:1 Port:6080 Flags:2} [web of [2001:db8::1]:8000] [run of [2001:db8::1]:0]
  server [2001:db8::2]:81 Masq w1 [web of [2001:db8::2]:8000] [run of [2001:db8::2]:81]
`},
		"all ports, gre, sctp": {`
vips = ["192.0.2.1"]
ports = [0]
protocol = "sctp"
persistent = "1s"
forward = "tunnel"
tunnel = { type = "gre", checksum = "csum" }
checks = ["web"]
servers = ["10.0.0.1"]
`, `
s sctp 192.0.2.1:0 wlc flags=0x1 timeout=1s netmask=32 engine=""
  on_down=0 quorum=1+0 min_up=0 slow=0s
  server 10.0.0.1:0 Tunnel w1 {Type:2 Port:0 Flags:1} [web of 10.0.0.1:8000]
`},
		"checks of one server are not those of the next": {`
vips = ["192.0.2.1"]
ports = [80]
checks = ["tcp", "web", "run"]
servers = [{ address = "10.0.0.1", extra_checks = ["db"] }, { address = "10.0.0.2", extra_checks = ["more"] }]
`, `
s tcp 192.0.2.1:80 wlc flags=0x0 timeout=0s netmask=32 engine=""
  on_down=0 quorum=1+0 min_up=0 slow=0s
  server 10.0.0.1:80 Route w1 [tcp of 10.0.0.1:80] [web of 10.0.0.1:8000] [run of 10.0.0.1:80] [db of 10.9.9.9:5432]
  server 10.0.0.2:80 Route w1 [tcp of 10.0.0.2:80] [web of 10.0.0.2:8000] [run of 10.0.0.2:80] [more of 10.0.0.2:81]
`},
		"packets of a mark": {`
fwmark = 1
one_packet = true
servers = ["10.0.0.1"]
`, `
s fwmark 1 ipv4 wlc flags=0x4 timeout=0s netmask=32 engine=""
  on_down=0 quorum=1+0 min_up=0 slow=0s
  server 10.0.0.1:0 Route w1
`},
		"sh": {`
vips = ["192.0.2.1"]
ports = [80]
scheduler = "sh"
flags = ["sh-port", "sh-fallback"]
servers = ["10.0.0.1"]
`, `
s tcp 192.0.2.1:80 sh flags=0x18 timeout=0s netmask=32 engine=""
  on_down=0 quorum=1+0 min_up=0 slow=0s
  server 10.0.0.1:80 Route w1
`},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for _, v := range parse(t, checksOfTests+test.text).Director.Services {
				b.WriteString(show(v))
			}
			if d := cmp.Diff(strings.TrimPrefix(test.want, "\n"), b.String()); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestSlowStartWhereWeightsCount(t *testing.T) {
	for _, scheduler := range strings.Fields("wrr wlc sed nq lblc lblcr twos of-tomorrow") {
		c := parse(t, checksOfTests+"vips = [\"192.0.2.1\"]\nports = [80]\nservers = [\"10.0.0.1\"]\nslow_start = \"30s\"\nscheduler = \""+scheduler+"\"\n")
		if got := c.Director.Services[0].SlowStart; got != 30*time.Second {
			t.Errorf("%s: %v", scheduler, got)
		}
	}
}

func TestCheckKeys(t *testing.T) {
	c := parse(t, `
[check.a]
type = "http"
interval = "300ms"
timeout = "200ms"
connect_timeout = "100ms"
rise = 3
fall = 4
fast_interval = "50ms"
down_interval = "1m"
port = 81
via = "server"
tripwire = false
source = "10.0.0.9"
interface = "eth0"
host = "www.example.com"
headers = { "X-A" = "1", b = "2" }
status = "204"
[check.b]
type = "tcp"
interval = "1s"
timeout = "1s"
[[service]]
name = "s"
vips = ["192.0.2.1"]
ports = [80]
servers = ["10.0.0.1"]
checks = ["a", "b"]
`)
	a := c.Director.Checks[lvs.CheckID{Check: "a", Addr: netip.MustParseAddrPort("10.0.0.1:81")}]
	h := a.Checker.(*checks.HTTP)
	same(t, "own keys", []any{h.Host, h.Path, h.Method, h.Headers, h.Status, h.MaxBody}, []any{
		"www.example.com", "/", "GET", map[string]string{"X-A": "1", "b": "2"}, "204", "64KB",
	})
	a.Checker = nil
	same(t, "common keys", a, health.Spec{
		Target: checks.Target{
			Check: "a", Addr: netip.MustParseAddrPort("10.0.0.1:81"), Source: netip.MustParseAddr("10.0.0.9"),
			Interface: "eth0", ConnectTimeout: 100 * time.Millisecond,
		},
		Policy:       health.Policy{Rise: 3, Fall: 4},
		Interval:     300 * time.Millisecond,
		FastInterval: 50 * time.Millisecond,
		DownInterval: time.Minute,
		Timeout:      200 * time.Millisecond,
	})
	b := c.Director.Checks[lvs.CheckID{Check: "b", Addr: netip.MustParseAddrPort("10.0.0.1:80")}]
	if b.FastInterval != time.Second || b.DownInterval != time.Second || b.Policy != (health.Policy{Rise: 2, Fall: 2}) {
		t.Errorf("defaults: %+v", b)
	}
}

// A reload of an unchanged file must find everything deeply equal, or timers and tries would be disturbed.
func TestSameTextIsDeeplyEqual(t *testing.T) {
	first, err := Load(etc + "/lvsd.toml")
	if err != nil {
		t.Fatal(err)
	}
	second, err := Load(etc + "/lvsd.toml")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(first, second) {
		t.Error("two loads of the manual differ")
	}
}

func TestCheckIsSharedByServices(t *testing.T) {
	service := "[[service]]\nname = %q\nvips = [%q]\nports = [80]\nchecks = [\"a\"]\nservers = [\"10.0.0.1\", \"10.0.0.2\"]\n"
	c := parse(t, "check.a.type = \"tcp\"\n"+fmt.Sprintf(service, "x", "192.0.2.1")+fmt.Sprintf(service, "y", "192.0.2.2"))
	if n := len(c.Director.Checks); n != 2 {
		t.Errorf("%d probes of 2 servers: %v", n, slices.Collect(maps.Keys(c.Director.Checks)))
	}
}

func TestWarnings(t *testing.T) {
	service := "[[service]]\nname = \"s\"\nvips = [\"192.0.2.1\"]\nports = [80]\n"
	for name, test := range map[string]struct{ text, want string }{
		"no checks":       {service + `servers = ["10.0.0.1"]`, `1: service[0].checks: is empty: servers are taken to be always up`},
		"empty checks":    {service + "checks = []\nservers = [\"10.0.0.1\"]", `5: service[0].checks: is empty: servers are taken to be always up`},
		"unused check":    {`check.a.type = "tcp"`, `1: check.a: nothing uses this check`},
		"slow try":        {"[check.a]\ntype = \"tcp\"\ninterval = \"1s\"", `1: check.a.timeout: 2s is longer than interval, which is 1s`},
		"quorum too high": {service + "quorum = 3\nservers = [{ address = \"10.0.0.1\", weight = 2 }]", `5: service[0].quorum: 3 is more than all weights together, which are 2`},
		"hysteresis":      {service + "quorum = 2\nhysteresis = 1\nservers = [{ address = \"10.0.0.1\", weight = 2 }]", `6: service[0].hysteresis: quorum and hysteresis are more than all weights together, which are 2`},
		"scheduler":       {service + "scheduler = \"wlcc\"\nservers = [\"10.0.0.1\"]", `5: service[0].scheduler: lvsd does not know "wlcc"; the kernel must have it (did you mean "wlc"?)`},
		"no servers":      {service + "servers = []", `5: service[0].servers: is empty`},
		"unknown group":   {"[control]\nread = [\n\"@nosuchgroup\"]", `3: control.read[0]: "@nosuchgroup" is not in /etc/group`},
		"unknown user":    {"[control]\nadmin = [\"nosuchuser\"]", `2: control.admin[0]: "nosuchuser" is not in /etc/passwd`},
		"port not heeded": {"[[service]]\nname = \"s\"\nfwmark = 1\npersistent = \"5m\"\nforward = \"nat\"\nservers = [\n\"10.0.0.1:80\"]", `7: service[0].servers[0]: port 80 is not heeded`},
		"nobody holds":    {service + "servers = []" + bareRouter, `3: service[0].vips[0]: no [[vrrp]] has 192.0.2.1: it stays on whichever host has it now`},
		"nobody serves":   {service + "servers = []" + bareRouter, `10: vrrp[0].vips[0]: no service has 192.0.2.10: it moves, and nothing is balanced there`},
		"not in sync":     {service + "servers = [\"10.0.0.1\"]" + bareRouter, `6: vrrp[0].sync_connections: is false everywhere: open connections of dr and nat services break`},
		"no interface":    {strings.ReplaceAll(bareRouter, `"lo"`, `"nosuch0"`), `4: vrrp[0].interface: this host has no interface nosuch0 now`},
		"no tracked link": {bareRouter + `track = [{ interface = "nosuch0" }]`, `7: vrrp[0].track[0].interface: this host has no interface nosuch0 now`},
		"no link of VIP":  {bareRouter[:strings.Index(bareRouter, "vips")] + `vips = [{ address = "192.0.2.1", interface = "nosuch0" }]`, `6: vrrp[0].vips[0].interface: this host has no interface nosuch0 now`},
		"subnet":          {strings.ReplaceAll(bareRouter, ".10", ".10/24"), `6: vrrp[0].vips[0]: /24 brings its subnet with it and may vanish with another address of it: /32 is meant`},
		"few adverts":     {bareRouter + `advertise = "200ms"`, `2: vrrp[0].down_adverts: 3 adverts of 200ms are lost together now and then: 5 are advised`},
		"real time":       {bareRouter + "down_adverts = 5\nadvertise = \"90ms\"", `8: vrrp[0].advertise: 90ms needs real time`},
		"two holders":     {bareRouter + `advertise = "500ms"`, `2: vrrp[0].lease: if this process dies, a peer takes over before the kernel has dropped its VIPs: both may hold them for up to 1s`},
		"long lease":      {bareRouter + `lease = "3s"`, `7: vrrp[0].lease: 3s is longer than 2s, which "auto" is`},
		"no such subject": {"[notifier.a]\ntype = \"script\"\ncommand = [\"/bin/true\"]\nsubjects = [\"vrrp:VI_2\"]" + bareRouter, `4: notifier.a.subjects[0]: "vrrp:VI_2" is nothing in this configuration (did you mean "vrrp:VI_1"?)`},
		"nothing to tell": {"[notifier.a]\ntype = \"script\"\ncommand = [\"/bin/true\"]\nsubjects = [\"server:*\"]", `4: notifier.a.subjects[0]: "server:*" is nothing in this configuration`},
	} {
		t.Run(name, func(t *testing.T) {
			c := parse(t, test.text)
			if !slices.ContainsFunc(c.Warnings, func(w string) bool { return strings.HasPrefix(w, "lvsd.toml:"+test.want) }) {
				t.Errorf("%s is not in:\n%s", test.want, strings.Join(c.Warnings, "\n"))
			}
		})
	}
}

// What is as it should be is not warned of, and what holds for all is said once.
func TestQuietPairs(t *testing.T) {
	const served = "[[service]]\nname = \"s\"\nvips = [\"192.0.2.10\"]\nports = [80]\nchecks = [\"a\"]\nforward = \"tunnel\"\nservers = [\"10.0.0.1\"]\n[check.a]\ntype = \"tcp\"\n"
	marked := strings.ReplaceAll(served, "vips = [\"192.0.2.10\"]\nports = [80]", "fwmark = 1") + "port = 80\n"
	other := strings.NewReplacer("VI_1", "VI_2", "66", "67", ".10", ".11").Replace(bareRouter)
	fast := other + "advertise = \"500ms\"\n"
	for name, test := range map[string]struct {
		text string
		want int
	}{
		"routers alone":      {bareRouter, 0},
		"served":             {served + bareRouter, 0},
		"marked":             {marked + bareRouter, 0},
		"in sync":            {strings.ReplaceAll(served, "tunnel", "nat") + bareRouter + "sync_connections = true", 0},
		"two fast ones":      {bareRouter + "advertise = \"500ms\"\n" + fast, 1},
		"one missing link":   {strings.ReplaceAll(bareRouter, "\"lo\"", "\"nosuch0\"") + "track = [{ interface = \"nosuch0\" }]", 1},
		"marked beside it":   {marked + strings.NewReplacer("\"s\"", "\"m\"", "[check.a]\ntype = \"tcp\"\n", "").Replace(served) + bareRouter + other, 0},
		"five fast adverts":  {bareRouter + "advertise = \"200ms\"\ndown_adverts = 5\nlease = \"off\"", 0},
		"no lease, no bound": {bareRouter + "advertise = \"500ms\"\nlease = \"off\"", 0},
		"an owner":           {bareRouter + "priority = 255\nadvertise = \"500ms\"", 0},
	} {
		if c := parse(t, test.text); len(c.Warnings) != test.want {
			t.Errorf("%s: %d warnings, want %d:\n%s", name, len(c.Warnings), test.want, strings.Join(c.Warnings, "\n"))
		}
	}
}

// Whom this host knows, and any number, needs no warning.
func TestKnownPeople(t *testing.T) {
	c := parse(t, "control = { read = [\"@root\", \"@4294967294\", \"root\"], admin = [\"4294967294\"] }")
	for _, w := range c.Warnings {
		if strings.Contains(w, "control") {
			t.Error(w)
		}
	}
}

// Root may run scripts as anybody, the daemon of lvsd.service only with the drop-in; another who may not gets an error.
func TestScriptUserUnderTheUnit(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	const script = "[check.a]\ntype = \"script\"\ncommand = [\"/bin/true\"]\n"
	warning := "lvsd.toml:4: check.a.user: under lvsd.service, running as " + me.Username + " needs the systemd drop-in lvsd-scripts-as-other-users.conf"
	asRoot := os.Geteuid() == 0
	if got := slices.Contains(parse(t, fmt.Sprintf("%suser = %q\n", script, me.Username)).Warnings, warning); got != asRoot {
		t.Errorf("warned: %v, as root: %v", got, asRoot)
	}
	for _, w := range parse(t, script).Warnings {
		if strings.Contains(w, "drop-in") {
			t.Error(w)
		}
	}
}

func TestChecksCanBeFilled(t *testing.T) {
	for _, kind := range checks.Kinds() {
		c, _ := checks.New(kind)
		before := fmt.Sprintf("%+v", c)
		bind(&value{}, c)
		if after := fmt.Sprintf("%+v", c); after != before {
			t.Errorf("%s: an empty table changes the defaults from %s to %s", kind, before, after)
		}
	}
}
