package director

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/notify"
	"github.com/lvsd/lvsd/pkg/plan"
)

// server is a real server that answers every check as it is told.
type server struct {
	mu      sync.Mutex
	outcome checks.Outcome
	asked   int
}

func (s *server) Check(ctx context.Context, _ checks.Target) checks.Result {
	s.mu.Lock()
	s.asked++
	o := s.outcome
	s.mu.Unlock()
	switch o {
	case checks.Good:
		return checks.Result{Outcome: o, Reason: "status 200"}
	case checks.NoAnswer:
		<-ctx.Done()
		return checks.Result{Outcome: o, Reason: "no answer within 1s"}
	case checks.NotAsked:
		return checks.Result{Outcome: o, Reason: "too many open files"}
	default:
		return checks.Result{Outcome: o, Reason: "status 503, want 200-399"}
	}
}

func (s *server) answer(o checks.Outcome) { s.mu.Lock(); defer s.mu.Unlock(); s.outcome = o }

// world is a director with its monitors on fake time: real servers by letter, and everything it gave out.
type world struct {
	t       *testing.T
	start   time.Time
	servers map[byte]*server
	configs chan Config
	probed  chan Probed
	asks    chan Ask
	mon     *health.Monitors
	ended   chan struct{}

	mu       sync.Mutex
	table    lvs.Table
	tables   int
	ready    []time.Duration
	record   []string
	known    map[lvs.CheckID]Known
	events   []string
	standing []string
	probes   int
	neighbor *Probed // what a neighbour answers; nil is nothing yet
}

func addrOf(letter byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, letter}), 80)
}

var vip = netip.MustParseAddr("192.0.2.1")

func keyOf(port uint16) lvs.Key {
	return lvs.Key{Protocol: lvs.TCP, Addr: netip.AddrPortFrom(vip, port)}
}

// config makes one virtual service for each "port:letters", all asked by one check every 5 s.
func (w *world) config(services ...string) Config {
	c := Config{Name: "lvs-a", Checks: map[lvs.CheckID]health.Spec{}, Suspect: Suspect{Share: 50, Hold: time.Minute}}
	for i, s := range services {
		v := plan.Virtual{Name: fmt.Sprintf("s%d", i), Key: keyOf(uint16(80 + i)), Quorum: 1}
		v.Service.Scheduler = "wlc"
		for _, letter := range []byte(s) {
			id := lvs.CheckID{Check: "alive", Addr: addrOf(letter)}
			if w.servers[letter] == nil {
				w.servers[letter] = &server{outcome: checks.Good}
			}
			c.Checks[id] = health.Spec{
				Checker: w.servers[letter], Policy: health.Policy{Rise: 2, Fall: 2}, Timeout: time.Second,
				Interval: 5 * time.Second, FastInterval: 5 * time.Second, DownInterval: 5 * time.Second,
			}
			v.Servers = append(v.Servers, plan.Server{Addr: addrOf(letter), Set: lvs.Server{Forward: lvs.DR, Weight: 1}, Checks: []lvs.CheckID{id}})
		}
		c.Services = append(c.Services, v)
	}
	return c
}

func (w *world) apply(c Config) { w.configs <- c; w.mon.Set(c.Checks) }

func (w *world) outputs() Outputs {
	locked := func(f func()) { w.mu.Lock(); defer w.mu.Unlock(); f() }
	return Outputs{
		Table: func(t lvs.Table, _ string) { locked(func() { w.table = t; w.tables++ }) },
		Ready: func() { locked(func() { w.ready = append(w.ready, time.Since(w.start)) }) },
		Record: func(e audit.Entry) {
			locked(func() {
				w.record = append(w.record, fmt.Sprintf("%v %s %s %s: %s -> %s (%s%s)", e.Time.Sub(w.start), e.Event, e.Service, e.Server, e.From, e.To, e.Reason, e.Error))
			})
		},
		Verdicts: func(k map[lvs.CheckID]Known) { locked(func() { w.known = k }) },
		Event:    func(e notify.Event) { locked(func() { w.events = append(w.events, w.eventLine(e)) }) },
		Standing: func(r map[string][]link.Reason) {
			locked(func() { w.standing = append(w.standing, w.standingLine(r)) })
		},
		Probe: func([]netip.Addr) {
			locked(func() { w.probes++ })
			go func() {
				time.Sleep(900 * time.Millisecond)
				w.mu.Lock()
				answer := *w.neighbor
				w.mu.Unlock()
				w.probed <- answer
			}()
		},
	}
}

