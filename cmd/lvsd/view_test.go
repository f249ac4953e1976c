package main

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// A sorry server may have the address of a real one; its row says what the one that is in is.
func TestRowOfAnAddressThatIsTwice(t *testing.T) {
	row := control.VirtualOf(web, lvs.Service{Scheduler: "rr", Netmask: 32}, false)
	row.Servers = []control.Real{control.RealOf(one, lvs.Server{Weight: 1}, lvs.Connections{})}
	for _, sorryIn := range []bool{true, false} {
		s := &control.Status{Table: []control.Virtual{row}}
		s.Services = []director.ServiceState{{Name: "web", Virtual: web, State: "up", Servers: []director.ServerState{
			{Addr: one, Verdict: "up", In: !sorryIn}, {Addr: one, Verdict: "up", In: sorryIn, Sorry: true},
		}}}
		text := renderStatus(s, s, statusFilter{}, false).String()
		if strings.Count(text, one.String()) != 1 || strings.Contains(text, "sorry server") != sorryIn {
			t.Errorf("with the sorry server in (%v):\n%s", sorryIn, text)
		}
	}
}

// Asked for one port, why leaves out the checks of the others.
func TestWhyOfOnePort(t *testing.T) {
	other := netip.AddrPortFrom(one.Addr(), 443)
	s := &control.Status{}
	s.Services = []director.ServiceState{
		{Name: "web", Virtual: web, Servers: []director.ServerState{{Addr: one, Checks: []lvs.CheckID{alive(one)}}}},
		{Name: "web", Virtual: old, Servers: []director.ServerState{{Addr: other, Checks: []lvs.CheckID{alive(other)}}}},
	}
	s.Checks = []director.CheckState{{Check: "alive", Addr: one}, {Check: "alive", Addr: other}}
	onlyPort(s, other)
	if len(s.Services) != 1 || s.Services[0].Virtual != old || len(s.Checks) != 1 || s.Checks[0].Addr != other {
		t.Errorf("left: %+v, %+v", s.Services, s.Checks)
	}
}

