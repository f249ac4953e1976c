package lab_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/test/lab"
)

// balance puts a service of every server into the director's table with ipvsadm.
func balance(d *lab.Host, vip netip.Addr, forward string, servers []netip.Addr) {
	d.Run("ipvsadm", "-A", "-t", at(vip, 80), "-s", "rr")
	for _, s := range servers {
		d.Run("ipvsadm", "-a", "-t", at(vip, 80), "-r", at(s, 80), forward)
	}
}

func at(a netip.Addr, port uint16) string { return netip.AddrPortFrom(a, port).String() }

func TestForwarding(t *testing.T) {
	for _, c := range []struct {
		name    string
		site    func(lab.T, lab.Size) *lab.Site
		forward string
	}{
		{"dr", lab.OneBridge, "-g"},
		{"tunnel", lab.OneBridge, "-i"},
		{"nat", lab.TwoBridges, "-m"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.site(t, lab.Size{Servers: 2})
			var v4, v6 []netip.Addr
			for _, h := range s.Servers {
				h.Web(lab.WebConfig{})
				v4, v6 = append(v4, h.Address()), append(v6, h.Address6())
				if c.name == "tunnel" {
					h.TunnelEnd()
				}
			}
			d := s.Directors[0]
			balance(d, lab.VIP, c.forward, v4)
			balance(d, lab.VIP6, c.forward, v6)
			if got := d.Ipvsadm(); !strings.Contains(got, at(v4[1], 80)) || !strings.Contains(got, at(v6[1], 80)) {
				t.Errorf("ipvsadm -Ln:\n%s", got)
			}
			for _, vip := range []netip.Addr{lab.VIP, lab.VIP6} {
				url := fmt.Sprintf("http://%s/", at(vip, 80))
				by := map[string]bool{}
				for range 2 {
					by[s.Client.Run("curl", "-sS", "-m", "5", "-g", url)] = true
				}
				if !by["rs1"] || !by["rs2"] {
					t.Errorf("%s was answered by %v, want rs1 and rs2", url, by)
				}
			}
		})
	}
}

func TestTakeover(t *testing.T) {
	s := lab.OneBridge(t, lab.Size{Directors: 2})
	s.Servers[0].Web(lab.WebConfig{})
	for _, d := range s.Directors {
		balance(d, lab.VIP, "-g", []netip.Addr{s.Servers[0].Address()})
	}
	a := lab.Asking{URL: "http://" + at(lab.VIP, 80) + "/"}
	held := s.Client.Hold(a)
	asker := s.Client.Ask(a)
	s.HoldVIPs(s.Directors[1])
	lab.Eventually(t, 5*time.Second, func() error {
		if !strings.Contains(s.Directors[1].Run("ipvsadm", "-Lnc"), "198.51.100.10:80") {
			return fmt.Errorf("nobody came to lvs-b")
		}
		return nil
	})
	if tally := asker.Stop(); tally.OK == 0 || tally.By["rs1"] != tally.OK {
		t.Error(tally)
	}
	// The other director does not know the connection: with nothing synchronised, it dies.
	if _, err := held.Ask(); err == nil {
		t.Error("a held connection outlived its director's table")
	}
}

// The kernel loads ip_vs and schedulers itself when asked, and can be kept from it.
func TestModules(t *testing.T) {
	n := lab.New(t)
	d, e := n.Host("lvs-a"), n.Host("lvs-b")
	for _, scheduler := range []string{"rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "fo", "ovf"} {
		d.Run("ipvsadm", "-A", "-t", "192.0.2.1:80", "-s", scheduler)
		d.Run("ipvsadm", "-D", "-t", "192.0.2.1:80")
	}
	if !lab.OwnKernel() {
		t.Log("this kernel is not the lab's own: its modules stay")
		return
	}
	lab.HideModules(t)
	if out, err := e.Try("ipvsadm", "-A", "-t", "192.0.2.1:80"); err == nil {
		t.Errorf("ipvsadm works without ip_vs: %s", out)
	}
}
