package pair

import (
	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vip"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// past is what is known of the process before.
type past struct {
	record *Record
	frozen *Frozen // if it handed over in place
	links  map[string]vip.Link
}

// prepare makes the routers of a configuration, with the sockets of those whose links are there. Nothing is sent yet.
// What the program before had is gone on with first, and begin makes it what is configured now: so a reload in place is
// make before break, as any other.
func (c *core) prepare(now moment, cfg *link.Config, p past) {
	c.config = cfg
	if f := p.frozen; f != nil && f.Config != nil && check(f.Config) == nil {
		c.config, c.replacement = f.Config, cfg
	}
	c.meet(p.links)
	c.word.at = now.at
	c.history.seq = p.record.Seq()
	for _, members := range grouped(c.config.Routers) {
		c.build(now, members)
	}
	if p.frozen != nil {
		c.recall(now, p.frozen)
	}
	c.told = c.history.seq
}

// build makes a group of new routers.
func (c *core) build(now moment, members []*link.Router) {
	var routers []*router
	for _, config := range members {
		routers = append(routers, c.newRouter(config))
	}
	g := c.newGroup(members[0].Group, routers, make([]vrrp.Machine, len(routers)))
	g.since = now
	for i, r := range routers {
		c.step(now, g, i, vrrp.Event{Kind: vrrp.Configure, Params: r.params})
		c.attach(now, r)
	}
}

// begin starts every group: those that the process before was master of a moment ago advert at once.
func (c *core) begin(now moment, p past) {
	for _, g := range c.groups {
		if c.resumes(now, g, p.record) {
			c.launch(now, g, vrrp.Resume)
		}
	}
	for _, g := range c.groups {
		if g.machines.State() == vrrp.Stopped {
			c.launch(now, g, vrrp.Start)
			c.rehear(now, g, p.frozen)
		}
	}
	for _, g := range c.groups {
		for _, r := range g.routers {
			c.want(now, r)
			c.enter(r)
		}
	}
	if c.word.Ready {
		c.ready(now)
	}
	c.watch()
	if to := c.replacement; to != nil {
		c.replacement = nil
		c.meet(p.links)
		if err := c.apply(now, to); err != nil {
			c.note(now, nil, true, "the new configuration is not in force: "+err.Error())
		}
	}
	c.tell()
}

// launch begins a group. One that goes on where the process before ended makes no transition.
func (c *core) launch(now moment, g *group, kind vrrp.Kind) {
	c.restand(now, g)
	g.state = g.before
	if kind == vrrp.Resume {
		g.state = vrrp.Master
	}
	c.step(now, g, everyone, vrrp.Event{Kind: kind})
}

// resumes tells whether every router of a group may go on as master.
func (c *core) resumes(now moment, g *group, record *Record) bool {
	for _, r := range g.routers {
		e, ok := record.Master(&r.config)
		if !ok || !e.Resumable(record.Boot, c.boot, now.at) || r.port == nil || !c.links[r.device()].Up {
			return false
		}
	}
	return true
}

// rehear tells a group that listens what the process before knew: that a hold was over, and which advert it heard last, so
// that a slow master is not taken for a dead one.
func (c *core) rehear(now moment, g *group, f *Frozen) {
	if f == nil {
		return
	}
	for i, r := range g.routers {
		was, ok := f.Routers[r.config.Name]
		if !ok {
			continue
		}
		if !was.Held {
			c.step(now, g, i, vrrp.Event{Kind: vrrp.Ready})
		}
		if was.State != vrrp.Master && was.Peer.IsValid() && was.PeerPriority != 0 {
			c.step(now, g, i, vrrp.Event{Kind: vrrp.Heard, Priority: was.PeerPriority, Interval: was.Learned, From: was.Peer})
		}
	}
}
