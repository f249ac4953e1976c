package health

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// stub is a server and its check in one: it answers what it is told, after a delay, and notes when it was asked.
type stub struct {
	mu     sync.Mutex
	took   time.Duration
	answer checks.Outcome
	deaf   bool // does not heed its deadline
	panics bool
	asked  []time.Time
	told   []checks.Told
}

func (s *stub) Check(ctx context.Context, t checks.Target) checks.Result {
	s.mu.Lock()
	s.told = append(s.told, t.Told)
	s.asked = append(s.asked, time.Now())
	took, answer, deaf, panics := s.took, s.answer, s.deaf, s.panics
	s.mu.Unlock()
	if panics {
		panic("broken check")
	}
	done := ctx.Done()
	if deaf {
		done = nil
	}
	select {
	case <-time.After(took):
		return checks.Result{Outcome: answer}
	case <-done:
		return checks.Result{Outcome: checks.NoAnswer}
	}
}

func (s *stub) set(f func(*stub)) { s.mu.Lock(); defer s.mu.Unlock(); f(s) }

func (s *stub) times(since time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, at := range s.asked {
		list = append(list, at.Sub(since).String())
	}
	return strings.Join(list, " ")
}

func id(n int) lvs.CheckID {
	return lvs.CheckID{Check: "alive", Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 80)}
}

func spec(s *stub) Spec {
	return Spec{
		Checker: s, Policy: Policy{Rise: 2, Fall: 2},
		Interval: 5 * time.Second, FastInterval: time.Second, DownInterval: 10 * time.Second, Timeout: 2 * time.Second,
	}
}

// collect reads reports until Close and gives those seen so far.
func collect(m *Monitors) (seen func() []Report) {
	var mu sync.Mutex
	var all []Report
	go func() {
		for batch := range m.Reports() {
			mu.Lock()
			all = append(all, batch...)
			mu.Unlock()
		}
	}()
	return func() []Report {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// bubble runs a test on fake time with monitors that are closed at its end.
func bubble(t *testing.T, seeds map[lvs.CheckID]lvs.Verdict, f func(t *testing.T, m *Monitors, seen func() []Report)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := NewMonitors(seeds)
		seen := collect(m)
		f(t, m, seen)
		m.Close()
		synctest.Wait()
	})
}

// pass lets fake time pass and everything due in it happen.
func pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

func TestSchedule(t *testing.T) {
	bubble(t, nil, func(t *testing.T, m *Monitors, seen func() []Report) {
		s, start := &stub{answer: checks.Good}, time.Now()
		m.Set(map[lvs.CheckID]Spec{id(1): spec(s)})
		pass(7 * time.Second)
		s.set(func(s *stub) { s.answer = checks.BadAnswer }) // bad at 10, fast again at 11: down; then every 10 s
		pass(15 * time.Second)
		s.set(func(s *stub) { s.answer = checks.Good }) // good at 31, fast again at 32: up; then every 5 s
		pass(20 * time.Second)
		if got, want := s.times(start), "0s 5s 10s 11s 21s 31s 32s 37s 42s"; got != want {
			t.Errorf("asked at %s, want %s", got, want)
		}
		verdicts := ""
		for _, r := range seen() {
			verdicts += r.Status.Verdict.String()[:1]
		}
		if want := "uuudddu" + "uu"; verdicts != want {
			t.Errorf("verdicts %s, want %s", verdicts, want)
		}
	})
}

func TestFirstTriesAreSpread(t *testing.T) {
	bubble(t, nil, func(t *testing.T, m *Monitors, _ func() []Report) {
		start, specs, stubs := time.Now(), map[lvs.CheckID]Spec{}, []*stub{}
		for n := range 10 {
			s := &stub{answer: checks.Good}
			stubs, specs[id(n)] = append(stubs, s), spec(s)
		}
		m.Set(specs)
		pass(time.Second)
		for n, s := range stubs {
			if got, want := s.times(start), (time.Duration(n) * 100 * time.Millisecond).String(); got != want {
				t.Errorf("server %d first asked at %s, want %s", n, got, want)
			}
		}
	})
}

