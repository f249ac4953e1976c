package notify

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// application is who is told: each telling reaches it when it ends, and one that was cut may reach it later still, as
// from a server whose client was killed. It finds out what must never be.
type application struct {
	log
	t       *rapid.T
	plan    []plan // what becomes of the tellings, in turn
	role    map[Subject]string
	running map[Subject]bool
	newest  map[Subject]uint64
}

// plan is what becomes of one telling.
type plan struct {
	takes time.Duration
	fails bool
	late  time.Duration // after it was cut: until it takes effect
}

const walkTimeout = 4 * time.Second

func (a *application) next() plan {
	if len(a.plan) == 0 {
		return plan{takes: 100 * time.Millisecond}
	}
	p := a.plan[0]
	a.plan = a.plan[1:]
	return p
}

func (a *application) Tell(ctx context.Context, t Told) Outcome {
	a.Lock()
	p := a.next()
	if a.running[t.Subject] {
		a.t.Errorf("%s is told two things at once", t.Subject)
	}
	if t.Epoch < a.newest[t.Subject] {
		a.t.Errorf("%s is told %s of epoch %d after epoch %d", t.Subject, t.State, t.Epoch, a.newest[t.Subject])
	}
	a.running[t.Subject] = true
	a.newest[t.Subject] = t.Epoch
	a.Unlock()
	ended := true
	select {
	case <-time.After(p.takes):
	case <-ctx.Done():
		ended = false
	}
	a.Lock()
	defer a.Unlock()
	a.running[t.Subject] = false
	if ended && p.fails {
		return Outcome{Words: "exit 1"}
	}
	take := func() { a.role[t.Subject] = t.State }
	if !ended {
		time.AfterFunc(p.late, func() {
			a.Lock()
			defer a.Unlock()
			take()
		})
		return Outcome{Cut: true, Words: "killed"}
	}
	take()
	return Outcome{OK: true}
}

// TestWalk: whatever happens, and however long what was told takes, in the end the application has the state that is.
// Nothing is told twice at once or out of order, epochs grow, and every event is told, merged or known, once.
func TestWalk(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWalk(rt)
		dir, err := os.MkdirTemp("/dev/shm", "lvsd-walk") // in memory: a walk writes its state some hundred times
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		synctest.Test(t, func(*testing.T) { w.run(rt, dir) })
	})
}

// walk is a schedule of what happens.
type walk struct {
	merge  bool
	repeat time.Duration
	plans  []plan
	steps  []walkStep
}

type walkStep struct {
	after   time.Duration
	subject int
	state   string
	life    string // "", "close" or "crash"
}

func drawWalk(rt *rapid.T) walk {
	duration := rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.IntRange(0, 6000).Draw(t, "ms")) * time.Millisecond
	})
	w := walk{
		merge:  rapid.Bool().Draw(rt, "merge"),
		repeat: rapid.SampledFrom([]time.Duration{0, time.Minute}).Draw(rt, "repeat"),
	}
	for range rapid.IntRange(0, 30).Draw(rt, "plans") {
		w.plans = append(w.plans, plan{
			takes: duration.Draw(rt, "takes"),
			fails: rapid.IntRange(0, 4).Draw(rt, "fails") == 0,
			late:  time.Duration(rapid.IntRange(0, int(walkTimeout)).Draw(rt, "late")),
		})
	}
	for range rapid.IntRange(1, 40).Draw(rt, "steps") {
		w.steps = append(w.steps, walkStep{
			after:   duration.Draw(rt, "after") / time.Duration(rapid.SampledFrom([]int{1, 10, 1000}).Draw(rt, "hurry")),
			subject: rapid.IntRange(0, 1).Draw(rt, "subject"),
			state:   rapid.SampledFrom([]string{"MASTER", "BACKUP", "FAULT"}).Draw(rt, "state"),
			life:    rapid.SampledFrom([]string{"", "", "", "", "", "", "close", "crash"}).Draw(rt, "life"),
		})
	}
	return w
}

func (w walk) run(rt *rapid.T, dir string) {
	a := &application{t: rt, plan: w.plans, role: map[Subject]string{}, running: map[Subject]bool{}, newest: map[Subject]uint64{}}
	set := []Notifier{{Name: "app", Subjects: []string{"vrrp:*"}, Timeout: walkTimeout, Merge: w.merge, Repeat: w.repeat, Teller: a}}
	subjects := []Subject{{"vrrp", "VI_1"}, {"vrrp", "VI_2"}}
	is := map[Subject]string{}
	events := 0
	tell := func(q *Queues, s Subject) {
		events++
		q.Tell(Event{Subject: s, State: is[s], At: time.Now()})
	}
	q := Open(dir, "", a.record, a.trouble)
	q.Set(set)
	for i, step := range w.steps {
		wait(step.after)
		s := subjects[step.subject]
		is[s] = step.state
		tell(q, s)
		if step.life != "" {
			dir = w.end(rt, q, step.life, dir, i)
			q = Open(dir, "", a.record, a.trouble)
			q.Set(set)
			for _, s := range subjects { // the vrrp process says what is
				if is[s] != "" {
					tell(q, s)
				}
			}
		}
	}
	wait(30 * time.Minute)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := q.Close(ctx); err != nil {
		rt.Error(err)
	}
	for s, state := range is {
		if a.role[s] != state {
			rt.Errorf("%s is %s, and the application has %s", s, state, a.role[s])
		}
	}
	a.checkSteps(rt, events)
	if !slices.ContainsFunc(w.steps, func(s walkStep) bool { return s.life == "crash" }) {
		a.checkEnds(rt)
	}
}

// end ends a life: by Close, or as kill -9 does, when the files are as they are at that moment and what runs is cut.
func (w walk) end(rt *rapid.T, q *Queues, how, dir string, i int) string {
	if how == "crash" {
		synctest.Wait()
		b, err := os.ReadFile(filepath.Join(dir, stateFile))
		dir = filepath.Join(dir, fmt.Sprint(i))
		if mk := os.Mkdir(dir, 0o700); mk != nil {
			rt.Fatal(mk)
		}
		if err == nil {
			if err := os.WriteFile(filepath.Join(dir, stateFile), b, 0o600); err != nil {
				rt.Fatal(err)
			}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := q.Close(ctx); err != nil {
		rt.Error(err)
	}
	return dir
}

// checkSteps looks at the record: every event is in it, and the epochs grow.
func (a *application) checkSteps(rt *rapid.T, events int) {
	if a.troubles != nil {
		rt.Error(a.troubles)
	}
	var last uint64
	queued := 0
	for _, s := range a.steps {
		if s.What != Queued {
			continue
		}
		queued++
		if s.Epoch <= last {
			rt.Errorf("epoch %d after %d", s.Epoch, last)
		}
		last = s.Epoch
	}
	if queued != events {
		rt.Errorf("%d of %d events were queued", queued, events)
	}
}

// checkEnds: each event that was queued was told, merged or known, once. After a crash the record may lack the end of one
// of the last second, or have it twice.
func (a *application) checkEnds(rt *rapid.T) {
	ends := map[uint64]int{}
	for _, s := range a.steps {
		switch {
		case s.What == Queued:
			ends[s.Epoch] += 0
		case s.What == Merged, s.What == Known, s.What == Begun && s.Try == 1 && s.Words == "":
			ends[s.Epoch]++
		}
	}
	for epoch, n := range ends {
		if n != 1 {
			rt.Errorf("the event of epoch %d ended %d times", epoch, n)
		}
	}
}
