// Package lateness measures how late adverts of 10 ms are on the wire, lvsd beside keepalived, while `lvsd run` makes 5,000
// checks a second next to them: idle otherwise, and with every processor busy.
//
// It runs on this machine's own kernel, in network namespaces that it makes, since User Mode Linux has one slow processor.
// There is no IPVS here: the table of the `lvsd run` that makes the checks is in memory, everything else is as shipped.
// The clock is the kernel's stamp of each frame at the other end of a veth pair.
package lateness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	interval = 10 * time.Millisecond
	window   = 20 * time.Second // of one measurement
	rounds   = 3                // of each speaker and load, in turn
)

// loadEnv tells the test binary to be the load and nothing else.
const loadEnv = "LVSD_LATENESS_LOAD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(loadEnv); dir != "" {
		load(dir)
		return
	}
	os.Exit(m.Run())
}

// speaker is a program that sends adverts.
type speaker struct {
	name  string
	start func(b *testing.B, dir string) *exec.Cmd
}

func BenchmarkLateness(b *testing.B) {
	lvsd := filepath.Join(b.TempDir(), "lvsd")
	build := exec.Command("go", "build", "-o", lvsd, "github.com/lvsd/lvsd/cmd/lvsd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build lvsd: %v\n%s", err, out)
	}
	speakers := []speaker{
		{"lvsd", func(b *testing.B, dir string) *exec.Cmd { return startLvsd(b, lvsd, dir) }},
		{"keepalived-rt50", func(b *testing.B, dir string) *exec.Cmd { return startKeepalived(b, dir, "vrrp_rt_priority 50\n") }},
		{"keepalived", func(b *testing.B, dir string) *exec.Cmd { return startKeepalived(b, dir, "") }},
	}
	for _, busy := range []bool{false, true} {
		title := "5000-checks"
		if busy {
			title = "5000-checks-and-busy-processors"
		}
		late := map[string][]time.Duration{}
		for range rounds {
			for _, s := range speakers {
				late[s.name] = append(late[s.name], measure(b, s, busy)...)
			}
		}
		for _, s := range speakers {
			b.Run(title+"/"+s.name, func(b *testing.B) { report(b, late[s.name]) })
		}
	}
}

func report(b *testing.B, late []time.Duration) {
	slices.Sort(late)
	at := func(share float64) float64 { return float64(late[int(share*float64(len(late)-1))]) / 1e3 }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(at(0.5), "p50-us")
	b.ReportMetric(at(0.99), "p99-us")
	b.ReportMetric(at(0.999), "p99.9-us")
	b.ReportMetric(at(1), "max-us")
	b.ReportMetric(float64(len(late)), "adverts")
}

// measure gives how much later than the interval each advert of a window came after the one before it.
func measure(b *testing.B, s speaker, busy bool) []time.Duration {
	b.Helper()
	dir := b.TempDir()
	network(b)
	begin(b, background(b, dir))
	if busy {
		for range runtime.NumCPU() {
			begin(b, exec.Command("sh", "-c", "while :; do :; done"))
		}
	}
	begin(b, s.start(b, dir))
	sniffed := sniff(b)
	wait(b, sniffed) // until it is master and the load is there
	var late []time.Duration
	last := <-sniffed
	for end := time.Now().Add(window); time.Now().Before(end); {
		at := next(b, sniffed)
		late = append(late, max(0, at.Sub(last)-interval))
		last = at
	}
	stop(b)
	return late
}

// wait lets adverts come for some seconds, so that what only happens at a start is over.
func wait(b *testing.B, sniffed <-chan time.Time) {
	b.Helper()
	next(b, sniffed)
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); {
		next(b, sniffed)
	}
}

func next(b *testing.B, sniffed <-chan time.Time) time.Time {
	b.Helper()
	select {
	case at := <-sniffed:
		return at
	case <-time.After(30 * time.Second):
		stop(b)
		b.Fatal("no advert within 30 s")
	}
	return time.Time{}
}

func startKeepalived(b *testing.B, dir, global string) *exec.Cmd {
	b.Helper()
	conf := filepath.Join(dir, "keepalived.conf")
	write(b, conf, "global_defs {\n"+global+"}\nvrrp_instance V {\n state BACKUP\n interface va\n virtual_router_id 51\n priority 100\n"+
		" version 3\n advert_int 0.01\n virtual_ipaddress {\n  192.0.2.10/32\n }\n}\n")
	return inA("keepalived", "-n", "-P", "-G", "-f", conf, "-p", filepath.Join(dir, "k.pid"), "-r", filepath.Join(dir, "kv.pid"))
}

func startLvsd(b *testing.B, lvsd, dir string) *exec.Cmd {
	b.Helper()
	conf := filepath.Join(dir, "vrrp.toml")
	write(b, conf, fmt.Sprintf("state = %q\n[[vrrp]]\nname = \"V\"\ninterface = \"va\"\nid = 51\nadvertise = \"10ms\"\ndown_adverts = 5\n"+
		"vips = [\"192.0.2.10/32\"]\n", filepath.Join(dir, "state")))
	return inA(lvsd, "vrrp", "run", "-c", conf, "--run-dir", filepath.Join(dir, "run"))
}

func write(b *testing.B, file, text string) {
	b.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}

// Names of the namespaces: one session's benches run one after the other.
const spaceA, spaceB = "lvsd-late-a", "lvsd-late-b"

func inA(argv ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", spaceA}, argv...)...)
}

// network makes two namespaces and the cable between them anew.
func network(b *testing.B) {
	b.Helper()
	for _, space := range []string{spaceA, spaceB} {
		_ = exec.Command("ip", "netns", "del", space).Run() // of a run that was killed
	}
	for _, line := range []string{
		"netns add " + spaceA, "netns add " + spaceB,
		"-n " + spaceA + " link add va type veth peer name vb netns " + spaceB,
		"-n " + spaceA + " link set lo up", "-n " + spaceA + " link set va up", "-n " + spaceB + " link set vb up",
		"-n " + spaceA + " address add 192.0.2.1/24 dev va", "-n " + spaceB + " address add 192.0.2.2/24 dev vb",
	} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			b.Fatalf("ip %s: %v\n%s", line, err, out)
		}
	}
	b.Cleanup(func() {
		for _, space := range []string{spaceA, spaceB} {
			_ = exec.Command("ip", "netns", "del", space).Run()
		}
	})
}