// A server that hangs is asked again when its try is over, and keeps nobody else waiting.
func TestHangingServerDelaysNobody(t *testing.T) {
	bubble(t, nil, func(t *testing.T, m *Monitors, seen func() []Report) {
		start, specs := time.Now(), map[lvs.CheckID]Spec{}
		for n := range 100 {
			hung := spec(&stub{took: time.Hour})
			hung.Interval, hung.FastInterval, hung.DownInterval = time.Second, time.Second, time.Second
			specs[id(n)] = hung
		}
		well := &stub{answer: checks.Good}
		one := spec(well)
		one.Interval = 500 * time.Millisecond
		specs[id(100)] = one
		m.Set(specs)
		pass(10 * time.Second)
		asked := strings.Fields(well.times(start))
		if len(asked) < 19 {
			t.Errorf("the healthy server was asked %d times in 10 s at 500 ms: %v", len(asked), asked)
		}
		for _, r := range seen() {
			if r.Lag != 0 {
				t.Fatalf("%v began %v late", r.ID, r.Lag)
			}
			if r.ID != id(100) && r.Took != 2*time.Second {
				t.Fatalf("%v took %v, want its timeout", r.ID, r.Took)
			}
		}
	})
}

func TestReloadLeavesTheUnchangedAlone(t *testing.T) {
	bubble(t, nil, func(t *testing.T, m *Monitors, seen func() []Report) {
		start := time.Now()
		same, changed, gone := &stub{answer: checks.Good, took: time.Second}, &stub{answer: checks.Good, took: time.Second}, &stub{took: time.Second}
		m.Set(map[lvs.CheckID]Spec{id(1): spec(same), id(2): spec(changed), id(3): spec(gone)})
		pass(5800 * time.Millisecond) // in the middle of everybody's second try
		other := spec(changed)
		other.Timeout = time.Minute
		m.Set(map[lvs.CheckID]Spec{id(1): spec(same), id(2): other})
		pass(5500 * time.Millisecond)
		if got, want := same.times(start), "0s 5s 10s"; got != want {
			t.Errorf("the unchanged check was asked at %s, want %s", got, want)
		}
		if got, want := len(gone.asked), 2; got != want {
			t.Errorf("the removed check was asked %d times, want %d", got, want)
		}
		count := map[lvs.CheckID]int{}
		for _, r := range seen() {
			count[r.ID]++
			if r.Result.Outcome == checks.NoAnswer {
				t.Errorf("a try cut short was reported: %+v", r)
			}
			if r.ID == id(2) && r.Status.Verdict != lvs.Up {
				t.Errorf("the changed check lost its verdict: %+v", r.Status)
			}
		}
		if want := map[lvs.CheckID]int{id(1): 3, id(2): 2, id(3): 1}; !maps.Equal(count, want) {
			t.Errorf("reports %v, want %v", count, want)
		}
	})
}

func TestCheckThatDoesNotReturn(t *testing.T) {
	bubble(t, nil, func(t *testing.T, m *Monitors, seen func() []Report) {
		s := &stub{deaf: true, took: 20 * time.Second, answer: checks.Good}
		m.Set(map[lvs.CheckID]Spec{id(1): spec(s)})
		pass(9 * time.Second)
		got := seen()
		if len(got) == 0 || got[0].Result.Outcome != checks.NotAsked || !strings.Contains(got[0].Result.Reason, "does not return") {
			t.Fatalf("reports %+v, want one that says that the check does not return", got)
		}
		if len(s.asked) != 1 {
			t.Errorf("asked %d times while the first try was under way", len(s.asked))
		}
		s.set(func(s *stub) { s.deaf, s.took = false, 0 })
		pass(30 * time.Second)
		if last := seen()[len(seen())-1]; last.Status.Verdict != lvs.Up {
			t.Errorf("after it returned: %+v, want up", last)
		}
	})
}

// slow returns later than its deadline, as a try does that this host was too busy to look after.
func TestLateLookIsOurFault(t *testing.T) {
	bubble(t, nil, func(t *testing.T, m *Monitors, seen func() []Report) {
		s := &stub{deaf: true, took: 2700 * time.Millisecond, answer: checks.NoAnswer}
		m.Set(map[lvs.CheckID]Spec{id(1): spec(s)})
		pass(3 * time.Second)
		if got := seen(); len(got) != 1 || got[0].Result.Outcome != checks.NotAsked || !strings.Contains(got[0].Result.Reason, "700ms too late") {
			t.Errorf("reports %+v, want one that could not be asked", got)
		}
	})
}

