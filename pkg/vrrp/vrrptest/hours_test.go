package vrrptest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// benchSeeds is where the worlds of the benchmark begin, far from those of the tests.
const benchSeeds = 1 << 20

// BenchmarkRouterHours simulates one router for an hour, on each processor; -benchtime 1000000x is a million of them. Any
// invariant that breaks ends it with the seed.
func BenchmarkRouterHours(b *testing.B) {
	var simulated, seed atomic.Int64
	var broken sync.Once
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			for simulated.Add(-int64(time.Hour)) < 0 && !b.Failed() {
				n := uint64(benchSeeds + seed.Add(1))
				w := New(Random(n), n)
				if v := windows(w, 5); v != nil {
					broken.Do(func() { b.Errorf("-seed %d: %v", n, v) })
					return
				}
				simulated.Add(int64(time.Hour) + int64(w.now)*int64(len(w.nodes)))
			}
		}
	})
	b.ReportMetric(float64(seed.Load())/b.Elapsed().Seconds(), "worlds/s")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "router-hours/s")
}
