package ipvs_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/ipvs/ipvstest"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// verdicts gives a Keeper of 1,000 services of ten servers, and what makes it take one server's weight from 1 to 2 or
// back, as the daemon does after a verdict.
func verdicts(tb testing.TB) (*ipvstest.Kernel, func()) {
	one, two := lvs.Table{}, lvs.Table{}
	owned := map[lvs.Key]bool{}
	for i := range 1000 {
		key := tcp(fmt.Sprintf("192.0.%d.%d:80", i/250, i%250+1))
		one[key], owned[key] = pool("rr", 1, 1, 1, 1, 1, 1, 1, 1, 1, 1), true
	}
	maps.Copy(two, one)
	two[tcp("192.0.2.1:80")] = pool("rr", 2, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	kernel := ipvstest.New(nil)
	k := ipvs.NewKeeper(kernel, resync, func(ipvs.Event) {})
	turn := func() {
		if err := k.Sync(ipvs.Wanted{Table: one, Owned: owned}); err != nil {
			tb.Fatal(err)
		}
		if got := len(k.Status().Owned); got != 1000 {
			tb.Fatalf("%d services owned", got)
		}
		one, two = two, one
	}
	turn()
	turn()
	return kernel, turn
}

// One verdict costs by what it changes, not by how large the table is: nothing is sorted or copied for the rest.
func TestSyncCostsWhatChanges(t *testing.T) {
	kernel, turn := verdicts(t)
	sent := kernel.Writes()
	if n := testing.AllocsPerRun(20, turn); n > 100 {
		t.Errorf("%.0f allocations for one change", n)
	}
	if n := kernel.Writes() - sent; n != 21 {
		t.Errorf("%d writes in 21 turns", n)
	}
}

func BenchmarkSyncOneServer(b *testing.B) {
	_, turn := verdicts(b)
	b.ReportAllocs()
	for b.Loop() {
		turn()
	}
}
