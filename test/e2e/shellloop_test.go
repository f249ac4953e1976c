package e2e

import (
	"encoding/json"
	"fmt"
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
	tried := map[string]int{}
	for _, c := range d.mustStatus().Checks {
		tried[c.Addr.Addr().String()] += int(c.Count)
	}
	for i, w := range web {
		address := site.Servers[i].Address().String()
		if n := tried[address]; n > intervals || n < intervals-2 {
			t.Errorf("%s was tried %d times in %v, want once in 5 s", address, n, time.Since(began).Round(time.Second))
		}
		// The one that hung read no request meanwhile; the last may be under way.
		if n := len(w.Asked("/alive_test.jsp", "www.xxx.cn")); n > tried[address]+1 || i != 1 && n < tried[address] {
			t.Errorf("%s got %d requests for %d tries", address, n, tried[address])
		}
	}
	// Three of four answers were bad from the failures until the servers were out: at most 12 s of 50 requests each.
	if tally := asker.Stop(); tally.OK == 0 || tally.Failed() > 12*50 {
		t.Errorf("the client: %v", tally)
	}
	audited(t, d)
}

// audited checks that `lvsd audit` tells each move of a server, with each write to the kernel, and why.
func audited(t *testing.T, d *director) {
	t.Helper()
	out := d.mustLvsd("audit", "--since", "5m", "--json")
	told := map[string]int{}
	for line := range strings.Lines(out) {
		var e audit.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("audit printed %q: %v", line, err)
		}
		if e.Server == "" || e.Event != audit.EventTable && e.Event != audit.EventServer {
			continue
		}
		if e.Reason == "" {
			t.Errorf("no reason: %s", line)
		}
		if words := strings.Fields(e.Command); len(words) > 0 {
			e.To = words[0]
		}
		told[e.Event+" "+e.Server[:strings.Index(e.Server, ":")]+" "+e.To]++
	}
	for _, server := range []string{"198.51.100.103", "198.51.100.104", "198.51.100.105"} {
		for what, want := range map[string]int{"server %s in": 8, "server %s out": 4, "table %s -a": 8, "table %s -d": 4} {
			if got := told[fmt.Sprintf(what, server)]; got != want {
				t.Errorf("audit tells %q %d times, want %d", fmt.Sprintf(what, server), got, want)
			}
		}
	}
	text := d.mustLvsd("audit", "--since", "5m", "--server", "198.51.100.103")
	for _, word := range []string{"-d -t 198.51.100.20:443 -r 198.51.100.103:443", "status 503"} {
		if !strings.Contains(text, word) {
			t.Errorf("audit does not say %q:\n%s", word, text)
		}
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
