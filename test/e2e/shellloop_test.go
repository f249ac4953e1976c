package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/test/lab"
)

// shellLoop is the job of the shell loops that lvsd replaces: two VIPs, two ports, four real servers, one look at
// /alive_test.jsp every 5 s. (The files of the director come before it.)
const shellLoop = `
[check.alive]
type     = "http"
port     = 80
host     = "www.xxx.cn"
path     = "/alive_test.jsp"
interval = "5s"
timeout  = "2s"

[[service]]
name      = "news"
vips      = ["198.51.100.10", "198.51.100.20"]
ports     = [80, 443]
scheduler = "wlc"
forward   = "dr"
weight    = 80
checks    = ["alive"]
servers   = ["198.51.100.103", "198.51.100.104", "198.51.100.105", "198.51.100.106"]
`

var news = []string{"198.51.100.10:80", "198.51.100.10:443", "198.51.100.20:80", "198.51.100.20:443"}

func TestShellLoop(t *testing.T) {
	if lines := strings.Count(shellLoop, "\n"); lines > 25 {
		t.Errorf("%d lines of TOML", lines)
	}
	site := lab.OneBridge(t, lab.Size{Servers: 4})
	var web []*lab.WebServer
	for _, h := range site.Servers {
		web = append(web, h.Web(lab.WebConfig{Ports: []uint16{80, 443}}))
	}
	d := newDirector(t, site.Directors[0], shellLoop)
	d.host.Run("ipvsadm", "-A", "-u", "192.0.2.99:53", "-s", "rr") // somebody else's
	began := time.Now()
	d.start()
	d.ready()
	all := "103 104 105 106"
	d.expect(5*time.Second, all, news...)
	asker := site.Client.Ask(lab.Asking{URL: "http://198.51.100.10/", Timeout: time.Second})

	web[0].Set(lab.Status(503))
	web[1].Set(lab.Hang)
	web[2].Set(lab.Drip)
	d.expect(20*time.Second, "106", news...) // fall x interval + timeout is 12 s
	together(t, d, "198.51.100.103:80", "in", "out")
	for server, word := range map[string]string{"103": "status 503", "104": "no answer within 2s", "105": "no answer within 2s"} {
		e := d.recorded("verdict of "+server, func(e audit.Entry) bool {
			return e.Event == audit.EventCheck && strings.HasPrefix(e.Server, "198.51.100."+server) && e.To == "down"
		})
		if !strings.Contains(e.Reason, word) {
			t.Errorf("%s is down because of %q, want %q", server, e.Reason, word)
		}
	}
	why, _ := d.lvsd("why", "198.51.100.105")
	for _, word := range []string{"alive", "no answer within 2s", "fall"} {
		if !strings.Contains(why, word) {
			t.Errorf("why does not say %q:\n%s", word, why)
		}
	}
	for _, w := range web[:3] {
		w.Set(lab.OK)
	}
	d.expect(20*time.Second, all, news...)
	together(t, d, "198.51.100.104:80", "out", "in")

	intervals := int(time.Since(began)/(5*time.Second)) + 1
	for i, w := range web {
		probes := w.Asked("/alive_test.jsp", "www.xxx.cn")
		if len(probes) > intervals || len(probes) < intervals-2 {
			t.Errorf("server %d was asked %d times in %v, want once in 5 s", i, len(probes), time.Since(began).Round(time.Second))
		}
	}
	if tally := asker.Stop(); tally.OK == 0 {
		t.Errorf("the client got no answer: %v", tally)
	}
	if got := d.servers("192.0.2.99:53"); got != "" {
		t.Errorf("somebody else's service has servers %q; want it there and empty", got)
	}
}

// together checks that a server's move is one moment for all four virtual services.
func together(t *testing.T, d *director, server, from, to string) {
	t.Helper()
	var first, last time.Time
	n := 0
	for _, e := range d.record() {
		if e.Event != audit.EventServer || !strings.HasPrefix(e.Server, server[:strings.Index(server, ":")]) || e.From != from || e.To != to {
			continue
		}
		if n++; first.IsZero() || n%4 == 1 {
			first = e.Time
		}
		last = e.Time
	}
	if n == 0 || n%4 != 0 || last.Sub(first) > 100*time.Millisecond {
		t.Errorf("%s went from %s to %s in %d services within %v, want 4 together", server, from, to, n, last.Sub(first))
	}
}
