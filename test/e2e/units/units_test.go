package units

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/test/lab"
)

const (
	table  = "lvsd.service"
	routes = "lvsd-vrrp.service"
)

const toml = `
[check.web]
type = "http"
interval = "1s"
timeout = "1s"

[[service]]
name = "web"
vips = ["198.51.100.10"]
ports = [80]
forward = "dr"
checks = ["web"]
servers = ["198.51.100.103"]

[[vrrp]]
name = "VI_1"
interface = "eth0"
id = 66
priority = 150
advertise = "2s"
vips = ["198.51.100.10/32"]
`

// peerConf is the other director: keepalived, so that what it sees is no claim of lvsd's.
const peerConf = `
vrrp_instance VI_1 {
  interface eth0
  version 3
  nopreempt
  virtual_router_id 66
  priority 100
  advert_int 2
  virtual_ipaddress { 198.51.100.10/32 }
}
`

// takesOver is how long the peer waits in silence, and after a priority of 0 (RFC 9568 section 6.1).
const (
	takesOver = 3*advert + skew
	skew      = advert * (256 - 100) / 256
	advert    = 2 * time.Second
)

// director is a machine with lvsd as it is installed, and its peer.
type director struct {
	*lab.Machine
	t       *testing.T
	site    *lab.Site
	peer    *lab.Keepalived
	holders *lab.HolderMeter
	adverts *lab.Adverts
}

// newDirector installs lvsd on a machine, boots it, starts both units, that of VRRP with a drop-in, and waits until it is
// master before its peer.
func newDirector(t *testing.T, dropIn string) *director {
	t.Helper()
	site := lab.OneBridge(t, lab.Size{Directors: 2, Unheld: true})
	site.Servers[0].Web(lab.WebConfig{})
	d := &director{Machine: site.Directors[0].Machine(), t: t, site: site}
	d.holders = lab.WatchHolders(lab.VIP, site.Directors...)
	d.adverts = site.Client.Adverts("eth0")
	d.install()
	d.write("/etc/systemd/system/"+routes+".d/test.conf", dropIn)
	d.Boot()
	d.Run("systemctl", "start", routes, table)
	d.master(d.Host)
	d.peer = site.Directors[1].Keepalived(peerConf)
	d.calm()
	return d
}

// install does what make install does, with the machine's files for DESTDIR.
func (d *director) install() {
	d.t.Helper()
	tool := exec.Command("tools/install-files", d.Root(), "/usr")
	tool.Dir = "../../.."
	if out, err := tool.CombinedOutput(); err != nil {
		d.t.Fatalf("install: %v: %s", err, out)
	}
	d.program(lab.Lvsd(d.t))
	d.write("/etc/lvsd/lvsd.toml", toml)
}

// program puts a program in lvsd's place, as a package does: by rename.
func (d *director) program(from string) {
	d.t.Helper()
	in, err := os.Open(from)
	if err != nil {
		d.t.Fatal(err)
	}
	defer in.Close()
	path := d.File("/usr/sbin/lvsd")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		d.t.Fatal(err)
	}
	out, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		d.t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close(), os.Rename(path+".new", path)); err != nil {
		d.t.Fatal(err)
	}
}

// run is t.Run for a part of a test, whose failures are the part's own.
func (d *director) run(name string, part func(*testing.T)) {
	whole := d.t
	defer func() { d.t = whole }()
	whole.Run(name, func(t *testing.T) {
		d.t = t
		part(t)
	})
}

