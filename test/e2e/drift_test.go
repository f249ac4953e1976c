package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/test/lab"
)

const drifting = `
[check.alive]
type     = "http"
port     = 80
interval = "500ms"

[[service]]
name    = "web"
vips    = ["198.51.100.10"]
ports   = [80, 443]
weight  = 3
checks  = ["alive"]
servers = [%s]
`

// What somebody else does to the table is undone within 2 s and recorded; who keeps doing it is left alone.
func TestDrift(t *testing.T) {
	site := lab.OneBridge(t, lab.Size{Servers: 3})
	for _, h := range site.Servers {
		h.Web(lab.WebConfig{})
	}
	d := newDirector(t, site.Directors[0], fmt.Sprintf(drifting, `"198.51.100.103", "198.51.100.104"`))
	d.start()
	d.ready()
	both := []string{"198.51.100.10:80", "198.51.100.10:443"}
	d.expect(10*time.Second, "103 104", both...)
	whole := d.host.Table()
	const first, second = "-t 198.51.100.10:80", "-t 198.51.100.10:443"
	for _, by := range []struct {
		hand     string
		repaired audit.Entry // what must be recorded
	}{
		{"-e " + first + " -r 198.51.100.103 -g -w 77", audit.Entry{From: "-g -w 77", To: "-g -w 3", Command: "-e " + first + " -r 198.51.100.103:80 -g -w 3"}},
		{"-d " + first + " -r 198.51.100.104", audit.Entry{To: "-g -w 3", Command: "-a " + first + " -r 198.51.100.104:80 -g -w 3"}},
		{"-a " + second + " -r 192.0.2.66 -g -w 1", audit.Entry{From: "-g -w 1", Command: "-d " + second + " -r 192.0.2.66:443"}},
		{"-E " + second + " -s rr", audit.Entry{From: "-s rr", To: "-s wlc", Command: "-E " + second + " -s wlc"}},
		{"-D " + second, audit.Entry{To: "-s wlc", Command: "-A " + second + " -s wlc"}},
		{"-C", audit.Entry{To: "-s wlc", Command: "-A " + first + " -s wlc"}},
	} {
		d.run(by.hand, func(t *testing.T) {
			recorded := len(d.record())
			d.host.Run("ipvsadm", strings.Fields(by.hand)...)
			if by.hand == "-C" {
				d.addStranger()
			}
			lab.Eventually(t, 2*time.Second, func() error {
				if now := d.host.Table(); now != whole {
					return fmt.Errorf("the table is\n%s\nwant\n%s", now, whole)
				}
				return nil
			})
			d.agree()
			lab.Eventually(t, 2*time.Second, func() error {
				all := d.record()[recorded:]
				if !slices.ContainsFunc(all, func(e audit.Entry) bool {
					return e.Event == audit.EventDrift && e.Actor == "drift" && e.Error == "" && e.Command == by.repaired.Command &&
						e.From == by.repaired.From && e.To == by.repaired.To
				}) {
					return fmt.Errorf("want %+v recorded, got %+v", by.repaired, all)
				}
				return nil
			})
		})
	}
	d.run("another writer", func(t *testing.T) { anotherWriter(t, d, both) })
}

func anotherWriter(t *testing.T, d *director, both []string) {
	hand := strings.Fields("-e -t 198.51.100.10:443 -r 198.51.100.103 -g -w 88")
	repaired := func() error {
		if strings.Contains(d.host.Table(), "-w 88") {
			return fmt.Errorf("not repaired")
		}
		return nil
	}
	for range 3 {
		d.host.Run("ipvsadm", hand...)
		lab.Eventually(t, 2*time.Second, repaired)
	}
	d.host.Run("ipvsadm", hand...)
	d.recorded("another writer", func(e audit.Entry) bool {
		return e.Event == audit.EventDrift && strings.Contains(e.Error, "another writer") && e.Server == "198.51.100.103:443"
	})
	d.resyncs(4)
	if repaired() == nil {
		t.Error("it was repaired once more")
	}
	if got := d.mustStatus().Kernel.Contested; !slices.Equal(got, []string{"198.51.100.103:443 of tcp 198.51.100.10:443"}) {
		t.Errorf("contested: %q", got)
	}
	if out, _ := d.lvsd("status"); !strings.Contains(out, "another writer") {
		t.Errorf("status does not tell of another writer:\n%s", out)
	}
	d.expect(2*time.Second, "103 104", both...)

	// Everything else is kept as before, and a change that is wanted is written.
	d.host.Run("ipvsadm", strings.Fields("-d -t 198.51.100.10:443 -r 198.51.100.104")...)
	d.expect(2*time.Second, "103 104", both...)
	d.configure(fmt.Sprintf(drifting, `{ address = "198.51.100.103", weight = 9 }, "198.51.100.104", "198.51.100.105"`))
	d.mustLvsd("reload")
	d.expect(5*time.Second, "103 104 105", both...)
	if table := d.host.Table(); !strings.Contains(table, "-a -t 198.51.100.10:443 -r 198.51.100.103:443 -g -w 9\n") {
		t.Errorf("the new weight is not in the table:\n%s", table)
	}
}
