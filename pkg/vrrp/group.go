package vrrp

// Group is the routers that are master together: after each step all of them are, or none is. A router alone is a group
// of one. It is for one goroutine.
type Group struct {
	routers []Machine
	own     []Standing // what was said of each, before the others' sickness is added
	before  []Machine  // a step of all
	effects []Effect
}

// NewGroup makes a group of n stopped routers, which are numbered from 0.
func NewGroup(n int) *Group {
	return &Group{
		routers: make([]Machine, n), own: make([]Standing, n),
		before: make([]Machine, n), effects: make([]Effect, n),
	}
}

// Router is the machine of a router.
func (g *Group) Router(i int) Machine { return g.routers[i] }

// State is that of the group: master, if its routers are; otherwise fault, if one of them is.
func (g *Group) State() State {
	s := g.routers[0].state
	for i := range g.routers {
		if g.routers[i].state == Fault {
			return Fault
		}
	}
	return s
}

// Next is when the next Due is.
func (g *Group) Next() Instant {
	next := Never
	for i := range g.routers {
		next = min(next, g.routers[i].Next())
	}
	return next
}

// Due gives a Tick to each router whose time has come. What it returns is as of Step.
func (g *Group) Due(now Instant) []Effect {
	clear(g.effects)
	g.wake(now)
	for i := range g.routers {
		if g.routers[i].Next() <= now {
			g.deliver(now, i, Event{Kind: Tick})
		}
	}
	return g.effects
}

// Step lets something happen to one router. Start, Resume, Ready, Handover and Stop happen to all, whichever is named;
// router -1 is all for any other event but Heard. It returns an effect for each router, in a slice that the next step
// uses again.
func (g *Group) Step(now Instant, router int, e Event) []Effect {
	clear(g.effects)
	g.wake(now)
	switch e.Kind {
	case Start, Resume, Ready, Handover, Stop:
		router = -1
	}
	for i := range g.routers {
		if router < 0 || router == i {
			g.deliver(now, i, e)
		}
	}
	g.unite(now)
	return g.effects
}

// unite makes all masters if one is: an owner may have become it while others were still to be started or unbarred.
func (g *Group) unite(now Instant) {
	for i := range g.routers {
		if g.routers[i].state == Master {
			g.others(now, i, Event{Kind: Promote})
			return
		}
	}
}

// wake looks at every router before an event of one, so that none holds its VIPs past a sleep.
func (g *Group) wake(now Instant) {
	for i := range g.routers {
		was := g.routers[i]
		g.add(i, g.routers[i].wake(now))
		g.follow(now, i, was)
	}
}

// deliver gives an event to one router, and makes the others follow.
func (g *Group) deliver(now Instant, i int, e Event) {
	if e.Kind == Stand {
		g.stand(now, i, e.Standing)
		return
	}
	was := g.routers[i]
	next, f := was.Step(now, e)
	if e.Kind == Tick && next.state == Master && was.state != Master && g.hears(now) {
		next, f = was.Step(now, Event{Kind: Postpone})
	}
	g.routers[i] = next
	g.add(i, f)
	g.follow(now, i, was)
}

// hears tells whether a router hears a master that would not yield to it; one whose timer ran out hears none.
func (g *Group) hears(now Instant) bool {
	for j := range g.routers {
		if g.routers[j].follows(now) {
			return true
		}
	}
	return false
}

// stand tells every router what this host says of them all: one sick makes all sick, one down bars the others.
func (g *Group) stand(now Instant, i int, s Standing) {
	g.own[i] = s
	sick, barred := false, false
	for _, o := range g.own {
		sick, barred = sick || o.Sick, barred || o.Down
	}
	for j, o := range g.own {
		o.Sick = sick
		g.before[j] = g.routers[j]
		g.add(j, g.routers[j].stand(now, o, barred))
	}
	for j := range g.routers {
		g.follow(now, j, g.before[j])
	}
}

// follow makes the others do as router i did.
func (g *Group) follow(now Instant, i int, was Machine) {
	is := g.routers[i]
	switch {
	case is.state == Master && was.state != Master:
		g.others(now, i, Event{Kind: Promote})
	case is.state != Master && was.state == Master:
		g.others(now, i, Event{Kind: Demote})
	case is.state != Master:
	case is.Resigning() && is.leave != was.leave:
		g.resign(now, i)
	case was.Resigning() && !is.Resigning():
		g.keep(now, i)
	}
}

// others steps all routers but i. It is for events of the group, which have no others of their own.
func (g *Group) others(now Instant, i int, e Event) {
	for j := range g.routers {
		if j != i && g.routers[j].state != Stopped {
			g.add(j, g.routers[j].step(now, e))
		}
	}
}

// resign lets all give the role away for the reason of router i, and wait as long as the slowest.
func (g *Group) resign(now Instant, i int) {
	why, last := g.routers[i].leave, g.routers[i].until
	if why == outranked { // by router i's peer, not by theirs
		why = handingOver
	}
	for j := range g.routers {
		if j != i {
			g.add(j, g.routers[j].resign(now, why, NoCause))
			last = max(last, g.routers[j].until)
		}
	}
	for j := range g.routers {
		g.routers[j].until = last
	}
}

// keep lets all go on as masters, as router i does after nobody took the role or it need not be given away any more.
func (g *Group) keep(now Instant, i int) {
	for j := range g.routers {
		if j != i && g.routers[j].Resigning() {
			f := g.routers[j].claim(now, CauseGroup)
			if g.effects[i].Cause == NoCause { // a sick master that is as alone as before
				f.Cause = NoCause
			}
			g.add(j, f)
		}
	}
}

func (g *Group) add(i int, f Effect) { g.effects[i] = g.effects[i].then(f) }
