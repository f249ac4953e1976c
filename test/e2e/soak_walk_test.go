//go:build soak

package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/test/lab"
)

// walk is a random sequence of configurations and of what servers do.
type walk struct {
	r     *rand.Rand
	d     *director
	web   []*lab.WebServer
	addrs []string
	good  []bool
}

// entry is one service of a configuration.
type entry struct {
	name, vip, scheduler string
	ports                []int
	servers              map[int]int // weight by server
	sorry                int         // a server, -1 for none
}

// TestSoakWalk: after each of 300 reloads of random configurations over servers in random states, the kernel's table is
// what this test itself makes of both, plan has nothing to add, and a stranger's service is there.
func TestSoakWalk(t *testing.T) {
	const seed, steps = 42, 300
	t.Logf("seed %d", seed)
	site := lab.OneBridge(t, lab.Size{Servers: 8})
	x := &walk{r: rand.New(rand.NewPCG(seed, 0))}
	for _, h := range site.Servers {
		x.web, x.addrs, x.good = append(x.web, h.Web(lab.WebConfig{})), append(x.addrs, h.Address().String()), append(x.good, true)
	}
	x.d = newDirector(t, site.Directors[0], pair)
	x.d.start()
	x.d.ready()
	for i := range steps {
		services := x.services()
		x.d.configure(x.toml(services))
		x.turn()
		x.d.mustLvsd("reload")
		want := append(x.table(services), stranger...)
		slices.Sort(want)
		lab.Eventually(t, 20*time.Second, func() error {
			have := strings.Split(x.d.host.Table(), "\n")
			for i := range have {
				have[i] = strings.TrimSpace(have[i])
			}
			slices.Sort(have)
			if !slices.Equal(have, want) {
				return fmt.Errorf("step %d: the kernel has\n%s\nwant\n%s", i, strings.Join(have, "\n"), strings.Join(want, "\n"))
			}
			return nil
		})
		lab.Eventually(t, 5*time.Second, func() error { _, err := x.d.lvsd("plan"); return err })
		x.d.checkStranger()
	}
}

// services makes up to four services on VIPs and ports of their own.
func (x *walk) services() (list []entry) {
	for i := range 1 + x.r.IntN(4) {
		e := entry{
			name: fmt.Sprintf("s%d", i), vip: []string{"198.51.100.10", "198.51.100.20"}[x.r.IntN(2)], sorry: -1,
			scheduler: []string{"rr", "wrr", "wlc", "sh"}[x.r.IntN(4)], servers: map[int]int{},
		}
		for p := range 1 + x.r.IntN(3) {
			e.ports = append(e.ports, 1000*(i+1)+p)
		}
		order := x.r.Perm(len(x.addrs))
		for _, s := range order[:1+x.r.IntN(5)] {
			e.servers[s] = 1 + x.r.IntN(100)
		}
		if x.r.IntN(3) == 0 {
			e.sorry = order[7]
		}
		list = append(list, e)
	}
	return list
}

func (x *walk) toml(services []entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[check.alive]\ntype = \"http\"\nport = 80\ninterval = \"%dms\"\ntimeout = \"2s\"\n", 100+50*x.r.IntN(4))
	for _, e := range services {
		fmt.Fprintf(&b, "[[service]]\nname = %q\nvips = [%q]\nports = [%s]\nscheduler = %q\nchecks = [\"alive\"]\n", e.name, e.vip,
			strings.Trim(strings.Join(strings.Fields(fmt.Sprint(e.ports)), ","), "[]"), e.scheduler)
		if e.sorry >= 0 {
			fmt.Fprintf(&b, "sorry = [%q]\n", x.addrs[e.sorry])
		}
		b.WriteString("servers = [")
		for s, a := range x.addrs {
			if w := e.servers[s]; w > 0 {
				fmt.Fprintf(&b, "{ address = %q, weight = %d },", a, w)
			}
		}
		b.WriteString("]\n")
	}
	return b.String()
}

// turn changes the state of some servers.
func (x *walk) turn() {
	for i := range x.web {
		if x.r.IntN(3) > 0 {
			continue
		}
		if x.good[i] = x.r.IntN(2) == 0; x.good[i] {
			x.web[i].Set(lab.OK)
		} else {
			x.web[i].Set([]lab.Mode{lab.Status(503), lab.Refuse, lab.Reset}[x.r.IntN(3)])
		}
	}
}

// table is what the kernel shall hold once lvsd has seen all servers, as ipvsadm -Sn prints it.
func (x *walk) table(services []entry) (lines []string) {
	for _, e := range services {
		for _, port := range e.ports {
			v := fmt.Sprintf("-t %s:%d", e.vip, port)
			lines = append(lines, fmt.Sprintf("-A %s -s %s", v, e.scheduler))
			up := 0
			for s, w := range e.servers {
				if x.good[s] {
					up++
					lines = append(lines, fmt.Sprintf("-a %s -r %s:%d -g -w %d", v, x.addrs[s], port, w))
				}
			}
			if up == 0 && e.sorry >= 0 && x.good[e.sorry] {
				lines = append(lines, fmt.Sprintf("-a %s -r %s:%d -g -w 1", v, x.addrs[e.sorry], port))
			}
		}
	}
	return lines
}