func TestRuleThatDecided(t *testing.T) {
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.Local)
	// tries ended at, at+1s, ...: g good, b bad, n not asked. The verdict is as old as the end of the try numbered since.
	check := func(verdict, outcomes string, since int) director.CheckState {
		c := director.CheckState{Verdict: verdict, Rise: 3, Fall: 2, Since: at.Add(time.Duration(since) * time.Second)}
		for i, o := range outcomes {
			outcome := map[rune]checks.Outcome{'g': checks.Good, 'b': checks.Refused, 'n': checks.NotAsked}[o]
			c.Tries = append(c.Tries, director.Try{At: at.Add(time.Duration(i)*time.Second - time.Millisecond), Took: time.Millisecond, Outcome: outcome})
		}
		return c
	}
	down, up := "2 bad tries in a row take it down (fall = 2)", "3 good tries in a row bring it up (rise = 3)"
	for _, test := range []struct {
		name string
		c    director.CheckState
		want string
	}{
		{"down by two", check("down", "gbb", 2), down + "; the last of them began at 10:00:01.999"},
		{"down by two around one that could not be asked", check("down", "gbnbb", 3), down + "; the last of them began at 10:00:02.999"},
		{"down by its first", check("down", "bbb", 0), "by its first try; later " + down},
		{"down by one after a good one", check("down", "bgb", 2), "by its first try; later " + down},
		{"up by three", check("up", "bggg", 3), up + "; the last of them began at 10:00:02.999"},
		{"long ago", check("down", "bbb", -100), down},
		{"unknown", director.CheckState{Verdict: "unknown"}, "not yet: no try has been made that could be asked"},
		{"kept", director.CheckState{Verdict: "unknown", Before: "down"}, "not yet: it was down before the restart, which no try has confirmed"},
		{"fall of one", director.CheckState{Verdict: "down", Fall: 1, Since: at}, "1 bad try takes it down (fall = 1)"},
		{"rise of one", director.CheckState{Verdict: "up", Rise: 1, Since: at}, "1 good try brings it up (rise = 1)"},
	} {
		if diff := cmp.Diff(test.want, decided(test.c)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestWhatWouldTurnIt(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		c    director.CheckState
		want string
	}{
		{director.CheckState{Verdict: "up", Fall: 3, Rise: 2}, "down after 3 more bad tries in a row; the next try is under way or due"},
		{director.CheckState{Verdict: "up", Fall: 3, Rise: 2, Streak: 2}, "down after 1 more bad try (2 so far); the next try is under way or due"},
		{
			director.CheckState{Verdict: "down", Fall: 3, Rise: 2, Next: now.Add(3 * time.Second)},
			"up after 2 more good tries in a row; the next try in 3s",
		},
		{
			director.CheckState{Verdict: "unknown", Before: "down", Fall: 2, Rise: 3, Streak: 1},
			"was down before the restart; up after 2 more good tries in a row (1 so far); the next try is under way or due",
		},
		{
			director.CheckState{Verdict: "unknown", Before: "up", Fall: 2, Rise: 3},
			"was up before the restart; down after 2 more bad tries in a row; the next try is under way or due",
		},
		{director.CheckState{Verdict: "unknown", Fall: 3, Rise: 2}, "by the first try that can be asked; the next try is under way or due"},
	} {
		if got := turns(test.c, now); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

func TestFirstOf(t *testing.T) {
	for want, list := range map[string][]string{
		"no reason given":                   nil,
		"a":                                 {"a\n"},
		"a (and 1 more: lvsd config check)": {"a", "b"},
		"a (and 2 more: lvsd config check)": {"a\nb\nc"},
	} {
		if got := firstOf(list); got != want {
			t.Errorf("%q: %q, want %q", list, got, want)
		}
	}
}

// What status and why say of the last try, where it does not speak for what is held.
func TestLastTryAgainstWhatIsHeld(t *testing.T) {
	try := func(o checks.Outcome, words string) *director.Try { return &director.Try{Outcome: o, Reason: words} }
	for _, test := range []struct {
		verdict string // of the server
		c       director.CheckState
		want    string
		inWhy   bool // above its checks
	}{
		{"down", director.CheckState{Verdict: "down", Streak: 3, Last: try(checks.Good, "status 200")}, "alive: last try good (status 200), 3 of 5", true},
		{"down", director.CheckState{Verdict: "down", Last: try(checks.BadAnswer, "status 503")}, "alive: status 503", true},
		{"down", director.CheckState{Verdict: "down", Streak: 1, Last: try(checks.NotAsked, "no port free")}, "alive: no port free", true},
		{"up", director.CheckState{Verdict: "up", Streak: 1, Last: try(checks.BadAnswer, "status 503")}, "alive: status 503, 1 of 2", true},
		{"up", director.CheckState{Verdict: "up", Last: try(checks.Good, "status 200")}, "alive 200 in -", false},
		{"unknown", director.CheckState{Verdict: "unknown", Before: "down"}, "alive: was down before the restart; not tried yet", false},
		{
			"unknown",
			director.CheckState{Verdict: "unknown", Before: "down", Streak: 1, Last: try(checks.Good, "status 200")},
			"alive: was down before the restart; last try good (status 200), 1 of 5", false,
		},
		{
			"unknown",
			director.CheckState{Verdict: "unknown", Before: "up", Streak: 1, Last: try(checks.Refused, "refused")},
			"alive: was up before the restart; refused, 1 of 2", false,
		},
		{"unknown", director.CheckState{Verdict: "unknown"}, "alive: not tried yet", false},
	} {
		test.c.Check, test.c.Addr, test.c.Rise, test.c.Fall = "alive", one, 5, 2
		words := "alive: not tried yet"
		if test.c.Last != nil {
			words = "alive: " + test.c.Last.Reason
		}
		s := &control.Status{}
		s.Checks = []director.CheckState{test.c}
		s.Services = []director.ServiceState{{Name: "web", Virtual: web, Servers: []director.ServerState{
			{Addr: one, Verdict: test.verdict, Checks: []lvs.CheckID{alive(one)}, Reason: words},
		}}}
		if text := renderStatus(s, s, statusFilter{}, false).String(); !strings.Contains(text, " "+test.want+"\n") {
			t.Errorf("status does not say %q:\n%s", test.want, text)
		}
		if text := renderWhy(s, false).String(); strings.Contains(text, "\n    "+test.want+"\n") != test.inWhy {
			t.Errorf("why says %q above the checks (%v):\n%s", test.want, !test.inWhy, text)
		}
	}
}
