package e2e

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/test/lab"
)

// newCrowd is a director before forty good servers, which are one host. Nothing runs yet.
func newCrowd(t *testing.T, more string) (*director, *lab.WebServer) {
	t.Helper()
	site := lab.OneBridge(t, lab.Size{Servers: 1})
	var list []string
	for n := range 40 {
		a := netip.AddrFrom4([4]byte{198, 51, 100, byte(110 + n)})
		site.Servers[0].AddAddress("eth0", netip.PrefixFrom(a, 32))
		list = append(list, fmt.Sprintf("%q", a))
	}
	toml := strings.Replace(pair, `"198.51.100.103", "198.51.100.104"`, strings.Join(list, ","), 1)
	d := newDirector(t, site.Directors[0], strings.Replace(toml, "[[service]]", more+"[[service]]", 1))
	return d, site.Servers[0].Web(lab.WebConfig{})
}

// TestFaultsPaused: lvsd stands still for 5 s, with tries under way, and believes none of them, though one would do.
func TestFaultsPaused(t *testing.T) {
	d, web := newCrowd(t, "fall = 1\n")
	d.start()
	d.ready()
	lab.Eventually(t, 10*time.Second, func() error { return d.hasServers(40) })
	w := watchTable(t, d.host, virtual)
	d.proc.Signal(syscall.SIGSTOP)
	time.Sleep(5 * time.Second) // as long as the fault lasts
	d.proc.Signal(syscall.SIGCONT)
	time.Sleep(time.Second) // several tries
	w.still(t)
	for _, e := range d.record() {
		if e.Event == audit.EventCheck && e.To == "down" {
			t.Errorf("a good server's check turned: %+v", e)
		}
	}
	web.Set(lab.Status(503))
	lab.Eventually(t, 10*time.Second, func() error { return d.hasServers(0) })
}

// TestFaultsDescriptors: lvsd may open no more files. What could not be asked is told and takes nobody out.
func TestFaultsDescriptors(t *testing.T) {
	d, good := newCrowd(t, "")
	d.start()
	d.ready()
	lab.Eventually(t, 10*time.Second, func() error { return d.hasServers(40) })
	w := watchTable(t, d.host, virtual)
	before := d.unasked()
	was := d.limit(unix.Rlimit{Cur: 3, Max: 1 << 16}) // less than it has open, so that not one more can be
	time.Sleep(3 * time.Second)                       // fifteen intervals in which nothing can be asked
	d.limit(was)
	lab.Eventually(t, 10*time.Second, func() error {
		for _, c := range d.mustStatus().Checks {
			if c.Last == nil || c.Last.Outcome != checks.Good {
				return fmt.Errorf("%v: %+v", c.ID(), c.Last)
			}
		}
		return nil
	})
	w.still(t)
	if n := d.unasked() - before; n < 40*3 {
		t.Errorf("%d tries of 40 servers could not be made in fifteen intervals", n)
	}
	d.proc.WaitFor("too many open files", time.Second)
	good.Set(lab.Status(503))
	lab.Eventually(t, 10*time.Second, func() error { return d.hasServers(0) })
}

// hasServers says whether the kernel has so many servers in the service.
func (d *director) hasServers(n int) error {
	if got := len(strings.Fields(d.servers(virtual))); got != n {
		return fmt.Errorf("%d servers, want %d", got, n)
	}
	return nil
}

// unasked counts the tries that could not be made.
func (d *director) unasked() (n uint64) {
	d.t.Helper()
	for _, c := range d.mustStatus().Checks {
		n += c.Unasked
	}
	return n
}

// limit sets how many files lvsd may have open, and gives what it was.
func (d *director) limit(next unix.Rlimit) (was unix.Rlimit) {
	d.t.Helper()
	if err := unix.Prlimit(d.proc.Pid(), unix.RLIMIT_NOFILE, &next, &was); err != nil {
		d.t.Fatal(err)
	}
	return was
}