func TestCheckThatPanicsIsOurFault(t *testing.T) {
	bubble(t, nil, func(t *testing.T, m *Monitors, seen func() []Report) {
		m.Set(map[lvs.CheckID]Spec{id(1): spec(&stub{panics: true})})
		pass(time.Second)
		if got := seen(); len(got) != 1 || got[0].Result.Outcome != checks.NotAsked || got[0].Status.Verdict != lvs.Unknown {
			t.Errorf("reports %+v, want one that could not be asked", got)
		}
	})
}

func TestSeeds(t *testing.T) {
	bubble(t, map[lvs.CheckID]lvs.Verdict{id(1): lvs.Up}, func(t *testing.T, m *Monitors, seen func() []Report) {
		m.Set(map[lvs.CheckID]Spec{id(1): spec(&stub{answer: checks.BadAnswer})})
		pass(1500 * time.Millisecond)
		var got []lvs.Verdict
		for _, r := range seen() {
			got = append(got, r.Status.Verdict)
		}
		if want := []lvs.Verdict{lvs.Unknown, lvs.Down}; !slices.Equal(got, want) {
			t.Errorf("verdicts %v, want %v: known up before the start, it falls as it would have", got, want)
		}
	})
}

// A thousand reloads leave the schedule as it was, and nothing behind.
func TestManyReloads(t *testing.T) {
	bubble(t, nil, func(t *testing.T, m *Monitors, seen func() []Report) {
		start, specs, stubs := time.Now(), map[lvs.CheckID]Spec{}, []*stub{}
		for n := range 20 {
			s := &stub{answer: checks.Good}
			stubs, specs[id(n)] = append(stubs, s), spec(s)
		}
		for range 1000 {
			m.Set(maps.Clone(specs))
			pass(10 * time.Millisecond)
		}
		pass(time.Second)
		if got, want := stubs[0].times(start), "0s 5s 10s"; got != want {
			t.Errorf("asked at %s, want %s", got, want)
		}
		if got, want := len(seen()), 60; got != want {
			t.Errorf("%d tries, want %d", got, want)
		}
	})
}

func TestPing(t *testing.T) {
	bubble(t, nil, func(t *testing.T, m *Monitors, _ func() []Report) {
		if err := m.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		m.Close()
		if err := m.Ping(t.Context()); err == nil {
			t.Error("closed monitors answered a ping")
		}
	})
}

func BenchmarkSchedule(b *testing.B) {
	m := NewMonitors(nil)
	specs := map[lvs.CheckID]Spec{}
	for n := range 10000 {
		specs[id(n)] = Spec{Checker: instant{}, Policy: Policy{1, 1}, Interval: time.Second, Timeout: time.Second}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		specs[id(0)] = Spec{Checker: instant{}, Interval: time.Duration(i+1) * time.Second, Timeout: time.Second}
		m.Set(specs)
	}
	go m.Close()
	for range m.Reports() {
	}
}

type instant struct{}

func (instant) Check(context.Context, checks.Target) checks.Result {
	return checks.Result{Outcome: checks.Good, Reason: "well"}
}

// Each try is told what was held of its check when it began, and the role of that moment. A new role is no new check.
func TestTold(t *testing.T) {
	bubble(t, nil, func(t *testing.T, m *Monitors, _ func() []Report) {
		s := &stub{answer: checks.Good}
		specs := map[lvs.CheckID]Spec{id(1): spec(s)}
		m.Set(specs)
		synctest.Wait() // asked at once
		m.SetRole("backup")
		m.Set(specs)
		pass(5500 * time.Millisecond)
		s.set(func(s *stub) { s.answer = checks.BadAnswer })
		m.SetRole("master")
		pass(6 * time.Second) // asked at 10 and, being fast, at 11: down
		m.SetRole("none")
		pass(10 * time.Second)
		want := []checks.Told{{Verdict: "unknown"}, {Verdict: "up", Role: "backup"}, {Verdict: "up", Role: "master"}, {Verdict: "up", Role: "master"}, {Verdict: "down", Role: "none"}}
		s.set(func(s *stub) {
			if !slices.Equal(s.told, want) {
				t.Errorf("told %+v, want %+v", s.told, want)
			}
		})
	})
}
