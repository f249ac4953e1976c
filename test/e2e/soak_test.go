//go:build soak

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/test/lab"
)

func TestSoakKill(t *testing.T) { killAtRandom(t, 50, 7) }

// cost is what a process holds.
type cost struct{ goroutines, files, kb int }

func (d *director) cost() cost {
	d.t.Helper()
	files, err := descriptors(d.proc.Pid())
	if err != nil {
		d.t.Fatal(err)
	}
	return cost{d.mustStatus().Process.Goroutines, files, d.resident()}
}

// TestSoakReloads: ten thousand reloads, every other one of a changed file, leave nothing behind.
func TestSoakReloads(t *testing.T) {
	const times = 10_000
	d, _ := newPair(t)
	other := strings.NewReplacer(`"rr"`, `"wlc"`, `"198.51.100.104"`, `{ address = "198.51.100.104", weight = 9 }`, "[check.alive]",
		"[check.more]\ntype = \"tcp\"\ninterval = \"200ms\"\n[check.alive]", `["alive"]`, `["alive", "more"]`).Replace(pair)
	d.start()
	d.ready()
	d.expect(5*time.Second, "103 104", virtual)
	client := control.NewClient(d.file("lvsd.sock"))
	w := watchTable(t, d.host, virtual)
	var first cost
	began := time.Now()
	for i := range times {
		if i%2 == 0 {
			d.configure([]string{pair, other}[i/2%2])
		}
		if _, err := client.Reload(t.Context()); err != nil {
			t.Fatalf("reload %d: %v", i, err)
		}
		if i == times/10 {
			first = d.cost()
		}
	}
	t.Logf("%d reloads in %v", times, time.Since(began).Round(time.Second))
	w.still(t)
	d.configure(pair)
	d.mustLvsd("reload")
	d.expect(10*time.Second, "103 104", virtual)
	lab.Eventually(t, 30*time.Second, func() error {
		now := d.cost()
		if now.goroutines > first.goroutines+5 || now.files > first.files+5 || now.kb > first.kb+16<<10 {
			return fmt.Errorf("lvsd holds %+v, after a tenth of the reloads %+v", now, first)
		}
		t.Logf("after %d reloads %+v, after %d %+v", times/10, first, times, now)
		return nil
	})
}

// TestSoakResync: a thousand looks at a table that is as it should be write nothing.
func TestSoakResync(t *testing.T) {
	d, _ := newPair(t)
	d.resync = "100ms"
	d.configure(pair)
	d.start()
	d.ready()
	d.expect(5*time.Second, "103 104", virtual)
	first, writes := d.cost(), d.mustStatus().Kernel.Writes
	w := watchTable(t, d.host, virtual)
	time.Sleep(1000 * 105 * time.Millisecond) // a thousand resyncs and some
	w.still(t)
	s := d.mustStatus()
	if s.Kernel.Writes != writes || s.Kernel.Repairs != 0 || time.Since(s.Kernel.LastSync) > 5*time.Second {
		t.Errorf("%d writes became %d, %d repairs, last sync %v", writes, s.Kernel.Writes, s.Kernel.Repairs, s.Kernel.LastSync)
	}
	t.Logf("before %+v, after %+v", first, d.cost())
}