func (w *world) snapshot(ask Ask) *Snapshot {
	reply := make(chan *Snapshot, 1)
	ask.Reply = reply
	w.asks <- ask
	return <-reply
}

// given reads what the director gave out.
func (w *world) given(f func()) { synctest.Wait(); w.mu.Lock(); defer w.mu.Unlock(); f() }

func (w *world) tableCount() (n int) { w.given(func() { n = w.tables }); return n }

func (w *world) readyAt() (at []time.Duration) {
	w.given(func() { at = slices.Clone(w.ready) })
	return at
}

func (w *world) lines() (lines []string) {
	w.given(func() { lines = slices.Clone(w.record) })
	return lines
}

func (w *world) weightOf(letter byte) (n int) {
	w.given(func() { n = w.table[keyOf(80)].Servers[addrOf(letter)].Weight })
	return n
}

// held shows the wanted table: "80:ABC 81:A".
func (w *world) held() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for k, e := range w.table {
		letters := ""
		for a := range e.Servers {
			b := a.Addr().As4()
			letters += string(b[3])
		}
		sorted := []byte(letters)
		slices.Sort(sorted)
		list = append(list, fmt.Sprintf("%d:%s", k.Addr.Port(), sorted))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func (w *world) want(table string) {
	w.t.Helper()
	synctest.Wait()
	if got := w.held(); got != table {
		w.t.Errorf("at %v: table %q, want %q", time.Since(w.start), got, table)
	}
}

func (w *world) pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

func inWorld(t *testing.T, before lvs.Table, seeds map[lvs.CheckID]lvs.Verdict, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, start: time.Now(), servers: map[byte]*server{}, configs: make(chan Config), probed: make(chan Probed),
			asks: make(chan Ask), mon: health.NewMonitors(seeds), ended: make(chan struct{}),
			neighbor: &Probed{Answered: true, Words: "the gateway answered"},
		}
		go func() {
			Run(Inputs{Configs: w.configs, Reports: w.mon.Reports(), Asks: w.asks, Probed: w.probed}, w.outputs(), before)
			close(w.ended)
		}()
		f(w)
		w.mon.Close()
		<-w.ended
	})
}

func kernel(entries map[uint16]string) lvs.Table {
	t := lvs.Table{}
	for port, letters := range entries {
		e := lvs.Entry{Service: lvs.Service{Scheduler: "wlc"}, Servers: map[netip.AddrPort]lvs.Server{}}
		for _, l := range []byte(letters) {
			e.Servers[addrOf(l)] = lvs.Server{Forward: lvs.DR, Weight: 1}
		}
		t[keyOf(port)] = e
	}
	return t
}

