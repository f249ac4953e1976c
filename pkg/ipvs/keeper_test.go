package ipvs_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/ipvs/ipvstest"
	"github.com/lvsd/lvsd/pkg/lvs"
)

const resync = 2 * time.Second

// bench is a Keeper at work on a kernel in memory, with what it reported.
type bench struct {
	*ipvs.Keeper
	t      *testing.T
	kernel *ipvstest.Kernel
	events []string
}

func newBench(t *testing.T, has lvs.Table) *bench {
	b := &bench{t: t, kernel: ipvstest.New(has)}
	b.restart()
	return b
}

// restart begins with a Keeper that knows nothing.
func (b *bench) restart() {
	b.Keeper = ipvs.NewKeeper(b.kernel, resync, func(e ipvs.Event) {
		line := [...]string{"wrote", "repaired", "contested"}[e.Kind%ipvs.Calm] + " " + e.Change.String()
		if e.Kind == ipvs.Calm {
			line = "calm " + e.Entry().String()
		}
		if e.Err != nil {
			line += ": " + e.Err.Error()
		}
		b.events = append(b.events, line)
	})
}

func (b *bench) sync(want lvs.Table) {
	b.t.Helper()
	if err := b.Sync(ipvs.Wanted{Table: want}); err != nil {
		b.t.Errorf("sync: %v", err)
	}
}

func (b *bench) resync() {
	b.t.Helper()
	if err := b.Resync(); err != nil {
		b.t.Errorf("resync: %v", err)
	}
}

// reported compares the events since the last call.
func (b *bench) reported(want ...string) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.events); diff != "" {
		b.t.Errorf("events: %s", diff)
	}
	b.events = nil
}

func (b *bench) holds(want lvs.Table) {
	b.t.Helper()
	if diff := cmp.Diff(want.String(), b.kernel.Table().String()); diff != "" {
		b.t.Errorf("kernel: %s", diff)
	}
}

// wrote compares the changes that were sent since the last call.
func (b *bench) wrote(want int, before *int) {
	b.t.Helper()
	if got := b.kernel.Writes() - *before; got != want {
		b.t.Errorf("%d writes, want %d", got, want)
	}
	*before = b.kernel.Writes()
}

func tcp(s string) lvs.Key { return lvs.Key{Protocol: lvs.TCP, Addr: netip.MustParseAddrPort(s)} }

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// pool is a service with the servers 10.0.0.1, 10.0.0.2 ... of these weights.
func pool(scheduler string, weights ...int) lvs.Entry {
	e := lvs.Entry{Service: lvs.Service{Scheduler: scheduler, Netmask: 32}, Servers: map[netip.AddrPort]lvs.Server{}}
	for i, w := range weights {
		e.Servers[ap(fmt.Sprintf("10.0.%d.%d:80", i/250, i%250+1))] = lvs.Server{Forward: lvs.DR, Weight: w}
	}
	return e
}

var (
	web = tcp("192.0.2.1:80")
	tls = tcp("192.0.2.1:443")
	rs1 = ap("10.0.0.1:80")
	rs2 = ap("10.0.0.2:80")
)

func weight(key lvs.Key, addr netip.AddrPort, w int) lvs.Change {
	return lvs.Change{Op: lvs.EditServer, Key: key, Addr: addr, Server: lvs.Server{Forward: lvs.DR, Weight: w}}
}

func TestSyncWritesTheDifference(t *testing.T) {
	b, sent := newBench(t, nil), 0
	b.sync(lvs.Table{web: pool("rr", 1, 1), tls: pool("wlc", 1)})
	b.wrote(5, &sent)
	b.events = nil
	reads := b.kernel.Reads()
	b.sync(lvs.Table{web: pool("rr", 1, 1), tls: pool("wlc", 1)})
	b.wrote(0, &sent)
	b.sync(lvs.Table{web: pool("rr", 1, 5), tls: pool("wlc")})
	b.wrote(2, &sent)
	b.sync(lvs.Table{web: pool("rr", 1, 5)})
	b.reported(
		"wrote -e -t 192.0.2.1:80 -r 10.0.0.2:80 -g -w 5", "wrote -d -t 192.0.2.1:443 -r 10.0.0.1:80",
		"wrote -D -t 192.0.2.1:443",
	)
	b.holds(lvs.Table{web: pool("rr", 1, 5)})
	if n := b.kernel.Reads() - reads; n != 0 {
		t.Errorf("%d reads to write what it knows", n)
	}
}

