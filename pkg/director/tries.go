package director

import (
	"fmt"
	"time"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// note keeps a try and tells whether it changes what is decided.
func (d *director) note(c *check, r health.Report) (changed bool) {
	was, previous := c.status, c.last()
	c.count++
	c.next = r.Next
	c.maxLag = max(c.maxLag, r.Lag)
	if r.Result.Outcome == checks.NotAsked {
		c.unasked++
		if previous == nil || previous.Outcome != checks.NotAsked {
			d.record(audit.Entry{
				Event: audit.EventCheck, Actor: CauseCheck, Check: r.ID.Check, Server: r.ID.Addr.String(),
				To: checks.NotAsked.String(), Error: r.Result.Reason,
			})
		}
	}
	c.status = r.Status
	if len(c.tries) == triesKept {
		copy(c.tries, c.tries[1:])
		c.tries = c.tries[:triesKept-1]
	}
	c.tries = append(c.tries, tryOf(r))
	weightChanged := false
	if w := r.Result.Weight; r.Result.Outcome == checks.Good && (w != nil || c.weight != nil) {
		weightChanged = w == nil || c.weight == nil || *w != *c.weight
		c.weight = w
	}
	if c.status.Verdict != was.Verdict {
		d.record(audit.Entry{
			Event: audit.EventCheck, Actor: CauseCheck, Check: r.ID.Check, Server: r.ID.Addr.String(),
			From: was.Verdict.String(), To: c.status.Verdict.String(), Reason: evidence(was, r),
		})
		return true
	}
	return weightChanged
}

// evidence says in one line what decided a verdict: the last try, and how many in a row there were of its kind.
func evidence(was health.Status, r health.Report) string {
	took := r.Took.Round(10 * time.Microsecond)
	words := fmt.Sprintf("%s, %s in %v", r.Result.Outcome, r.Result.Reason, took)
	held := was.Verdict
	if held == lvs.Unknown {
		held = was.Seed
	}
	if n := was.Streak + 1; n > 1 && held != r.Status.Verdict {
		words += fmt.Sprintf(", after %d in a row", n)
	}
	return words
}
