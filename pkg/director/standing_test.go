package director

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// routers gives a configuration routers.
func routers(c Config, list ...Router) Config {
	c.Routers = list
	return c
}

// host is a check of this host, asked every 50 ms.
var host = lvs.CheckID{Check: "app", Addr: netip.MustParseAddrPort("127.0.0.1:0")}

// tracking is a configuration of services with one router; the check "app" of this host answers as server '!' does.
func (w *world) tracking(tracks []Track, services ...string) Config {
	c := routers(w.config(services...), Router{Name: "VI_1", OnSuspect: -20, Tracks: tracks})
	if w.servers['!'] == nil {
		w.servers['!'] = &server{outcome: checks.Good}
	}
	const every = 50 * time.Millisecond
	c.Checks[host] = health.Spec{
		Checker: w.servers['!'], Policy: health.Policy{Rise: 2, Fall: 3}, Timeout: 40 * time.Millisecond,
		Interval: every, FastInterval: every, DownInterval: every,
	}
	return c
}

// standingLine shows what was said: "1.05s VI_1: check app: exit 1 (-30)".
func (w *world) standingLine(all map[string][]link.Reason) string {
	line := time.Since(w.start).String()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		var words []string
		for _, r := range all[name] {
			s := fmt.Sprintf("%s (%+d)", r.Words, r.Weight)
			if r.Fault {
				s += " fault"
			}
			words = append(words, s)
		}
		line += " " + name + ": " + strings.Join(words, " | ")
	}
	return line
}

func (w *world) wantStanding(lines ...string) {
	w.t.Helper()
	w.given(func() {
		if !slices.Equal(w.standing, lines) {
			w.t.Errorf("said\n%s\nwant\n%s", strings.Join(w.standing, "\n"), strings.Join(lines, "\n"))
		}
	})
}

// Every rule of a tracked check: what each outcome comes to when the check of 50 ms goes from good to it at 1.01 s, and
// back at 2.01 s. fall is 3 and rise is 2.
func TestTrackedCheck(t *testing.T) {
	app := func(weight int) []Track { return []Track{{Check: host, Weight: weight}} }
	for _, r := range []struct {
		name   string
		tracks []Track
		as     checks.Outcome
		want   []string // what follows the first, at once
	}{
		{"a penalty while it is down", app(-30), checks.BadAnswer, []string{
			"0s VI_1: ",
			"1.15s VI_1: check app: status 503, want 200-399, after 3 in a row (-30)",
			"2.1s VI_1: ",
		}},
		{"fault without a weight", app(0), checks.Refused, []string{
			"0s VI_1: ",
			"1.15s VI_1: check app: status 503, want 200-399, after 3 in a row (+0) fault",
			"2.1s VI_1: ",
		}},
		{"no answer in time counts to fall too", app(-30), checks.NoAnswer, []string{
			"0s VI_1: ",
			"1.19s VI_1: check app: no answer within 1s, after 3 in a row (-30)",
			"2.1s VI_1: ",
		}},
		{"a bonus while it is up", app(30), checks.BadAnswer, []string{
			"0s VI_1: check app: status 200 (+30)",
			"1.15s VI_1: ",
			"2.1s VI_1: check app: status 200, after 2 in a row (+30)",
		}},
		{"what could not be asked is told and moves nothing", app(0), checks.NotAsked, []string{
			"0s VI_1: ",
			"1.15s VI_1: check app: could not be asked: too many open files, after 3 in a row (+0)",
			"2.05s VI_1: ",
		}},
		{"nor does it end a bonus", app(30), checks.NotAsked, []string{
			"0s VI_1: check app: status 200 (+30)",
			"1.15s VI_1: check app: could not be asked: too many open files, after 3 in a row (+0) | check app: status 200 (+30)",
			"2.05s VI_1: check app: status 200 (+30)",
		}},
	} {
		t.Run(r.name, func(t *testing.T) {
			inWorld(t, nil, nil, func(w *world) {
				w.apply(w.tracking(r.tracks))
				w.pass(1010 * time.Millisecond)
				w.servers['!'].answer(r.as)
				w.pass(time.Second)
				w.servers['!'].answer(checks.Good)
				w.pass(time.Second)
				w.wantStanding(r.want...)
			})
		})
	}
}

