package notify

import (
	"slices"
	"strings"
	"time"
)

// notice is an event with its number.
type notice struct {
	Event
	Epoch uint64 `json:"epoch"`
}

// line is how far one notifier is with one subject: what it was told, what waits. It is pure: its owner says what time it
// is, does what take gives it, and reports back to told or asked.
type line struct {
	waiting []notice  // not yet begun, the oldest first; at most one where states are merged
	current *notice   // the newest that was begun, or known to be true in this life; retries and repeats tell it
	next    time.Time // when current is told again; zero is never
	why     telling   // and why
	asking  time.Time // when the other side is asked for its state; zero is never
	busy    *job      // under way

	confirmed notice    // what the other side took last
	at        time.Time // when it did; zero is never
	unsure    bool      // something was begun since and not confirmed
	left      bool      // the subject is no more, or nobody is to be told: only what waits is told, once
	held      bool      // nothing is told before word of the present state: what is known is of an earlier life
	again     int       // how often more the state is to be told after one that was cut
	tries     int       // tellings of current without success
	misses    int       // answers with another state, in a row
	role      string    // the last of those
	failure   string    // how the last telling failed
	deaf      bool      // the last question was not answered
}

// telling is why something is told.
type telling uint8

const (
	forChange telling = iota
	forRetry          // the last telling failed
	forAgain          // a telling was cut, and may take effect only now
	forRepeat
	forMismatch // the other side says that it has another state
)

var tellings = [...]string{"", "the last try failed", "an earlier one was cut short", "repeated", "it says that it has another state"}

// String says why in words; of a change it needs none.
func (w telling) String() string { return tellings[w] }

// job is one thing to do for a line: to tell, or to ask.
type job struct {
	notice
	why   telling
	ask   bool
	try   int
	began time.Time
}

// backoff are the pauses before tellings that failed are repeated; the last one goes on.
var backoff = []time.Duration{1 * time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second}

// pause is how long to wait after so many failures.
func pause(failures int) time.Duration {
	return backoff[min(max(failures, 1), len(backoff))-1]
}

const (
	againAfterCut = 2           // how often the state is told again after a telling was cut
	verifyEvery   = time.Minute // without Repeat
	mostWaiting   = 1000        // of a notifier that is told every transition; then the oldest gives way
)

// emit is told each step of a line; try, took and words where they mean something.
type emit func(n notice, what What, try int, took time.Duration, words string)

// add takes a new event. What it says is the present state, so a line that was held goes on.
func (l *line) add(n notice, merge bool, emit emit) {
	if l.left && l.busy == nil {
		l.current = nil // it is back, as in a new life
	}
	l.held, l.left = false, false
	emit(n, Queued, 0, 0, "")
	most := mostWaiting
	if merge {
		most = 1
	}
	for len(l.waiting) >= most {
		emit(l.waiting[0], Merged, 0, 0, overtaken(merge))
		l.waiting = slices.Delete(l.waiting, 0, 1)
	}
	l.waiting = append(l.waiting, n)
}

func overtaken(merge bool) string {
	if merge {
		return ""
	}
	return "too many wait"
}

// ready reports whether take has something to look at now.
func (l *line) ready(now time.Time, n Notifier) bool {
	if l.busy != nil || l.held {
		return false
	}
	return len(l.waiting) > 0 || reached(l.due(n), now)
}

// take gives what is to be done now, if anything; it is under way until told or asked. n is the line's notifier.
func (l *line) take(now time.Time, n Notifier, emit emit) *job {
	if l.busy != nil || l.held {
		return nil
	}
	for len(l.waiting) > 0 {
		first := l.waiting[0]
		l.waiting = slices.Delete(l.waiting, 0, 1)
		if l.knows(first) {
			l.known(first, now, n)
			emit(first, Known, 0, 0, "")
			continue
		}
		l.current, l.tries, l.misses, l.role = &first, 0, 0, ""
		return l.begin(now, forChange)
	}
	switch {
	case l.current == nil || l.left:
		return nil
	case reached(l.next, now):
		return l.begin(now, l.why)
	case n.Verify != nil && reached(l.asking, now):
		l.asking = time.Time{}
		l.busy = &job{notice: *l.current, ask: true, try: l.tries, began: now}
		return l.busy
	}
	return nil
}

// knows reports whether the other side surely has an event's state.
func (l *line) knows(n notice) bool {
	return !l.unsure && !l.at.IsZero() && l.confirmed.State == n.State
}

