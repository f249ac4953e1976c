package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/test/lab"
)

const vip = "198.51.100.10:80"

// ruled is one service, with further keys of its check, and rules and servers of its own.
const ruled = `
[check.alive]
type     = "http"
path     = "/alive"
interval = "200ms"
timeout  = "1s"

[check.extra]
type     = "http"
path     = "/extra"
port     = 8080
interval = "200ms"
timeout  = "1s"

[[service]]
name    = "web"
vips    = ["198.51.100.10"]
ports   = [80]
checks  = ["alive"]
%s
`

// rules are those of SAFETY.md and of the manual, each on a service of its own.
var rules = []struct {
	name, keys string
	shows      func(*testing.T, *lab.Site, *director, []*lab.WebServer)
}{
	{"sorry", `
servers = ["198.51.100.103", "198.51.100.104"]
sorry   = ["198.51.100.105", "198.51.100.106"]`, showSorry},
	{"quorum", `
quorum     = 5
hysteresis = 3
servers    = [{ address = "198.51.100.103", weight = 2 }, { address = "198.51.100.104", weight = 3 }, { address = "198.51.100.105", weight = 4 }]
sorry      = ["198.51.100.106"]`, showQuorum},
	{"min_up", `
min_up  = "50%"
servers = ["198.51.100.103", "198.51.100.104", "198.51.100.105", "198.51.100.106"]`, showMinUp},
	{"quiesce", `
on_down = "quiesce"
servers = ["198.51.100.103", "198.51.100.104"]`, showQuiesce},
	{"extra checks", `
servers = ["198.51.100.103", { address = "198.51.100.104", extra_checks = ["extra"] }]`, showExtraChecks},
	{"slow start", `
slow_start = "6s"
weight     = 60
servers    = ["198.51.100.103", "198.51.100.104"]`, showSlowStart},
}

func TestRules(t *testing.T) {
	site := lab.OneBridge(t, lab.Size{Servers: 4})
	var web []*lab.WebServer
	for _, h := range site.Servers {
		web = append(web, h.Web(lab.WebConfig{}))
	}
	d := newDirector(t, site.Directors[0], "")
	for _, rule := range rules {
		d.run(rule.name, func(t *testing.T) {
			for _, w := range web {
				w.Set(lab.OK)
			}
			d.configure(fmt.Sprintf(ruled, rule.keys))
			t.Cleanup(d.forget)
			d.start()
			d.ready()
			rule.shows(t, site, d, web)
			d.agree()
			d.stop()
		})
	}
}

// The last server's place is taken before it leaves: a client that asks all the time sees the failing server's own
// errors until it is found out, and none after.
func showSorry(t *testing.T, site *lab.Site, d *director, web []*lab.WebServer) {
	web[3].Set(lab.Status(503)) // sorry servers are checked too
	d.expect(10*time.Second, "103 104", vip)
	web[0].Set(lab.Status(503))
	d.expect(10*time.Second, "104", vip)
	asker := site.Client.Ask(lab.Asking{URL: "http://" + vip + "/"})
	web[1].Set(lab.Status(503))
	d.expect(10*time.Second, "105", vip)
	before := asker.Tally()
	web[0].Set(lab.OK)
	d.expect(10*time.Second, "103", vip)
	after := asker.Stop()
	if len(before.Errors) != 1 || before.Errors["status 503"] == 0 || after.Failed() > before.Failed()+1 || after.By["rs3"] == 0 {
		t.Errorf("the client: %v, then %v", before, after)
	}
	var order []string
	for _, e := range d.record() {
		if e.Event == audit.EventTable && len(e.Command) > 2 && e.Server != "" {
			order = append(order, e.Command[:2]+strings.TrimSuffix(strings.TrimPrefix(e.Server, "198.51.100."), ":80"))
		}
	}
	if len(order) < 7 || !slices.Equal(order[2:], []string{"-d103", "-a105", "-d104", "-a103", "-d105"}) {
		t.Errorf("the table was written in the order %q", order)
	}
}

// Weight 9 of 9; quorum 5, and 8 to come back.
func showQuorum(t *testing.T, _ *lab.Site, d *director, web []*lab.WebServer) {
	d.expect(10*time.Second, "103 104 105", vip)
	if rows := d.host.Ipvsadm(); !strings.Contains(rows, "105:80            Route   4 ") {
		t.Errorf("weights:\n%s", rows)
	}
	web[2].Set(lab.Status(503))
	d.expect(10*time.Second, "103 104", vip) // 5
	web[0].Set(lab.Status(503))
	d.expect(10*time.Second, "106", vip) // 3
	d.recorded("loss of quorum", func(e audit.Entry) bool {
		return e.Event == audit.EventService && e.To == "down" && strings.Contains(e.Reason, "weight 3 in service, quorum 5")
	})
	if s := d.mustStatus().Services[0]; s.State != "down" || !s.Sorry {
		t.Errorf("status says %s, sorry %t", s.State, s.Sorry)
	}
	web[0].Set(lab.OK)
	d.verdict("198.51.100.103:80", "up")
	d.expect(2*time.Second, "106", vip) // 5 is not 8
	web[2].Set(lab.OK)
	d.expect(10*time.Second, "103 104 105", vip)
}

