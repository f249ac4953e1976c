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
	d.noteUnasked(c, r)
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
	if c.because == "" && c.status.Verdict == lvs.Unknown && c.status.Seed != lvs.Unknown {
		c.because = c.status.Seed.String() + " before the start"
		d.standing.moved = true
	}
	if c.status.Verdict != was.Verdict {
		c.because = r.Result.Reason + inARow(was, r)
		d.record(audit.Entry{
			Event: audit.EventCheck, Actor: CauseCheck, Check: r.ID.Check, Server: r.ID.Addr.String(),
			From: was.Verdict.String(), To: c.status.Verdict.String(), Reason: evidence(was, r),
		})
		return true
	}
	return weightChanged
}

// noteUnasked counts the tries in a row that could not be asked. They change no verdict; that they are as many as would is
// told of the routers that track the check.
func (d *director) noteUnasked(c *check, r health.Report) {
	if r.Result.Outcome != checks.NotAsked {
		d.standing.moved = d.standing.moved || c.deaf != ""
		c.inVain, c.deaf = 0, ""
		return
	}
	c.inVain++
	if c.deaf == "" && c.inVain >= c.spec.Policy.Fall {
		c.deaf = fmt.Sprintf("could not be asked: %s, after %d in a row", r.Result.Reason, c.inVain)
		d.standing.moved = true
	}
}

// evidence says in one line what decided a verdict: the last try, and how many in a row there were of its kind.
func evidence(was health.Status, r health.Report) string {
	took := r.Took.Round(10 * time.Microsecond)
	return fmt.Sprintf("%s, %s in %v", r.Result.Outcome, r.Result.Reason, took) + inARow(was, r)
}

// inARow says how many tries in a row it took to change a verdict; nothing where one was enough.
func inARow(was health.Status, r health.Report) string {
	held := was.Verdict
	if held == lvs.Unknown {
		held = was.Seed
	}
	if n := was.Streak + 1; n > 1 && held != r.Status.Verdict {
		return fmt.Sprintf(", after %d in a row", n)
	}
	return ""
}
