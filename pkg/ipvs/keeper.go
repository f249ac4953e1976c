package ipvs

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Keeper keeps the kernel's table as wanted. It remembers what the kernel holds of its services, so that a changed want
// costs only the writes that it takes, and looks whether somebody else has written meanwhile. Services that it neither
// was asked for nor put there are foreign to it: it never touches them.
//
// All its methods belong to one goroutine, in which it also reports. It has none of its own.
type Keeper struct {
	kernel Kernel
	resync time.Duration
	report func(Event)

	want   lvs.Table        // what was set last; nil before
	owned  map[lvs.Key]bool // services to take out when they are not wanted: put there by this Keeper or an earlier one
	told   map[lvs.Key]bool // every service that was ever owned
	have   lvs.Table        // what the kernel holds of ours, as far as known; nil until it was read; maps are our own
	open   map[lvs.Key]bool // services of which have may differ from want: the others are not compared
	unsure map[lvs.Key]bool // services to read again before have is believed of them
	others contests
	failed map[Entry]string // what the last turn could not do, so that it is reported once
	lap    lap
	status Status
}

// Wanted is what the kernel should hold, and what may be taken out for it.
type Wanted struct {
	Table lvs.Table
	Owned map[lvs.Key]bool // services that an earlier run put there; the Keeper knows by itself of its own
}

// Entry names what a Keeper keeps: a virtual service itself, or with an address one of its real servers.
type Entry struct {
	Key  lvs.Key
	Addr netip.AddrPort
}

// String gives "tcp 192.0.2.1:80" or "10.0.0.1:80 of tcp 192.0.2.1:80".
func (e Entry) String() string {
	if !e.Addr.IsValid() {
		return e.Key.String()
	}
	return e.Addr.String() + " of " + e.Key.String()
}

// Kind says what an Event tells of.
type Kind uint8

// The kinds of events.
const (
	Wrote     Kind = iota // Change was made because it is wanted, or could not be made
	Repaired              // Change mends what somebody else did, or could not be made
	Contested             // somebody else keeps undoing Change: it is made once a minute at most
	Calm                  // what was contested has been as wanted for a minute; Change only names it
)

// Event is something that a Keeper did or could not do. Its Change has what was before and what is after.
type Event struct {
	Kind   Kind
	Change lvs.Change
	Err    error // why Change was not made; reported once, not at each try
}

// Entry gives what the event is about.
func (e Event) Entry() Entry { return of(e.Change) }

// ErrUnheard is in every error of Sync and Resync after which it is not known what the kernel holds: it was not heard,
// or somebody else changed the table faster than it could be read. An error without it is of a kernel that was heard
// and refused single entries; all else is as wanted then.
var ErrUnheard = errors.New("the kernel was not heard")

// unheard is an ErrUnheard in its own words.
type unheard struct{ error }

func (u unheard) Unwrap() []error { return []error{ErrUnheard, u.error} }

// Status is what a Keeper has to tell of itself. Nobody changes it once it has been given out.
type Status struct {
	Good      time.Time     // when the table was last made or found as wanted; contested entries aside
	Err       error         // of the last turn
	Writes    uint64        // changes that were sent to the kernel
	Repairs   uint64        // those of them that mended what somebody else did
	Sweep     time.Duration // between two looks at the same servers; zero before the second
	Contested []Entry       // left alone because somebody else keeps writing
	Owned     []lvs.Key     // services that are in the table because lvsd put or adopted them there, or will be
	Foreign   []lvs.Key     // services that are none of ours
}

// NewKeeper makes a Keeper that has read nothing yet. resync is how often Resync will be called; see there. report is
// called for each event as it happens and must not call the Keeper.
func NewKeeper(kernel Kernel, resync time.Duration, report func(Event)) *Keeper {
	return &Keeper{
		kernel: kernel, resync: resync, report: report,
		owned: map[lvs.Key]bool{}, told: map[lvs.Key]bool{},
		open: map[lvs.Key]bool{}, unsure: map[lvs.Key]bool{},
		others: contests{}, failed: map[Entry]string{},
	}
}