func TestLife(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		w.servers['B'] = &server{outcome: checks.BadAnswer}
		w.apply(w.config("AB", "AB"))
		w.want("80:A 81:A")
		w.pass(time.Second)
		w.servers['A'].answer(checks.BadAnswer)
		w.servers['B'].answer(checks.Good)
		w.pass(10 * time.Second)
		w.want("80:B 81:B")
		w.servers['A'].answer(checks.Good)
		w.pass(20 * time.Second)
		w.want("80:AB 81:AB")

		got := strings.Join(w.lines(), "\n")
		want := strings.Join([]string{
			"0s check  10.0.0.65:80: unknown -> up (good, status 200 in 0s)",
			"0s server s0 10.0.0.65:80: out -> in (alive: status 200)",
			"0s server s1 10.0.0.65:80: out -> in (alive: status 200)",
			"500ms check  10.0.0.66:80: unknown -> down (bad answer, status 503, want 200-399 in 0s)",
			"10s check  10.0.0.65:80: up -> down (bad answer, status 503, want 200-399 in 0s, after 2 in a row)",
			"10s server s0 10.0.0.65:80: in -> out (alive: status 503, want 200-399)",
			"10s service s0 : up -> down (weight 0 in service, quorum 1)",
			"10s server s1 10.0.0.65:80: in -> out (alive: status 503, want 200-399)",
			"10s service s1 : up -> down (weight 0 in service, quorum 1)",
			"10.5s check  10.0.0.66:80: down -> up (good, status 200 in 0s, after 2 in a row)",
			"10.5s server s0 10.0.0.66:80: out -> in (alive: status 200)",
			"10.5s service s0 : down -> up (weight 1 in service, quorum 1)",
			"10.5s server s1 10.0.0.66:80: out -> in (alive: status 200)",
			"10.5s service s1 : down -> up (weight 1 in service, quorum 1)",
			"20s check  10.0.0.65:80: down -> up (good, status 200 in 0s, after 2 in a row)",
			"20s server s0 10.0.0.65:80: out -> in (alive: status 200)",
			"20s server s1 10.0.0.65:80: out -> in (alive: status 200)",
		}, "\n")
		if got != want {
			t.Errorf("record:\n%s\n\nwant:\n%s", got, want)
		}
		if asked := w.servers['A'].asked; asked != 7 {
			t.Errorf("a server of two services was asked %d times in 31 s at 5 s, want 7", asked)
		}
	})
}

func TestRestartWritesNothing(t *testing.T) {
	before := kernel(map[uint16]string{80: "AB", 81: "A"})
	inWorld(t, before, nil, func(w *world) {
		w.servers['C'] = &server{outcome: checks.BadAnswer}
		w.apply(w.config("ABC", "AC"))
		w.want("80:AB 81:A")
		w.pass(30 * time.Second)
		w.want("80:AB 81:A")
		if n := w.tableCount(); n != 1 {
			t.Errorf("%d tables given out over a healthy restart, want 1", n)
		}
		if at := w.readyAt(); len(at) != 1 || at[0] != 0 {
			t.Errorf("ready after %v with an adopted table, want at once", at)
		}
	})
}

func TestReadyIsEveryFirstTry(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		w.servers['D'] = &server{outcome: checks.NoAnswer}
		w.apply(w.config("ABCD"))
		w.pass(time.Second)
		if at := w.readyAt(); len(at) != 0 {
			t.Errorf("ready after %v, before D's first timeout", at)
		}
		w.pass(time.Second)
		if at, want := w.readyAt(), 1750*time.Millisecond; len(at) != 1 || at[0] != want {
			t.Errorf("ready at %v, want once at %v", at, want)
		}
	})
}

func TestReload(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		w.apply(w.config("AB"))
		w.pass(7 * time.Second)
		tables := w.tableCount()
		for range 20 {
			w.apply(w.config("AB"))
		}
		w.want("80:AB")
		if asked := w.servers['A'].asked; asked != 2 {
			t.Errorf("20 reloads of the same file: asked %d times in 7 s at 5 s, want 2", asked)
		}
		if n := w.tableCount() - tables; n != 20 {
			t.Errorf("%d tables, want one a reload", n)
		}
		w.apply(w.config("AC", "B")) // the check of B goes on, so what is known of it holds for s1 at once; C is tried at once
		w.want("80:AC 81:B")
		w.apply(w.config())
		w.want("")
	})
}