// A verdict of before the start holds until tries change it, so that a restart neither lifts nor gives a penalty.
func TestTrackedCheckOverARestart(t *testing.T) {
	for _, r := range []struct {
		name   string
		seed   lvs.Verdict
		answer checks.Outcome
		want   []string
	}{
		{"down and still down", lvs.Down, checks.BadAnswer, []string{"0s VI_1: check app: status 503, want 200-399 (-30)"}},
		{"down and well again", lvs.Down, checks.Good, []string{"0s VI_1: check app: down before the start (-30)", "50ms VI_1: "}},
		{"down and cannot be asked", lvs.Down, checks.NotAsked, []string{
			"0s VI_1: check app: down before the start (-30)",
			"100ms VI_1: check app: could not be asked: too many open files, after 3 in a row (+0) | check app: down before the start (-30)",
		}},
		{"up and now down", lvs.Up, checks.BadAnswer, []string{"0s VI_1: ", "100ms VI_1: check app: status 503, want 200-399, after 3 in a row (-30)"}},
		{"not known and down", lvs.Unknown, checks.BadAnswer, []string{"0s VI_1: check app: status 503, want 200-399 (-30)"}},
		{"not known and cannot be asked", lvs.Unknown, checks.NotAsked, []string{"0s VI_1: ", "100ms VI_1: check app: could not be asked: too many open files, after 3 in a row (+0)"}},
	} {
		t.Run(r.name, func(t *testing.T) {
			inWorld(t, nil, map[lvs.CheckID]lvs.Verdict{host: r.seed}, func(w *world) {
				w.servers['!'] = &server{outcome: r.answer}
				w.apply(w.tracking([]Track{{Check: host, Weight: -30}}))
				w.pass(time.Second)
				w.wantStanding(r.want...)
			})
		})
	}
}

// Nothing is said before the tracked checks were tried, but not for ever; and what is not tracked is not waited for.
func TestFirstStanding(t *testing.T) {
	slow := func(w *world) Config {
		w.servers['!'] = &server{outcome: checks.NoAnswer}
		c := w.tracking([]Track{{Check: host}})
		spec := c.Checks[host]
		spec.Timeout = time.Minute
		c.Checks[host] = spec
		return c
	}
	inWorld(t, nil, nil, func(w *world) {
		w.apply(slow(w))
		w.pass(4 * time.Second)
		w.wantStanding()
		w.pass(4 * time.Second)
		w.wantStanding("5s VI_1: ")
	})
	inWorld(t, nil, nil, func(w *world) {
		w.servers['A'] = &server{outcome: checks.NoAnswer}
		w.apply(w.tracking([]Track{{Check: host}}, "A"))
		w.pass(100 * time.Millisecond) // the try of 'A' goes on
		w.wantStanding("25ms VI_1: ")
	})
	inWorld(t, nil, nil, func(w *world) {
		w.apply(w.config("A"))
		w.pass(time.Second)
		w.wantStanding("0s")
	})
}

// The standing is whole: every router is in it, and a reload says at once what it changes.
func TestStandingOverAReload(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		w.servers['!'] = &server{outcome: checks.BadAnswer}
		c := w.tracking([]Track{{Check: host, Weight: -30}})
		w.apply(c)
		w.pass(time.Second)
		w.apply(routers(c, Router{Name: "VI_1", Tracks: []Track{{Check: host, Weight: -40}}}, Router{Name: "VI_6"}))
		w.pass(time.Second)
		w.apply(routers(c, Router{Name: "VI_6"}))
		w.pass(time.Second)
		const words = "check app: status 503, want 200-399"
		w.wantStanding("0s VI_1: "+words+" (-30)", "1s VI_1: "+words+" (-40) VI_6: ", "2s VI_6: ")
		if got := w.snapshot(Ask{}).Standing; len(got) != 1 || got["VI_6"] != nil {
			t.Errorf("snapshot has %v", got)
		}
	})
}

// Every rule of a tracked service. Real servers are asked every 5 s, fall and rise are 2; A B C D are of s0.
func TestTrackedService(t *testing.T) {
	for _, r := range []struct {
		name  string
		track Track
		harm  string // who answers 503 from 1 s to 21 s
		want  []string
	}{
		{"its quorum is lost", Track{Service: "s0", Weight: -50}, "ABCD", []string{
			"0s VI_1: ", "10.6s VI_1: service s0: quorum lost at tcp 192.0.2.1:80: weight 0 in service, quorum 1 (-50)", "30s VI_1: ",
		}},
		{"a server is not a quorum", Track{Service: "s0", Weight: -50}, "ABC", []string{"0s VI_1: "}},
		{"without a weight it is fault", Track{Service: "s0"}, "ABCD", []string{
			"0s VI_1: ", "10.6s VI_1: service s0: quorum lost at tcp 192.0.2.1:80: weight 0 in service, quorum 1 (+0) fault", "30s VI_1: ",
		}},
		{"a share of its servers", Track{Service: "s0", Share: 50, Weight: -50}, "ABC", []string{
			"0s VI_1: ", "10.4s VI_1: service s0: 3 of 4 servers down at tcp 192.0.2.1:80: less than 50% are up (-50)", "30s VI_1: ",
		}},
		{"half is not less than half", Track{Service: "s0", Share: 50, Weight: -50}, "AB", []string{"0s VI_1: "}},
		{"all", Track{Service: "s0", Share: 100, Weight: -50}, "D", []string{
			"0s VI_1: ", "10.6s VI_1: service s0: 1 of 4 servers down at tcp 192.0.2.1:80: less than 100% are up (-50)", "30.6s VI_1: ",
		}},
		{"another service", Track{Service: "s0", Weight: -50}, "E", []string{"0s VI_1: "}},
		{"a bonus while it is up", Track{Service: "s0", Weight: 50}, "ABCD", []string{
			"0s VI_1: ", "0s VI_1: service s0: up (+50)", "10.6s VI_1: ", "30s VI_1: service s0: up (+50)",
		}},
	} {
		t.Run(r.name, func(t *testing.T) {
			inWorld(t, nil, nil, func(w *world) {
				w.apply(routers(w.config("ABCD", "E"), Router{Name: "VI_1", Tracks: []Track{r.track}}))
				w.pass(time.Second)
				for _, l := range []byte(r.harm) {
					w.servers[l].answer(checks.BadAnswer)
				}
				w.pass(20 * time.Second)
				for _, l := range []byte(r.harm) {
					w.servers[l].answer(checks.Good)
				}
				w.pass(20 * time.Second)
				w.wantStanding(r.want...)
			})
		})
	}
}

