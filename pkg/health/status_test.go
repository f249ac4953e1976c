package health

import (
	"testing"
	"time"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// A row is a sentence of the manual: tries on the left (+ good, - bad answer, x refused, . no answer, ? could not be
// asked), the verdict after each on the right (U up, D down, ? unknown).
func TestNext(t *testing.T) {
	for _, r := range []struct {
		name         string
		rise, fall   int
		seed         lvs.Verdict
		tries, after string
	}{
		{"the first try decides: good", 2, 2, lvs.Unknown, "+", "U"},
		{"the first try decides: bad", 2, 2, lvs.Unknown, "-", "D"},
		{"fall failures in a row bring it down", 2, 3, lvs.Unknown, "+--+---", "UUUUUUD"},
		{"rise successes in a row bring it up", 2, 2, lvs.Unknown, "-+-++", "DDDDU"},
		{"rise 1, fall 1: every try decides", 1, 1, lvs.Unknown, "+-+-", "UDUD"},
		{"refused, no answer and bad answer all count to fall", 2, 3, lvs.Unknown, "+-x.", "UUUD"},
		{"a try that could not be asked never counts to fall", 2, 2, lvs.Unknown, "+-????-", "UUUUUUD"},
		{"nor does it raise", 1, 1, lvs.Unknown, "-???", "DDDD"},
		{"nor is it a first verdict", 1, 1, lvs.Unknown, "???-", "???D"},
		{"nor does it break a row of successes", 2, 2, lvs.Unknown, "-+?+", "DDDU"},
		{"known up before the start: one good try confirms", 2, 2, lvs.Up, "+", "U"},
		{"known up before the start: one failure does not take it out", 2, 2, lvs.Up, "-+", "?U"},
		{"known up before the start: fall failures do", 2, 2, lvs.Up, "--", "?D"},
		{"known down before the start: rise successes bring it up", 2, 2, lvs.Down, "+-++", "?DDU"},
		{"known down before the start: one bad try confirms", 2, 2, lvs.Down, "-", "D"},
	} {
		t.Run(r.name, func(t *testing.T) {
			outcome := map[rune]checks.Outcome{'+': checks.Good, '-': checks.BadAnswer, 'x': checks.Refused, '.': checks.NoAnswer, '?': checks.NotAsked}
			letter := map[lvs.Verdict]string{lvs.Up: "U", lvs.Down: "D", lvs.Unknown: "?"}
			s, got := Status{Seed: r.seed}, ""
			for _, try := range r.tries {
				s = s.Next(Policy{Rise: r.rise, Fall: r.fall}, outcome[try], time.Time{})
				got += letter[s.Verdict]
			}
			if got != r.after {
				t.Errorf("%s: %s, want %s", r.tries, got, r.after)
			}
		})
	}
}

func TestSinceIsTheTryThatDecided(t *testing.T) {
	s, start := Status{}, time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	for i, o := range []checks.Outcome{checks.Good, checks.Good, checks.BadAnswer, checks.BadAnswer, checks.BadAnswer} {
		s = s.Next(Policy{Rise: 2, Fall: 2}, o, start.Add(time.Duration(i)*time.Second))
	}
	if want := start.Add(3 * time.Second); !s.Since.Equal(want) || s.Verdict != lvs.Down {
		t.Errorf("%v since %v, want down since %v", s.Verdict, s.Since, want)
	}
}