func TestNotAskedIsToldAndChangesNothing(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		w.apply(w.config("AB"))
		w.pass(time.Second)
		w.servers['A'].answer(checks.NotAsked)
		w.pass(time.Minute)
		w.want("80:AB")
		told := 0
		for _, line := range w.lines() {
			if strings.Contains(line, "could not be asked (too many open files)") {
				told++
			}
		}
		if told != 1 {
			t.Errorf("told %d times, want once:\n%s", told, strings.Join(w.lines(), "\n"))
		}
		snap := w.snapshot(Ask{Tries: true, Server: addrOf('A').Addr()})
		if len(snap.Checks) != 1 || snap.Checks[0].Unasked != 12 || snap.Checks[0].Last.Reason != "too many open files" {
			t.Errorf("snapshot of A: %+v", snap.Checks)
		}
		if len(snap.Services) != 1 || len(snap.Services[0].Servers) != 1 {
			t.Errorf("snapshot of A has services %+v", snap.Services)
		}
	})
}

func TestSeedsAndVerdictsKept(t *testing.T) {
	var known map[lvs.CheckID]Known
	inWorld(t, nil, nil, func(w *world) {
		w.servers['B'] = &server{outcome: checks.BadAnswer}
		w.apply(w.config("AB"))
		w.pass(time.Second)
		w.given(func() { known = maps.Clone(w.known) })
	})
	seeds := map[lvs.CheckID]lvs.Verdict{}
	for id, k := range known {
		seeds[id] = k.Verdict
	}
	if len(seeds) != 2 {
		t.Fatalf("kept %v", known)
	}
	inWorld(t, kernel(map[uint16]string{80: "A"}), seeds, func(w *world) {
		w.servers['A'] = &server{outcome: checks.BadAnswer}
		w.apply(w.config("AB"))
		w.pass(time.Second)
		w.want("80:A") // one bad try after a restart does not take out what was up
		w.pass(5 * time.Second)
		w.want("80:B") // two do, and B has been good twice
	})
}

// silence has most servers of three services stop answering.
func (w *world) silence(letters string) {
	for _, l := range []byte(letters) {
		w.servers[l].answer(checks.NoAnswer)
	}
}

func TestSuspicion(t *testing.T) {
	all := "80:ABCD 81:EFGH"
	silent := Probed{Words: "198.51.100.1 is silent"}
	for _, r := range []struct {
		name     string
		services []string
		neighbor Probed
		harm     func(w *world)
		want     string // 15 s later
		later    string // 2 minutes later
		asked    bool
		suspect  bool
	}{
		{name: "most fall silent and the gateway too: nothing is taken out, for a minute", neighbor: silent, harm: func(w *world) { w.silence("ABCDEF") }, want: all, later: "80: 81:GH", asked: true, suspect: true},
		{name: "the gateway answers: they are dead", neighbor: Probed{Answered: true}, harm: func(w *world) { w.silence("ABCDEF") }, want: "80: 81:GH", later: "80: 81:GH", asked: true},
		{name: "nobody to ask: they are dead", neighbor: Probed{Unasked: true}, harm: func(w *world) { w.silence("ABCDEF") }, want: "80: 81:GH", later: "80: 81:GH", asked: true},
		{name: "half is not more than half", neighbor: silent, harm: func(w *world) { w.silence("ABCE") }, want: "80:D 81:FGH", later: "80:D 81:FGH"},
		{name: "one service alone is not the director", neighbor: silent, services: []string{"ABCDEF", "G"}, harm: func(w *world) { w.silence("ABCDEF") }, want: "80: 81:G", later: "80: 81:G"},
		{name: "four addresses are too few", neighbor: silent, services: []string{"AB", "CD"}, harm: func(w *world) { w.silence("ABCD") }, want: "80: 81:", later: "80: 81:"},
		{name: "a deployment that answers 503 is not this", neighbor: silent, harm: func(w *world) {
			for _, s := range w.servers {
				s.answer(checks.BadAnswer)
			}
		}, want: "80: 81:", later: "80: 81:"},
		{name: "refusals prove the path", neighbor: silent, harm: func(w *world) {
			for _, s := range w.servers {
				s.answer(checks.Refused)
			}
		}, want: "80: 81:", later: "80: 81:"},
		{name: "could not be asked counts, and takes nobody out", neighbor: silent, harm: func(w *world) {
			for _, s := range w.servers {
				s.answer(checks.NotAsked)
			}
		}, want: all, later: all, asked: true, suspect: true},
	} {
		t.Run(r.name, func(t *testing.T) {
			inWorld(t, nil, nil, func(w *world) {
				if r.services == nil {
					r.services = []string{"ABCD", "EFGH"}
				}
				w.apply(w.config(r.services...))
				w.pass(3 * time.Second)
				w.mu.Lock()
				w.neighbor = &r.neighbor
				w.mu.Unlock()
				r.harm(w)
				w.pass(15 * time.Second)
				w.want(r.want)
				snap := w.snapshot(Ask{})
				if snap.Suspect.Suspected != r.suspect {
					t.Errorf("suspected %v, want %v: %s", snap.Suspect.Suspected, r.suspect, snap.Suspect.Words)
				}
				w.given(func() {
					if asked := w.probes > 0; asked != r.asked {
						t.Errorf("neighbours asked %d times", w.probes)
					}
				})
				w.pass(2 * time.Minute)
				w.want(r.later)
			})
		})
	}
}

