package ipvs

import (
	"cmp"
	"slices"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// An entry that was repaired maxRepairs times within calmTime is contested (SAFETY.md, "Drift"). It is then repaired once
// whenever nobody has been seen to touch it for calmTime, and no longer contested when such a repair has held that long.
const (
	maxRepairs = 3
	calmTime   = time.Minute
)

// contests is what is known of other writers, for each entry that they touched lately.
type contests map[Entry]*contest

type contest struct {
	changed   time.Time   // by somebody else, as far as seen, or by a repair
	repaired  []time.Time // within calmTime
	drift     bool        // somebody else has left it otherwise than wanted
	contested bool
	rewanted  bool // another value is wanted, and not written yet: it is, although contested
}

// touch notes that somebody else changed an entry; drift tells whether to something that is not wanted.
func (cs contests) touch(e Entry, drift bool, now time.Time) {
	c := cs[e]
	if c == nil {
		c = &contest{}
		cs[e] = c
	}
	c.changed, c.drift = now, drift
}

// drifted tells whether an entry is as somebody else left it.
func (cs contests) drifted(e Entry) bool { return cs[e] != nil && cs[e].drift && !cs[e].rewanted }

// blocked tells whether an entry is to be left as it is, and whether that begins now.
func (cs contests) blocked(e Entry, now time.Time) (blocked, begins bool) {
	c := cs[e]
	if c == nil || c.rewanted || !c.drift {
		return false, false
	}
	if c.contested {
		return now.Sub(c.changed) < calmTime, false
	}
	c.repaired = slices.DeleteFunc(c.repaired, func(t time.Time) bool { return now.Sub(t) >= calmTime })
	c.contested = len(c.repaired) >= maxRepairs
	return c.contested, c.contested
}

// mended notes that an entry was written.
func (cs contests) mended(e Entry, now time.Time) {
	c := cs[e]
	if c == nil {
		return
	}
	if c.drift && !c.rewanted {
		c.repaired = append(c.repaired, now)
	}
	c.changed, c.drift, c.rewanted = now, false, false
}

// rewanted finds the entries of which something else is wanted than before: that is written, contested or not.
func (cs contests) rewanted(was, want lvs.Table) {
	for e, c := range cs {
		c.rewanted = c.rewanted || !e.same(was, want)
	}
}

// agree notes which entries are as wanted by now, although nothing was written.
func (cs contests) agree(have, want lvs.Table) {
	for e, c := range cs {
		if c.drift && e.same(have, want) {
			c.drift, c.rewanted = false, false
		}
	}
}

// same tells whether two tables hold the same of an entry.
func (e Entry) same(a, b lvs.Table) bool {
	inA, isA := a[e.Key]
	inB, isB := b[e.Key]
	if !e.Addr.IsValid() {
		return isA == isB && inA.Service == inB.Service
	}
	serverA, isA := inA.Servers[e.Addr]
	serverB, isB := inB.Servers[e.Addr]
	return isA == isB && serverA == serverB
}

// settled notes that everything wanted has been written, but for what is contested.
func (cs contests) settled() {
	for _, c := range cs {
		c.rewanted = false
	}
}

// calmed ends the contests that have been as wanted for long enough and gives them in order. It forgets the rest of what
// is long past.
func (cs contests) calmed(now time.Time) []Entry {
	var calm []Entry
	for e, c := range cs {
		if now.Sub(c.changed) < calmTime || c.drift {
			continue
		}
		if c.contested {
			calm = append(calm, e)
		}
		delete(cs, e)
	}
	slices.SortFunc(calm, Entry.compare)
	return calm
}

func (cs contests) list() []Entry {
	var l []Entry
	for e, c := range cs {
		if c.contested {
			l = append(l, e)
		}
	}
	slices.SortFunc(l, Entry.compare)
	return l
}

func (e Entry) compare(o Entry) int { return cmp.Or(e.Key.Compare(o.Key), e.Addr.Compare(o.Addr)) }
