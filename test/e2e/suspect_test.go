package e2e

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/test/lab"
)

const suspecting = `
[check.alive]
type     = "http"
port     = 80
interval = "200ms"
timeout  = "700ms"

[suspect]
hold = "%s"

[[service]]
name    = "web"
vips    = ["198.51.100.10"]
ports   = [80]
checks  = ["alive"]
servers = ["198.51.100.103", "198.51.100.104", "198.51.100.105"]
sorry   = ["198.51.100.109"]

[[service]]
name    = "mail"
vips    = ["198.51.100.20"]
ports   = [25]
checks  = ["alive"]
servers = ["198.51.100.106", "198.51.100.107", "198.51.100.108"]
`

// A director that sees everybody fall silent at once asks its gateway before it believes that.
func TestSuspicion(t *testing.T) {
	site := lab.OneBridge(t, lab.Size{Servers: 7})
	var web []*lab.WebServer
	for _, h := range site.Servers {
		web = append(web, h.Web(lab.WebConfig{}))
	}
	gateway := netip.MustParsePrefix("198.51.100.254/24")
	site.Net.Host("gateway").Join(site.Outside, gateway)
	d := newDirector(t, site.Directors[0], fmt.Sprintf(suspecting, "60s"))
	d.host.Gateway(gateway.Addr())
	d.start()
	d.ready()
	d.allIn()
	for _, c := range []struct {
		name  string
		shows func(*testing.T, *director, []*lab.WebServer)
	}{{"cable", showCable}, {"deployment", showDeployment}, {"half die", showHalfDie}, {"hold", showHold}} {
		d.run(c.name, func(t *testing.T) {
			c.shows(t, d, web)
			d.allIn()
		})
	}
}

func (d *director) allIn() {
	d.t.Helper()
	d.expect(10*time.Second, "103 104 105", vip)
	d.expect(10*time.Second, "106 107 108", "198.51.100.20:25")
}

// out counts the servers that were taken out, by the record from an entry on.
func (d *director) out(from int) int {
	d.t.Helper()
	return len(slices.DeleteFunc(d.written(from), func(c string) bool { return !strings.HasPrefix(c, "-d ") }))
}

// suspects waits until status says that the director suspects itself, or no longer does.
func (d *director) suspects(want bool) {
	d.t.Helper()
	lab.Eventually(d.t, 10*time.Second, func() error {
		if s := d.mustStatus().Suspect; s.Suspected != want {
			return fmt.Errorf("suspect: %+v", s)
		}
		return nil
	})
}

// The director's own cable: nothing is taken out, as long as it is pulled.
func showCable(t *testing.T, d *director, _ []*lab.WebServer) {
	from := len(d.record())
	d.host.Port(0).Unplug()
	d.suspects(true)
	for _, server := range []string{"198.51.100.103:80", "198.51.100.104:80", "198.51.100.105:80"} {
		d.verdict(server, "down")
	}
	d.allIn()
	out, _ := d.lvsd("status")
	for _, words := range []string{"suspects itself", "held: the director suspects itself", "fell silent"} {
		if !strings.Contains(out, words) {
			t.Errorf("status does not say %q:\n%s", words, out)
		}
	}
	d.recorded("suspicion", func(e audit.Entry) bool {
		return e.Event == audit.EventSuspect && strings.Contains(e.Reason, "fell silent")
	})
	d.host.Port(0).Plug()
	d.suspects(false)
	d.verdict("198.51.100.105:80", "up")
	d.allIn()
	if n := d.out(from); n > 0 {
		t.Errorf("%d servers were taken out", n)
	}
	ends := 0
	for _, e := range d.record()[from:] {
		if e.Event == audit.EventSuspect {
			ends++
		}
	}
	if ends != 2 {
		t.Errorf("the record tells %d times of suspicion, want its begin and its end", ends)
	}
}

// A wrong answer proves the path: servers that all answer 503 go, and sorry comes.
func showDeployment(t *testing.T, d *director, web []*lab.WebServer) {
	from := len(d.record())
	for _, w := range web[:6] {
		w.Set(lab.Status(503))
	}
	d.expect(5*time.Second, "109", vip)
	d.expect(5*time.Second, "", "198.51.100.20:25")
	for _, e := range d.record()[from:] { // not even the gateway is asked
		if e.Event == audit.EventSuspect {
			t.Errorf("recorded: %+v", e)
		}
	}
	for _, w := range web[:6] {
		w.Set(lab.OK)
	}
}

// Most of the servers hang, and the gateway answers: it is they.
func showHalfDie(t *testing.T, d *director, web []*lab.WebServer) {
	from := len(d.record())
	for _, i := range []int{0, 1, 3, 4} {
		web[i].Set(lab.Hang)
	}
	d.expect(6*time.Second, "105", vip)
	d.expect(2*time.Second, "108", "198.51.100.20:25")
	d.unsuspected(from)
	for _, w := range web[:6] {
		w.Set(lab.OK)
	}
}

// unsuspected checks that the director did not suspect itself; that it asked its gateway may be recorded.
func (d *director) unsuspected(from int) {
	d.t.Helper()
	for _, e := range d.record()[from:] {
		if e.Event == audit.EventSuspect && (e.From == "suspects itself" || e.To == "suspects itself") {
			d.t.Errorf("recorded: %+v", e)
		}
	}
}

// Suspicion does not hold for ever.
func showHold(t *testing.T, d *director, _ []*lab.WebServer) {
	d.configure(fmt.Sprintf(suspecting, "3s"))
	d.mustLvsd("reload")
	from := len(d.record())
	d.host.Port(0).Unplug()
	d.suspects(true)
	since := d.mustStatus().Suspect.Since
	d.expect(10*time.Second, "", vip)
	d.expect(2*time.Second, "", "198.51.100.20:25")
	for _, e := range d.record()[from:] {
		if e.Event == audit.EventTable && strings.HasPrefix(e.Command, "-d ") && e.Time.Sub(since) < 3*time.Second {
			t.Errorf("taken out %v after suspicion began: %+v", e.Time.Sub(since), e)
		}
	}
	d.host.Port(0).Plug()
}