func TestSuspicionEndsWhenTheGatewayAnswers(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		w.apply(w.config("ABCD", "EFGH"))
		w.pass(3 * time.Second)
		w.mu.Lock()
		w.neighbor = &Probed{Words: "the gateway is silent"}
		w.mu.Unlock()
		w.silence("ABCDEFGH")
		w.pass(15 * time.Second)
		w.want("80:ABCD 81:EFGH")
		w.mu.Lock()
		w.neighbor = &Probed{Answered: true, Words: "the gateway answered"}
		w.mu.Unlock()
		for l, s := range w.servers {
			if l != 'A' {
				s.answer(checks.Good)
			}
		}
		w.pass(2 * time.Second) // the gateway has answered; the servers' checks still say down
		w.want("80:ABCD 81:EFGH")
		w.pass(20 * time.Second)
		w.want("80:BCD 81:EFGH")
		var told []string
		for _, line := range w.lines() {
			if strings.Contains(line, "-> out") && !strings.Contains(line, addrOf('A').String()) {
				t.Errorf("taken out although it came back: %s", line)
			}
			if strings.Contains(line, "suspect") {
				told = append(told, line)
			}
		}
		if all := strings.Join(told, "\n"); !strings.Contains(all, "sure of itself -> suspects itself") || !strings.Contains(all, "suspects itself -> sure of itself") {
			t.Errorf("told:\n%s", strings.Join(told, "\n"))
		}
	})
}

// That nobody can be asked any more is no reason to believe that the path is back.
func TestSuspicionGoesOnWithNobodyToAsk(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		w.apply(w.config("ABCD", "EFGH"))
		w.pass(3 * time.Second)
		w.mu.Lock()
		w.neighbor = &Probed{Words: "the gateway is silent"}
		w.mu.Unlock()
		w.silence("ABCDEFGH")
		w.pass(15 * time.Second)
		w.mu.Lock()
		w.neighbor = &Probed{Unasked: true, Words: "no gateway"}
		w.mu.Unlock()
		w.pass(20 * time.Second)
		w.want("80:ABCD 81:EFGH")
		if snap := w.snapshot(Ask{}); !snap.Suspect.Suspected {
			t.Errorf("no longer suspected: %s", snap.Suspect.Words)
		}
		w.pass(time.Minute)
		w.want("80: 81:") // hold is over
	})
}

func TestStopLeavesFullWeights(t *testing.T) {
	var w *world
	inWorld(t, nil, nil, func(in *world) {
		w = in
		c := w.config("AB")
		for i := range c.Services {
			c.Services[i].SlowStart = time.Minute
			for j := range c.Services[i].Servers {
				c.Services[i].Servers[j].Set.Weight = 100
			}
		}
		w.apply(c)
		w.pass(time.Second)
		w.servers['B'].answer(checks.BadAnswer)
		w.pass(10 * time.Second)
		w.servers['B'].answer(checks.Good)
		w.pass(25 * time.Second)
		if got := w.weightOf('B'); got <= 1 || got >= 100 {
			t.Errorf("weight %d in the middle of a slow start", got)
		}
	})
	if got := w.table[keyOf(80)].Servers[addrOf('B')].Weight; got != 100 {
		t.Errorf("stop left weight %d, want 100", got)
	}
}

