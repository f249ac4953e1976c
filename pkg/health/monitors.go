package health

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// firstSpread is the longest time over which the first tries of new checks are spread (SAFETY.md, "First table").
const firstSpread = time.Second

// overdue is how long after its deadline a try may return before its check is reported as one that does not. Kinds end at
// their deadline by themselves, so that this is a fault of this host, not of the server.
const overdue = 2 * time.Second

// asleep is how late this host may notice that something is due before it, and not the server, is taken to be at fault: it
// was paused, or has no processor time to spare.
const asleep = 500 * time.Millisecond

// Spec is how one check is asked: what, whom, how often, and what tries mean. Two that are deeply equal are the same.
type Spec struct {
	Checker      checks.Checker
	Target       checks.Target
	Policy       Policy
	Interval     time.Duration
	FastInterval time.Duration // while a verdict is changing
	DownInterval time.Duration // while down
	Timeout      time.Duration // of a whole try
}

// wait is the time from the start of one try to the start of the next.
func (s Spec) wait(st Status) time.Duration {
	switch {
	case st.Changing():
		return s.FastInterval
	case st.Verdict == lvs.Down:
		return s.DownInterval
	default:
		return s.Interval
	}
}

// Report is one try and what is known after it.
type Report struct {
	ID     lvs.CheckID
	At     time.Time     // when the try began
	Took   time.Duration // until it was decided
	Lag    time.Duration // how late it began
	Next   time.Time     // when the next try is due
	Result checks.Result
	Status Status
}

// Monitors asks every check on its own schedule. A server that hangs delays nobody, itself included: a check has at most
// one try under way, and the next begins an interval after the last began.
type Monitors struct {
	set     chan map[lvs.CheckID]Spec
	ping    chan chan struct{}
	tried   chan tried
	reports chan []Report
	role    atomic.Value // a string
	end     context.CancelFunc
	ended   chan struct{}
}

// NewMonitors starts with nothing to ask. The seeds are verdicts known from before the start. Close ends it.
func NewMonitors(seeds map[lvs.CheckID]lvs.Verdict) *Monitors {
	ctx, cancel := context.WithCancel(context.Background())
	m := &Monitors{
		set:     make(chan map[lvs.CheckID]Spec),
		ping:    make(chan chan struct{}),
		tried:   make(chan tried),
		reports: make(chan []Report),
		end:     cancel,
		ended:   make(chan struct{}),
	}
	s := &schedule{m: m, ctx: ctx, seeds: seeds, monitors: map[lvs.CheckID]*monitor{}}
	go s.run()
	return m
}

// Set makes these the checks that are asked. What is deeply equal keeps its timers and the try that is under way; what
// changed keeps its verdict; what is gone is stopped, and its last try reports nothing.
func (m *Monitors) Set(specs map[lvs.CheckID]Spec) {
	select {
	case m.set <- specs:
	case <-m.ended:
	}
}

// SetRole makes this what programs are told of the director's role from the next try of each: master, backup, fault or
// none.
func (m *Monitors) SetRole(role string) { m.role.Store(role) }

// Reports gives the tries, in batches, in the order in which each check made them. It is closed by Close.
func (m *Monitors) Reports() <-chan []Report { return m.reports }

// Ping returns when the schedule has answered, or with an error when ctx is done first. It is for a watchdog.
func (m *Monitors) Ping(ctx context.Context) error {
	answer := make(chan struct{})
	select {
	case m.ping <- answer:
		return nil
	case <-m.ended:
		return fmt.Errorf("ask monitors: closed")
	case <-ctx.Done():
		return fmt.Errorf("ask monitors: %w", context.Cause(ctx))
	}
}

// Close cuts short what is under way and returns when nothing is.
func (m *Monitors) Close() {
	m.end()
	<-m.ended
}

// monitor is one check on the schedule.
type monitor struct {
	id     lvs.CheckID
	spec   Spec
	status Status
	due    time.Time // when the next thing happens
	index  int       // in the heap
	began  time.Time // of the try under way; zero if none is
	lag    time.Duration
	late   bool // the try under way has been reported as one that does not return
	cancel context.CancelFunc
}

type tried struct {
	mon    *monitor
	ended  time.Time
	result checks.Result
	cut    bool
}

// schedule is the state of the one goroutine behind Monitors.
type schedule struct {
	m        *Monitors
	ctx      context.Context
	seeds    map[lvs.CheckID]lvs.Verdict
	monitors map[lvs.CheckID]*monitor
	queue    dueHeap
	tries    sync.WaitGroup
	pending  []Report
}

func (s *schedule) run() {
	defer close(s.m.ended)
	defer close(s.m.reports)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if len(s.queue) > 0 {
			timer.Reset(time.Until(s.queue[0].due))
		} else {
			timer.Reset(time.Hour)
		}
		var out chan []Report
		if len(s.pending) > 0 {
			out = s.m.reports
		}
		select {
		case <-s.ctx.Done():
			s.drain()
			return
		case specs := <-s.m.set:
			s.apply(specs)
		case t := <-s.m.tried:
			s.finish(t)
		case out <- s.pending:
			s.pending = nil
		case <-s.m.ping:
		case <-timer.C:
			s.wake(time.Now())
		}
	}
}

// drain waits for the tries under way, which the end of ctx has cut short.
func (s *schedule) drain() {
	done := make(chan struct{})
	go func() { s.tries.Wait(); close(done) }()
	limit := time.NewTimer(overdue)
	defer limit.Stop()
	for {
		select {
		case <-s.m.tried:
		case <-done:
			return
		case <-limit.C: // a check that does not return is left behind
			return
		}
	}
}

