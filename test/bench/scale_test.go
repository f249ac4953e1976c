package bench

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/test/lab"
)

// The size of the scale runs, and how often each is made; every run has a network namespace of its own, since IPVS keeps
// what was deleted for minutes.
const (
	scaleServices = 1000
	scaleServers  = 10
	scaleRuns     = 3
)

// scaleToml is 1,000 services with 10 real servers each. Without a check all servers are other ones; with one they are the
// same 100, as it is where many services live on the same machines: 100 tries an interval decide 10,000 places.
func scaleToml(check bool, firstWeight int) string {
	var t strings.Builder
	names, servers := "", scaleServices*scaleServers
	if check {
		names, servers = `"alive"`, 100
		t.WriteString("[check.alive]\ntype = \"tcp\"\nport = 8080\ninterval = \"2s\"\ntimeout = \"2s\"\n")
	}
	for i := range scaleServices {
		fmt.Fprintf(&t, "[[service]]\nname = \"s%d\"\nvips = [\"10.200.%d.%d\"]\nports = [80]\nscheduler = \"wlc\"\nforward = \"nat\"\nchecks = [%s]\nservers = [",
			i, i/250, i%250+1, names)
		for j := range scaleServers {
			weight := 1
			if i == 0 && j == 0 {
				weight = firstWeight
			}
			n := (i*scaleServers + j) % servers
			fmt.Fprintf(&t, "{ address = \"10.1.%d.%d\", port = 8080, weight = %d },", n/250, n%250+1, weight)
		}
		t.WriteString("]\n")
	}
	return t.String()
}

func scaleKey(i int) lvs.Key {
	return lvs.Key{Protocol: lvs.TCP, Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 200, byte(i / 250), byte(i%250 + 1)}), 80)}
}

// complete tells whether the last service has all its servers and the number of services is right.
func (d *director) complete() (bool, error) {
	for _, i := range []int{scaleServices - 1, scaleServices / 2, 0} {
		servers, err := d.table.Servers(scaleKey(i))
		if err != nil || len(servers) != scaleServers {
			return false, err
		}
	}
	services, err := d.table.Services()
	if err != nil || len(services) != scaleServices {
		return false, err
	}
	for key := range services {
		servers, err := d.table.Servers(key)
		if err != nil || len(servers) != scaleServers {
			return false, err
		}
	}
	return true, nil
}

// BenchmarkScale measures 1,000 services of 10 servers: from exec to the complete table without checks, beside ipvsadm -R of
// the same table; the same with TCP checks; then a reload that changes one weight, and a restart; resident memory.
func BenchmarkScale(b *testing.B) {
	var plain, checked, restore, reload, restart figures
	var rss, rssChecked []int
	for range scaleRuns {
		b.Run("run", func(b *testing.B) {
			saved := scaleUnchecked(b, &plain, &rss)
			scaleRestore(b, saved, &restore)
			scaleChecked(b, &checked, &reload, &restart, &rssChecked)
		})
	}
	plain.report(b, "lvsd from exec to complete table")
	restore.report(b, "ipvsadm -R of the same table")
	checked.report(b, "lvsd from exec to complete table, checked")
	reload.report(b, "reload of one weight")
	restart.report(b, "restart over it until ready")
	b.Logf("resident memory: %v kB without checks, %v kB with", rss, rssChecked)
}

// scaleUnchecked starts over an empty table, servers without checks, and saves the table for ipvsadm.
func scaleUnchecked(b *testing.B, took *figures, rss *[]int) (saved string) {
	d := newDirector(b, scaleHost(b))
	d.configure(scaleToml(false, 1))
	began := time.Now()
	d.start()
	d.until("complete", 2*time.Minute, d.complete)
	*took = append(*took, time.Since(began))
	*rss = append(*rss, resident(b, d.proc.Pid()))
	saved = filepath.Join(b.TempDir(), "table")
	if err := os.WriteFile(saved, []byte(d.host.Run("ipvsadm", "-Sn")+"\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	d.stop()
	return saved
}

func scaleRestore(b *testing.B, saved string, took *figures) {
	d := newDirector(b, scaleHost(b))
	began := time.Now()
	d.host.Run("sh", "-c", "ipvsadm -R < "+saved)
	*took = append(*took, time.Since(began))
	if ok, err := d.complete(); !ok {
		b.Fatalf("ipvsadm -R did not restore the table: %v", err)
	}
}

// scaleChecked starts with checks, reloads one weight, and restarts.
func scaleChecked(b *testing.B, took, reload, restart *figures, rss *[]int) {
	site := lab.OneBridge(b, lab.Size{Servers: 1})
	prefix := netip.MustParsePrefix("10.1.0.0/16")
	site.Servers[0].AnyIP(prefix)
	site.Directors[0].Route(prefix, site.Servers[0].Address())
	site.Servers[0].TCP(8080, "")
	d := newDirector(b, site.Directors[0])
	d.configure(scaleToml(true, 1))
	began := time.Now()
	d.start()
	d.until("complete", 2*time.Minute, d.complete)
	*took = append(*took, time.Since(began))
	*rss = append(*rss, resident(b, d.proc.Pid()))

	writes := d.settled()
	first := netip.MustParseAddrPort("10.1.0.1:8080")
	d.configure(scaleToml(true, 7))
	began = time.Now()
	if _, err := d.client().Reload(b.Context()); err != nil {
		b.Fatal(err)
	}
	d.until("new weight", time.Minute, func() (bool, error) {
		servers, err := d.table.Servers(scaleKey(0))
		return servers[first].Weight == 7, err
	})
	*reload = append(*reload, time.Since(began))
	if n := d.settled() - writes; n != 1 {
		b.Errorf("the reload wrote %d changes, want 1", n)
	}
	d.stop()
	if err := os.Remove(d.file("audit.log")); err != nil {
		b.Fatal(err)
	}
	began = time.Now()
	d.start()
	d.until("ready", time.Minute, func() (bool, error) {
		record, err := os.ReadFile(d.file("audit.log"))
		return strings.Contains(string(record), `"to":"ready"`), err
	})
	*restart = append(*restart, time.Since(began))
	if n := d.settled(); n != 0 {
		b.Errorf("the restart wrote %d changes, want none", n)
	}
	d.stop()
}

// settled gives the number of writes since lvsd's start when two looks a while apart agree on it.
func (d *director) settled() uint64 {
	d.b.Helper()
	last := uint64(1 << 63)
	d.until("settled", time.Minute, func() (bool, error) {
		time.Sleep(300 * time.Millisecond)
		status, err := d.client().Status(d.b.Context())
		if err != nil {
			return false, err
		}
		same := status.Kernel.Writes == last && !status.Kernel.LastSync.IsZero()
		last = status.Kernel.Writes
		return same, nil
	})
	return last
}

// scaleHost is a director alone, in a namespace of its own.
func scaleHost(b *testing.B) *lab.Host {
	b.Helper()
	n := lab.New(b)
	host := n.Host("lvs-a")
	host.Join(n.Bridge("lan"), netip.MustParsePrefix("10.1.255.1/16"))
	return host
}