// A service that a reload adds and the kernel already has goes on as it stands there until its servers' first verdicts.
func TestReloadTakesOverALiveService(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		w.apply(w.config("A"))
		w.pass(time.Second)
		w.servers['B'], w.servers['C'] = &server{outcome: checks.NoAnswer}, &server{outcome: checks.Good}
		c := w.config("A", "BC")
		c.Found = kernel(map[uint16]string{81: "BC"})
		w.apply(c)
		w.want("80:A 81:BC")
		w.pass(900 * time.Millisecond)
		w.want("80:A 81:BC")
		w.pass(time.Second)
		w.want("80:A 81:C")
	})
}

func TestEvidence(t *testing.T) {
	bad := checks.Result{Outcome: checks.BadAnswer, Reason: "status 503"}
	for _, r := range []struct {
		was  health.Status
		now  lvs.Verdict
		want string
	}{
		{health.Status{}, lvs.Down, "bad answer, status 503 in 1ms"},
		{health.Status{Verdict: lvs.Up, Streak: 1}, lvs.Down, "bad answer, status 503 in 1ms, after 2 in a row"},
		{health.Status{Verdict: lvs.Up}, lvs.Down, "bad answer, status 503 in 1ms"},
		{health.Status{Seed: lvs.Up, Streak: 2}, lvs.Down, "bad answer, status 503 in 1ms, after 3 in a row"},
		{health.Status{Seed: lvs.Down, Streak: 1}, lvs.Down, "bad answer, status 503 in 1ms"}, // one contrary try, then confirmed
	} {
		got := evidence(r.was, health.Report{Took: time.Millisecond, Result: bad, Status: health.Status{Verdict: r.now}})
		if got != r.want {
			t.Errorf("%+v: %q, want %q", r.was, got, r.want)
		}
	}
}

// BenchmarkVerdict is what one server's turn costs among 1,000 services of 10 servers.
func BenchmarkVerdict(b *testing.B) {
	c := Config{Checks: map[lvs.CheckID]health.Spec{}}
	for i := range 1000 {
		v := plan.Virtual{Name: fmt.Sprint(i), Key: keyOf(uint16(i + 1)), Quorum: 1}
		for j := range 10 {
			a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), byte(j)}), 80)
			id := lvs.CheckID{Check: "alive", Addr: a}
			c.Checks[id] = health.Spec{Policy: health.Policy{Rise: 1, Fall: 1}}
			v.Servers = append(v.Servers, plan.Server{Addr: a, Set: lvs.Server{Weight: 1}, Checks: []lvs.CheckID{id}})
		}
		c.Services = append(c.Services, v)
	}
	d := &director{checks: map[lvs.CheckID]*check{}, table: lvs.Table{}, out: Outputs{
		Table: func(lvs.Table, string) {}, Ready: func() {}, Record: func(audit.Entry) {}, Verdicts: func(map[lvs.CheckID]Known) {},
		Event: func(notify.Event) {}, Standing: func(map[string][]link.Reason) {},
	}}
	d.configure(c)
	id := c.Services[500].Servers[5].Checks[0]
	turn := [2]health.Report{
		{ID: id, Result: checks.Result{Outcome: checks.Good}, Status: health.Status{Verdict: lvs.Up}},
		{ID: id, Result: checks.Result{Outcome: checks.BadAnswer}, Status: health.Status{Verdict: lvs.Down}},
	}
	for i := 0; b.Loop(); i++ {
		d.take([]health.Report{turn[i%2]})
		d.stand(time.Now())
	}
}
