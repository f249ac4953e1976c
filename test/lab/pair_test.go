package lab_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/lvsd/lvsd/test/lab"
)

// vrrpConf is a router of keepalived with adverts of 100 ms.
const vrrpConf = `
vrrp_instance VI_1 {
  interface eth0
  version 3
  virtual_router_id 66
  priority %d
  advert_int 0.1
  virtual_ipaddress { 198.51.100.10/32 }
}
`

// TestWitnessesOfPair holds the witnesses of a pair against keepalived, whose habits are known.
func TestWitnessesOfPair(t *testing.T) {
	site := lab.OneBridge(t, lab.Size{Directors: 2, Unheld: true})
	a, b := site.Directors[0], site.Directors[1]
	adverts := b.Adverts("eth0")
	holders := lab.WatchHolders(lab.VIP, a, b)
	expect := func(what string, names ...string) {
		t.Helper()
		lab.Eventually(t, 10*time.Second, func() error {
			if got := holders.Holders(); !slices.Equal(got, names) {
				return fmt.Errorf("%s: %v hold the VIP, want %v", what, got, names)
			}
			return nil
		})
	}
	ka := a.Keepalived(fmt.Sprintf(vrrpConf, 150))
	expect("alone", "lvs-a")
	kb := b.Keepalived(fmt.Sprintf(vrrpConf, 100))
	lab.Eventually(t, 5*time.Second, func() error {
		if s := kb.State("VI_1"); s != "BACKUP" {
			return fmt.Errorf("the second is %q", s)
		}
		return nil
	})
	first := adverts.Seen()[0]
	if want := (lab.Advert{At: first.At, From: a.Address(), To: netip.MustParseAddr("224.0.0.18"), TTL: 255, Version: 3, ID: 66, Priority: 150, Interval: 100 * time.Millisecond}); first != want {
		t.Errorf("advert %v, want %v", first, want)
	}

	// One way: the first does not hear the second, which is harmless; then the second does not hear the first.
	holders.Mark()
	a.Port(0).Impair(lab.Heard, 112, "loss 100%")
	if got := adverts.Seen(); len(got) == 0 {
		t.Error("no advert")
	}
	b.Port(0).Impair(lab.Heard, 112, "loss 100%")
	expect("one way", "lvs-a", "lvs-b")
	b.Web(lab.WebConfig{})
	if got := outcome(site.Client, lab.Asking{URL: "http://198.51.100.102/"}); got != "lvs-b" {
		t.Errorf("all is lost, not VRRP: %s", got)
	}
	a.Port(0).Impair(lab.Both, 112, "")
	b.Port(0).Impair(lab.Both, 112, "")
	expect("healed", "lvs-a")
	if h := holders.Holding(); h.More < 20*time.Millisecond || h.One < h.More || h.None != 0 || len(h.Changes) != 2 {
		t.Errorf("holding %v", h)
	}

	holders.Mark()
	since := time.Now()
	ka.KillAll() // its VIP stays: keepalived has no lease
	expect("killed", "lvs-a", "lvs-b")
	if got := adverts.Speakers(66, since.Add(time.Millisecond)); !slices.Equal(got, []netip.Addr{b.Address()}) {
		t.Errorf("speakers after the kill: %v", got)
	}
	ka = a.Keepalived(fmt.Sprintf(vrrpConf, 150))
	expect("back", "lvs-a")
	ka.Pause()
	expect("paused", "lvs-a", "lvs-b")
	ka.Continue()
	expect("going on", "lvs-a")
	ka.Stop()
	expect("stopped", "lvs-b")
	kb.Stop()
	expect("both stopped")
	if h := holders.Holding(); h.None == 0 {
		t.Errorf("nobody holds the VIP, and %v", h)
	}
}
