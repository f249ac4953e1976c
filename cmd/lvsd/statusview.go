package main

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// healthColumn is where health begins, right of the widest row of ipvsadm with IPv4 addresses; longer rows push it.
const healthColumn = 71

// statusView draws one status.
type statusView struct {
	sheet
	paint  paint
	now    time.Time
	rows   map[lvs.Key]control.Virtual
	checks map[lvs.CheckID]director.CheckState
}

// renderStatus draws what is shown of a status: left the rows of ipvsadm -Ln byte for byte, right what lvsd knows.
func renderStatus(whole, s *control.Status, f statusFilter, p paint) *sheet {
	v := &statusView{paint: p, now: s.At, rows: map[lvs.Key]control.Virtual{}, checks: map[lvs.CheckID]director.CheckState{}}
	for _, row := range s.Table {
		v.rows[row.Key] = row
	}
	for _, c := range s.Checks {
		v.checks[c.ID()] = c
	}
	v.line("%s", p.in(bold, headline(whole)))
	for _, alarm := range alarms(whole) {
		v.line("%s", p.in(red, "! "+oneLine(alarm)))
	}
	head := strings.Split(strings.TrimSuffix(lvs.ListHeader, "\n"), "\n")
	v.line("%s", head[0])
	v.row(head[1], "Health", "", "For", "Last check")
	v.services(s, !f.wantsSomeServers())
	return &v.sheet
}

// services draws the services of the configuration and those of the kernel, in ipvsadm's order.
func (v *statusView) services(s *control.Status, whole bool) {
	configured := map[lvs.Key]director.ServiceState{}
	all := lvs.Table{}
	for _, service := range s.Services {
		configured[service.Virtual], all[service.Virtual] = service, lvs.Entry{}
	}
	for key := range v.rows {
		all[key] = lvs.Entry{}
	}
	for _, key := range all.Listed() {
		if service, ours := configured[key]; ours {
			v.service(service, whole)
		} else {
			v.other(v.rows[key])
		}
	}
}

// row draws one line; colour is of the health alone.
func (v *statusView) row(left, health, colour, since, last string) {
	pad := max(healthColumn-utf8.RuneCountInString(left), 1)
	word := v.paint.in(colour, health) + strings.Repeat(" ", max(7-utf8.RuneCountInString(health), 0))
	v.line("%s%s%s %-7s %s", left, strings.Repeat(" ", pad), word, since, last)
}

func (v *statusView) service(s director.ServiceState, whole bool) {
	row, there := v.rows[s.Virtual]
	left := lvs.ListService(s.Virtual, row.Service())
	if !there {
		left = lvs.ListService(s.Virtual, lvs.Service{Scheduler: "-"})
	}
	health, colour, since, last := fmt.Sprintf("%d/%d up", s.Up, s.Total), green, "", ""
	switch {
	case s.State == "down":
		colour, since = red, age(s.Since, v.now)
		last = fmt.Sprintf("DOWN: weight %d in service, quorum %d", s.Weight, s.Quorum)
	case s.State == "pending":
		colour, last = yellow, "pending: no verdict yet"
	case s.Up < s.Total:
		colour = yellow
	}
	if s.Sorry {
		last = join(last, "sorry server stands in")
	}
	if !there {
		last = join(last, "not in the kernel's table")
	}
	v.row(left, health, colour, since, last)
	v.servers(s, row, whole)
}

// servers draws those of the kernel and those of the configuration, in ipvsadm's order.
func (v *statusView) servers(s director.ServiceState, row control.Virtual, whole bool) {
	in := map[netip.AddrPort]control.Real{}
	order := lvs.Entry{Servers: map[netip.AddrPort]lvs.Server{}}
	for _, r := range row.Servers {
		in[r.Addr] = r
		if whole {
			order.Servers[r.Addr] = lvs.Server{}
		}
	}
	states := map[netip.AddrPort]director.ServerState{}
	for _, st := range s.Servers {
		// A sorry server may have the address of a real one: the row is that of the one that is in.
		if had, twice := states[st.Addr]; !twice || st.In && !had.In {
			states[st.Addr] = st
		}
	}
	for addr := range maps.Keys(states) {
		order.Servers[addr] = lvs.Server{}
	}
	for _, addr := range order.Listed() {
		real, there := in[addr]
		left := missing(addr)
		if there {
			left = listReal(real)
		}
		if st, known := states[addr]; known {
			health, colour := healthWord(st)
			v.row(left, health, colour, age(st.Since, v.now), v.last(st))
		} else {
			v.row(left, "-", yellow, "", "not in the configuration")
		}
	}
}

