package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// whyView draws why one server is where it is.
type whyView struct {
	sheet
	paint paint
	now   time.Time
	of    map[lvs.CheckID]director.CheckState
}

func renderWhy(s *control.Status, p paint) *sheet {
	v := &whyView{paint: p, now: s.At, of: map[lvs.CheckID]director.CheckState{}}
	for _, c := range s.Checks {
		v.of[c.ID()] = c
	}
	if s.Suspect.Suspected {
		v.line("%s", p.in(red, "! this director suspects itself: "+oneLine(s.Suspect.Words)))
	}
	for _, service := range s.Services {
		for _, server := range service.Servers {
			v.place(service, server, kernelHas(s, service, server.Addr))
		}
	}
	for _, c := range s.Checks {
		v.line("")
		v.check(c)
	}
	return &v.sheet
}

func kernelHas(s *control.Status, service director.ServiceState, addr netip.AddrPort) bool {
	for _, row := range s.Table {
		if row.Key != service.Virtual {
			continue
		}
		for _, r := range row.Servers {
			if r.Addr == addr {
				return true
			}
		}
	}
	return false
}

// place says where a server is for one virtual service, and why.
func (v *whyView) place(s director.ServiceState, st director.ServerState, kernel bool) {
	word, colour := healthWord(st)
	where := "not in the table"
	switch {
	case st.In && st.Weight == 0:
		where = "in the table with weight 0"
	case st.In && st.Rising:
		where = fmt.Sprintf("in the table with weight %d of %d, rising", st.Weight, st.Full)
	case st.In:
		where = fmt.Sprintf("in the table with weight %d", st.Weight)
	}
	if st.In != kernel {
		where += map[bool]string{true: " (the kernel still has it)", false: " (the kernel does not have it yet)"}[kernel]
	}
	v.line("%s  %s for %s  %s of %s (%s)", st.Addr, v.paint.in(colour, word), age(st.Since, v.now), where, s.Name, s.Virtual)
	if st.Sorry {
		v.line("    sorry server: in the table while the quorum of %d is lost; weight %d is in service", s.Quorum, s.Weight)
	}
	if st.Held != "" {
		v.line("    %s", st.Held)
	}
	if st.Verdict == "down" && st.Reason != "" {
		v.line("    %s", reason(st, v.of))
	}
	if st.Verdict == "up" {
		for _, id := range st.Checks {
			if c := v.of[id]; c.Streak > 0 && progress(c) != "" {
				v.line("    %s", tryWord(c))
			}
		}
	}
	if len(st.Checks) == 0 {
		v.line("    no check is configured for it: it counts as up")
	}
}

func (v *whyView) check(c director.CheckState) {
	colour := map[string]string{"up": green, "down": red}[c.Verdict]
	word := c.Verdict
	if word == "down" {
		word = "DOWN"
	}
	since := ""
	if !c.Since.IsZero() {
		since = fmt.Sprintf(" since %s (%s)", clock(c.Since, v.now), age(c.Since, v.now))
	}
	v.line("check %s of %s: %s%s", v.paint.in(bold, c.Check), c.Addr, v.paint.in(colour, word), since)
	v.line("    asked    every %v, for at most %v: %s, %d could not be asked, at most %s late",
		c.Interval, c.Timeout, tries(c.Count), c.Unasked, took(c.MaxLag))
	v.line("    decided  %s", decided(c))
	v.line("    turns    %s", turns(c, v.now))
	if len(c.Tries) == 0 {
		return
	}
	v.line("    %-12s %7s %8s %7s %11s  %s", "last tries", "took", "connect", "tls", "first byte", "found")
	for _, t := range c.Tries {
		v.line("    %-12s %7s %8s %7s %11s  %s", t.At.Local().Format("15:04:05.000"), took(t.Took),
			took(t.Phases.Connect), took(t.Phases.TLS), took(t.Phases.FirstByte), found(t))
	}
	last := c.Tries[len(c.Tries)-1]
	writeHead(&v.sheet, last.Head)
	if !last.NotAfter.IsZero() {
		v.line("    certificate ends %s", last.NotAfter.Local().Format("2006-01-02 15:04"))
	}
}

