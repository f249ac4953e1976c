package notify

import (
	"context"
	"fmt"
	"time"
)

// pool bounds how much is under way at once. Who waits for a place is served in order, and what it then tells is the
// newest.
type pool struct {
	most    int
	running int
	queue   []*entry
}

func (q *Queues) pool(s Subject) *pool {
	if s.isRole() {
		return &q.pools[1]
	}
	return &q.pools[0]
}

// look sees to a line that changed: to a place if it has something to do, and to its timer. The lock is held.
func (q *Queues) look(e *entry) {
	if q.closed || e.gone || !q.started {
		return
	}
	now := time.Now()
	if e.ready(now, e.of) {
		if !e.queued {
			e.queued = true
			p := q.pool(e.id.subject)
			p.queue = append(p.queue, e)
			q.serve(p)
		}
		return
	}
	due := e.due(e.of)
	switch {
	case due.IsZero() && e.timer != nil:
		e.timer.Stop()
	case due.IsZero():
	case e.timer == nil:
		e.timer = time.AfterFunc(due.Sub(now), func() { q.woken(e) })
	default:
		e.timer.Reset(due.Sub(now))
	}
}

func (q *Queues) woken(e *entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.look(e)
}

// serve begins what there is a place for. The lock is held.
func (q *Queues) serve(p *pool) {
	for !q.closed && p.running < p.most && len(p.queue) > 0 {
		e := p.queue[0]
		p.queue[0] = nil
		p.queue = p.queue[1:]
		e.queued = false
		if e.gone {
			continue
		}
		j := e.take(time.Now(), e.of, q.emit(e))
		if j == nil {
			q.keeper.changed(false)
			q.look(e)
			continue
		}
		p.running++
		mark := q.keeper.changed(e.id.subject.isRole())
		go q.run(e, e.of, *j, mark)
	}
}

// run does one job of a line, which is busy until then. What a role is told is on the disk as begun before it is told, so
// that after a crash it is known to be unsure; a slow disk holds it up only so long.
func (q *Queues) run(e *entry, n Notifier, j job, mark uint64) {
	if !j.ask && e.id.subject.isRole() {
		q.keeper.wait(mark)
	}
	ctx, cancel := context.WithTimeout(q.runs, n.Timeout)
	defer cancel()
	t := Told{Event: j.Event, Epoch: j.Epoch, Try: max(j.try, 1), Node: q.node}
	if j.ask {
		role, err := n.Verify.Role(ctx, t)
		q.finish(e, func(now time.Time) { q.answered(e, role, err, now) })
		return
	}
	q.mu.Lock()
	e.busy.began = time.Now()
	q.emit(e)(j.notice, Begun, j.try, 0, j.why.String())
	q.mu.Unlock()
	o := n.Teller.Tell(ctx, t)
	q.finish(e, func(now time.Time) { e.told(o, now, e.of, q.emit(e)) })
}

// answered takes what the other side says of its state, and alarms where it has another one.
func (q *Queues) answered(e *entry, role string, err error, now time.Time) {
	if q.runs.Err() != nil { // the question was cut short by Close
		e.busy = nil
		return
	}
	e.asked(role, err, now, e.of, q.emit(e))
	if e.misses == 1 && err == nil {
		q.trouble(fmt.Errorf("verify %s at notifier %s: it says %q, and not %q; told again", e.id.subject, e.id.notifier, role, e.current.State))
	}
}

// finish takes the end of a line's job and goes on.
func (q *Queues) finish(e *entry, end func(now time.Time)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	end(time.Now())
	p := q.pool(e.id.subject)
	p.running--
	if e.gone {
		delete(q.lines, e.id)
	}
	q.keeper.changed(e.id.subject.isRole())
	q.look(e)
	q.serve(p)
	select {
	case q.ended <- struct{}{}:
	default:
	}
}
