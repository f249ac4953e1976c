package director

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/plan"
)

// standWait is how long after its start a director keeps quiet about routers while a check that they track was not tried
// yet. To say that nothing is known would lift what the process before has said; link.WordLease is longer.
const standWait = 5 * time.Second

// standing is what was last said of the routers.
type standing struct {
	moved   bool      // something happened that may change it
	quiet   time.Time // nothing is said before, unless every tracked check was tried; zero if it is over
	said    bool
	reasons map[string][]link.Reason
}

// stand says how each router stands, if that changed.
func (d *director) stand(now time.Time) {
	s := &d.standing
	if !s.moved {
		return
	}
	if !s.quiet.IsZero() && now.Before(s.quiet) && d.untried() {
		return
	}
	s.moved, s.quiet = false, time.Time{}
	reasons := make(map[string][]link.Reason, len(d.config.Routers))
	for _, r := range d.config.Routers {
		reasons[r.Name] = d.reasons(r)
	}
	if s.said && maps.EqualFunc(s.reasons, reasons, slices.Equal[[]link.Reason]) {
		return
	}
	s.said, s.reasons = true, reasons
	d.out.Standing(reasons)
}

// untried tells whether a check that a router tracks was never tried.
func (d *director) untried() bool {
	for _, r := range d.config.Routers {
		for _, t := range r.Tracks {
			if c := d.checks[t.Check]; c != nil && c.count == 0 {
				return true
			}
		}
	}
	return false
}

// reasons are what raises or lowers a router's priority, or forbids it to be master, in the order of its tracks.
func (d *director) reasons(r Router) []link.Reason {
	var all []link.Reason
	if suspected, words := d.suspicion.state(); suspected {
		all = append(all, link.Reason{Words: "suspects itself: " + words, Weight: r.OnSuspect})
	}
	for _, t := range r.Tracks {
		verdict, words := d.trackedService(t)
		if t.Service == "" {
			c := d.checks[t.Check]
			if c == nil {
				continue
			}
			if c.deaf != "" {
				all = append(all, link.Reason{Words: "check " + t.Check.Check + ": " + c.deaf})
			}
			verdict, words = c.held(), c.because
			words = "check " + t.Check.Check + ": " + words
		}
		switch {
		case verdict == lvs.Down && t.Weight <= 0:
			all = append(all, link.Reason{Words: words, Weight: t.Weight, Fault: t.Weight == 0})
		case verdict == lvs.Up && t.Weight > 0:
			all = append(all, link.Reason{Words: words, Weight: t.Weight})
		}
	}
	return all
}

// held is the verdict of a check, or the one that was known before the start while that is open.
func (c *check) held() lvs.Verdict {
	if c.status.Verdict == lvs.Unknown {
		return c.status.Seed
	}
	return c.status.Verdict
}

// trackedService says how a service is, all virtual services of its name together: down if one of them is.
func (d *director) trackedService(t Track) (lvs.Verdict, string) {
	verdict := lvs.Up
	for _, s := range d.named[t.Service] {
		down, of := s.down()
		switch {
		case s.state.Quorum == plan.Lost:
			return lvs.Down, fmt.Sprintf("service %s: quorum lost at %v: weight %d in service, quorum %d", t.Service, s.virtual.Key, s.state.Weight, s.virtual.Quorum)
		case (of-down)*100 < t.Share*of:
			return lvs.Down, fmt.Sprintf("service %s: %d of %d servers down at %v: less than %d%% are up", t.Service, down, of, s.virtual.Key, t.Share)
		case s.state.Quorum == plan.Pending:
			verdict = lvs.Unknown
		}
	}
	return verdict, "service " + t.Service + ": up"
}

// down counts the servers that are known to be down, as min_up counts servers. What is held because the director
// suspects itself is not known to be.
func (s *service) down() (n, of int) {
	for _, st := range s.state.Servers {
		if st.Sorry || st.Admin != lvs.Enabled {
			continue
		}
		of++
		if st.Verdict == lvs.Down && st.Held != plan.HeldBySuspicion {
			n++
		}
	}
	return n, of
}
