package daemon

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// BenchmarkDetection measures from a server's failure to its leaving the table, over real sockets and a kernel in memory,
// alone and beside 500 servers that accept and never answer. test/bench has it on a real table; the crowd is more than
// User Mode Linux can connect to.
func BenchmarkDetection(b *testing.B) {
	b.Run("alone", func(b *testing.B) { benchDetection(b, 0) })
	b.Run("beside-500-hanging", func(b *testing.B) { benchDetection(b, 500) })
}

func benchDetection(b *testing.B, crowd int) {
	const runs, bound = 100, 650 * time.Millisecond // fall x interval + timeout + 50 ms
	s := newSite(b)
	_, port, _ := net.SplitHostPort(s.web.Listener.Addr().String())
	hung, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		b.Fatal(err)
	}
	defer hung.Close()
	_, hungPort, _ := net.SplitHostPort(hung.Addr().String())
	go func() {
		for {
			if _, err := hung.Accept(); err != nil { // kept open and never answered
				return
			}
		}
	}()
	toml := fmt.Sprintf("state = %q\naudit = { file = %q }\ncontrol = { socket = %q }\n", s.dir, filepath.Join(s.dir, "audit.log"), filepath.Join(s.dir, "sock")) +
		"[check.alive]\ntype = \"http\"\ninterval = \"200ms\"\ntimeout = \"200ms\"\n" +
		"[[service]]\nname = \"web\"\nvips = [\"192.0.2.1\"]\nports = [80]\nscheduler = \"rr\"\nforward = \"nat\"\nchecks = [\"alive\"]\n" +
		"servers = [{ address = \"127.0.0.1\", port = " + port + " }]\n"
	if crowd > 0 {
		toml += "[[service]]\nname = \"crowd\"\nvips = [\"192.0.2.2\"]\nports = [80]\nscheduler = \"rr\"\nforward = \"nat\"\nchecks = [\"alive\"]\nservers = ["
		for i := range crowd {
			toml += fmt.Sprintf("{ address = \"127.1.%d.%d\", port = %s },", i/250, i%250+1, hungPort)
		}
		toml += "]\n"
	}
	s.write(toml)
	s.start(Options{})
	server := netip.MustParseAddrPort("127.0.0.1:" + port)
	in := func() bool { m, err := s.kernel.Servers(lifeKey); _, there := m[server]; return err == nil && there }
	s.eventually("in", in)
	var took []time.Duration
	for range runs {
		time.Sleep(rand.N(200 * time.Millisecond)) // failures come at any moment of the interval
		failed := time.Now()
		s.status.Store(503)
		s.eventually("out", func() bool { return !in() })
		took = append(took, time.Since(failed))
		s.status.Store(200)
		s.eventually("back", in)
	}
	s.end()
	slices.Sort(took)
	late := 0
	for _, d := range took {
		if d > bound {
			late++
		}
	}
	b.ReportMetric(float64(took[runs/2])/1e6, "median-ms")
	b.ReportMetric(float64(took[runs-1])/1e6, "max-ms")
	b.Logf("min/median/max %v %v %v of %d; bound %v, %d later", took[0], took[runs/2], took[runs-1], runs, bound, late)
}
