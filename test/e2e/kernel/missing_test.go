package kernel_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/test/lab"
)

// TestKernelWithoutIPVS takes the module away from under an open table and gives it back.
func TestKernelWithoutIPVS(t *testing.T) {
	h := lab.New(t).Host("lvs-a")
	k := open(t, h)
	want := lvs.Table{
		{Mark: 1}: {Service: lvs.Service{Scheduler: "rr", Netmask: 32}, Servers: map[netip.AddrPort]lvs.Server{
			netip.MustParseAddrPort("10.0.0.1:0"): {Forward: lvs.DR, Weight: 1},
		}},
	}
	changes := lvs.Diff(nil, want)
	t.Run("away", func(t *testing.T) {
		lab.HideModules(t)
		for name, f := range map[string]func() error{
			"open":     func() error { _, err := ipvs.Open(); return err },
			"services": func() error { _, err := k.Services(); return err },
			"servers":  func() error { _, err := k.Servers(lvs.Key{Mark: 1}); return err },
			"info":     func() error { _, err := k.Info(); return err },
			"apply":    func() error { return errors.Join(k.Apply(changes)...) },
			"timeouts": func() error { return k.SetTimeouts(ipvs.Timeouts{TCP: time.Minute}) },
			"sync":     func() error { return keeper(t, k).Sync(ipvs.Wanted{Table: want}) },
		} {
			if err := h.Do(f); !errors.Is(err, ipvs.ErrNoIPVS) {
				t.Errorf("%s: got %v, want ErrNoIPVS", name, err)
			}
		}
	})
	err := h.Do(func() error { return keeper(t, k).Sync(ipvs.Wanted{Table: want}) })
	if err != nil {
		t.Errorf("with ip_vs again: %v", err)
	}
	if got := said(t, h, "ipvsadm-save", "-n"); got != want.String() {
		t.Errorf("ipvsadm-save -n:\n%s", got)
	}
}

func TestTimeouts(t *testing.T) {
	h := lab.New(t).Host("lvs-a")
	k := open(t, h)
	if err := k.SetTimeouts(ipvs.Timeouts{TCP: 7 * time.Minute, UDP: 90 * time.Second}); err != nil {
		t.Fatal(err)
	}
	got, err := k.Timeouts()
	if want := (ipvs.Timeouts{TCP: 7 * time.Minute, TCPFin: 2 * time.Minute, UDP: 90 * time.Second}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if got := said(t, h, "ipvsadm", "-Ln", "--timeout"); got != "Timeout (tcp tcpfin udp): 420 120 90\n" {
		t.Errorf("ipvsadm: %s", got)
	}
}
