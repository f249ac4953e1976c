package e2e

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/test/lab"
)

const detecting = `
[check.alive]
type     = "http"
interval = "200ms"
timeout  = "500ms"

[[service]]
name    = "web"
vips    = ["198.51.100.10"]
ports   = [80]
checks  = ["alive"]
servers = ["198.51.100.103", "198.51.100.104"]
`

// A server that fails is out after fall tries, however it fails and whoever else hangs. `make bench` has the figures.
func TestDetection(t *testing.T) {
	site := lab.OneBridge(t, lab.Size{Servers: 3})
	bad := site.Servers[0].Web(lab.WebConfig{})
	site.Servers[1].Web(lab.WebConfig{})
	d := newDirector(t, site.Directors[0], detecting)
	d.start()
	d.ready()
	detects(d, bad)

	d.run("with 200 hanging", func(t *testing.T) {
		crowd := netip.MustParsePrefix("10.9.0.0/24")
		site.Servers[2].AnyIP(crowd)
		d.host.Route(crowd, site.Servers[2].Address())
		var list []string
		for a := crowd.Addr().Next(); len(list) < 200; a = a.Next() {
			site.Servers[2].Blackhole(a)
			list = append(list, fmt.Sprintf("%q", a))
		}
		d.configure(detecting + `
[check.crowd]
type     = "http"
interval = "1s"
timeout  = "900ms"

[[service]]
name    = "crowd"
vips    = ["198.51.100.20"]
ports   = [80]
checks  = ["crowd"]
servers = [` + strings.Join(list, ", ") + "]\n")
		d.mustLvsd("reload")
		lab.Eventually(t, 20*time.Second, func() error {
			for _, s := range d.mustStatus().Services {
				for _, one := range s.Servers {
					if s.Name == "crowd" && one.Verdict != "down" {
						return fmt.Errorf("%v is %s", one.Addr, one.Verdict)
					}
				}
			}
			return nil
		})
		detects(d, bad)
	})
}

// detects breaks a server in each way and checks how soon it has left the table.
func detects(d *director, bad *lab.WebServer) {
	// A try that hangs for longer than the interval keeps the next one waiting. The last is the margin.
	const most = 200*time.Millisecond + 2*500*time.Millisecond + time.Second
	for name, mode := range map[string]lab.Mode{"503": lab.Status(503), "hang": lab.Hang, "refuse": lab.Refuse} {
		d.run(name, func(t *testing.T) {
			bad.Set(lab.OK)
			d.expect(10*time.Second, "103 104", "198.51.100.10:80")
			failed := time.Now()
			bad.Set(mode)
			if mode == lab.Refuse {
				bad.HangUp()
			}
			d.expect(10*time.Second, "104", "198.51.100.10:80")
			e := d.recorded("removal", func(e audit.Entry) bool {
				return e.Event == audit.EventTable && e.Time.After(failed) && strings.HasPrefix(e.Command, "-d") &&
					strings.Contains(e.Command, "198.51.100.103")
			})
			took := e.Time.Sub(failed)
			t.Logf("out after %v", took.Round(time.Millisecond))
			if took > most {
				t.Errorf("out after %v, want at most %v", took, most)
			}
		})
	}
}