func (d *director) write(path, text string) {
	d.t.Helper()
	if err := os.MkdirAll(filepath.Dir(d.File(path)), 0o755); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(d.File(path), []byte(text), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

// master waits until a host, and no other, has the VIP.
func (d *director) master(h *lab.Host) {
	d.t.Helper()
	lab.Eventually(d.t, 30*time.Second, func() error {
		if got := d.holders.Holders(); !slices.Equal(got, []string{h.Name}) {
			return fmt.Errorf("%v have the VIP, want %s\n%s", got, h.Name, d.Journal(routes))
		}
		return nil
	})
}

// calm waits until the peer is backup, and forgets what was seen so far.
func (d *director) calm() {
	d.t.Helper()
	lab.Eventually(d.t, 30*time.Second, func() error {
		if s := d.peer.State("VI_1"); s != "BACKUP" {
			return fmt.Errorf("the peer is %q, want BACKUP", s)
		}
		return nil
	})
	d.holders.Mark()
}

// unnoticed does something, waits for as long as the peer would need to take over, and reports whatever moved.
func (d *director) unnoticed(name string, do func()) {
	d.run(name, func(t *testing.T) {
		d.holders.Mark()
		states := len(d.peer.States())
		do()
		time.Sleep(takesOver + 500*time.Millisecond)
		if h := d.holders.Holding(); len(h.Changes) > 0 {
			t.Errorf("the VIP moved: %v\n%s", h, d.Journal(routes))
		}
		if s := d.peer.States()[states:]; len(s) > 0 {
			t.Errorf("the peer became %q\n%s", s, d.Journal(routes))
		}
	})
}

// left says whether the director sent priority 0 since a moment.
func (d *director) left(since time.Time) bool {
	return slices.ContainsFunc(d.adverts.Seen(), func(a lab.Advert) bool {
		return a.From == d.Host.Address() && a.Priority == 0 && a.At.After(since)
	})
}

func (d *director) pid(unit string) string { d.t.Helper(); return d.Property(unit, "MainPID") }

// TestUnits is a director's life under its units: whatever its processes come to, the peer notices only what it should.
func TestUnits(t *testing.T) {
	d := newDirector(t, "")
	d.run("real time", func(t *testing.T) {
		if got := d.Run("chrt", "--all-tasks", "--pid", d.pid(routes)); strings.Contains(got, "SCHED_OTHER") || !strings.Contains(got, "SCHED_FIFO") {
			t.Errorf("threads are not all of real time:\n%s", got)
		}
		if got := d.Run("ps", "-o", "user=", "-p", d.pid(routes)+","+d.pid(table)); strings.Join(strings.Fields(got), " ") != "lvsd lvsd" {
			t.Errorf("the processes are of the users %q", got)
		}
	})
	d.unnoticed("crash", func() { d.Run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", routes) })
	d.unnoticed("crash and restart of the checks", func() {
		d.Run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", table)
		d.Run("systemctl", "restart", table)
	})
	before := d.pid(routes)
	d.unnoticed("reload and upgrade", func() {
		d.Run("systemctl", "reload", routes)
		d.program(lab.Lvsd(t))
		d.Run("systemctl", "reload", routes)
	})
	if after := d.pid(routes); after != before {
		t.Errorf("reload changed the process from %s to %s", before, after)
	}
	d.run("bad reload", func(t *testing.T) {
		d.write("/etc/lvsd/lvsd.toml", "no toml")
		defer d.write("/etc/lvsd/lvsd.toml", toml)
		if out, err := d.Try("systemctl", "reload", routes); err == nil {
			t.Errorf("a bad file was taken: %s", out)
		}
		d.master(d.Host)
	})
	d.run("stop", d.stops)
}

// stops is a stop while master: the peer takes over after its skew, and the VIP is at no time nowhere.
func (d *director) stops(t *testing.T) {
	d.holders.Mark()
	began := time.Now()
	d.Run("systemctl", "stop", routes)
	d.master(d.site.Directors[1])
	h := d.holders.Holding()
	t.Log(h)
	if took := h.Changes[len(h.Changes)-1].At.Sub(began); took > takesOver-time.Second {
		t.Errorf("the peer needed %s, as for a master that fell silent", took)
	}
	if !d.left(began) || h.None > 200*time.Millisecond || h.More > 2*time.Second {
		t.Errorf("priority 0 sent: %t, and %v", d.left(began), h)
	}
}

// TestUnitsDead is a process that hangs, and one that dies and that nothing starts again. The watchdog is slower than the
// shipped one, so that it comes when a restart can resume no more (two intervals) and before the peer has lost patience.
func TestUnitsDead(t *testing.T) {
	d := newDirector(t, "[Service]\nWatchdogSec=5s\n")
	d.run("watchdog", func(t *testing.T) {
		before, began := d.Property(routes, "NRestarts"), time.Now()
		lab.Eventually(t, 3*advert, func() error {
			if seen := d.adverts.Seen(); seen[len(seen)-1].At.Before(began) {
				return fmt.Errorf("no advert since")
			}
			return nil
		})
		d.Run("systemctl", "kill", "--signal=STOP", "--kill-whom=main", routes)
		lab.Eventually(t, 15*time.Second, func() error {
			if n := d.Property(routes, "NRestarts"); n == before {
				return fmt.Errorf("%s restarts", n)
			}
			return nil
		})
		if j := d.Journal(routes); !strings.Contains(j, "watchdog") {
			t.Errorf("the journal names no watchdog:\n%s", j)
		}
		time.Sleep(takesOver)
		if h := d.holders.Holding(); h.More > 50*time.Millisecond || !d.left(began) {
			t.Errorf("priority 0 sent for it: %t, and %v\n%s", d.left(began), h, d.Journal(routes))
		}
	})
	d.run("many crashes", func(t *testing.T) {
		for range 4 {
			pid := d.pid(routes)
			_, _ = d.Try("kill", "-9", pid)
			lab.Eventually(t, 10*time.Second, func() error {
				if now := d.pid(routes); now == pid || now == "0" {
					return fmt.Errorf("not started again: %s", d.Property(routes, "ActiveState"))
				}
				return nil
			})
		}
	})
	d.run("not started again", d.limited)
}

// limited is a start limit, which an operator may have set: a master that dies once more than that is not started again. Its
// VIP goes by its lease, before the peer takes it.
func (d *director) limited(t *testing.T) {
	d.peer.Stop()
	d.master(d.Host)
	d.peer = d.site.Directors[1].Keepalived(peerConf)
	d.calm()
	const limit = "[Unit]\nStartLimitIntervalSec=600\nStartLimitBurst=1\n"
	d.Run("sh", "-c", "mkdir -p /run/systemd/system/"+routes+".d && printf '"+limit+"' >/run/systemd/system/"+routes+".d/limit.conf")
	d.Run("systemctl", "daemon-reload")
	before := d.pid(routes)
	d.Run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", routes)
	lab.Eventually(t, 10*time.Second, func() error {
		if now := d.pid(routes); now == before || now == "0" || d.Property(routes, "ActiveState") != "active" {
			return fmt.Errorf("the first time: not started again")
		}
		return nil
	})
	d.holders.Mark()
	d.Run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", routes)
	d.master(d.site.Directors[1])
	lab.Eventually(t, 10*time.Second, func() error { // what speaks for the dead has to end first
		if got := d.Property(routes, "ActiveState"); got != "failed" {
			return fmt.Errorf("the unit is %s, want failed", got)
		}
		return nil
	})
	h := d.holders.Holding()
	t.Log(h)
	if h.More > 50*time.Millisecond || h.One+h.None > takesOver+2*time.Second {
		t.Errorf("%v", h)
	}
}