func tries(n uint64) string {
	if n == 1 {
		return "1 try"
	}
	return fmt.Sprintf("%d tries", n)
}

func found(t director.Try) string {
	if t.Outcome == checks.Good {
		return "good: " + oneLine(t.Reason)
	}
	return t.Outcome.String() + ": " + oneLine(t.Reason)
}

// writeHead shows the first bytes of a reply.
func writeHead(s *sheet, head string) {
	if head == "" {
		return
	}
	s.line("    reply")
	for l := range strings.SplitSeq(strings.TrimRight(head, "\r\n"), "\n") {
		s.line("      | %s", oneLine(strings.ReplaceAll(strings.TrimSuffix(l, "\r"), "\t", "    ")))
	}
}

// decided names the rule that made the verdict, with the tries that it counted where they are still known.
func decided(c director.CheckState) string {
	if c.Before != "" {
		return fmt.Sprintf("not yet: it was %s before the restart, which no try has confirmed", c.Before)
	}
	if c.Since.IsZero() || c.Verdict == "unknown" {
		return "not yet: no try has been made that could be asked"
	}
	good := c.Verdict == "up"
	rule, need := "bad tries in a row take it down (fall = %d)", c.Fall
	if good {
		rule, need = "good tries in a row bring it up (rise = %d)", c.Rise
	}
	words := fmt.Sprintf("%d "+rule, need, need)
	if need == 1 {
		words = strings.Replace(words, "tries in a row take", "try takes", 1)
		words = strings.Replace(words, "tries in a row bring", "try brings", 1)
	}
	run, known := runUntil(c, good)
	switch {
	case !known:
		return words
	case run < need:
		return fmt.Sprintf("by its first try; later %s", words)
	default:
		return fmt.Sprintf("%s; the last of them began at %s", words, decider(c).At.Local().Format("15:04:05.000"))
	}
}

// decider finds the try that made the verdict: the verdict is as old as the end of that try.
func decider(c director.CheckState) *director.Try {
	for i := range c.Tries {
		if end := c.Tries[i].At.Add(c.Tries[i].Took); end.Sub(c.Since).Abs() < time.Millisecond {
			return &c.Tries[i]
		}
	}
	return nil
}

// runUntil counts the tries in a row that spoke for the verdict when it was made, as far as they are still known.
func runUntil(c director.CheckState, good bool) (n int, known bool) {
	last := decider(c)
	if last == nil {
		return 0, false
	}
	for i := range c.Tries {
		t := c.Tries[i]
		switch {
		case t.At.After(last.At):
			return n, true
		case t.Outcome == checks.NotAsked:
		case (t.Outcome == checks.Good) == good:
			n++
		default:
			n = 0
		}
	}
	return n, true
}

// turns says what would change the verdict, and when the next try is due.
func turns(c director.CheckState, now time.Time) string {
	next := "the next try is under way or due"
	if in := c.Next.Sub(now); in > 0 {
		next = fmt.Sprintf("the next try in %s", took(in.Round(100*time.Millisecond)))
	}
	held, before := c.Verdict, ""
	if c.Before != "" {
		held, before = c.Before, fmt.Sprintf("was %s before the restart; ", c.Before)
	}
	word, need, to := "bad", c.Fall, "down"
	switch held {
	case "down":
		word, need, to = "good", c.Rise, "up"
	case "unknown":
		return "by the first try that can be asked; " + next
	}
	more := max(need-c.Streak, 1)
	noun := "tries in a row"
	if more == 1 {
		noun = "try"
	}
	so := ""
	if c.Streak > 0 {
		so = fmt.Sprintf(" (%d so far)", c.Streak)
	}
	return fmt.Sprintf("%s%s after %d more %s %s%s; %s", before, to, more, word, noun, so, next)
}
