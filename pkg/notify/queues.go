package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of what is under way and of what is remembered.
const (
	mostRoles   = 32     // programs at once for subjects that are roles
	mostNews    = 16     // and for all others, so that these never hold up a role
	mostLines   = 100000 // pairs of notifier and subject; then those that have been idle for longest are forgotten
	mostHistory = 1000   // steps
)

// Queues are all that is on its way to the notifiers: a line for each notifier and subject. An idle line holds no
// goroutine. Its methods may be called from any goroutine.
type Queues struct {
	node    string
	record  func(Step)
	trouble func(error)
	keeper  *keeper

	mu        sync.Mutex
	notifiers map[string]Notifier
	lines     map[lineID]*entry
	present   map[Subject]notice // the roles that are known in this life
	epoch     uint64
	pools     [2]pool // of news, of roles
	history   []Step  // a ring once it is full
	oldest    int     // in the ring
	started   bool    // Set was called
	closed    bool
	ended     chan struct{} // of size 1: something that ran has ended
	runs      context.Context
	cut       context.CancelFunc // ends what runs
}

// lineID names a line.
type lineID struct {
	notifier string
	subject  Subject
}

// entry is a line and what its owner needs for it.
type entry struct {
	line
	id     lineID
	of     Notifier
	timer  *time.Timer
	queued bool      // in a pool's queue
	gone   bool      // not configured any more: it is forgotten when what runs has ended
	last   time.Time // when something was last to be told
	member bool      // of its last event
}

// Open reads what an earlier life left in the state directory, where the caller may write, and nothing is told before
// Set. record is given every step, in order, and trouble what the operator should see; neither may block or call back. A
// state that cannot be read or written is told to trouble, and done without.
func Open(dir, node string, record func(Step), trouble func(error)) *Queues {
	now := time.Now()
	path := filepath.Join(dir, stateFile)
	old, err := readKept(path)
	if err != nil {
		trouble(fmt.Errorf("%w; whoever is told of changes is told the present state again", err))
	}
	q := &Queues{
		node: node, record: record, trouble: trouble,
		notifiers: map[string]Notifier{}, lines: map[lineID]*entry{}, present: map[Subject]notice{},
		epoch: firstEpoch(now, old.Epoch),
		ended: make(chan struct{}, 1),
	}
	q.pools[0].most, q.pools[1].most = mostNews, mostRoles
	q.runs, q.cut = context.WithCancel(context.Background())
	for _, k := range old.Lines {
		id := lineID{k.Notifier, k.Subject}
		q.lines[id] = &entry{line: *k.restore(now), id: id, last: k.At}
	}
	q.keeper = newKeeper(path, q.kept, trouble)
	q.keeper.changed(true) // the epoch of this life, before it is used
	return q
}

// Set makes these the notifiers. What is under way and what waits goes on, also where a notifier has other settings now;
// one that is new is told the present roles.
func (q *Queues) Set(notifiers []Notifier) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.started = true
	before := q.notifiers
	q.notifiers = make(map[string]Notifier, len(notifiers))
	for _, n := range notifiers {
		q.notifiers[n.Name] = n
	}
	for id, e := range q.lines {
		n, ok := q.notifiers[id.notifier]
		if !ok || !n.Wants(Event{Subject: id.subject, Member: e.member}) {
			q.drop(e)
			continue
		}
		e.of, e.gone, e.left = n, false, e.left && !e.gone
		q.look(e)
	}
	for _, n := range notifiers {
		if old, ok := before[n.Name]; !ok || !reflect.DeepEqual(old.Subjects, n.Subjects) {
			q.introduce(n)
		}
	}
	q.keeper.changed(false)
}

// introduce tells a notifier the roles that it has not heard of.
func (q *Queues) introduce(n Notifier) {
	for s, role := range q.present {
		if _, has := q.lines[lineID{n.Name, s}]; !has && n.Wants(role.Event) {
			q.put(n, role)
		}
	}
}

// drop takes out a line; one that is at work is forgotten when that ends.
func (q *Queues) drop(e *entry) {
	e.gone, e.left = true, true
	for _, n := range e.waiting {
		q.emit(e)(n, Dropped, 0, 0, "")
	}
	e.waiting = nil
	if e.timer != nil {
		e.timer.Stop()
	}
	if e.busy == nil {
		delete(q.lines, e.id)
	}
}

// Tell takes an event: what it says is the present state of its subject. It never blocks. After Close it does nothing.
func (q *Queues) Tell(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.epoch++
	if e.Mono == 0 {
		e.Mono = sinceBoot()
	}
	n := notice{Event: e, Epoch: q.epoch}
	if e.Subject.isRole() {
		q.present[e.Subject] = n
	}
	for _, to := range q.notifiers {
		if to.Wants(e) {
			q.put(to, n)
		}
	}
	q.keeper.changed(false)
}

