package lvs

import (
	"net/netip"
	"testing"
)

// large is a table of services of ten servers each.
func large(services int) Table {
	t := make(Table, services)
	for i := range services {
		e := Entry{Service: Service{Scheduler: "wlc", Netmask: 32}, Servers: map[netip.AddrPort]Server{}}
		for j := range 10 {
			e.Servers[netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), byte(j)}), 80)] = Server{Weight: 1}
		}
		t[Key{Protocol: TCP, Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}), 80)}] = e
	}
	return t
}

// Twice the table takes twice the memory, not four times: at 10,000 servers the square is gigabytes.
func TestDiffIsLinear(t *testing.T) {
	cost := func(services int) int64 {
		want := large(services)
		return testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Diff(nil, want)
			}
		}).AllocedBytesPerOp()
	}
	if small, big := cost(100), cost(800); big > 16*small {
		t.Errorf("%d bytes for 100 services, %d for 800", small, big)
	}
}

func BenchmarkDiff(b *testing.B) {
	have, want := large(1000), large(1000)
	b.ReportAllocs()
	for b.Loop() {
		Diff(have, want)
	}
}
