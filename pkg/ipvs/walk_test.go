package ipvs_test

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/ipvs/ipvstest"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// walk is a Keeper among people who write, in a kernel that refuses and falls silent, from one restart to the next.
type walk struct {
	kernel  *ipvstest.Kernel
	keeper  *ipvs.Keeper
	want    lvs.Table
	state   map[lvs.Key]bool // what the state file names
	foreign lvs.Table        // what the services that are never wanted should hold
}

var (
	wantable = []lvs.Key{web, tls, {Mark: 7}}
	strange  = []lvs.Key{tcp("203.0.113.1:80"), {Mark: 7, IPv6: true}}
	errMute  = errors.New("silence")
)

func entries() *rapid.Generator[lvs.Entry] {
	return rapid.Custom(func(t *rapid.T) lvs.Entry {
		weights := rapid.SliceOfN(rapid.IntRange(0, 2), 0, 4).Draw(t, "weights")
		return pool(rapid.SampledFrom([]string{"rr", "wlc"}).Draw(t, "scheduler"), weights...)
	})
}

func (w *walk) restart() {
	if w.keeper != nil {
		for _, key := range w.keeper.Status().Owned {
			w.state[key] = true
		}
	}
	w.keeper = ipvs.NewKeeper(w.kernel, resync, func(ipvs.Event) {})
}

// sync is a turn as the daemon makes it: what is wanted is named in the state file before it is written.
func (w *walk) sync() error {
	owned := maps.Clone(w.state)
	for key := range w.want {
		w.state[key] = true
	}
	err := w.keeper.Sync(ipvs.Wanted{Table: w.want, Owned: owned})
	if err == nil {
		clear(w.state)
		for key := range w.want {
			w.state[key] = true
		}
	}
	return err
}

// faults lets the kernel refuse, fall silent and leave things out, until it is called with nothing to draw from.
func (w *walk) faults(t *rapid.T) {
	kinds := []error{nil, nil, nil, errMute, ipvstest.ErrLostAnswer, fmt.Errorf("%w: %w", ipvs.ErrRefused, syscall.ENOMEM)}
	drawn := rapid.SliceOfN(rapid.SampledFrom(kinds), 1, 12).Draw(t, "faults")
	i := 0
	w.kernel.Fail(func(lvs.Change) error {
		i++
		if i > len(drawn) {
			return nil
		}
		return drawn[i-1]
	})
	w.kernel.Miss(ipvs.Entry{
		Key:  rapid.SampledFrom(wantable).Draw(t, "missed"),
		Addr: rapid.SampledFrom([]netip.AddrPort{{}, rs1}).Draw(t, "server"),
	}, rapid.IntRange(0, 2).Draw(t, "times"))
}

// meddle is somebody else who writes.
func (w *walk) meddle(t *rapid.T) {
	key := rapid.SampledFrom(slices.Concat(wantable, strange)).Draw(t, "key")
	c := lvs.Change{
		Op: lvs.Op(rapid.IntRange(1, 6).Draw(t, "op")), Key: key, Service: lvs.Service{Scheduler: "lc", Netmask: key.Bits()},
	}
	if c.Op.OfServer() {
		c.Addr = rapid.SampledFrom([]netip.AddrPort{rs1, rs2, ap("10.0.0.9:80")}).Draw(t, "server")
		c.Server = lvs.Server{Forward: lvs.Tunnel, Weight: rapid.IntRange(0, 2).Draw(t, "weight")}
	}
	w.kernel.Edit(c)
	for _, key := range strange {
		delete(w.foreign, key)
		if entry, there := w.kernel.Table()[key]; there {
			w.foreign[key] = entry
		}
	}
}

func (w *walk) step(t *rapid.T) {
	switch rapid.IntRange(0, 6).Draw(t, "step") {
	case 0, 1:
		w.want = rapid.MapOf(rapid.SampledFrom(wantable), entries()).Draw(t, "want")
		_ = w.sync()
	case 2, 3:
		w.meddle(t)
	case 4:
		_ = w.keeper.Resync()
	case 5:
		w.faults(t)
	case 6:
		w.restart()
		_ = w.sync()
	}
	time.Sleep(resync)
}

// settle gives the Keeper as long as it takes to believe that nobody fights any more.
func (w *walk) settle(t *rapid.T) {
	w.kernel.Fail(nil)
	for _, key := range wantable {
		for _, addr := range []netip.AddrPort{{}, rs1} {
			w.kernel.Miss(ipvs.Entry{Key: key, Addr: addr}, 0)
		}
	}
	if err := w.sync(); err != nil {
		t.Fatalf("sync with nothing in the way: %v", err)
	}
	for range 40 {
		if err := w.keeper.Resync(); err != nil {
			t.Fatalf("resync with nothing in the way: %v", err)
		}
		time.Sleep(resync)
	}
}

func (w *walk) check(t *rapid.T) {
	ours, others := lvs.Table{}, lvs.Table{}
	for key, entry := range w.kernel.Table() {
		if _, wanted := w.want[key]; wanted {
			ours[key] = entry
		} else if slices.Contains(strange, key) {
			others[key] = entry
		} else if !slices.Contains(w.keeper.Status().Foreign, key) {
			t.Errorf("%s is neither wanted nor foreign", key)
		}
	}
	if diff := cmp.Diff(w.want.String(), ours.String()); diff != "" {
		t.Errorf("ours: %s", diff)
	}
	if diff := cmp.Diff(w.foreign.String(), others.String()); diff != "" {
		t.Errorf("foreign: %s", diff)
	}
	if owned := w.keeper.Status().Owned; len(owned) != len(w.want) {
		t.Errorf("owned %v, want as many as %v", owned, w.want)
	}
	before := w.kernel.Writes()
	if err := errors.Join(w.sync(), w.keeper.Resync()); err != nil || w.kernel.Writes() != before {
		t.Errorf("%d writes to change nothing, error %v", w.kernel.Writes()-before, err)
	}
	w.restart()
	if err := w.sync(); err != nil || w.kernel.Writes() != before {
		t.Errorf("%d writes at a restart, error %v", w.kernel.Writes()-before, err)
	}
}

func TestAnyWalkEndsAsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ rapid.TB }{t}, func(t *rapid.T) { // without Deadline, which a bubble has not
			w := &walk{kernel: ipvstest.New(nil), want: lvs.Table{}, state: map[lvs.Key]bool{}, foreign: lvs.Table{}}
			w.restart()
			for range rapid.IntRange(1, 25).Draw(t, "steps") {
				w.step(t)
			}
			w.settle(t)
			w.check(t)
		})
	})
}