func (s *schedule) apply(specs map[lvs.CheckID]Spec) {
	for id, mon := range s.monitors {
		if _, ok := specs[id]; !ok {
			s.stop(mon)
		}
	}
	var fresh []*monitor
	for id, spec := range specs {
		old, ok := s.monitors[id]
		if ok && reflect.DeepEqual(old.spec, spec) {
			continue
		}
		mon := &monitor{id: id, spec: spec, status: Status{Seed: s.seeds[id]}}
		if ok {
			s.stop(old)
			mon.status = old.status
			mon.status.Streak = 0
		}
		s.monitors[id] = mon
		fresh = append(fresh, mon)
	}
	clear(s.seeds)
	slices.SortFunc(fresh, func(a, b *monitor) int {
		return cmp.Or(cmp.Compare(a.id.Check, b.id.Check), a.id.Addr.Compare(b.id.Addr))
	})
	now := time.Now()
	for i, mon := range fresh {
		spread := min(mon.spec.Interval, firstSpread)
		mon.due = now.Add(spread * time.Duration(i) / time.Duration(len(fresh)))
		heap.Push(&s.queue, mon)
	}
}

func (s *schedule) stop(mon *monitor) {
	if mon.cancel != nil {
		mon.cancel()
	}
	if mon.index >= 0 {
		heap.Remove(&s.queue, mon.index)
	}
	delete(s.monitors, mon.id)
}

// wake does what is due: begins tries, and reports those that are overdue.
func (s *schedule) wake(now time.Time) {
	for len(s.queue) > 0 && !s.queue[0].due.After(now) {
		mon := s.queue[0]
		switch {
		case mon.began.IsZero():
			s.begin(mon, now)
			mon.due = now.Add(mon.spec.Timeout + overdue)
		case now.Sub(mon.due) > asleep: // the try had no more of a chance to return than this to look
			mon.due = now.Add(overdue)
		default:
			s.report(mon, now, checks.Result{
				Outcome: checks.NotAsked,
				Reason:  fmt.Sprintf("this host: the check does not return, %v after its deadline", now.Sub(mon.began)-mon.spec.Timeout),
			})
			mon.late = true
			mon.due = now.Add(max(mon.spec.wait(mon.status), mon.spec.Timeout))
		}
		heap.Fix(&s.queue, 0)
	}
}

func (s *schedule) begin(mon *monitor, now time.Time) {
	mon.began, mon.lag, mon.late = now, now.Sub(mon.due), false
	ctx, cancel := context.WithCancel(s.ctx)
	mon.cancel = cancel
	spec := mon.spec
	spec.Target.Told = s.told(mon.status)
	s.tries.Go(func() {
		defer cancel()
		r := try(ctx, spec)
		t := tried{mon: mon, ended: time.Now(), result: r, cut: ctx.Err() != nil}
		select {
		case s.m.tried <- t:
		case <-s.m.ended:
		}
	})
}

// told is what a program is told before a try.
func (s *schedule) told(st Status) checks.Told {
	t := checks.Told{Verdict: st.Verdict.String()}
	t.Role, _ = s.m.role.Load().(string)
	return t
}

// try makes one try. A check that panics is a fault of ours, not of the server; so is an answer that may have come while
// this host was not running.
func try(ctx context.Context, spec Spec) (r checks.Result) {
	defer func() {
		if p := recover(); p != nil {
			r = checks.Result{Outcome: checks.NotAsked, Reason: fmt.Sprintf("the check itself crashed: %v", p), Head: debug.Stack()}
		}
	}()
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, spec.Timeout)
	defer cancel()
	r = spec.Checker.Check(ctx, spec.Target)
	if late := time.Since(began) - spec.Timeout; r.Outcome == checks.NoAnswer && late > asleep {
		r.Outcome = checks.NotAsked
		r.Reason = fmt.Sprintf("this host looked %v too late: %s", late.Round(time.Millisecond), r.Reason)
	}
	return r
}

// finish takes in a try that returned. One that was cut short says nothing of the server.
func (s *schedule) finish(t tried) {
	mon := t.mon
	if t.cut || s.monitors[mon.id] != mon {
		return
	}
	if !mon.late {
		s.report(mon, t.ended, t.result)
	}
	mon.due = mon.next(time.Now())
	mon.began, mon.cancel = time.Time{}, nil
	heap.Fix(&s.queue, mon.index)
}

func (s *schedule) report(mon *monitor, ended time.Time, r checks.Result) {
	mon.status = mon.status.Next(mon.spec.Policy, r.Outcome, ended)
	s.pending = append(s.pending, Report{
		ID: mon.id, At: mon.began, Took: ended.Sub(mon.began), Lag: mon.lag, Next: mon.next(ended), Result: r, Status: mon.status,
	})
}

// next is when the try after the one that began last is due, if that one ends at a time: an interval after it began, but
// not before it has ended.
func (mon *monitor) next(ended time.Time) time.Time {
	due := mon.began.Add(mon.spec.wait(mon.status))
	if due.Before(ended) {
		return ended
	}
	return due
}

// dueHeap orders monitors by when they are due (container/heap).
type dueHeap []*monitor

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push adds a *monitor.
func (h *dueHeap) Push(x any) {
	mon := x.(*monitor)
	mon.index = len(*h)
	*h = append(*h, mon)
}

// Pop takes the last one out.
func (h *dueHeap) Pop() any {
	old := *h
	mon := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	mon.index = -1
	return mon
}