// Forget takes word that a subject is no longer configured: what waits is still told, and nothing is repeated.
func (q *Queues) Forget(s Subject) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.present, s)
	for _, e := range q.lines {
		if e.id.subject == s {
			e.left = true
			q.look(e)
		}
	}
	q.keeper.changed(false)
}

// put gives a line something to tell.
func (q *Queues) put(to Notifier, n notice) {
	id := lineID{to.Name, n.Subject}
	e := q.lines[id]
	if e == nil {
		q.makeRoom()
		e = &entry{id: id}
		q.lines[id] = e
	}
	e.of, e.gone, e.last, e.member = to, false, time.Now(), n.Member
	e.add(n, to.Merge, q.emit(e))
	q.look(e)
}

// makeRoom forgets a tenth of the lines where there are too many, of the idle ones those of longest ago.
func (q *Queues) makeRoom() {
	if len(q.lines) < mostLines {
		return
	}
	var idle []*entry
	for _, e := range q.lines {
		if e.idle() {
			idle = append(idle, e)
		}
	}
	slices.SortFunc(idle, func(a, b *entry) int { return a.last.Compare(b.last) })
	for _, e := range idle[:min(len(idle), mostLines/10)] {
		q.drop(e)
	}
}

// emit gives what records the steps of a line.
func (q *Queues) emit(e *entry) emit {
	return func(n notice, what What, try int, took time.Duration, words string) {
		s := Step{
			At: time.Now(), Mono: sinceBoot(), Notifier: e.id.notifier, Subject: e.id.subject, Epoch: n.Epoch, What: what,
			State: n.State, Previous: n.Previous, Reason: n.Reason, Event: n.At, Try: try, Took: took, Words: words,
		}
		if len(q.history) < mostHistory {
			q.history = append(q.history, s)
		} else {
			q.history[q.oldest] = s
			q.oldest = (q.oldest + 1) % mostHistory
		}
		q.record(s)
	}
}

// sinceBoot reads CLOCK_BOOTTIME, which VRRP's events are told by too.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // fails only for a clock that there is not
	return time.Duration(ts.Nano())
}

// State is how far each notifier is with each subject, sorted.
func (q *Queues) State() []Line {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := make([]Line, 0, len(q.lines))
	for id, e := range q.lines {
		all = append(all, e.status(id))
	}
	slices.SortFunc(all, func(a, b Line) int {
		return cmp.Or(cmp.Compare(a.Notifier, b.Notifier), cmp.Compare(a.Subject.Kind, b.Subject.Kind), cmp.Compare(a.Subject.Name, b.Subject.Name))
	})
	return all
}

// History is the last steps, the oldest first, at most 1000.
func (q *Queues) History() []Step {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append(slices.Clone(q.history[q.oldest:]), q.history[:q.oldest]...)
}

// Close takes nothing more to tell. What runs has until ctx is done to end by itself; then it is ended by force. What has
// not been told by then is told in the next life. It returns when nothing runs, or some seconds after ctx, with an error
// if a program cannot be killed or the state cannot be written.
func (q *Queues) Close(ctx context.Context) error {
	q.mu.Lock()
	q.closed = true
	for _, e := range q.lines {
		if e.timer != nil {
			e.timer.Stop()
		}
	}
	q.mu.Unlock()
	left := q.drain(ctx)
	q.cut()
	if left > 0 {
		hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), scriptGrace+time.Second)
		defer cancel()
		left = q.drain(hard)
	}
	err := q.keeper.close()
	if left > 0 {
		err = errors.Join(err, fmt.Errorf("end what is being told: %d cannot be ended", left))
	}
	return err
}

// drain waits until nothing runs or ctx is done, and says how many still do.
func (q *Queues) drain(ctx context.Context) int {
	for {
		q.mu.Lock()
		left := q.pools[0].running + q.pools[1].running
		q.mu.Unlock()
		if left == 0 {
			return 0
		}
		select {
		case <-q.ended:
		case <-ctx.Done():
			return left
		}
	}
}

// kept gives what is to outlive this process.
func (q *Queues) kept() kept {
	q.mu.Lock()
	defer q.mu.Unlock()
	k := kept{Format: stateFormat, Epoch: q.epoch, Lines: make([]keptLine, 0, len(q.lines))}
	for id, e := range q.lines {
		if !e.gone {
			k.Lines = append(k.Lines, e.keep(id))
		}
	}
	return k
}
