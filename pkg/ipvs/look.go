package ipvs

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// readShare is the part of a core that looking for drift may cost.
const readShare = 0.05

// lap is how far the round of reading every service's servers has come.
type lap struct {
	last  lvs.Key   // read last
	begun time.Time // when the round began
}

func (k *Keeper) ours(key lvs.Key) bool {
	return k.wanted(key) || k.owned[key]
}

// adopt reads what there is of ours, once.
func (k *Keeper) adopt() error {
	services, err := k.kernel.Services()
	if err != nil {
		return err
	}
	have := lvs.Table{}
	for key, service := range services {
		if !k.ours(key) {
			continue
		}
		servers, err := k.kernel.Servers(key)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		have[key] = lvs.Entry{Service: service, Servers: settings(servers)}
	}
	k.have = have
	clear(k.unsure)
	k.foreign(services)
	return nil
}

func (k *Keeper) wanted(key lvs.Key) bool { _, ok := k.want[key]; return ok }

func (k *Keeper) foreign(services map[lvs.Key]lvs.Service) {
	k.status.Foreign = nil
	for key := range services {
		if !k.ours(key) {
			k.status.Foreign = append(k.status.Foreign, key)
		}
	}
	slices.SortFunc(k.status.Foreign, lvs.Key.Compare)
}

// again reads the services that are in doubt: those that have become ours, and others after an answer that showed them
// otherwise, which somebody else is blamed for, or after none. After a turn in which the kernel was not heard it asks in
// any case, so that no turn is called good in which it is not heard again.
func (k *Keeper) again() error {
	if len(k.unsure) == 0 && !errors.Is(k.status.Err, ErrUnheard) {
		return nil
	}
	services, err := k.kernel.Services()
	if err != nil {
		return err
	}
	k.foreign(services)
	for key, blame := range k.unsure {
		servers, err := k.servers(key)
		service, listed := services[key]
		switch {
		case errors.Is(err, ErrNotFound):
			k.saw(key, nil, blame)
		case err != nil:
			return err
		case !listed: // it came, or the list missed it: the next round will tell
			continue
		default:
			k.saw(key, &lvs.Entry{Service: service, Servers: servers}, blame)
		}
		delete(k.unsure, key)
	}
	return nil
}

// look reads the list of services, and the servers of some.
func (k *Keeper) look() error {
	began := time.Now()
	services, err := k.kernel.Services()
	if err != nil {
		return err
	}
	k.foreign(services)
	for key, entry := range k.have {
		service, listed := services[key]
		switch {
		case !listed:
			if err := k.lookAt(key); err != nil {
				return err
			}
		case entry.Service != service:
			k.saw(key, &lvs.Entry{Service: service, Servers: entry.Servers}, true)
		}
	}
	return k.sweep(began, services)
}

// sweep goes on with the round of servers until the time for it is used up, first to where somebody else writes. It
// takes at least one step, and at most one round.
func (k *Keeper) sweep(began time.Time, services map[lvs.Key]lvs.Service) error {
	seen := map[lvs.Key]bool{}
	for _, e := range k.others.list() {
		if !seen[e.Key] {
			seen[e.Key] = true
			if err := k.lookAt(e.Key); err != nil {
				return err
			}
		}
	}
	keys := slices.SortedFunc(maps.Keys(k.have), lvs.Key.Compare)
	next, found := slices.BinarySearchFunc(keys, k.lap.last, lvs.Key.Compare)
	if found {
		next++
	}
	budget := time.Duration(readShare * float64(k.resync))
	for range keys {
		if next == len(keys) {
			next = 0
		}
		k.lap.last = keys[next]
		if _, listed := services[keys[next]]; listed && !seen[keys[next]] {
			if err := k.lookAt(keys[next]); err != nil {
				return err
			}
		}
		if next++; next == len(keys) {
			k.lapDone()
		}
		if time.Since(began) >= budget {
			break
		}
	}
	return nil
}

func (k *Keeper) lapDone() {
	now := time.Now()
	if !k.lap.begun.IsZero() {
		k.status.Sweep = now.Sub(k.lap.begun)
	}
	k.lap.begun = now
}

// lookAt compares one service with what it is known to hold.
func (k *Keeper) lookAt(key lvs.Key) error {
	servers, err := k.servers(key)
	switch {
	case errors.Is(err, ErrNotFound):
		k.saw(key, nil, true)
	case err != nil:
		return err
	default:
		if entry, known := k.have[key]; known {
			k.saw(key, &lvs.Entry{Service: entry.Service, Servers: servers}, true)
		}
	}
	return nil
}

// servers reads the servers of a service. If they are not those that are known, it reads them again, and believes only
// what both readings have: the kernel's answer may lack some while somebody writes.
func (k *Keeper) servers(key lvs.Key) (map[netip.AddrPort]lvs.Server, error) {
	observed, err := k.kernel.Servers(key)
	known := k.have[key].Servers
	first := settings(observed)
	if err != nil || maps.Equal(first, known) {
		return first, err
	}
	observed, err = k.kernel.Servers(key)
	if err != nil {
		return nil, err
	}
	second := settings(observed)
	believed := maps.Clone(second)
	for addr, server := range known {
		a, inFirst := first[addr]
		b, inSecond := second[addr]
		if inFirst != inSecond || a != b {
			believed[addr] = server
		}
	}
	return believed, nil
}

// saw takes in what the kernel holds of a service of ours, nil for nothing. With blame, what is otherwise than we left
// it was somebody else.
func (k *Keeper) saw(key lvs.Key, entry *lvs.Entry, blame bool) {
	old, known := k.have[key]
	if known == (entry != nil) && (!known || same(old, *entry)) {
		return
	}
	k.open[key] = true
	was, now := lvs.Table{}, lvs.Table{}
	if known {
		was[key] = old
	}
	if entry != nil {
		now[key] = *entry
	}
	if blame {
		k.blame(key, was, now)
	}
	if entry == nil {
		delete(k.have, key)
	} else {
		k.have[key] = *entry
	}
}

// blame notes what somebody else has changed of a service.
func (k *Keeper) blame(key lvs.Key, was, now lvs.Table) {
	want := lvs.Table{}
	if entry, wanted := k.want[key]; wanted {
		want[key] = entry
	}
	drift := map[Entry]bool{}
	for _, c := range lvs.Diff(now, want) {
		drift[of(c)] = true
	}
	for _, c := range lvs.Diff(was, now) {
		k.others.touch(of(c), drift[of(c)], time.Now())
	}
}
