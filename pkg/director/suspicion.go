package director

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// What it takes to ask whether the fault is this host's own (SAFETY.md, "Suspecting oneself").
const (
	suspectAddresses = 5               // at least so many addresses are asked
	suspectServices  = 2               // and the silent ones are used by so many services
	suspectAgain     = time.Second     // after this a silent neighbour is asked again
	suspectTrust     = 5 * time.Second // for so long a neighbour's answer is believed
)

// address is one address that is asked, by however many checks.
type address struct {
	checks   map[lvs.CheckID]silence
	services map[string]bool
	silent   time.Time // since when all of its checks are; zero if one is not
}

// silence is whether the last try of a check had no answer or could not be made.
type silence uint8

const (
	untried silence = iota
	silent
	heard
)

// phase is where suspicion stands.
type phase uint8

const (
	calm      phase = iota
	asking          // the neighbours were asked; until they answer nothing is taken out
	suspected       // they were silent too
	returning       // they answer again; the servers are asked anew before anything is taken out
	lapsed          // suspicion lasted for the longest time allowed; calm again when the servers answer
)

// suspicion decides whether the director doubts itself. It is part of the director's state and does no I/O: the
// caller asks the neighbours when it is told to.
type suspicion struct {
	config    Suspect
	window    time.Duration // the longest interval and timeout of all checks
	comeback  time.Duration // within which every server that is well comes up again
	addresses map[netip.Addr]*address

	phase    phase
	began    time.Time // of suspected
	askAgain time.Time // when to ask again; zero if not
	until    time.Time // of returning
	trusted  time.Time // until when the last answer is believed
	heardNew bool      // a silent try has come since the last consideration
	words    string
}

// configure takes the addresses and bounds from a configuration.
func (s *suspicion) configure(c Config, checks map[lvs.CheckID]*check) {
	old := s.addresses
	s.config, s.window, s.comeback, s.addresses = c.Suspect, 0, 0, map[netip.Addr]*address{}
	for id, k := range checks {
		if len(k.users) == 0 { // of this host: how it fares says nothing of the path to the servers
			continue
		}
		s.window = max(s.window, max(k.spec.Interval, k.spec.DownInterval)+k.spec.Timeout)
		s.comeback = max(s.comeback, comeback(k.spec))
		host := id.Addr.Addr()
		a := s.addresses[host]
		if a == nil {
			a = &address{checks: map[lvs.CheckID]silence{}, services: map[string]bool{}}
			if was := old[host]; was != nil {
				a.silent = was.silent
			}
			s.addresses[host] = a
		}
		if was := old[host]; was != nil {
			a.checks[id] = was.checks[id]
		} else {
			a.checks[id] = untried
		}
		k.address = a
		for _, user := range k.users {
			a.services[user.virtual.Name] = true
		}
	}
}

// comeback is how long a check that is down takes at most to come up, once its server answers.
func comeback(c health.Spec) time.Duration {
	again := min(time.Duration(c.Policy.Rise-1), time.Hour/max(c.FastInterval, 1)) * c.FastInterval // an hour is past any hold
	return max(c.Interval, c.DownInterval) + again + 2*c.Timeout
}

// note takes in a try.
func (s *suspicion) note(a *address, r health.Report) {
	switch r.Result.Outcome {
	case checks.NoAnswer, checks.NotAsked:
		a.checks[r.ID] = silent
		s.heardNew = true
	default: // an answer, a refusal or a reset proves the path
		a.checks[r.ID] = heard
		a.silent = time.Time{}
		return
	}
	for _, word := range a.checks {
		if word == heard {
			return
		}
	}
	if a.silent.IsZero() {
		a.silent = r.At.Add(r.Took)
	}
}

// consider tells whether the neighbours should be asked now.
func (s *suspicion) consider(now time.Time) (ask bool) {
	if !s.heardNew || s.phase == asking || s.phase == suspected || s.phase == returning {
		return false
	}
	s.heardNew = false
	n, of, services := s.count(now)
	widespread := s.config.Share > 0 && of >= suspectAddresses && services >= suspectServices && n*100 > of*s.config.Share
	if !widespread {
		if s.phase == lapsed {
			s.phase = calm
		}
		return false
	}
	if s.phase == lapsed || now.Before(s.trusted) {
		return false
	}
	s.words = fmt.Sprintf("%d of %d addresses in %d services fell silent within %v", n, of, services, s.window)
	s.phase = asking
	return true
}

// count tells how many addresses fell silent within the window, of how many that were not silent before it, and by how
// many services the silent ones are used.
func (s *suspicion) count(now time.Time) (n, of, services int) {
	used := map[string]bool{}
	for _, a := range s.addresses {
		if !a.silent.IsZero() && now.Sub(a.silent) > s.window {
			continue
		}
		of++
		if a.silent.IsZero() {
			continue
		}
		n++
		for name := range a.services {
			used[name] = true
		}
	}
	return n, of, len(used)
}

// answered takes in what the neighbours said and tells whether that changes what is withheld.
func (s *suspicion) answered(p Probed, now time.Time) (changed bool) {
	before := s.phase
	if before != asking && before != suspected {
		return false
	}
	switch {
	case p.Answered && before == suspected:
		s.phase, s.askAgain, s.until = returning, time.Time{}, s.end(now.Add(s.comeback))
		s.words = p.Words + "; the servers are asked anew before any is taken out"
	case p.Answered, p.Unasked && before == asking: // with nobody to ask there is no ground to begin, nor one to end
		s.phase, s.askAgain, s.trusted = calm, time.Time{}, now.Add(suspectTrust)
		s.words = p.Words
	case before == asking:
		s.phase, s.began, s.askAgain = suspected, now, now.Add(suspectAgain)
		s.words += "; " + p.Words
	default:
		s.askAgain = now.Add(suspectAgain)
	}
	return s.phase != before && s.phase != returning
}

// end is a moment, or that at which suspicion has lasted for the longest time allowed, whichever comes first.
func (s *suspicion) end(t time.Time) time.Time {
	if most := s.began.Add(s.config.Hold); t.IsZero() || most.Before(t) {
		return most
	}
	return t
}

// next is when wake has something to do; zero for never.
func (s *suspicion) next() time.Time {
	switch s.phase {
	case suspected:
		return s.end(s.askAgain)
	case returning:
		return s.until
	default:
		return time.Time{}
	}
}

// wake tells whether to ask the neighbours again, and whether suspicion has lasted for too long.
func (s *suspicion) wake(now time.Time) (ask, changed bool) {
	if s.phase == returning && !now.Before(s.until) {
		s.phase, s.trusted = calm, now.Add(suspectTrust)
		return false, true
	}
	if s.phase != suspected {
		return false, false
	}
	if !now.Before(s.began.Add(s.config.Hold)) {
		s.phase, s.askAgain = lapsed, time.Time{}
		s.words = fmt.Sprintf("withheld for %v, no longer", s.config.Hold)
		return false, true
	}
	if s.askAgain.IsZero() || now.Before(s.askAgain) {
		return false, false
	}
	s.askAgain = time.Time{}
	return true, false
}

// withholds tells whether nothing is to be taken out.
func (s *suspicion) withholds() bool { return s.phase == asking || s.doubts() }

// state tells whether the director suspects itself, and why in words.
func (s *suspicion) state() (bool, string) { return s.doubts(), s.words }

func (s *suspicion) doubts() bool { return s.phase == suspected || s.phase == returning }
