package kernel_test

import (
	"errors"
	"maps"
	"net/netip"
	"testing"

	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/test/lab"
)

// TestSyncDaemons starts and ends the kernel's daemons of connection synchronisation, with ipvsadm as the witness.
func TestSyncDaemons(t *testing.T) {
	n := lab.New(t)
	h := n.Host("lvs-a")
	h.Join(n.Bridge("lan"), netip.MustParsePrefix("198.51.100.101/24"))
	k := open(t, h)
	sync := ipvs.Sync{Interface: "eth0", ID: 66}
	if err := k.StartSync(ipvs.SyncSends, ipvs.Sync{Interface: "eth7", ID: 1}); !errors.Is(err, ipvs.ErrRefused) {
		t.Errorf("an interface that is not there: %v, want ErrRefused", err)
	}
	if err := k.StopSync(ipvs.SyncHears, sync); !errors.Is(err, ipvs.ErrNotFound) {
		t.Errorf("end of none: %v, want ErrNotFound", err)
	}
	for _, role := range []ipvs.SyncRole{ipvs.SyncSends, ipvs.SyncHears} {
		if err := h.Do(func() error { return k.StartSync(role, sync) }); err != nil {
			t.Fatalf("start %s: %v", role, err)
		}
		if err := k.StartSync(role, sync); !errors.Is(err, ipvs.ErrExists) {
			t.Errorf("start %s again: %v, want ErrExists", role, err)
		}
	}
	got, err := k.Syncing()
	if want := (map[ipvs.SyncRole]ipvs.Sync{ipvs.SyncSends: sync, ipvs.SyncHears: sync}); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	want := "master sync daemon (mcast=eth0, syncid=66, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)\n" +
		"backup sync daemon (mcast=eth0, syncid=66, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)\n"
	if got := said(t, h, "ipvsadm", "-L", "--daemon"); got != want {
		t.Errorf("ipvsadm: %s", got)
	}
	if err := k.StopSync(ipvs.SyncSends, sync); err != nil {
		t.Error(err)
	}
	if got, err := k.Syncing(); err != nil || len(got) != 1 || got[ipvs.SyncHears] != sync {
		t.Errorf("after one was ended: %v, %v", got, err)
	}
}
