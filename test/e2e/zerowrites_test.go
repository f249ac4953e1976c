package e2e

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/test/lab"
)

// still has a service that is well and one whose only server hangs, so that a probe is nearly always in flight.
const still = `
[check.alive]
type     = "http"
port     = 80
path     = "/alive"
interval = "500ms"
timeout  = "2s"

[check.slow]
type     = "http"
port     = 80
interval = "1s"
timeout  = "900ms"

[[service]]
name    = "web"
vips    = ["198.51.100.10"]
ports   = [80]
checks  = ["alive"]
servers = ["198.51.100.103", %s]

[[service]]
name    = "silent"
vips    = ["198.51.100.10"]
ports   = [8080]
checks  = ["slow"]
servers = ["198.51.100.105"]
`

// A restart, reloads of the same file and looks at the table write nothing, leave nothing behind and disturb nobody.
func TestZeroWrites(t *testing.T) {
	site := lab.OneBridge(t, lab.Size{Servers: 4})
	var web []*lab.WebServer
	for _, h := range site.Servers {
		web = append(web, h.Web(lab.WebConfig{}))
	}
	web[2].Set(lab.Drip)
	d := newDirector(t, site.Directors[0], "")
	d.resync = "100ms"
	d.configure(fmt.Sprintf(still, `"198.51.100.104"`))
	d.start()
	d.ready()
	d.expect(10*time.Second, "103 104", "198.51.100.10:80")
	held := site.Client.Hold(lab.Asking{URL: "http://198.51.100.10/"})
	listing := d.host.Ipvsadm()

	d.stop()
	recorded := len(d.record())
	d.start()
	d.ready()
	asks(t, held, "a restart")
	goroutines := d.goroutines()
	watch := watchProbes(d, web)
	for range 20 {
		done, err := d.client().Reload(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(done.Changes) > 0 {
			t.Errorf("reload of the same file changed %q", done.Changes)
		}
		time.Sleep(100 * time.Millisecond) // so that they fall into every phase of a probe
	}
	watch.undisturbed(t)
	asks(t, held, "20 reloads")
	d.resyncs(100)
	asks(t, held, "100 resyncs")

	d.wroteNothing(recorded)
	if now := d.host.Ipvsadm(); now != listing {
		t.Errorf("the table was\n%s\nand is\n%s", listing, now)
	}
	lab.Eventually(t, 5*time.Second, func() error { // probes come and go; what leaks stays
		if now := d.mustStatus().Process.Goroutines; now > goroutines {
			return fmt.Errorf("%d goroutines, %d before", now, goroutines)
		}
		return nil
	})
	d.agree()

	d.run("a changed file", func(t *testing.T) {
		recorded := len(d.record())
		d.configure(fmt.Sprintf(still, `{ address = "198.51.100.104", weight = 5 }, "198.51.100.106"`))
		d.mustLvsd("reload")
		d.expect(10*time.Second, "103 104 106", "198.51.100.10:80")
		asks(t, held, "a changed file")
		want := []string{
			"-e -t 198.51.100.10:80 -r 198.51.100.104:80 -g -w 5",
			"-a -t 198.51.100.10:80 -r 198.51.100.106:80 -g -w 1",
		}
		if got := d.written(recorded); !slices.Equal(got, want) {
			t.Errorf("one weight and one server more wrote %q, want %q", got, want)
		}
		if got := d.mustStatus().Kernel.Writes; got != 2 {
			t.Errorf("status counts %d writes", got)
		}
	})
}

// asks asks on a connection that was opened before.
func asks(t *testing.T, held *lab.Held, after string) {
	t.Helper()
	if _, err := held.Ask(); err != nil {
		t.Fatalf("the open connection after %s: %v", after, err)
	}
}

// goroutines is how many lvsd has when least is going on.
func (d *director) goroutines() int {
	d.t.Helper()
	least := 0
	for range 25 { // for longer than an interval
		if n := d.mustStatus().Process.Goroutines; least == 0 || n < least {
			least = n
		}
		time.Sleep(50 * time.Millisecond)
	}
	return least
}

// resyncs waits until the table was compared n times more.
func (d *director) resyncs(n int) {
	d.t.Helper()
	seen := map[time.Time]bool{}
	lab.Eventually(d.t, time.Duration(n)*time.Second, func() error {
		s := d.mustStatus()
		if seen[s.Kernel.LastSync] = true; len(seen) <= n {
			return fmt.Errorf("%d resyncs", len(seen)-1)
		}
		return nil
	})
}

// written are the changes of the kernel's table in the record from an entry on.
func (d *director) written(from int) []string {
	d.t.Helper()
	var list []string
	for _, e := range d.record()[from:] {
		if e.Event == audit.EventTable || e.Event == audit.EventDrift {
			list = append(list, e.Command)
		}
	}
	return list
}

// wroteNothing checks that lvsd, since its start, has neither written to the kernel nor recorded that it did.
func (d *director) wroteNothing(recorded int) {
	d.t.Helper()
	if got := d.mustStatus().Kernel; got.Writes != 0 || got.Repairs != 0 {
		d.t.Errorf("%d writes and %d repairs since the start", got.Writes, got.Repairs)
	}
	if got := d.written(recorded); len(got) > 0 {
		d.t.Errorf("recorded %q", got)
	}
}

// probeWatch counts the probes that reach the servers from a moment on.
type probeWatch struct {
	d     *director
	web   []*lab.WebServer
	began time.Time
	had   []int
}

func watchProbes(d *director, web []*lab.WebServer) *probeWatch {
	w := &probeWatch{d: d, web: web, began: time.Now()}
	for _, one := range web {
		w.had = append(w.had, len(one.Requests()))
	}
	return w
}

// undisturbed checks that each server was asked as often as its interval says, and that no try was cut short.
func (w *probeWatch) undisturbed(t *testing.T) {
	t.Helper()
	elapsed := time.Since(w.began)
	for i, interval := range []time.Duration{500 * time.Millisecond, 500 * time.Millisecond, time.Second} {
		got, due := len(w.web[i].Requests())-w.had[i], int(elapsed/interval)
		if got < due-2 || got > due+2 {
			t.Errorf("server %d was asked %d times in %v, want %d", i, got, elapsed.Round(time.Millisecond), due)
		}
	}
	s, err := w.d.client().Why(t.Context(), netip.MustParseAddr("198.51.100.105"))
	if err != nil {
		t.Fatal(err)
	}
	for _, try := range s.Checks[0].Tries {
		if try.Outcome != checks.NoAnswer || try.Took < 850*time.Millisecond {
			t.Errorf("a try in flight came to %v after %v: %s", try.Outcome, try.Took, try.Reason)
		}
	}
}
