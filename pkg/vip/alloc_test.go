package vip

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// renewing gives a hand, which nobody runs, and a router of it that holds some addresses.
func renewing(t testing.TB, addresses int) (*hand, *router) {
	t.Helper()
	k := &Keeper{quit: make(chan struct{})}
	h, err := newHand(k, func(Report) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(k.quit)
		h.end()
	})
	w := Want{Held: true, Lease: time.Minute, Renew: time.Second}
	for i := range addresses {
		addr := netip.AddrFrom4([4]byte{10, 9, byte(i / 200), byte(i%200 + 1)})
		w.Addresses = append(w.Addresses, Address{Prefix: netip.PrefixFrom(addr, 32), Link: "lo"})
	}
	h.accept("web", ask{want: w})
	h.place()
	r := h.routers["web"]
	h.hold(r, time.Now())
	if r.told != "" {
		t.Fatal(r.told)
	}
	t.Cleanup(func() {
		if err := Remove(w.Addresses); err != nil {
			t.Error(err)
		}
	})
	return h, r
}

func TestRenewalAllocatesNothing(t *testing.T) {
	h, r := renewing(t, 100)
	// The keeper's readers run beside it, and AllocsPerRun counts theirs, too: none per renewal, whatever they hear.
	if n := testing.AllocsPerRun(100, func() {
		r.due = time.Time{}
		h.renew(time.Now())
		h.hold(r, time.Now())
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if r.told != "" {
		t.Error(r.told)
	}
}

func BenchmarkRenewal(b *testing.B) {
	for _, n := range []int{1, 100, 300} {
		b.Run(fmt.Sprintf("addresses=%d", n), func(b *testing.B) {
			h, r := renewing(b, n)
			b.ReportAllocs()
			for b.Loop() {
				h.hold(r, time.Now())
			}
		})
	}
}
