package bench

import (
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	moby "github.com/moby/ipvs"

	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/test/lab"
)

const applyRuns = 3

// applyTable is 1,000 services with 10 real servers of a weight.
func applyTable(weight int) lvs.Table {
	t := lvs.Table{}
	for i := range scaleServices {
		e := lvs.Entry{Service: lvs.Service{Scheduler: "wlc", Netmask: 32}, Servers: map[netip.AddrPort]lvs.Server{}}
		for j := range scaleServers {
			n := i*scaleServers + j
			addr := netip.AddrFrom4([4]byte{10, 1, byte(n / 250), byte(n%250 + 1)})
			e.Servers[netip.AddrPortFrom(addr, 8080)] = lvs.Server{Forward: lvs.NAT, Weight: weight}
		}
		t[scaleKey(i)] = e
	}
	return t
}

// BenchmarkApply fills an empty table with 10,000 servers, then changes the weight of each, in three ways: as lvsd does,
// by ipvsadm -R, and by moby/ipvs call by call.
func BenchmarkApply(b *testing.B) {
	fill := lvs.Diff(nil, applyTable(1))
	change := lvs.Diff(applyTable(1), applyTable(2))
	for _, way := range []struct {
		name  string
		apply func(*testing.B, *lab.Host) func([]lvs.Change)
	}{{"Apply", byApply}, {"ipvsadm -R", byIpvsadm}, {"moby", byMoby}} {
		var filled, changed figures
		for range applyRuns {
			b.Run("run", func(b *testing.B) {
				host := scaleHost(b)
				apply := way.apply(b, host)
				began := time.Now()
				apply(fill)
				filled = append(filled, time.Since(began))
				began = time.Now()
				apply(change)
				changed = append(changed, time.Since(began))
				holds(b, host, applyTable(2))
			})
		}
		filled.report(b, "10000 servers from empty by "+way.name)
		changed.report(b, "10000 weights changed by "+way.name)
	}
}

func openTable(b *testing.B, host *lab.Host) *ipvs.Netlink {
	b.Helper()
	var k *ipvs.Netlink
	if err := host.Do(func() (err error) { k, err = ipvs.Open(); return err }); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(k.Close)
	return k
}

func holds(b *testing.B, host *lab.Host, want lvs.Table) {
	b.Helper()
	got, err := ipvs.Read(openTable(b, host))
	if left := lvs.Diff(got, want); err != nil || len(left) > 0 {
		b.Fatalf("%d changes are missing, error %v", len(left), err)
	}
}

func byApply(b *testing.B, host *lab.Host) func([]lvs.Change) {
	k := openTable(b, host)
	return func(changes []lvs.Change) {
		for _, err := range k.Apply(changes) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func byIpvsadm(b *testing.B, host *lab.Host) func([]lvs.Change) {
	return func(changes []lvs.Change) {
		var lines strings.Builder
		for _, c := range changes {
			lines.WriteString(c.String() + "\n")
		}
		err := host.Do(func() error {
			cmd := exec.Command("ipvsadm", "-R")
			cmd.Stdin = strings.NewReader(lines.String())
			return cmd.Run()
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func byMoby(b *testing.B, host *lab.Host) func([]lvs.Change) {
	var handle *moby.Handle
	if err := host.Do(func() (err error) { handle, err = moby.New(""); return err }); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(handle.Close)
	return func(changes []lvs.Change) {
		for _, c := range changes {
			if err := mobyChange(handle, c); err != nil {
				b.Fatalf("%s: %v", c, err)
			}
		}
	}
}

func mobyChange(h *moby.Handle, c lvs.Change) error {
	s := &moby.Service{
		AddressFamily: syscall.AF_INET, Protocol: uint16(c.Key.Protocol), Address: net.IP(c.Key.Addr.Addr().AsSlice()),
		Port: c.Key.Addr.Port(), SchedName: c.Service.Scheduler, Netmask: 0xffffffff,
	}
	d := &moby.Destination{
		AddressFamily: syscall.AF_INET, Address: net.IP(c.Addr.Addr().AsSlice()), Port: c.Addr.Port(), Weight: c.Server.Weight,
		ConnectionFlags: uint32(c.Server.Forward),
	}
	switch c.Op {
	case lvs.AddService:
		return h.NewService(s)
	case lvs.AddServer:
		return h.NewDestination(s, d)
	default:
		return h.UpdateDestination(s, d)
	}
}
