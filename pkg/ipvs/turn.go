package ipvs

import (
	"errors"
	"fmt"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// turn is one attempt of a Keeper to have the kernel as wanted.
type turn struct {
	k       *Keeper
	refused map[Entry]bool   // not tried again in this turn
	failed  map[Entry]string // with the words of the reason
	first   error
}

func of(c lvs.Change) Entry { return Entry{Key: c.Key, Addr: c.Addr} }

// allowed gives the changes that may be made: not those that were refused in this turn, nor those that repair what
// another writer keeps undoing, nor the servers of a service that cannot be added for either reason.
func (t *turn) allowed(changes []lvs.Change) []lvs.Change {
	var allowed []lvs.Change
	absent := map[lvs.Key]bool{}
	for _, c := range changes {
		e := of(c)
		if t.refused[e] || absent[c.Key] || t.contested(e, c) {
			absent[c.Key] = absent[c.Key] || c.Op == lvs.AddService
			continue
		}
		allowed = append(allowed, c)
	}
	return allowed
}

// contested tells whether a change is to be left alone, and reports it when that begins.
func (t *turn) contested(e Entry, c lvs.Change) bool {
	blocked, begins := t.k.others.blocked(e, time.Now())
	if begins {
		t.k.report(Event{Kind: Contested, Change: c})
	}
	return blocked
}

// absorb takes in what became of the changes. Its error is a kernel that was not heard; the services that are then in
// doubt are read before the next turn writes.
func (t *turn) absorb(changes []lvs.Change, errs []error) (unheard error) {
	added := map[lvs.Key]bool{}  // services that were put back after somebody took them out
	absent := map[lvs.Key]bool{} // services that could not be added: what is said of their servers means nothing
	for i, c := range changes {
		e, err := of(c), errs[i]
		kind := Wrote
		if t.k.others.drifted(e) || added[c.Key] {
			kind = Repaired
		}
		switch {
		case err == nil:
			t.made(c, e, kind)
			added[c.Key] = added[c.Key] || kind == Repaired && c.Op == lvs.AddService
		case !answered(err):
			t.k.unsure[c.Key] = false
			unheard = err
		case absent[c.Key]:
		case errors.Is(err, ErrExists), errors.Is(err, ErrNotFound):
			t.k.unsure[c.Key] = true
		default:
			t.refuse(c, e, kind, err)
			absent[c.Key] = c.Op == lvs.AddService
		}
	}
	return unheard
}

func (t *turn) made(c lvs.Change, e Entry, kind Kind) {
	t.k.done(c)
	if kind == Repaired {
		t.k.status.Repairs++
	}
	t.k.others.mended(e, time.Now())
	t.k.report(Event{Kind: kind, Change: c})
}

// refuse remembers that the kernel does not want a change. It is reported unless the last turn was told the same.
func (t *turn) refuse(c lvs.Change, e Entry, kind Kind, err error) {
	t.refused[e] = true
	words := c.String() + ": " + err.Error()
	t.failed[e] = words
	if t.first == nil {
		t.first = fmt.Errorf("write the table: %s: %w", c, err)
	}
	if t.k.failed[e] != words {
		t.k.report(Event{Kind: kind, Change: c, Err: err})
	}
}

// err sums up what was refused.
func (t *turn) err() error {
	if n := len(t.failed) - 1; n > 0 {
		return fmt.Errorf("%w (and %d more)", t.first, n)
	}
	return t.first
}