func TestStartAdopts(t *testing.T) {
	foreign := tcp("203.0.113.1:22")
	old := tcp("192.0.2.9:80")
	b := newBench(t, lvs.Table{web: pool("rr", 1, 1), foreign: pool("lc", 7), old: pool("rr", 1)})
	sent := 0
	b.sync(lvs.Table{web: pool("rr", 1, 1)})
	b.wrote(0, &sent)
	if diff := cmp.Diff(fmt.Sprint([]lvs.Key{old, foreign}), fmt.Sprint(b.Status().Foreign)); diff != "" {
		t.Error(diff)
	}
	b.restart()
	if err := b.Sync(ipvs.Wanted{Table: lvs.Table{web: pool("rr", 1, 2)}, Owned: map[lvs.Key]bool{old: true}}); err != nil {
		t.Error(err)
	}
	b.reported("wrote -e -t 192.0.2.1:80 -r 10.0.0.2:80 -g -w 2", "wrote -D -t 192.0.2.9:80")
	b.holds(lvs.Table{web: pool("rr", 1, 2), foreign: pool("lc", 7)})
	if owned := b.Status().Owned; len(owned) != 1 || owned[0] != web {
		t.Errorf("owned: %v", owned)
	}
}

// What was taken out once and is there again is somebody else's, although the state file may still name it.
func TestRemovedServiceBecomesForeign(t *testing.T) {
	t.Run("never named before", func(t *testing.T) {
		b := newBench(t, nil)
		b.sync(lvs.Table{web: pool("rr", 1)})
		b.sync(nil)
		b.kernel.Edit(lvs.Diff(nil, lvs.Table{web: pool("lc", 3)})...)
		if err := b.Sync(ipvs.Wanted{Owned: map[lvs.Key]bool{web: true}}); err != nil {
			t.Error(err)
		}
		b.holds(lvs.Table{web: pool("lc", 3)})
	})
	b := newBench(t, lvs.Table{web: pool("rr", 1)})
	want := ipvs.Wanted{Table: lvs.Table{tls: pool("rr", 1)}, Owned: map[lvs.Key]bool{web: true}}
	for range 2 {
		if err := b.Sync(want); err != nil {
			t.Fatal(err)
		}
		b.holds(want.Table)
	}
	b.kernel.Edit(lvs.Diff(nil, lvs.Table{web: pool("lc", 3)})...)
	if err := b.Sync(want); err != nil {
		t.Error(err)
	}
	b.resync()
	b.holds(lvs.Table{tls: pool("rr", 1), web: pool("lc", 3)})
}

// A service that becomes ours while it stands is read first: what is there as wanted is not written, and what differs is
// not somebody's meddling.
func TestSyncAdoptsWhatBecomesOurs(t *testing.T) {
	want := ipvs.Wanted{Table: lvs.Table{tls: pool("rr", 1), web: pool("rr", 1, 2, 1)}}
	for name, prepare := range map[string]func(*bench){
		"never ours before": func(b *bench) { b.sync(lvs.Table{tls: pool("rr", 1)}) },
		"ours once": func(b *bench) {
			_ = b.Sync(ipvs.Wanted{Table: want.Table, Owned: map[lvs.Key]bool{web: true}})
			b.sync(lvs.Table{tls: pool("rr", 1)})
		},
		"missed by the next reading": func(b *bench) { b.sync(lvs.Table{tls: pool("rr", 1)}) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			prepare(b)
			b.kernel.Edit(lvs.Diff(nil, lvs.Table{web: pool("lc", 1, 1)})...)
			b.resync()
			if name == "missed by the next reading" {
				b.kernel.Miss(ipvs.Entry{Key: web}, 1)
			}
			b.events = nil
			sent := b.kernel.Writes()
			b.sync(want.Table)
			b.wrote(3, &sent)
			b.reported("wrote -E -t 192.0.2.1:80 -s rr", "wrote -a -t 192.0.2.1:80 -r 10.0.0.3:80 -g -w 1",
				"wrote -e -t 192.0.2.1:80 -r 10.0.0.2:80 -g -w 2")
			b.holds(want.Table)
			if s := b.Status(); len(s.Foreign) != 0 || s.Repairs != 0 {
				t.Errorf("foreign %v, %d repairs", s.Foreign, s.Repairs)
			}
		})
	}
}

