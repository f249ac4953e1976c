package pair

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// BenchmarkFaults lets the same faults happen to a pair of each program, with equal settings and in one run, and prints
// what each cost: the longest time without service, how much of that a server has too that is asked directly, all such time, the
// time with two holders, and how often a director got or lost the VIP.
func BenchmarkFaults(b *testing.B) {
	for range b.N {
		compare(b, time.Second)
	}
}

func compare(b *testing.B, advert time.Duration) {
	var table strings.Builder
	programs := []program{keepalived, lvsd}
	fmt.Fprintf(&table, "adverts of %s; seconds\n%-36s", advert, "")
	for _, of := range programs {
		fmt.Fprintf(&table, " | %-39s", of.name)
	}
	fmt.Fprintf(&table, "\n%-36s", "")
	for range programs {
		fmt.Fprintf(&table, " | %7s %7s %7s %7s %7s", "longest", "lab", "all", "two", "changes")
	}
	fmt.Fprintf(&table, " | %7s %7s  %s", "longest", "two", "bound of lvsd")
	for _, f := range faults {
		fmt.Fprintf(&table, "\n%-36s", f.name)
		for _, of := range programs {
			o := once(b, of, f, advert)
			fmt.Fprintf(&table, " | %7.2f %7.2f %7.2f %7.2f %7d", o.gap.Seconds(), o.lab.Seconds(), o.without.Seconds(), o.holding.More.Seconds(), len(o.holding.Changes))
		}
		most := f.bound(timesOf(advert))
		fmt.Fprintf(&table, " | %7.2f %7.2f  %s", most.gap.Seconds(), most.two.Seconds(), most.because)
	}
	b.Log("\n" + table.String())
}

// once gives what a fault comes to for a fresh pair, which ends with it. It takes longer than -benchtime, so it is run once.
func once(b *testing.B, of program, f fault, advert time.Duration) (o outcome) {
	b.Run(strings.ReplaceAll(of.name+"/"+f.name, " ", "_"), func(b *testing.B) {
		o = newPair(b, of, advert).measure(f)
		b.Log(o)
	})
	return o
}