// A service is its virtual services together.
func TestTrackedServiceOfTwoPorts(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		c := routers(w.config("A", "B"), Router{Name: "VI_1", Tracks: []Track{{Service: "s0", Weight: -50}}})
		c.Services[1].Name = "s0"
		w.apply(c)
		w.pass(time.Second)
		w.servers['B'].answer(checks.BadAnswer)
		w.pass(20 * time.Second)
		w.wantStanding("0s VI_1: ", "10.5s VI_1: service s0: quorum lost at tcp 192.0.2.1:81: weight 0 in service, quorum 1 (-50)")
	})
}

// A director that suspects itself says so to every router, and does not count for dead what it withholds.
func TestSuspicionIsAReason(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		w.neighbor = &Probed{Words: "198.51.100.1 is silent"}
		share := []Track{{Service: "s0", Share: 100, Weight: -50}}
		w.apply(routers(w.config("ABCD", "EFGH"), Router{Name: "VI_1", OnSuspect: -20, Tracks: share}, Router{Name: "VI_2"}))
		w.pass(3 * time.Second)
		w.silence("ABCDEF")
		w.pass(15 * time.Second)
		w.given(func() {
			want := " VI_1: suspects itself: 5 of 8 addresses in 2 services fell silent within 6s; 198.51.100.1 is silent (-20) VI_2: suspects itself: 5 of 8 addresses in 2 services fell silent within 6s; 198.51.100.1 is silent (+0)"
			if last := w.standing[len(w.standing)-1]; len(w.standing) != 2 || !strings.HasSuffix(last, want) {
				t.Errorf("said\n%s", strings.Join(w.standing, "\n"))
			}
		})
		w.pass(2 * time.Minute) // past hold
		w.given(func() {
			want := " VI_1: service s0: quorum lost at tcp 192.0.2.1:80: weight 0 in service, quorum 1 (-50) VI_2: "
			if last := w.standing[len(w.standing)-1]; !strings.HasSuffix(last, want) {
				t.Errorf("said\n%s", strings.Join(w.standing, "\n"))
			}
		})
	})
}

// A check of this host that hangs says nothing of the path to the servers, and the table does not wait for it.
func TestHostChecksAreNoAddresses(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		w.servers['!'] = &server{outcome: checks.NoAnswer}
		c := w.tracking([]Track{{Check: host}}, "ABCD", "EF")
		spec := c.Checks[host]
		spec.Timeout = time.Minute
		c.Checks[host] = spec
		w.apply(c)
		w.pass(3 * time.Second)
		if n := w.snapshot(Ask{}).Suspect.Addresses; n != 6 {
			t.Errorf("%d addresses, want the 6 of the servers", n)
		}
		if at := w.readyAt(); len(at) != 1 || at[0] > time.Second {
			t.Errorf("ready at %v", at)
		}
	})
}

// Sorry servers are no share of a service.
func TestShareLeavesSorryServersOut(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		w.servers['S'] = &server{outcome: checks.BadAnswer}
		c := routers(w.config("AS"), Router{Name: "VI_1", Tracks: []Track{{Service: "s0", Share: 100, Weight: -50}}})
		v := &c.Services[0]
		v.Servers, v.Sorry = v.Servers[:1], v.Servers[1:]
		w.apply(c)
		w.pass(20 * time.Second)
		w.wantStanding("0s VI_1: ")
	})
}

// Tries that could not be asked are counted in a row.
func TestCouldNotBeAskedInARow(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		w.apply(w.tracking([]Track{{Check: host}}))
		for range 3 { // two tries each, fall is 3
			w.pass(110 * time.Millisecond)
			w.servers['!'].answer(checks.NotAsked)
			w.pass(90 * time.Millisecond)
			w.servers['!'].answer(checks.Good)
		}
		w.wantStanding("0s VI_1: ")
	})
}