func TestResyncRepairs(t *testing.T) {
	want := lvs.Table{web: pool("rr", 1, 1), tls: pool("wlc", 1)}
	all := []string{
		"repaired -A -t 192.0.2.1:80 -s rr", "repaired -a -t 192.0.2.1:80 -r 10.0.0.1:80 -g -w 1",
		"repaired -a -t 192.0.2.1:80 -r 10.0.0.2:80 -g -w 1",
	}
	for name, c := range map[string]struct {
		harm     func(*ipvstest.Kernel)
		reported []string
	}{
		"nothing":    {func(*ipvstest.Kernel) {}, nil},
		"ipvsadm -D": {func(k *ipvstest.Kernel) { k.Edit(lvs.Change{Op: lvs.DelService, Key: web}) }, all},
		"ipvsadm -E": {func(k *ipvstest.Kernel) {
			k.Edit(lvs.Change{Op: lvs.EditService, Key: web, Service: lvs.Service{Scheduler: "sh", Netmask: 32}})
		}, all[:1]},
		"ipvsadm -d": {func(k *ipvstest.Kernel) { k.Edit(lvs.Change{Op: lvs.DelServer, Key: web, Addr: rs2}) }, all[2:]},
		"ipvsadm -e": {func(k *ipvstest.Kernel) { k.Edit(weight(web, rs1, 9)) }, []string{
			"repaired -e -t 192.0.2.1:80 -r 10.0.0.1:80 -g -w 1",
		}},
		"ipvsadm -a": {func(k *ipvstest.Kernel) {
			k.Edit(lvs.Change{Op: lvs.AddServer, Key: tls, Addr: ap("10.9.9.9:80"), Server: lvs.Server{Weight: 1}})
		}, []string{"repaired -d -t 192.0.2.1:443 -r 10.9.9.9:80"}},
		"ipvsadm -C": {(*ipvstest.Kernel).Clear, append(all[:3:3],
			"repaired -A -t 192.0.2.1:443 -s wlc", "repaired -a -t 192.0.2.1:443 -r 10.0.0.1:80 -g -w 1",
		)},
		"a foreign service": {func(k *ipvstest.Kernel) {
			k.Edit(lvs.Change{Op: lvs.AddService, Key: lvs.Key{Mark: 1}, Service: lvs.Service{Scheduler: "rr", Netmask: 32}})
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			b.sync(want)
			b.events = nil
			c.harm(b.kernel)
			b.resync()
			if name == "ipvsadm -E" {
				c.reported = []string{"repaired -E -t 192.0.2.1:80 -s rr"}
			}
			b.reported(c.reported...)
			b.kernel.Edit(lvs.Change{Op: lvs.DelService, Key: lvs.Key{Mark: 1}})
			b.holds(want)
			if got := b.Status().Repairs; got != uint64(len(c.reported)) {
				t.Errorf("%d repairs counted, want %d", got, len(c.reported))
			}
		})
	}
}

