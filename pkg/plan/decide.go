package plan

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// rampSteps is how many times the weight changes during a slow start, no more often than rampStep.
const (
	rampSteps = 20
	rampStep  = time.Second
)

// Decide gives the next state of a virtual service. before is the state that Decide gave last, or holds what the kernel
// had when lvsd started: what has no verdict stays as it is there.
func Decide(v Virtual, before State, in Input) State {
	d := decision{v: v, before: before, in: in}
	real := d.assess(v.Servers, 0, false)
	sorry := d.assess(v.Sorry, len(v.Servers), true)
	d.takeOver(sorry)
	d.hold(real)
	d.decideQuorum(real)
	d.after.Entry = lvs.Entry{Service: v.Service, Servers: make(map[netip.AddrPort]lvs.Server, len(real)+1)}
	standIn := d.placeSorry(sorry)
	d.placeReal(real, standIn)
	d.after.Servers = make([]ServerState, 0, len(real)+len(sorry))
	for _, c := range slices.Concat(real, sorry) {
		if c.was.In != c.ServerState.In || c.was.Held != c.ServerState.Held || c.was.Since.IsZero() {
			c.ServerState.Since = in.Now
		}
		d.after.Servers = append(d.after.Servers, c.ServerState)
	}
	return d.after
}

type decision struct {
	v      Virtual
	before State
	in     Input
	after  State
	places map[place]int // of before.Servers; made when the configuration has changed
}

// place tells the servers of a service apart: a sorry server may have the address of a real one.
type place struct {
	addr  netip.AddrPort
	sorry bool
}

// candidate is a server on its way through the decision.
type candidate struct {
	ServerState
	server Server
	was    ServerState
	weight int        // at full
	had    lvs.Server // what the table has of it
	inHad  bool       // whether the table has it
	failed time.Time  // since when a check says that it is down
}

// takes tells whether the table sends the server new connections now.
func (c *candidate) takes() bool { return c.inHad && c.had.Weight > 0 }

// counts tells whether min_up and quorum count the server at all.
func (c *candidate) counts() bool { return c.Admin == lvs.Enabled }

// known finds the state of a server before; unless the configuration has changed it stands at the same index.
func (d *decision) known(i int, p place) (ServerState, bool) {
	states := d.before.Servers
	if i < len(states) && states[i].Addr == p.addr && states[i].Sorry == p.sorry {
		return states[i], true
	}
	if d.places == nil {
		d.places = make(map[place]int, len(states))
		for j, st := range states {
			d.places[place{st.Addr, st.Sorry}] = j
		}
	}
	j, there := d.places[p]
	if !there {
		return ServerState{}, false
	}
	return states[j], true
}

// takeOver begins with what an adopted table shows: a sorry server in it stands in, so the quorum was lost.
func (d *decision) takeOver(sorry []*candidate) {
	d.after.Quorum = d.before.Quorum
	if d.before.Quorum != Pending || len(d.before.Servers) > 0 {
		return
	}
	if slices.ContainsFunc(sorry, func(c *candidate) bool { return c.takes() && !d.isReal(c.Addr) }) {
		d.before.Quorum, d.after.Quorum = Lost, Lost
	}
}

// assess gathers what is known of each server; the first of them stands at an index of before.Servers.
func (d *decision) assess(servers []Server, first int, sorry bool) []*candidate {
	list := make([]*candidate, 0, len(servers))
	for i, s := range servers {
		was, known := d.known(first+i, place{s.Addr, sorry})
		c := &candidate{server: s, was: was, weight: s.Set.Weight}
		c.ServerState = ServerState{Addr: s.Addr, Sorry: sorry, Since: was.Since, Rising: was.Rising}
		c.had, c.inHad = d.before.Entry.Servers[s.Addr]
		if !sorry && d.in.Admin != nil {
			c.Admin = d.in.Admin(d.v.Name, s.Addr)
		}
		d.judge(c)
		c.Fresh = c.Verdict == lvs.Unknown && (was.Fresh || !known && len(d.before.Servers) == 0)
		list = append(list, c)
	}
	return list
}

// judge takes the verdicts of a server's checks together: one that fails decides, then one that is unknown. Of several
// weights asked for, the smallest holds.
func (d *decision) judge(c *candidate) {
	c.Verdict = lvs.Up
	asked := false
	for _, id := range c.server.Checks {
		h := d.in.Health(id)
		if h.Weight != nil && (!asked || *h.Weight < c.weight) {
			c.weight, asked = *h.Weight, true
		}
		if h.Verdict == lvs.Down && (c.failed.IsZero() || h.Since.Before(c.failed)) {
			c.failed = h.Since
		}
		if h.Verdict == lvs.Down && c.Verdict != lvs.Down || h.Verdict == lvs.Unknown && c.Verdict == lvs.Up {
			c.Verdict, c.Check = h.Verdict, id
		}
	}
}

// hold finds the servers that stay although a check says otherwise or nothing yet.
func (d *decision) hold(real []*candidate) {
	total, staying := 0, 0
	var leaving []*candidate
	for _, c := range real {
		if !c.counts() {
			continue
		}
		total++
		switch {
		case c.Verdict == lvs.Up:
			staying++
		case c.Verdict == lvs.Unknown && c.inHad:
			c.Held = HeldUnknown
			staying++
		case c.Verdict == lvs.Down && c.takes() && d.in.Withhold:
			c.Held = HeldBySuspicion
			staying++
		case c.Verdict == lvs.Down && c.takes():
			leaving = append(leaving, c)
		}
	}
	need := (total*d.v.MinUp+99)/100 - staying
	slices.SortStableFunc(leaving, func(a, b *candidate) int { // who failed last is the least surely dead
		return cmp.Or(b.failed.Compare(a.failed), a.Addr.Compare(b.Addr))
	})
	for _, c := range leaving[:max(0, min(need, len(leaving)))] {
		c.Held = HeldByMinUp
	}
}

