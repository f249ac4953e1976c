// Package bench measures lvsd in the lab, beside what it is compared with, in one run: User Mode Linux makes a system call
// twenty to fifty times dearer than real hardware does, so only figures of one run say anything, and only beside each
// other. `make bench` prints them.
package bench

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/test/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m, lab.WithLvsd(), lab.WithMemory("4G"))) }

// figures are the results of equal runs.
type figures []time.Duration

// report tells minimum, median and maximum, and the median as a metric of the benchmark.
func (f figures) report(b *testing.B, what string) {
	b.Helper()
	slices.Sort(f)
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/1e6) }
	b.Logf("%-46s min/median/max %8s %8s %8s ms of %d", what, ms(f[0]), ms(f[len(f)/2]), ms(f[len(f)-1]), len(f))
	b.ReportMetric(float64(f[len(f)/2])/1e6, strings.ReplaceAll(what, " ", "-")+"-ms")
}

// director is an lvsd on a host, and the host's table seen by a handle of the benchmark's own.
type director struct {
	b     *testing.B
	host  *lab.Host
	table *ipvs.Netlink
	proc  *lab.Process
}

func newDirector(b *testing.B, host *lab.Host) *director {
	b.Helper()
	d := &director{b: b, host: host}
	if err := host.Do(func() (err error) { d.table, err = ipvs.Open(); return err }); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(d.table.Close)
	return d
}

func (d *director) file(name string) string { return filepath.Join(d.host.Dir(), name) }

func (d *director) configure(toml string) {
	d.b.Helper()
	where := fmt.Sprintf("state = %q\naudit = { file = %q }\ncontrol = { socket = %q }\n", d.file("state"), d.file("audit.log"), d.file("sock"))
	if err := os.WriteFile(d.file("lvsd.toml"), []byte(where+toml), 0o600); err != nil {
		d.b.Fatal(err)
	}
}

func (d *director) start() {
	d.proc = d.host.Start(lab.Lvsd(d.b), "run", "-c", d.file("lvsd.toml"), "--log-level", "error")
}

func (d *director) stop() {
	d.b.Helper()
	d.proc.Signal(syscall.SIGTERM)
	if code := d.proc.Wait(time.Minute); code != 0 {
		d.b.Fatalf("lvsd ended with %d:\n%s", code, d.proc.Output())
	}
}

func (d *director) client() *control.Client { return control.NewClient(d.file("sock")) }

// until looks at the table until it is as it should be.
func (d *director) until(what string, within time.Duration, f func() (bool, error)) {
	d.b.Helper()
	for end := time.Now().Add(within); ; time.Sleep(2 * time.Millisecond) {
		ok, err := f()
		if ok {
			return
		}
		select {
		case <-d.proc.Exited():
			d.b.Fatalf("%s: the process ended:\n%s", what, d.proc.Output())
		default:
		}
		if time.Now().After(end) {
			d.b.Fatalf("%s: not within %v (%v)", what, within, err)
		}
	}
}

// has tells whether the table has a server.
func (d *director) has(key lvs.Key, server netip.AddrPort) (bool, error) {
	servers, err := d.table.Servers(key)
	_, there := servers[server]
	return there, err
}

// resident reads VmRSS of a process in kilobytes.
func resident(b *testing.B, pid int) int {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var kb int
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kb); n == 1 {
			return kb
		}
	}
	b.Fatal("no VmRSS")
	return 0
}