// A repair tells what it found and what it made of it.
func TestRepairHasBeforeAndAfter(t *testing.T) {
	kernel := ipvstest.New(lvs.Table{web: pool("rr", 1)})
	var got []ipvs.Event
	k := ipvs.NewKeeper(kernel, resync, func(e ipvs.Event) { got = append(got, e) })
	_ = k.Sync(ipvs.Wanted{Table: lvs.Table{web: pool("rr", 1)}})
	kernel.Edit(weight(web, rs1, 9))
	_ = k.Resync()
	want := weight(web, rs1, 1)
	want.WasServer = lvs.Server{Forward: lvs.DR, Weight: 9}
	if len(got) != 1 || got[0] != (ipvs.Event{Kind: ipvs.Repaired, Change: want}) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// The kernel's answers lack entries that are there while somebody writes: nothing is done because of one.
func TestIncompleteAnswersAreNotBelieved(t *testing.T) {
	want := lvs.Table{web: pool("rr", 1, 1), tls: pool("wlc", 1)}
	b, sent := newBench(t, want), 0
	b.sync(want)
	for _, e := range []ipvs.Entry{{Key: web}, {Key: tls}, {Key: web, Addr: rs1}, {Key: web, Addr: rs2}} {
		b.kernel.Miss(e, 1)
		b.resync()
		b.wrote(0, &sent)
	}
	b.kernel.Miss(ipvs.Entry{Key: web}, 2)
	b.resync()
	b.wrote(0, &sent)
	b.reported()
	b.restart() // a Keeper that knows nothing finds out by writing
	b.kernel.Miss(ipvs.Entry{Key: web}, 1)
	b.kernel.Miss(ipvs.Entry{Key: tls, Addr: rs1}, 1)
	b.sync(want)
	b.holds(want)
}

func TestWritesAgainstSomebodyElse(t *testing.T) {
	add := func(key lvs.Key, addr netip.AddrPort) lvs.Change {
		return lvs.Change{Op: lvs.AddServer, Key: key, Addr: addr, Server: lvs.Server{Forward: lvs.NAT, Weight: 9}}
	}
	for name, harm := range map[string][]lvs.Change{
		"what is to be added is there":         {add(web, rs2)},
		"what is to be edited is gone":         {{Op: lvs.DelServer, Key: web, Addr: rs1}},
		"the service to be added is there":     lvs.Diff(nil, lvs.Table{tls: pool("lc", 8, 8, 8)}),
		"the service is gone":                  {{Op: lvs.DelService, Key: web}},
		"what is to be removed is gone":        {{Op: lvs.DelService, Key: lvs.Key{Mark: 1}}},
		"what is to be removed has gone empty": {{Op: lvs.DelServer, Key: lvs.Key{Mark: 1}, Addr: rs1}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			b.sync(lvs.Table{web: pool("rr", 1), {Mark: 1}: pool("rr", 1)})
			for _, err := range b.kernel.Edit(harm...) {
				if err != nil {
					t.Fatal(err)
				}
			}
			want := lvs.Table{web: pool("rr", 2, 1), tls: pool("rr", 1)}
			b.sync(want)
			b.holds(want)
		})
	}
}

func TestGivesUpOnSomebodyWhoNeverStops(t *testing.T) {
	b := newBench(t, nil)
	b.sync(lvs.Table{web: pool("rr", 1)})
	b.kernel.Before(func() {
		b.kernel.Edit(lvs.Change{Op: lvs.DelService, Key: web})
		b.kernel.Edit(lvs.Change{Op: lvs.AddService, Key: web, Service: lvs.Service{Scheduler: "rr", Netmask: 32}})
	})
	if err := b.Sync(ipvs.Wanted{Table: lvs.Table{web: pool("rr", 2)}}); err == nil {
		t.Log("written in a gap")
	}
	if n := b.kernel.Writes(); n > 10 {
		t.Errorf("%d writes in one turn", n)
	}
	b.kernel.Before(nil)
	b.resync()
	b.holds(lvs.Table{web: pool("rr", 2)})
}