func showMinUp(t *testing.T, _ *lab.Site, d *director, web []*lab.WebServer) {
	d.expect(10*time.Second, "103 104 105 106", vip)
	web[0].Set(lab.Status(503))
	d.expect(10*time.Second, "104 105 106", vip)
	web[1].Set(lab.Status(503))
	d.expect(10*time.Second, "105 106", vip)
	web[2].Set(lab.Status(503))
	d.verdict("198.51.100.105:80", "down")
	d.expect(2*time.Second, "105 106", vip)
	if out, _ := d.lvsd("status"); !strings.Contains(out, "held by min_up") {
		t.Errorf("status does not say what holds it:\n%s", out)
	}
	web[0].Set(lab.OK)
	d.expect(10*time.Second, "103 106", vip)
}

// A quiesced server keeps the connections that it has and gets no new ones.
func showQuiesce(t *testing.T, site *lab.Site, d *director, web []*lab.WebServer) {
	d.expect(10*time.Second, "103 104", vip)
	first := site.Client.Hold(lab.Asking{URL: "http://" + vip + "/"})
	second := site.Client.Hold(lab.Asking{URL: "http://" + vip + "/"})
	on, err := first.Ask()
	if err != nil {
		t.Fatal(err)
	}
	if on != "rs1" {
		first = second
	}
	web[0].Set(lab.Status(404))
	d.expect(10*time.Second, "(103) 104", vip)
	if _, err := first.Ask(); err == nil || err.Error() != "status 404" {
		t.Errorf("on the open connection: %v, want rs1's own status 404", err)
	}
	for range 4 {
		if by, err := site.Client.Get(t.Context(), lab.Asking{URL: "http://" + vip + "/"}); err != nil || by != "rs2" {
			t.Errorf("a new connection is answered by %q: %v", by, err)
		}
	}
	web[0].Set(lab.OK)
	d.expect(10*time.Second, "103 104", vip)
}

// All checks of a server must pass.
func showExtraChecks(t *testing.T, site *lab.Site, d *director, _ []*lab.WebServer) {
	d.verdict("198.51.100.104:80", "down") // nothing listens on its port 8080
	d.expect(2*time.Second, "103", vip)
	extra := site.Servers[1].Web(lab.WebConfig{Ports: []uint16{8080}})
	d.expect(10*time.Second, "103 104", vip)
	extra.Set(lab.Status(500))
	d.expect(10*time.Second, "103", vip)
	why, _ := d.lvsd("why", "198.51.100.104")
	if !strings.Contains(why, "extra: status 500") {
		t.Errorf("why does not name the check:\n%s", why)
	}
}

// The weight of a server that comes up rises step by step; at start it does not.
func showSlowStart(t *testing.T, _ *lab.Site, d *director, web []*lab.WebServer) {
	d.expect(10*time.Second, "103 104", vip)
	if got := d.weights("198.51.100.103"); !slices.Equal(got, []string{"60"}) {
		t.Errorf("at start the weights were %q", got)
	}
	web[0].Set(lab.Status(503))
	d.expect(10*time.Second, "104", vip)
	web[0].Set(lab.OK)
	d.expect(10*time.Second, "103 104", vip)
	if out, _ := d.lvsd("status"); !strings.Contains(out, "rising") {
		t.Errorf("status does not say that it rises:\n%s", out)
	}
	lab.Eventually(t, 10*time.Second, func() error {
		if got := d.weights("198.51.100.103"); !slices.Equal(got, []string{"60", "1", "10", "20", "30", "40", "50", "60"}) {
			return fmt.Errorf("the weights were %q", got)
		}
		return nil
	})
}

// weights are all that the record tells of a server's weights in the table.
func (d *director) weights(address string) []string {
	var list []string
	for _, e := range d.record() {
		if _, w, found := strings.Cut(e.To, "-w "); found && e.Event == audit.EventTable && strings.HasPrefix(e.Server, address) {
			list = append(list, w)
		}
	}
	return list
}

// verdict waits until a server of the first service has a verdict.
func (d *director) verdict(server, want string) {
	d.t.Helper()
	lab.Eventually(d.t, 10*time.Second, func() error {
		for _, s := range d.mustStatus().Services[0].Servers {
			if s.Addr.String() == server && s.Verdict != want {
				return fmt.Errorf("%s is %s", server, s.Verdict)
			}
		}
		return nil
	})
}

// forget ends lvsd, if it still runs, and takes away what it leaves: its service, its state and its record.
func (d *director) forget() {
	d.t.Helper()
	if d.proc != nil {
		d.proc.Kill()
	}
	_, _ = d.host.Try("ipvsadm", "-D", "-t", vip) // it may not have come that far
	for _, name := range []string{"state", "audit.log"} {
		if err := os.RemoveAll(d.file(name)); err != nil {
			d.t.Error(err)
		}
	}
}
