package vrrp

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A script is what happens to routers and what comes of it, one event a line:
//
//	3.5s tick -> master, sends 1x128, announce, next 4.5s (no advert for the down interval)
//
// Before the event stands the time, and "#1" if it is for router 1 of a group; "#all" is for all.
type script struct {
	params   Params
	standing Standing
	before   string // lines to begin with
}

var (
	self  = netip.MustParseAddr("192.0.2.5")
	below = netip.MustParseAddr("192.0.2.4")
	above = netip.MustParseAddr("192.0.2.6")
)

// plain is one second, priority 128: the skew is half a second, the down interval 3.5 s.
func plain(change ...func(*script)) script {
	s := script{
		params:   Params{Version: 3, Interval: time.Second, DownAdverts: 3, Preempt: true},
		standing: Standing{Priority: 128, Primary: self},
	}
	for _, c := range change {
		c(&s)
	}
	return s
}

// run plays a script on a group of n routers and compares each line.
func (s script) run(t *testing.T, n int, lines string) {
	t.Helper()
	g := NewGroup(n)
	params, standings := s.params, make([]Standing, n)
	for i := range n {
		standings[i] = s.standing
		g.Step(0, i, Event{Kind: Configure, Params: s.params})
		g.Step(0, i, Event{Kind: Stand, Standing: s.standing})
	}
	for line := range strings.Lines(lines) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		what, want, found := strings.Cut(line, " -> ")
		words := strings.Fields(what)
		if !found || len(words) < 2 {
			t.Fatalf("a line without event or outcome: %q", line)
		}
		now := Instant(duration(words[0]))
		router, words := addressee(words[1:])
		var effects []Effect
		if words[0] == "due" { // what the loop does when Next has come
			effects = g.Due(now)
		} else {
			effects = g.Step(now, router, event(t, words, &params, &standings[max(router, 0)]))
		}
		if got := outcome(g, effects); got != strings.TrimSpace(want) {
			t.Fatalf("%s\n got %s\nwant %s", what, got, strings.TrimSpace(want))
		}
	}
}

func duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		panic(err)
	}
	return d
}

func addressee(words []string) (int, []string) {
	n, ok := strings.CutPrefix(words[0], "#")
	if !ok {
		return 0, words
	}
	if n == "all" {
		return -1, words[1:]
	}
	i, _ := strconv.Atoi(n)
	return i, words[1:]
}

// event reads one, as in "hear 200 from 192.0.2.6 every 2s" or "stand priority 100".
func event(t *testing.T, words []string, p *Params, s *Standing) Event {
	t.Helper()
	arg := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	num := func(s string) uint8 {
		n, err := strconv.ParseUint(s, 10, 8)
		if err != nil {
			t.Fatal(err)
		}
		return uint8(n)
	}
	kinds := map[string]Kind{
		"tick": Tick, "start": Start, "resume": Resume, "ready": Ready, "handover": Handover,
		"stop": Stop, "promote": Promote, "demote": Demote, "postpone": Postpone,
	}
	if k, ok := kinds[words[0]]; ok {
		return Event{Kind: k}
	}
	switch words[0] {
	case "hear":
		e := Event{Kind: Heard, Priority: num(arg(1)), From: below, Interval: time.Second}
		for i := 2; i+1 < len(words); i += 2 {
			switch words[i] {
			case "from":
				e.From = netip.MustParseAddr(words[i+1])
			case "every":
				e.Interval = duration(words[i+1])
			}
		}
		return e
	case "every":
		p.Interval = duration(arg(1))
		return Event{Kind: Configure, Params: *p}
	case "sick", "well":
		s.Sick = words[0] == "sick"
	case "down", "up":
		s.Down = words[0] == "down"
	case "priority":
		s.Priority = num(arg(1))
	case "primary":
		s.Primary = netip.MustParseAddr(arg(1))
	default:
		t.Fatalf("unknown event %q", words[0])
	}
	return Event{Kind: Stand, Standing: *s}
}

// outcome is the state, what each router is to do (alike ones once) and the next time that something is due.
func outcome(g *Group, effects []Effect) string {
	state := g.State().String()
	if g.Router(0).Resigning() {
		state = "resigning"
	}
	var each []string
	for i, f := range effects {
		if s := f.describe(); i == 0 || s != each[0] {
			each = append(each, s)
		}
	}
	next := ""
	if n := g.Next(); n != Never {
		next = ", next " + time.Duration(n).String()
	}
	if len(each) == 1 {
		return state + each[0] + next + because(effects)
	}
	return state + " [" + strings.Join(each, " |") + " ]" + next + because(effects)
}

func (f Effect) describe() string {
	s := ""
	if f.Adverts > 0 {
		s = fmt.Sprintf(", sends %dx%d", f.Adverts, f.Priority)
	}
	if f.Announce {
		s += ", announce"
	}
	if f.Contested {
		s += ", contested"
	}
	return s
}

// because names the causes by the first word or two of each, or nothing.
func because(effects []Effect) string {
	var all []string
	for i, f := range effects {
		if f.Cause != NoCause && (i == 0 || f.Cause != effects[0].Cause) {
			all = append(all, short[f.Cause])
		}
	}
	if len(all) == 0 {
		return ""
	}
	return " (" + strings.Join(all, ", ") + ")"
}

var short = map[Cause]string{
	CauseStart: "start", CauseResumed: "resumed", CauseOwner: "owner", CauseSilence: "silence", CauseLeft: "left",
	CausePreempt: "preempt", CauseHigher: "higher", CauseHandedOver: "handed over", CauseKept: "kept", CauseSick: "sick",
	CauseWell: "well", CauseLinkDown: "link down", CauseLinkUp: "link up", CauseSlept: "slept", CauseStopped: "stopped",
	CauseGroup: "group", CauseLastMan: "last man", CauseGroupHeld: "group held", CauseHeld: "held",
}
