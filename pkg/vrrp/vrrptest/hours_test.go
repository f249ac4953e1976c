package vrrptest

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// benchSeeds is where the worlds of the benchmark begin, far from those of the tests.
const benchSeeds = 1 << 20

// BenchmarkMillionRouterHours lives a million hours of routers, on all processors. Simulated is what goes wrong, what
// comes of it and the calm after it until nothing can move any more; the quiet until the next trouble, an hour on
// average, is the same second again and again, and is jumped over. Any invariant that breaks ends it with the seed.
func BenchmarkMillionRouterHours(b *testing.B) {
	const million = int64(1_000_000 * 3600) // seconds
	for range b.N {
		var lived, simulated, worlds, moves atomic.Int64
		var wg sync.WaitGroup
		for range runtime.GOMAXPROCS(0) {
			wg.Go(func() {
				for lived.Load() < million && !b.Failed() {
					seed := uint64(benchSeeds + worlds.Add(1))
					w := New(Random(seed), seed)
					if v := windows(w, 5); v != nil {
						b.Errorf("-seed %d: %v", seed, v)
						return
					}
					routers := int64(len(w.nodes) * w.LANs)
					lived.Add(int64(w.Lived()/time.Second) * routers)
					simulated.Add(int64(w.now/time.Second) * routers)
					moves.Add(int64(w.Moves()))
				}
			})
		}
		wg.Wait()
		b.ReportMetric(float64(worlds.Load()), "worlds")
		b.ReportMetric(float64(5*worlds.Load()), "troubles")
		b.ReportMetric(float64(moves.Load()), "takeovers")
		b.ReportMetric(float64(simulated.Load()/3600), "router-hours-simulated")
		b.ReportMetric(float64(lived.Load()/3600), "router-hours")
	}
}