// decideQuorum counts the weight in service: of servers that are up, and of those that are held as they were. A server
// without a verdict may still turn out well, so it keeps a quorum from being lost. What min_up holds is known to be dead.
func (d *decision) decideQuorum(real []*candidate) {
	possible := 0
	for _, c := range real {
		if !c.counts() {
			continue
		}
		switch {
		case c.Verdict == lvs.Up:
			d.after.Weight += c.weight
		case c.Held == HeldUnknown:
			d.after.Weight += c.had.Weight
			possible += max(c.weight-c.had.Weight, 0)
		case c.Held == HeldBySuspicion:
			d.after.Weight += c.had.Weight
		case c.Verdict == lvs.Unknown:
			possible += c.weight
		}
	}
	possible += d.after.Weight
	need := d.v.Quorum
	if d.before.Quorum == Lost {
		need += d.v.Hysteresis
	}
	switch {
	case d.after.Weight >= need:
		d.after.Quorum = Reached
	case possible < d.v.Quorum:
		d.after.Quorum = Lost
	}
}

// placeSorry puts the sorry servers in while the quorum is lost, and leaves them as they are while that is open. It
// tells whether one of them takes connections in place of the real servers.
func (d *decision) placeSorry(sorry []*candidate) (standIn bool) {
	open := d.after.Quorum == Pending || d.in.Withhold
	for _, c := range sorry {
		switch {
		case d.after.Quorum == Lost && c.Verdict == lvs.Up && !d.in.Withhold:
			d.put(c, c.full())
			standIn = standIn || c.weight > 0
		case c.inHad && (open || d.after.Quorum == Lost && c.Verdict == lvs.Unknown):
			if d.isReal(c.Addr) {
				continue
			}
			c.Held = HeldUnknown
			if d.in.Withhold {
				c.Held = HeldBySuspicion
			}
			d.put(c, c.had)
			standIn = standIn || d.in.Withhold && d.after.Quorum == Lost && c.had.Weight > 0
		}
	}
	return standIn
}

// isReal tells whether a sorry server's address is also one of the real servers; then the table's row is theirs.
func (d *decision) isReal(addr netip.AddrPort) bool {
	return slices.ContainsFunc(d.v.Servers, func(s Server) bool { return s.Addr == addr })
}

// placeReal puts the real servers in their places; with a sorry server standing in, all of them are out.
func (d *decision) placeReal(real []*candidate, standIn bool) {
	for _, c := range real {
		if _, taken := d.after.Entry.Servers[c.Addr]; taken {
			continue
		}
		if standIn {
			c.Held = NotHeld
		}
		switch {
		case c.Admin == lvs.Disabled:
			c.Held, c.Rising = NotHeld, time.Time{}
		case c.Admin == lvs.Drained:
			c.Held = NotHeld
			d.quiet(c)
		case c.Held != NotHeld:
			d.put(c, c.had)
			c.In = c.had.Weight > 0 || c.weight == 0
		case c.Verdict == lvs.Up && !standIn:
			d.raise(c)
		case d.v.OnDown == Quiesce:
			d.quiet(c)
		default:
			c.Rising = time.Time{}
		}
	}
}

// full is the server as configured, at the weight that its checks ask for.
func (c *candidate) full() lvs.Server {
	s := c.server.Set
	s.Weight = c.weight
	return s
}

func (d *decision) put(c *candidate, s lvs.Server) {
	d.after.Entry.Servers[c.Addr] = s
	c.In = true
}

// quiet leaves a server that the table has there, with weight 0.
func (d *decision) quiet(c *candidate) {
	c.Rising = time.Time{}
	if c.inHad {
		s := c.full()
		s.Weight = 0
		d.after.Entry.Servers[c.Addr] = s
	}
}

// raise puts in a server that is up, at the weight that its slow start has reached. What was in before, or has only
// now got its first verdict since lvsd began with the service, starts at full.
func (d *decision) raise(c *candidate) {
	s := c.full()
	if d.v.SlowStart > 0 && !c.was.In && !c.takes() && !c.was.Fresh && len(d.before.Servers) > 0 {
		c.Rising = d.in.Now
	}
	if !c.Rising.IsZero() {
		passed := d.in.Now.Sub(c.Rising)
		if passed >= d.v.SlowStart || d.in.Finish {
			c.Rising = time.Time{}
		} else {
			step := max(d.v.SlowStart/rampSteps, rampStep)
			reached := passed / step * step
			s.Weight = max(min(1, s.Weight), int(int64(s.Weight)*int64(reached)/int64(d.v.SlowStart)))
			next := c.Rising.Add(min(reached+step, d.v.SlowStart))
			if d.after.Next.IsZero() || next.Before(d.after.Next) {
				d.after.Next = next
			}
		}
	}
	d.put(c, s)
}

// Equal tells whether two entries ask the same of the kernel.
func Equal(a, b lvs.Entry) bool { return a.Service == b.Service && maps.Equal(a.Servers, b.Servers) }