func TestRefusalsAreToldOnceAndHoldUpNothingElse(t *testing.T) {
	b := newBench(t, nil)
	want := lvs.Table{web: pool("nosuch", 1, 1, 1), tls: pool("rr", 1)}
	b.kernel.Edit(lvs.Diff(nil, lvs.Table{tls: pool("rr", 1)})...) // the first turn takes two rounds
	b.kernel.Miss(ipvs.Entry{Key: tls}, 1)
	turns := [][2]int{{6, 4}, {4, 0}, {4, 2}} // writes and reads
	line := `wrote -A -t 192.0.2.1:80 -s nosuch: scheduler "nosuch": not in this kernel: module ip_vs_nosuch: no such file or directory`
	for i, turn := range turns {
		var err error
		writes, reads := b.kernel.Writes(), b.kernel.Reads()
		if i == 2 {
			err = b.Resync()
		} else {
			err = b.Sync(ipvs.Wanted{Table: want})
		}
		if !errors.Is(err, ipvs.ErrNoScheduler) || !strings.Contains(err.Error(), "-A -t 192.0.2.1:80 -s nosuch") {
			t.Errorf("error: %v", err)
		}
		if got := [2]int{b.kernel.Writes() - writes, b.kernel.Reads() - reads}; got != turn {
			t.Errorf("turn %d: %d writes and reads, want %d", i, got, turn)
		}
		if !errors.Is(b.Status().Err, ipvs.ErrNoScheduler) || !b.Status().Good.IsZero() {
			t.Errorf("status has error %v", b.Status().Err)
		}
	}
	b.reported(line)
	b.sync(lvs.Table{web: pool("wlc", 1), tls: pool("rr", 1)})
	b.holds(lvs.Table{web: pool("wlc", 1), tls: pool("rr", 1)})
	if age := time.Since(b.Status().Good); age > time.Minute || b.Status().Err != nil {
		t.Errorf("good %s ago, error %v", age, b.Status().Err)
	}
}

// A change whose answer was lost is nobody else's doing.
func TestLostAnswerIsNotDrift(t *testing.T) {
	b := newBench(t, nil)
	b.sync(lvs.Table{web: pool("rr", 1)})
	b.events = nil
	b.kernel.Fail(func(lvs.Change) error { return ipvstest.ErrLostAnswer })
	if err := b.Sync(ipvs.Wanted{Table: lvs.Table{web: pool("rr", 2)}}); err == nil {
		t.Error("no error although nothing was answered")
	}
	b.kernel.Fail(nil)
	b.sync(lvs.Table{web: pool("rr", 3)})
	b.reported("wrote -e -t 192.0.2.1:80 -r 10.0.0.1:80 -g -w 3")
	b.holds(lvs.Table{web: pool("rr", 3)})
}

func TestKernelThatIsNotHeard(t *testing.T) {
	b := newBench(t, nil)
	want := lvs.Table{web: pool("rr", 1, 1, 1)}
	silent := errors.New("no answer")
	b.kernel.Break(fmt.Errorf("%w: gone", ipvs.ErrNoIPVS))
	if err := b.Sync(ipvs.Wanted{Table: want}); !errors.Is(err, ipvs.ErrNoIPVS) {
		t.Errorf("sync without ip_vs: %v", err)
	}
	b.kernel.Break(nil)
	b.sync(want)
	b.events = nil
	deaf := false
	b.kernel.Fail(func(c lvs.Change) error {
		if deaf = deaf || c.Addr == rs2; deaf {
			return silent
		}
		return nil
	})
	want = lvs.Table{web: pool("rr", 2, 2, 2)}
	if err := b.Sync(ipvs.Wanted{Table: want}); !errors.Is(err, silent) {
		t.Errorf("sync: %v", err)
	}
	b.kernel.Fail(nil)
	b.kernel.Edit(weight(web, rs2, 2)) // the change was made, only its answer was lost
	b.sync(want)
	b.holds(want)
	b.reported("wrote -e -t 192.0.2.1:80 -r 10.0.0.1:80 -g -w 2", "wrote -e -t 192.0.2.1:80 -r 10.0.0.3:80 -g -w 2")
}

