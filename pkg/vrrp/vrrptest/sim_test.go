package vrrptest

import (
	"flag"
	"testing"
	"time"
)

var seedFlag = flag.Uint64("seed", 0, "run only this world, and trace it")

// TestWorlds is the short run; BenchmarkMillionRouterHours is the long one.
func TestWorlds(t *testing.T) {
	if *seedFlag != 0 {
		world(t, *seedFlag, true)
		return
	}
	for seed := range uint64(500) {
		world(t, seed+1, false)
	}
}

func world(t *testing.T, seed uint64, trace bool) {
	s := Random(seed)
	if trace {
		t.Logf("%+v", s)
		s.Trace = func(at time.Duration, s string) { t.Logf("%12v  %s", at, s) }
	}
	if v := windows(New(s, seed), 5); v != nil {
		t.Fatalf("-seed %d: %v\n%+v", seed, v, s.Params)
	}
}

func windows(w *World, n int) *Violation {
	w.Boot()
	for range n {
		if v := w.Window(); v != nil {
			return v
		}
	}
	return nil
}
