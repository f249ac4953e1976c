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

// TestFaultsPaused: lvsd stands still for 5 s, and then believes no try that was under way.
func TestFaultsPaused(t *testing.T) {
	d, web := newPair(t)
	d.start()
	d.ready()
	d.expect(5*time.Second, "103 104", virtual)
	w := watchTable(t, d.host, virtual)
	d.proc.Signal(syscall.SIGSTOP)
	time.Sleep(5 * time.Second) // as long as the fault lasts
	d.proc.Signal(syscall.SIGCONT)
	time.Sleep(time.Second) // several tries
	w.still(t)
	d.works(web[0])
	for _, e := range d.record() {
		if e.Event == audit.EventCheck && e.To == "down" && strings.HasPrefix(e.Server, "198.51.100.104") {
			t.Errorf("a good server's check turned: %+v", e)
		}
	}
}

// TestFaultsDescriptors: lvsd may open no more files. What could not be asked is told and takes nobody out.
func TestFaultsDescriptors(t *testing.T) {
	site := lab.OneBridge(t, lab.Size{Servers: 2})
	farm := site.Servers[0]
	for n := 110; n < 150; n++ {
		farm.AddAddress("eth0", netip.MustParsePrefix(fmt.Sprintf("198.51.100.%d/32", n)))
	}
	good := farm.Web(lab.WebConfig{})
	var list []string
	for n := 110; n < 150; n++ {
		list = append(list, fmt.Sprintf("%q", fmt.Sprintf("198.51.100.%d", n)))
	}
	d := newDirector(t, site.Directors[0], strings.Replace(pair, `"198.51.100.103", "198.51.100.104"`, strings.Join(list, ","), 1))
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
