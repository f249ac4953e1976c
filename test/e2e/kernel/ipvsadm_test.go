package kernel_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/test/lab"
)

// walks is how often a test walks from an empty kernel over steps tables, each time in a namespace of its own.
const walks, steps = 10, 10

// walk calls test with a fresh kernel and the seed of its first table.
func walk(t *testing.T, test func(t *testing.T, h *lab.Host, k *ipvs.Netlink, seed uint64)) {
	for i := range uint64(walks) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			h := lab.New(t).Host("lvs-a")
			test(t, h, open(t, h), i*steps)
		})
	}
}

// keeper gives a Keeper that ends the test when it could not do something.
func keeper(t *testing.T, k ipvs.Kernel) *ipvs.Keeper {
	return ipvs.NewKeeper(k, 2*time.Second, func(e ipvs.Event) {
		if e.Err != nil {
			t.Errorf("%s: %v", e.Change, e.Err)
		}
	})
}

// TestIpvsadmReadsWhatIsWritten walks from table to table and has ipvsadm tell each.
func TestIpvsadmReadsWhatIsWritten(t *testing.T) { walk(t, ipvsadmReads) }

func ipvsadmReads(t *testing.T, h *lab.Host, k *ipvs.Netlink, first uint64) {
	keep := keeper(t, k)
	var want lvs.Table
	for seed := first; seed < first+steps; seed++ {
		want = roll(seed).table(want)
		if err := keep.Sync(ipvs.Wanted{Table: want}); err != nil {
			t.Fatalf("table %d: %v", seed, err)
		}
		if diff := cmp.Diff(want.String(), said(t, h, "ipvsadm-save", "-n")); diff != "" {
			t.Fatalf("table %d: ipvsadm-save -n: %s", seed, diff)
		}
		if diff := cmp.Diff(listing(t, k), said(t, h, "ipvsadm", "-Ln")); diff != "" {
			t.Fatalf("table %d: ipvsadm -Ln: %s", seed, diff)
		}
	}
}

// TestIpvsadmWritesWhatIsPrinted has ipvsadm -R make each change from table to table; there is nothing left to write.
func TestIpvsadmWritesWhatIsPrinted(t *testing.T) { walk(t, ipvsadmWrites) }

func ipvsadmWrites(t *testing.T, h *lab.Host, k *ipvs.Netlink, first uint64) {
	var have lvs.Table
	for seed := first; seed < first+steps; seed++ {
		want := roll(seed).table(have)
		changes := lvs.Diff(have, want)
		feed(t, h, commands(changes))
		got, err := ipvs.Read(k)
		if err != nil {
			t.Fatal(err)
		}
		if left := lvs.Diff(got, want); len(left) > 0 {
			t.Fatalf("table %d: after\n%s\nis left to do:\n%s", seed, commands(changes), commands(left))
		}
		keep := keeper(t, k)
		if err := keep.Sync(ipvs.Wanted{Table: want}); err != nil || keep.Status().Writes != 0 {
			t.Fatalf("table %d: %d writes to adopt it, error %v", seed, keep.Status().Writes, err)
		}
		have = want
	}
}

// listing gives the table as ipvsadm -Ln does.
func listing(t *testing.T, k *ipvs.Netlink) string {
	t.Helper()
	info, err := k.Info()
	if err != nil {
		t.Fatal(err)
	}
	table, err := ipvs.Read(k)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(lvs.ListVersion(info.Version, info.Size) + lvs.ListHeader)
	for _, key := range table.Listed() {
		b.WriteString(lvs.ListService(key, table[key].Service) + "\n")
		observed, err := k.Servers(key)
		if err != nil {
			t.Fatal(err)
		}
		for _, addr := range table[key].Listed() {
			b.WriteString(lvs.ListServer(addr, observed[addr].Server, observed[addr].Connections) + "\n")
		}
	}
	return b.String()
}

// TestListingCountsConnections compares the columns that count while a client holds some connections and has ended
// others.
func TestListingCountsConnections(t *testing.T) {
	s := lab.TwoBridges(t, lab.Size{Servers: 2})
	d := s.Directors[0]
	k := open(t, d)
	want := lvs.Table{}
	key := lvs.Key{Protocol: lvs.TCP, Addr: netip.AddrPortFrom(lab.VIP, 80)}
	entry := lvs.Entry{Service: lvs.Service{Scheduler: "rr", Netmask: 32}, Servers: map[netip.AddrPort]lvs.Server{}}
	for _, server := range s.Servers {
		server.Web(lab.WebConfig{})
		entry.Servers[netip.AddrPortFrom(server.Address(), 80)] = lvs.Server{Forward: lvs.NAT, Weight: 1}
	}
	want[key] = entry
	if err := keeper(t, k).Sync(ipvs.Wanted{Table: want}); err != nil {
		t.Fatal(err)
	}
	url := "http://" + key.Addr.String() + "/"
	for range 12 {
		s.Client.Hold(lab.Asking{URL: url})
	}
	for range 6 {
		s.Client.Run("curl", "-sS", "-m", "5", url)
	}
	lab.Eventually(t, 10*time.Second, func() error {
		before, theirs, after := listing(t, k), said(t, d, "ipvsadm", "-Ln"), listing(t, k)
		if before != after || !strings.Contains(theirs, "Masq    1      6          3 ") {
			return fmt.Errorf("connections still change: %s", after)
		}
		if diff := cmp.Diff(after, theirs); diff != "" {
			t.Errorf("ipvsadm -Ln: %s", diff)
		}
		return nil
	})
}
