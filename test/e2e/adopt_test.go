package e2e

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/test/lab"
)

const adopting = `
[check.alive]
type     = "http"
port     = 80
path     = "/alive"
interval = "1s"
timeout  = "4s"
fall     = 3

[[service]]
name    = "web"
vips    = ["198.51.100.10"]
ports   = [80]
checks  = ["alive"]
servers = ["198.51.100.103", "198.51.100.104"]
`

const another = `
[[service]]
name    = "more"
vips    = ["198.51.100.20"]
ports   = [80]
checks  = ["alive"]
servers = ["198.51.100.103", "198.51.100.104"]
`

// What a director finds in the table at its start serves on until it knows better.
func TestAdoption(t *testing.T) {
	site := lab.OneBridge(t, lab.Size{Servers: 2})
	var web []*lab.WebServer
	for _, h := range site.Servers {
		web = append(web, h.Web(lab.WebConfig{}))
	}
	d := newDirector(t, site.Directors[0], adopting)
	for _, line := range []string{"-A -t " + vip + " -s rr", "-a -t " + vip + " -r 198.51.100.103 -g -w 50", "-a -t " + vip + " -r 198.51.100.104 -g -w 50"} {
		d.host.Run("ipvsadm", strings.Fields(line)...)
	}
	asker := site.Client.Ask(lab.Asking{URL: "http://" + vip + "/"})
	web[1].Set(lab.Hang)
	d.start()
	lab.Eventually(t, 3*time.Second, func() error { // one is known to be well, the other nothing is known of
		if got := d.host.Ipvsadm(); !strings.Contains(got, "103:80            Route   1 ") || !strings.Contains(got, "104:80            Route   50 ") {
			return errors.New(got)
		}
		return nil
	})
	if out, _ := d.lvsd("status"); !strings.Contains(out, "held until its first verdict") {
		t.Errorf("status does not say why it is in:\n%s", out)
	}
	d.agree()
	d.ready()
	d.expect(10*time.Second, "103", vip) // the first verdict needs one try
	web[1].Set(lab.OK)
	d.expect(10*time.Second, "103 104", vip)
	if tally := asker.Stop(); tally.Failed() != tally.Errors["timeout"] {
		t.Errorf("the client: %v, want no error but of the server that hung", tally)
	}
	d.run("restart", func(t *testing.T) { restartUnderLoad(t, site, d) })
	d.run("dropped service", func(t *testing.T) { dropBetweenRuns(t, d) })
}

// A client that asks all the time over restarts has no error, and no connection less.
func restartUnderLoad(t *testing.T, site *lab.Site, d *director) {
	asker := site.Client.Ask(lab.Asking{URL: "http://" + vip + "/"})
	for range 3 {
		recorded := len(d.record())
		d.stop()
		d.start()
		d.ready()
		d.expect(time.Second, "103 104", vip)
		d.wroteNothing(recorded)
	}
	if tally := asker.Stop(); tally.Failed() > 0 || tally.OK < 20 {
		t.Errorf("the client: %v", tally)
	}
}

// A service that is no longer configured at the next start was lvsd's, and goes; one that never was stays.
func dropBetweenRuns(t *testing.T, d *director) {
	d.configure(adopting + another)
	d.mustLvsd("reload")
	d.expect(10*time.Second, "103 104", "198.51.100.20:80")
	d.stop()
	d.configure(adopting)
	recorded := len(d.record())
	d.start()
	d.ready()
	d.expect(5*time.Second, "-", "198.51.100.20:80")
	d.expect(time.Second, "103 104", vip)
	if got := d.written(recorded); !slices.Contains(got, "-D -t 198.51.100.20:80") || slices.ContainsFunc(got, func(c string) bool { return strings.Contains(c, vip) }) {
		t.Errorf("written: %q", got)
	}
	d.recorded("why", func(e audit.Entry) bool { return e.Command == "-D -t 198.51.100.20:80" && e.Actor == "start" })
}

// A stop leaves the table, unless it is asked not to; and one lvsd keeps a table at a time.
func TestLife(t *testing.T) {
	site := lab.OneBridge(t, lab.Size{Directors: 2, Servers: 2})
	for _, h := range site.Servers {
		h.Web(lab.WebConfig{})
	}
	d := newDirector(t, site.Directors[0], adopting+another)
	d.start()
	d.ready()
	d.expect(10*time.Second, "103 104", vip, "198.51.100.20:80")

	second := d.file("second.toml")
	if err := os.WriteFile(second, fmt.Appendf(nil, "state = %q\n[control]\nsocket = %q\n[audit]\nfile = %q\n%s",
		d.file("state2"), d.file("socket2"), d.file("audit2"), adopting), 0o600); err != nil {
		t.Fatal(err)
	}
	refused := d.host.Start(lab.Lvsd(t), "run", "-c", second)
	code, said := refused.Wait(10*time.Second), refused.Output()
	if code != 1 || !strings.Contains(said, "another lvsd run") || !strings.Contains(said, "this network namespace") {
		t.Errorf("a second lvsd ended with %d:\n%s", code, said)
	}
	other := newDirector(t, site.Directors[1], adopting)
	other.start()
	other.ready()
	other.expect(10*time.Second, "103 104", vip)
	other.stop()

	whole := d.host.Table()
	d.stop()
	if now := d.host.Table(); now != whole {
		t.Errorf("after the stop the table is\n%s\nand was\n%s", now, whole)
	}
	d.start("--flush-on-stop")
	d.ready()
	d.agree()
	d.stop()
	if now := d.host.Table(); now != strings.Join(stranger, "\n") {
		t.Errorf("after a stop that flushes the table is\n%s", now)
	}
}
