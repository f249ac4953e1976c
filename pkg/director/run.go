package director

import (
	"maps"
	"time"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/plan"
)

// Run decides until in.Reports is closed. before is what the kernel held when lvsd started: what has no verdict yet
// stays as it was there.
func Run(in Inputs, out Outputs, before lvs.Table) {
	d := &director{
		out:     out,
		started: time.Now(),
		before:  maps.Clone(before),
		checks:  map[lvs.CheckID]*check{},
		table:   lvs.Table{},
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(d.untilNext())
		select {
		case c := <-in.Configs:
			d.configure(c)
		case batch, open := <-in.Reports:
			if !open {
				d.finish()
				return
			}
			d.take(batch)
		case ask := <-in.Asks:
			ask.Reply <- d.snapshot(ask)
		case answer := <-in.Probed:
			d.doubt(d.suspicion.answered(answer, time.Now()))
		case <-timer.C:
			d.wake(time.Now())
		}
		d.stand(time.Now())
	}
}

// director is the state of Run's goroutine; nobody else sees it.
type director struct {
	out             Outputs
	started, loaded time.Time
	config          Config
	before          lvs.Table // of the kernel at start, until its service is first decided
	checks          map[lvs.CheckID]*check
	services        []*service
	named           map[string][]*service // the virtual services of each name
	table           lvs.Table
	suspicion       suspicion
	standing        standing
	events          events
	suspicious      bool   // as last told
	cause           string // of what is being decided
	ready           bool
	finishing       bool

	forgetful time.Time // since when verdicts wait to be given out; zero if none do
}

// service is one virtual service and what was last decided for it.
type service struct {
	virtual plan.Virtual
	state   plan.State
	since   time.Time // of state.Quorum
}

// check is one check and what is known of it.
type check struct {
	spec    health.Spec
	status  health.Status
	weight  *int
	tries   []Try // the newest last, at most triesKept
	count   uint64
	unasked uint64
	maxLag  time.Duration
	because string    // what decided the verdict
	inVain  int       // tries in a row that could not be asked
	deaf    string    // why, once they are as many as would change the verdict
	next    time.Time // when the next try is due
	users   []*service
	address *address
}

// triesKept is how many tries of a check `lvsd why` can show.
const triesKept = 8

func (c *check) last() *Try {
	if len(c.tries) == 0 {
		return nil
	}
	return &c.tries[len(c.tries)-1]
}

// configure takes a new configuration over the old one. Services and checks that stay keep what is known of them.
func (d *director) configure(c Config) {
	first := d.loaded.IsZero()
	d.config, d.loaded = c, time.Now()
	adopted := first && len(c.Services) > 0
	old := make(map[lvs.Key]*service, len(d.services))
	for _, s := range d.services {
		old[s.virtual.Key] = s
	}
	known := d.checks
	d.checks = make(map[lvs.CheckID]*check, len(c.Checks))
	for id, spec := range c.Checks {
		k := known[id]
		if k == nil {
			k = &check{}
		}
		k.spec, k.users, k.address = spec, nil, nil
		d.checks[id] = k
	}
	d.services, d.named = make([]*service, 0, len(c.Services)), make(map[string][]*service)
	for _, v := range c.Services {
		s := old[v.Key]
		if s == nil {
			entry, there := d.before[v.Key]
			adopted = adopted && there
			if found, ok := c.Found[v.Key]; ok {
				entry = found
			}
			s = &service{state: plan.State{Entry: entry}}
		}
		s.virtual = v
		d.services = append(d.services, s)
		d.named[v.Name] = append(d.named[v.Name], s)
		for _, id := range checksOf(v) {
			if k := d.checks[id]; k != nil {
				k.users = append(k.users, s)
			}
		}
	}
	clear(d.before)
	d.events.forget(d.services)
	if first {
		d.standing.quiet = d.loaded.Add(standWait)
	}
	d.standing.moved = true
	d.suspicion.configure(c, d.checks)
	d.config.Found = nil
	d.cause = CauseReload
	if first {
		d.cause = CauseStart
	}
	d.decide(d.services)
	d.table = make(lvs.Table, len(d.services))
	for _, s := range d.services {
		d.table[s.virtual.Key] = s.state.Entry
	}
	d.out.Table(d.table, d.cause)
	d.becomeReady(adopted || len(c.Services) == 0)
}

// checksOf lists the checks that a virtual service uses, each once.
func checksOf(v plan.Virtual) []lvs.CheckID {
	var ids []lvs.CheckID
	seen := map[lvs.CheckID]bool{}
	for _, servers := range [][]plan.Server{v.Servers, v.Sorry} {
		for _, s := range servers {
			for _, id := range s.Checks {
				if !seen[id] {
					seen[id] = true
					ids = append(ids, id)
				}
			}
		}
	}
	return ids
}

