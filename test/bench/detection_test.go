package bench

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/test/lab"
)

// What detection is measured with. The bound is the issue's: fall x interval + timeout + 50 ms.
const (
	detectRuns     = 100
	detectInterval = 200 * time.Millisecond
	detectTimeout  = 200 * time.Millisecond
	detectFall     = 2
	detectBound    = detectFall*detectInterval + detectTimeout + 50*time.Millisecond
)

const detectToml = `
[check.alive]
type = "http"
interval = "200ms"
timeout = "200ms"
[[service]]
name = "web"
vips = ["198.51.100.10"]
ports = [80]
scheduler = "rr"
forward = "dr"
checks = ["alive"]
servers = ["198.51.100.103", "198.51.100.104"]
`

// BenchmarkDetection measures from a server's failure to its leaving the kernel's table, alone and beside 100 servers that
// accept and never answer.
func BenchmarkDetection(b *testing.B) {
	b.Run("alone", func(b *testing.B) { detect(b, false) })
	b.Run("beside-100-hanging", func(b *testing.B) { detect(b, true) })
}

func detect(b *testing.B, crowd bool) {
	site := lab.OneBridge(b, lab.Size{Servers: 3})
	web := site.Servers[0].Web(lab.WebConfig{})
	site.Servers[1].Web(lab.WebConfig{})
	d := newDirector(b, site.Directors[0])
	toml := detectToml
	if crowd {
		toml += hanging(d, site.Servers[2], 100)
	}
	d.configure(toml)
	d.start()
	key := lvs.Key{Protocol: lvs.TCP, Addr: netip.MustParseAddrPort("198.51.100.10:80")}
	server := netip.MustParseAddrPort("198.51.100.103:80")
	in := func() (bool, error) { return d.has(key, server) }
	out := func() (bool, error) { there, err := d.has(key, server); return !there && err == nil, err }
	d.until("in at start", time.Minute, in)
	if crowd {
		time.Sleep(3 * time.Second) // until all who hang are known to: the schedule in its steady state is what is measured
	}
	var found figures
	late := 0
	kinds := []lab.Mode{lab.Status(503), lab.Hang, lab.Refuse}
	for i := range detectRuns {
		time.Sleep(rand.N(detectInterval)) // failures come at any moment of the interval
		failed := time.Now()
		web.Set(kinds[i%len(kinds)])
		d.until("out", 10*time.Second, out)
		took := time.Since(failed)
		found = append(found, took)
		if took > detectBound {
			late++
		}
		web.Set(lab.OK)
		d.until("back", 10*time.Second, in)
	}
	found.report(b, "failure to leaving the table")
	b.Logf("bound %v: %d of %d later", detectBound, late, detectRuns)
	d.stop()
}

// hanging makes a host stand for n servers that accept and never answer, and gives their service. Each try of them takes
// its whole 2 s. pkg/daemon's BenchmarkDetection has 500 of them at 200 ms, over real sockets of this host: that is 2,500
// connections a second, more than User Mode Linux makes.
func hanging(d *director, host *lab.Host, n int) string {
	prefix := netip.MustParsePrefix("10.1.0.0/16")
	host.AnyIP(prefix)
	d.host.Route(prefix, host.Address())
	host.Web(lab.WebConfig{Ports: []uint16{8080}}).Set(lab.Hang)
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("{ address = \"10.1.%d.%d\", port = 8080 }", i/250, i%250+1))
	}
	return "[check.crowd]\ntype = \"http\"\ninterval = \"200ms\"\ntimeout = \"2s\"\n" +
		"[[service]]\nname = \"crowd\"\nvips = [\"198.51.100.20\"]\nports = [80]\nscheduler = \"rr\"\nforward = \"nat\"\n" +
		"checks = [\"crowd\"]\nservers = [" + strings.Join(list, ",\n") + "]\n"
}
