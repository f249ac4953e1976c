// Package health turns tries into verdicts and keeps the schedule of tries. Status is what tries mean, a value and a
// pure function; Monitors is the one timer heap that makes them happen.
package health

import (
	"time"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Policy is how many tries in a row change a verdict.
type Policy struct{ Rise, Fall int }

// Status is what the tries of one check have shown so far. The zero value knows nothing: its first try that could be
// asked decides. One with only Seed set was known before lvsd started: its verdict is open until a try confirms the
// seed, or until as many tries contradict it as would change the verdict.
type Status struct {
	Verdict lvs.Verdict
	Since   time.Time   // of the verdict
	Seed    lvs.Verdict // what was known before the start; meaningless once there is a verdict
	Streak  int         // tries in a row that spoke against Verdict, or against Seed
}

// Next is the status after a try that ended at a time. A try that could not be asked changes nothing.
func (s Status) Next(p Policy, o checks.Outcome, at time.Time) Status {
	if o == checks.NotAsked {
		return s
	}
	heard := lvs.Down
	need := p.Fall
	if o == checks.Good {
		heard, need = lvs.Up, p.Rise
	}
	held := s.Verdict
	if held == lvs.Unknown {
		held = s.Seed
	}
	if held == heard {
		s.Streak = 0
		if s.Verdict == lvs.Unknown {
			s.Verdict, s.Since = heard, at
		}
		return s
	}
	s.Streak++
	if held == lvs.Unknown || s.Streak >= need {
		return Status{Verdict: heard, Since: at}
	}
	return s
}

// Changing tells whether the last try spoke against what is held, so that the next one should come soon.
func (s Status) Changing() bool { return s.Streak > 0 }