// take takes in tries.
func (d *director) take(batch []health.Report) {
	concerned := map[*service]bool{}
	turned := false
	for _, r := range batch {
		c := d.checks[r.ID]
		if c == nil {
			continue // of a check that the configuration has dropped
		}
		if d.note(c, r) {
			d.standing.moved = true
			turned = turned || c.status.Verdict != lvs.Unknown
			for _, s := range c.users {
				concerned[s] = true
			}
		}
		if c.address != nil {
			d.suspicion.note(c.address, r)
		}
	}
	now := time.Now()
	ask := d.suspicion.consider(now)
	if ask {
		d.out.Probe(d.config.Suspect.Probe)
	}
	if turned && d.forgetful.IsZero() {
		d.forgetful = now
	}
	if len(concerned) > 0 {
		list := make([]*service, 0, len(concerned))
		for _, s := range d.services {
			if concerned[s] {
				list = append(list, s)
			}
		}
		d.cause = CauseCheck
		d.decide(list)
		d.publish(list)
	}
	d.becomeReady(false)
}

// decide decides the given services anew and records what that changes.
func (d *director) decide(services []*service) {
	in := plan.Input{
		Now:      time.Now(),
		Health:   d.health,
		Withhold: d.suspicion.withholds(),
		Finish:   d.finishing,
	}
	for _, s := range services {
		after := plan.Decide(s.virtual, s.state, in)
		d.recordChanges(s, after)
		if after.Quorum != s.state.Quorum || s.since.IsZero() {
			s.since = in.Now
		}
		s.state = after
		d.tellServers(s)
	}
	for i, s := range services {
		if i == 0 || services[i-1].virtual.Name != s.virtual.Name {
			d.tellService(s.virtual.Name)
		}
	}
	d.standing.moved = true
}

func (d *director) health(id lvs.CheckID) plan.Health {
	c := d.checks[id]
	if c == nil {
		return plan.Health{}
	}
	return plan.Health{Verdict: c.status.Verdict, Since: c.status.Since, Weight: c.weight}
}

// publish gives out the table if what was decided of the given services is not what was given out last.
func (d *director) publish(decided []*service) {
	var next lvs.Table // a table that was given out is never changed
	for _, s := range decided {
		key := s.virtual.Key
		if plan.Equal(d.table[key], s.state.Entry) {
			continue
		}
		if next == nil {
			next = maps.Clone(d.table)
		}
		next[key] = s.state.Entry
	}
	if next != nil {
		d.table = next
		d.out.Table(next, d.cause)
	}
}

// becomeReady tells once that the table is worth relying on: every check has been tried, or what the kernel held of
// every service was taken over.
func (d *director) becomeReady(adopted bool) {
	if d.ready {
		return
	}
	if !adopted {
		for _, c := range d.checks {
			if c.count == 0 && len(c.users) > 0 {
				return
			}
		}
	}
	d.ready = true
	d.out.Ready()
}

// untilNext is how long nothing will change by itself.
func (d *director) untilNext() time.Duration {
	next := d.suspicion.next()
	if !d.forgetful.IsZero() {
		next = earlier(next, d.forgetful.Add(verdictsEvery))
	}
	if d.standing.moved {
		next = earlier(next, d.standing.quiet)
	}
	for _, s := range d.services {
		next = earlier(next, s.state.Next)
	}
	if next.IsZero() {
		return time.Hour
	}
	return time.Until(next)
}

// verdictsEvery is how often verdicts are given out to be kept, at most: there may be thousands of checks.
const verdictsEvery = time.Second

// earlier gives the earlier of two times; zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// remember gives out the verdicts that are to be kept, if any wait.
func (d *director) remember() {
	if !d.forgetful.IsZero() {
		d.forgetful = time.Time{}
		d.out.Verdicts(d.verdicts())
	}
}

// wake does what is due by the clock alone.
func (d *director) wake(now time.Time) {
	if !d.forgetful.IsZero() && !now.Before(d.forgetful.Add(verdictsEvery)) {
		d.remember()
	}
	ask, changed := d.suspicion.wake(now)
	if ask {
		d.out.Probe(d.config.Suspect.Probe)
	}
	d.doubt(changed)
	var due []*service
	for _, s := range d.services {
		if n := s.state.Next; !n.IsZero() && !n.After(now) {
			due = append(due, s)
		}
	}
	d.cause = CauseClock
	d.decide(due)
	d.publish(due)
}

// doubt tells of a change of suspicion and decides everything anew for it.
func (d *director) doubt(changed bool) {
	if !changed {
		return
	}
	suspected, words := d.suspicion.state()
	from, to := "sure of itself", "suspects itself"
	switch {
	case !suspected && d.suspicious:
		from, to = to, from
	case !suspected:
		from, to = "asking its neighbours", from
	}
	d.suspicious = suspected
	d.record(audit.Entry{Event: audit.EventSuspect, Actor: CauseSuspect, From: from, To: to, Reason: words})
	d.cause = CauseSuspect
	d.decide(d.services)
	d.publish(d.services)
}

// finish gives out the table to be left behind: no weight half-way up.
func (d *director) finish() {
	d.finishing, d.cause = true, CauseStop
	d.decide(d.services)
	d.publish(d.services)
	d.remember()
}

// verdicts are what is worth keeping over a restart.
func (d *director) verdicts() map[lvs.CheckID]Known {
	known := make(map[lvs.CheckID]Known, len(d.checks))
	for id, c := range d.checks {
		if c.status.Verdict != lvs.Unknown {
			known[id] = Known{Verdict: c.status.Verdict, Since: c.status.Since}
		} else if c.status.Seed != lvs.Unknown {
			known[id] = Known{Verdict: c.status.Seed}
		}
	}
	return known
}
