//go:build soak

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/test/lab"
)

// TestSoakFullDisk: the disk stays full until lines are lost. Their number is told, in status and then by the record.
func TestSoakFullDisk(t *testing.T) {
	d, web, disk, log := auditOn(t, "100m")
	disk.fill()
	lab.Eventually(t, 5*time.Minute, func() error { // more lines than the queue holds
		for toml, services := range map[string]int{pair + many: 41, pair: 1} {
			d.logTo(log, toml)
			d.mustLvsd("reload")
			lab.Eventually(t, 30*time.Second, func() error { return d.hasServices(services) })
		}
		if d.mustStatus().Audit.Lost == 0 {
			return fmt.Errorf("nothing lost yet")
		}
		return nil
	})
	d.auditSays(t, "no space left")
	d.works(web[0])
	lost := d.mustStatus().Audit.Lost
	if out, _ := d.lvsd("status"); !strings.Contains(out, "no space left") || !strings.Contains(out, "lost") {
		t.Errorf("%d lines lost; status says\n%s", lost, out)
	}
	t.Logf("%d lines lost, lvsd holds %+v", lost, d.cost())
	disk.free()
	d.auditSays(t, "")
	e := lineIn(t, log, "lost lines", func(e audit.Entry) bool { return e.Lost > 0 })
	if e.Lost < int(lost) || !strings.Contains(e.Error, "no space left") {
		t.Errorf("the record tells of %d lost for %q, status of %d", e.Lost, e.Error, lost)
	}
}

// many is a service whose coming or going is some four thousand lines of the record.
var many = func() string {
	b := strings.Builder{}
	for i := range 100 {
		fmt.Fprintf(&b, "%q,", fmt.Sprintf("203.0.113.%d", i+1))
	}
	return "[[service]]\nname = \"many\"\nvips = [\"198.51.100.20\"]\nports = \"8000-8039\"\nservers = [" + b.String() + "]\n"
}()

// hasServices says whether lvsd keeps so many virtual services in the kernel.
func (d *director) hasServices(n int) error {
	if got := d.mustStatus().Kernel; got.Owned != n || got.Error != "" {
		return fmt.Errorf("%d services, %s", got.Owned, got.Error)
	}
	return nil
}