// What the kernel refuses does not make it a kernel that was not heard.
func TestErrorsTellTheUnheardFromTheRefused(t *testing.T) {
	broken := func(k *ipvstest.Kernel) { k.Break(errors.New("no answer")) }
	for name, c := range map[string]struct {
		harm    func(*ipvstest.Kernel)
		want    lvs.Table
		unheard bool
	}{
		"refused":     {func(*ipvstest.Kernel) {}, lvs.Table{web: pool("nosuch", 1), tls: pool("rr", 1)}, false},
		"not read":    {broken, lvs.Table{web: pool("rr", 1)}, true},
		"not written": {broken, lvs.Table{web: pool("rr", 2)}, true},
		"refused and unheard": {func(k *ipvstest.Kernel) {
			k.Fail(func(c lvs.Change) error {
				if c.Key == tls {
					return errors.New("no answer")
				}
				return nil
			})
		}, lvs.Table{web: pool("nosuch", 1), tls: pool("rr", 1)}, true},
		"changes all the time": {func(k *ipvstest.Kernel) {
			k.Fail(func(lvs.Change) error { return ipvs.ErrNotFound })
		}, lvs.Table{web: pool("rr", 2)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			b.sync(lvs.Table{web: pool("rr", 1)})
			c.harm(b.kernel)
			err := errors.Join(b.Sync(ipvs.Wanted{Table: c.want}), b.Resync())
			if err == nil || errors.Is(err, ipvs.ErrUnheard) != c.unheard {
				t.Errorf("unheard is %t of: %v", !c.unheard, err)
			}
			if c.unheard && !errors.Is(b.Status().Err, ipvs.ErrUnheard) {
				t.Errorf("status: %v", b.Status().Err)
			}
		})
	}
	b := newBench(t, nil)
	b.kernel.Break(ipvs.ErrNoIPVS)
	if err := b.Sync(ipvs.Wanted{}); !errors.Is(err, ipvs.ErrUnheard) || !errors.Is(err, ipvs.ErrNoIPVS) {
		t.Errorf("first reading: %v", err)
	}
}

// A kernel that is not heard is told in the same words in every turn, also in one that has nothing to write.
func TestOneCauseHasOneWording(t *testing.T) {
	b := newBench(t, nil)
	b.sync(lvs.Table{web: pool("rr", 1)})
	b.kernel.Break(errors.New("no answer"))
	sync := func(want lvs.Table) func() error {
		return func() error { return b.Sync(ipvs.Wanted{Table: want}) }
	}
	nothing, change, add := sync(lvs.Table{web: pool("rr", 1)}), sync(lvs.Table{web: pool("rr", 2)}), sync(lvs.Table{tls: pool("rr")})
	for i, turn := range []func() error{b.Resync, nothing, change, change, b.Resync, add, nothing} {
		if err := turn(); err == nil || err.Error() != "read the table: no answer" {
			t.Errorf("turn %d: %v", i, err)
		}
	}
	b.kernel.Break(nil)
	b.sync(lvs.Table{web: pool("rr", 2)})
	b.holds(lvs.Table{web: pool("rr", 2)})
}

// fight lets somebody set a server's weight to 9 before each resync, for d.
func (b *bench) fight(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(resync) {
		b.kernel.Edit(weight(web, rs1, 9))
		b.resync()
	}
}

// rest resyncs for d.
func (b *bench) rest(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(resync) {
		b.resync()
	}
}

func TestAnotherWriterIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.sync(lvs.Table{web: pool("rr", 1, 1)})
		b.events = nil
		b.fight(time.Minute)
		repaired := "repaired -e -t 192.0.2.1:80 -r 10.0.0.1:80 -g -w 1"
		b.reported(repaired, repaired, repaired, "contested -e -t 192.0.2.1:80 -r 10.0.0.1:80 -g -w 1")
		if c := b.Status().Contested; len(c) != 1 || c[0] != (ipvs.Entry{Key: web, Addr: rs1}) {
			t.Errorf("contested: %v", c)
		}
		b.fight(5 * time.Minute) // tried once a minute, told once
		b.reported(repaired, repaired, repaired, repaired, repaired)

		b.kernel.Edit(weight(web, rs2, 9)) // only the contested entry is left alone
		b.resync()
		b.sync(lvs.Table{web: pool("rr", 3, 1)}) // and what is newly wanted of it is written
		b.reported("repaired -e -t 192.0.2.1:80 -r 10.0.0.2:80 -g -w 1", "wrote -e -t 192.0.2.1:80 -r 10.0.0.1:80 -g -w 3")
		b.kernel.Edit(weight(web, rs1, 9))
		b.rest(50 * time.Second)
		b.reported()
		b.rest(time.Minute)
		b.reported("repaired -e -t 192.0.2.1:80 -r 10.0.0.1:80 -g -w 3")
		if len(b.Status().Contested) != 1 {
			t.Error("no longer contested before the repair has held for a minute")
		}
		b.rest(time.Minute)
		b.reported("calm 10.0.0.1:80 of tcp 192.0.2.1:80")
		b.holds(lvs.Table{web: pool("rr", 3, 1)})
		if c := b.Status().Contested; len(c) != 0 {
			t.Errorf("still contested: %v", c)
		}
	})
}

// Somebody who takes his own change back ends the contest without a write.
func TestContestEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.sync(lvs.Table{web: pool("rr", 1)})
		b.fight(20 * time.Second)
		b.kernel.Edit(weight(web, rs1, 1))
		b.events = nil
		sent := b.kernel.Writes()
		b.rest(70 * time.Second)
		b.reported("calm 10.0.0.1:80 of tcp 192.0.2.1:80")
		b.wrote(0, &sent)
	})
}

// A contest is over when what the other writer left is what is wanted, however it came to that.
func TestContestEndsWhenTheWantAgrees(t *testing.T) {
	remove := []lvs.Change{{Op: lvs.DelServer, Key: web, Addr: rs2}}
	for name, c := range map[string]struct {
		harm  []lvs.Change
		fault error
		want  lvs.Table
		calm  []string
	}{
		"the server goes":                           {remove, nil, lvs.Table{web: pool("rr", 1)}, []string{"calm 10.0.0.2:80 of tcp 192.0.2.1:80"}},
		"the weight is the other's":                 {[]lvs.Change{weight(web, rs2, 9)}, nil, lvs.Table{web: pool("rr", 1, 9)}, []string{"calm 10.0.0.2:80 of tcp 192.0.2.1:80"}},
		"the answer is lost":                        {remove, ipvstest.ErrLostAnswer, lvs.Table{web: pool("rr", 1, 3)}, []string{"calm 10.0.0.2:80 of tcp 192.0.2.1:80"}},
		"the service goes, which the other removed": {[]lvs.Change{{Op: lvs.DelService, Key: web}}, nil, lvs.Table{}, nil},
		"the service goes, which the other changed": {remove, nil, lvs.Table{}, []string{"wrote -D -t 192.0.2.1:80"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, nil)
				b.sync(lvs.Table{web: pool("rr", 1, 1)})
				for range 4 {
					b.kernel.Edit(c.harm...)
					b.resync()
					time.Sleep(resync)
				}
				if len(b.Status().Contested) != 1 {
					t.Fatal("not contested")
				}
				b.events = nil
				b.kernel.Fail(func(lvs.Change) error { return c.fault })
				_ = b.Sync(ipvs.Wanted{Table: c.want})
				b.kernel.Fail(nil)
				b.sync(c.want)
				if _, wanted := c.want[web]; !wanted && len(b.Status().Contested) != 0 {
					t.Error("a service that is not ours is contested")
				}
				b.rest(2 * time.Minute)
				b.reported(c.calm...)
				b.holds(c.want)
				if l := b.Status().Contested; len(l) != 0 {
					t.Errorf("contested for ever: %v", l)
				}
			})
		})
	}
}