// Sync makes the kernel hold what is wanted. The first call reads the table, adopts what is there and writes what
// differs; later ones write the difference to what the kernel is known to hold, and first read the services that were
// none of ours before. Where an answer of the kernel shows that it holds something else, that service is read again. The
// error says what could not be done; calling again tries that. It is ErrUnheard unless it is only about entries that the
// kernel refused.
//
// The Table is kept and must not be changed afterwards. A service that was once taken out is not taken out again because
// it is still named as Owned: who put it there since is somebody else.
func (k *Keeper) Sync(want Wanted) error {
	k.others.rewanted(k.want, want.Table)
	k.rewant(want.Table)
	for key := range want.Table {
		if !k.owned[key] {
			k.own(key)
		}
	}
	for key := range want.Owned {
		if !k.told[key] {
			k.own(key)
		}
	}
	return k.ended(k.converge())
}

// Resync looks whether the kernel still holds what is wanted, and repairs it: the virtual services all at once, the real
// servers of as many of them as can be read in a twentieth of the resync time, the next ones in the next call. What
// looks wrong is looked at again before it is believed. It also tries again what failed. It does nothing before Sync.
// Its error is as that of Sync.
func (k *Keeper) Resync() error {
	if k.want == nil {
		return nil
	}
	if k.have != nil {
		if err := k.look(); err != nil {
			return k.ended(unheard{fmt.Errorf("read the table: %w", err)})
		}
		for _, e := range k.others.calmed(time.Now()) {
			k.report(Event{Kind: Calm, Change: lvs.Change{Key: e.Key, Addr: e.Addr}})
		}
	}
	return k.ended(k.converge())
}

// Status tells how things stand.
func (k *Keeper) Status() Status {
	s := k.status
	s.Contested = k.others.list()
	return s
}

// ended keeps how a turn went. Services that are neither wanted nor there any more are no longer ours, and nor are
// the contests for them: who adds one again is somebody else.
func (k *Keeper) ended(err error) error {
	k.disown()
	maps.DeleteFunc(k.others, func(e Entry, _ *contest) bool { return !k.ours(e.Key) })
	k.others.agree(k.have, k.want)
	if k.status.Owned == nil {
		k.status.Owned = slices.SortedFunc(maps.Keys(k.owned), lvs.Key.Compare)
	}
	if k.status.Err = err; err == nil {
		k.status.Good = time.Now()
		k.others.settled()
	}
	return err
}

// rounds bounds how often one turn believes somebody who writes against it.
const rounds = 3

// converge writes until the kernel is known to hold what is wanted, all but what it refuses and what is contested.
func (k *Keeper) converge() error {
	if k.have == nil {
		if err := k.adopt(); err != nil {
			return unheard{fmt.Errorf("read the table: %w", err)}
		}
	}
	w := &turn{k: k, failed: map[Entry]string{}, refused: map[Entry]bool{}}
	defer func() { k.failed = w.failed }()
	for range rounds {
		if err := k.again(); err != nil {
			return unheard{fmt.Errorf("read the table: %w", err)}
		}
		if changes := w.allowed(k.diff()); len(changes) > 0 {
			k.status.Writes += uint64(len(changes))
			if err := w.absorb(changes, k.kernel.Apply(changes)); err != nil {
				return unheard{fmt.Errorf("write the table: %w", err)}
			}
		}
		if len(k.unsure) == 0 {
			return w.err()
		}
	}
	return errors.Join(w.err(), unheard{fmt.Errorf("write the table: %d services change while they are written", len(k.unsure))})
}

// done records that the kernel holds what a change made. A server of a service that was not heard of is left to the
// reading of that service, which is in doubt then.
func (k *Keeper) done(c lvs.Change) {
	entry, known := k.have[c.Key]
	if !known && c.Op.OfServer() {
		return
	}
	switch c.Op {
	case lvs.AddService:
		k.have[c.Key] = lvs.Entry{Service: c.Service, Servers: map[netip.AddrPort]lvs.Server{}}
	case lvs.EditService:
		entry.Service = c.Service
		k.have[c.Key] = entry
	case lvs.DelService:
		delete(k.have, c.Key)
	case lvs.AddServer, lvs.EditServer:
		entry.Servers[c.Addr] = c.Server
	case lvs.DelServer:
		delete(entry.Servers, c.Addr)
	}
}
