package ipvs

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// An entry that was repaired maxRepairs times within calmTime is contested; so it stays until nobody has touched it for
// calmTime. (SAFETY.md, "Drift".)
const (
	maxRepairs = 3
	calmTime   = time.Minute
)

// contests is what is known of other writers, for each entry that they touched lately.
type contests map[Entry]*contest

type contest struct {
	touched   time.Time   // by somebody else, as far as seen
	repaired  []time.Time // within calmTime
	drift     bool        // it is not as we left it
	contested bool
	rewanted  bool // another value is wanted since: it is written although contested
}

// touch notes that somebody else changed an entry.
func (cs contests) touch(e Entry, now time.Time) {
	c := cs[e]
	if c == nil {
		c = &contest{}
		cs[e] = c
	}
	c.touched, c.drift, c.rewanted = now, true, false
}

// drifted tells whether an entry is as somebody else left it.
func (cs contests) drifted(e Entry) bool { return cs[e] != nil && cs[e].drift && !cs[e].rewanted }

// blocked tells whether an entry is to be left as it is, and whether that begins now.
func (cs contests) blocked(e Entry, now time.Time) (blocked, begins bool) {
	c := cs[e]
	if c == nil || c.rewanted || !c.drift {
		return false, false
	}
	if !c.contested {
		c.forget(now)
		begins = len(c.repaired) >= maxRepairs
		c.contested = begins
	}
	return c.contested, begins
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
	c.drift, c.rewanted = false, false
}

// rewanted finds the entries of which something else is wanted than before: that is written, contested or not.
func (cs contests) rewanted(was, want lvs.Table) {
	for e, c := range cs {
		old, oldService := was[e.Key]
		now, nowService := want[e.Key]
		if !e.Addr.IsValid() {
			c.rewanted = c.rewanted || oldService != nowService || old.Service != now.Service
			continue
		}
		oldServer, before := old.Servers[e.Addr]
		nowServer, after := now.Servers[e.Addr]
		c.rewanted = c.rewanted || before != after || oldServer != nowServer
	}
}

// calmed ends the contests that nobody has kept up, gives them in order, and forgets what is long past.
func (cs contests) calmed(now time.Time) []Entry {
	var calm []Entry
	for e, c := range cs {
		if now.Sub(c.touched) < calmTime {
			continue
		}
		if !c.contested {
			delete(cs, e)
			continue
		}
		calm = append(calm, e)
		c.contested, c.repaired, c.touched = false, nil, now
	}
	slices.SortFunc(calm, Entry.compare)
	return calm
}

func (cs contests) list() []Entry {
	var l []Entry
	for _, e := range slices.SortedFunc(maps.Keys(cs), Entry.compare) {
		if cs[e].contested {
			l = append(l, e)
		}
	}
	return l
}

func (c *contest) forget(now time.Time) {
	c.repaired = slices.DeleteFunc(c.repaired, func(t time.Time) bool { return now.Sub(t) >= calmTime })
}

func (e Entry) compare(o Entry) int { return cmp.Or(e.Key.Compare(o.Key), e.Addr.Compare(o.Addr)) }