// A change of what is wanted breaks through a contest once, however long its writing takes, and does not end it.
func TestContestAndChangedWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		nosuch := func(w int) lvs.Table { return lvs.Table{web: pool("rr", w), tls: pool("nosuch")} }
		_ = b.Sync(ipvs.Wanted{Table: nosuch(1)}) // something else fails all the time
		for range 5 {
			b.kernel.Edit(weight(web, rs1, 9))
			_ = b.Resync()
		}
		if len(b.Status().Contested) != 1 {
			t.Fatal("not contested")
		}
		b.events = nil
		silent := errors.New("no answer")
		b.kernel.Fail(func(lvs.Change) error { return silent })
		_ = b.Sync(ipvs.Wanted{Table: nosuch(3)})
		b.kernel.Fail(nil)
		_ = b.Sync(ipvs.Wanted{Table: nosuch(3)})
		b.kernel.Edit(weight(web, rs1, 9))
		_ = b.Resync()
		b.reported("wrote -e -t 192.0.2.1:80 -r 10.0.0.1:80 -g -w 3",
			`wrote -A -t 192.0.2.1:443 -s nosuch: scheduler "nosuch": not in this kernel: module ip_vs_nosuch: no such file or directory`)

		b.sync(lvs.Table{web: pool("rr", 9)}) // what the other wants: nothing to write, and no leave to write later
		b.kernel.Edit(weight(web, rs1, 5))
		b.resync()
		b.reported()
	})
}

// A contested service is looked at in every resync, also where a sweep takes long.
func TestContestEndsInTimeWhereSweepsAreLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := lvs.Table{web: pool("rr", 1)}
		for i := range 100 {
			want[tcp(fmt.Sprintf("203.0.113.%d:80", i+1))] = pool("rr", 1)
		}
		b := newBench(t, nil)
		b.sync(want)
		b.fight(20 * time.Second)
		b.kernel.Slow(10 * time.Millisecond)
		b.rest(resync)
		b.kernel.Edit(weight(web, rs1, 1))
		b.events = nil
		b.rest(66 * time.Second)
		b.reported("calm 10.0.0.1:80 of tcp 192.0.2.1:80")
	})
}

// Three repairs that are far apart are not a fight.
func TestRareRepairsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.sync(lvs.Table{web: pool("rr", 1)})
		for range 10 {
			b.kernel.Edit(weight(web, rs1, 9))
			b.resync()
			b.holds(lvs.Table{web: pool("rr", 1)})
			time.Sleep(25 * time.Second)
		}
	})
}

func TestTableClearedAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.sync(lvs.Table{web: pool("rr", 1)})
		b.events = nil
		for range 6 {
			b.kernel.Clear()
			b.resync()
			time.Sleep(resync)
		}
		service, server := "repaired -A -t 192.0.2.1:80 -s rr", "repaired -a -t 192.0.2.1:80 -r 10.0.0.1:80 -g -w 1"
		b.reported(service, server, service, server, service, server, "contested -A -t 192.0.2.1:80 -s rr")
	})
}

func TestSweepKeepsWithinItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := lvs.Table{}
		for i := range 100 {
			want[tcp(fmt.Sprintf("192.0.2.%d:80", i+1))] = pool("rr", 1)
		}
		b := newBench(t, nil)
		b.sync(want)
		b.kernel.Slow(10 * time.Millisecond) // 101 reads are a second, the budget a tenth of one
		harmed := tcp("192.0.2.77:80")
		longest := time.Duration(0)
		for i := range 60 {
			if i == 40 {
				b.kernel.Edit(weight(harmed, rs1, 9))
			}
			began := time.Now()
			b.resync()
			if i < 40 {
				longest = max(longest, time.Since(began))
			}
			time.Sleep(resync - time.Since(began))
		}
		if longest > resync/20+10*time.Millisecond {
			t.Errorf("a resync read for %s, the budget is %s", longest, resync/20)
		}
		if s := b.Status().Sweep; s < 20*time.Second || s > 26*time.Second {
			t.Errorf("a sweep took %s, want 12 resyncs of 9 services", s)
		}
		b.holds(want)
	})
}