// known takes word that the state is still the one that was confirmed.
func (l *line) known(n notice, now time.Time, of Notifier) {
	first := l.current == nil
	l.current = &n
	if first { // in this life
		l.settle(now, of)
	}
}

func (l *line) begin(now time.Time, why telling) *job {
	l.tries++
	l.unsure = true
	l.next = time.Time{}
	l.busy = &job{notice: *l.current, why: why, try: l.tries, began: now}
	return l.busy
}

func reached(t, now time.Time) bool { return !t.IsZero() && !t.After(now) }

// due is when the line next has something to do, if nothing happens before; zero is never.
func (l *line) due(n Notifier) time.Time {
	switch {
	case l.busy != nil || l.held || l.left || l.current == nil:
		return time.Time{}
	case n.Verify == nil || l.asking.IsZero():
		return l.next
	case l.next.IsZero() || l.asking.Before(l.next):
		return l.asking
	}
	return l.next
}

// idle reports whether the line has nothing left to do but to repeat itself.
func (l *line) idle() bool {
	return l.busy == nil && len(l.waiting) == 0 && (l.left || !l.unsure && l.again == 0)
}

// told takes the end of the telling under way.
func (l *line) told(o Outcome, now time.Time, n Notifier, emit emit) {
	j := l.busy
	l.busy = nil
	took := now.Sub(j.began)
	if o.Cut {
		l.again = againAfterCut
	}
	if !o.OK {
		what := Ended
		if o.Cut {
			what = Killed
		}
		emit(j.notice, what, j.try, took, o.Words)
		l.failure = o.Words
		l.retry(now, forRetry, pause(l.tries), emit)
		return
	}
	emit(j.notice, Confirmed, j.try, took, o.Words)
	l.confirmed, l.at = j.notice, now
	l.unsure, l.tries, l.failure = false, 0, ""
	if j.why == forAgain {
		l.again--
	}
	l.settle(now, n)
}

// settle plans what follows when the other side has the current state.
func (l *line) settle(now time.Time, n Notifier) {
	l.next = time.Time{}
	switch {
	case l.again > 0:
		l.next, l.why = now.Add(n.Timeout), forAgain
	case n.Repeat > 0:
		l.next, l.why = now.Add(n.Repeat), forRepeat
	}
	if n.Verify != nil {
		l.asking = now
	}
}

// retry plans the next telling of the current state, unless a newer one waits or the subject is gone: then this is no longer
// wanted.
func (l *line) retry(now time.Time, why telling, after time.Duration, emit emit) {
	if len(l.waiting) > 0 || l.left {
		return
	}
	l.next, l.why = now.Add(after), why
	emit(*l.current, Retry, l.tries, after, "")
}

// asked takes the answer to the question under way.
func (l *line) asked(role string, err error, now time.Time, n Notifier, emit emit) {
	j := l.busy
	l.busy = nil
	every := n.Repeat
	if every == 0 {
		every = verifyEvery
	}
	took := now.Sub(j.began)
	switch {
	case err != nil:
		if !l.deaf {
			emit(j.notice, Unasked, 0, took, clip(err.Error(), wordsSize))
		}
		l.deaf = true
		l.asking = now.Add(every)
	case sameState(role, j.State):
		if l.deaf || l.misses > 0 {
			emit(j.notice, Verified, 0, took, role)
		}
		l.deaf, l.misses, l.role = false, 0, ""
		l.asking = now.Add(every)
	default:
		l.deaf, l.role, l.unsure = false, role, true
		l.misses++
		emit(j.notice, Mismatch, 0, took, role)
		l.retry(now, forMismatch, pause(l.misses), emit)
	}
}

// sameState compares a state with what an application says of its own.
func sameState(role, state string) bool {
	return strings.EqualFold(strings.TrimSpace(role), strings.TrimSpace(state))
}

// status tells where the line stands.
func (l *line) status(id lineID) Line {
	s := Line{
		Notifier: id.notifier, Subject: id.subject, Tries: l.tries, Next: l.next,
		Unsure: l.unsure, Held: l.held, Mismatch: l.role, Failure: l.failure,
	}
	if !l.at.IsZero() {
		s.Confirmed, s.Epoch, s.At = l.confirmed.State, l.confirmed.Epoch, l.at
	}
	for _, n := range l.waiting {
		s.Waiting = append(s.Waiting, n.State)
	}
	if l.busy != nil && !l.busy.ask {
		s.Running, s.Since = l.busy.State, l.busy.began
	}
	return s
}