func listReal(r control.Real) string {
	server, err := r.Server()
	if err != nil { // of a daemon that knows more than this program
		return missing(r.Addr)
	}
	return lvs.ListServer(r.Addr, server, r.Connections())
}

// missing is the row of a server that the kernel does not have.
func missing(addr netip.AddrPort) string {
	return fmt.Sprintf("  -> %-28s %-7s %-6s %-10s %-10s", addr, "-", "-", "-", "-")
}

func healthWord(st director.ServerState) (word, colour string) {
	switch {
	case st.Admin != "":
		return st.Admin, yellow
	case st.Verdict == "down":
		return "DOWN", red
	case st.Verdict == "up" && st.Rising:
		return "rising", green
	case st.Verdict == "up":
		return "up", green
	default:
		return "unknown", yellow
	}
}

// last says what the last tries of a server's checks found, and why it is where it is if that is not by itself clear.
func (v *statusView) last(st director.ServerState) string {
	words := reason(st, v.checks)
	if st.Verdict == "up" {
		words = ""
		for _, id := range st.Checks {
			words = join2(words, ", ", tryWord(v.checks[id]))
		}
		if len(st.Checks) == 0 {
			words = "not checked"
		}
	}
	if st.Sorry {
		words = join2("sorry server", ": ", words)
	}
	if st.Held != "" {
		words = join(words, st.Held)
	}
	return words
}

// reason says why a server is not up. Of a check whose last tries speak against what is held, it says how far they are.
func reason(st director.ServerState, of map[lvs.CheckID]director.CheckState) string {
	for _, id := range st.Checks {
		c, known := of[id]
		if !known || !strings.HasPrefix(st.Reason, id.Check+": ") {
			continue
		}
		found := "not tried yet"
		switch {
		case c.Last == nil:
		case c.Last.Outcome == checks.Good:
			found = fmt.Sprintf("last try good (%s)", oneLine(c.Last.Reason)) + progress(c)
		default:
			found = oneLine(c.Last.Reason) + progress(c)
		}
		switch {
		case c.Before != "":
			return fmt.Sprintf("%s: was %s before the restart; %s", id.Check, c.Before, found)
		case c.Last != nil && c.Verdict != "unknown":
			return id.Check + ": " + found
		}
	}
	return oneLine(st.Reason)
}

// progress is how many tries of those that would change the verdict are made: ", 3 of 5"; "" if the last was none of them.
func progress(c director.CheckState) string {
	if c.Streak == 0 || c.Last == nil || c.Last.Outcome == checks.NotAsked {
		return ""
	}
	need := c.Fall
	if c.Last.Outcome == checks.Good {
		need = c.Rise
	}
	return fmt.Sprintf(", %d of %d", c.Streak, need)
}

// tryWord is the last try of a check of a server that is up, in few words: "alive 200 in 1.2ms", "alive: status 503, 1 of 2".
func tryWord(c director.CheckState) string {
	if c.Last == nil {
		return c.Check + " not tried yet"
	}
	if c.Last.Outcome != checks.Good {
		return fmt.Sprintf("%s: %s%s", c.Check, oneLine(c.Last.Reason), progress(c))
	}
	return fmt.Sprintf("%s %s in %s", c.Check, strings.TrimPrefix(oneLine(c.Last.Reason), "status "), took(c.Last.Took))
}

// other draws a service of the kernel that is not in the configuration.
func (v *statusView) other(row control.Virtual) {
	word, why := "foreign", "never touched by lvsd"
	if !row.Foreign {
		word, why = "leaving", "no longer in the configuration"
	}
	v.row(lvs.ListService(row.Key, row.Service()), word, dim, "", why)
	for _, r := range row.Servers {
		v.WriteString(listReal(r) + "\n") // with the blanks that ipvsadm ends it with
	}
}

func join(a, b string) string { return join2(a, "; ", b) }

func join2(a, between, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + between + b
}

// oneLine takes out what could disturb a terminal or a row.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
