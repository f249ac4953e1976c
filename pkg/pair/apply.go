package pair

import (
	"reflect"
	"slices"
	"time"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vip"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// farewellTime bounds how long a router that left is remembered so that its VIPs are taken off.
const farewellTime = time.Second

// apply makes a configuration so. Routers that stay keep their state, socket and VIPs; those that go give their role away
// softly; those that come wait until what has their id, name or a VIP of theirs is gone.
func (c *core) apply(now moment, cfg *link.Config) error {
	if err := check(cfg); err != nil {
		return err
	}
	c.config, c.blocked = cfg, false
	var gone []*router
	kept := map[*link.Router]*router{}
	for _, r := range c.living() {
		if to := match(cfg, &r.config); to != nil {
			kept[to] = r
		} else {
			gone = append(gone, r)
		}
	}
	for _, r := range gone {
		c.split(r)
	}
	c.regroup(now, kept)
	for _, r := range gone {
		c.step(now, r.group, everyone, vrrp.Event{Kind: vrrp.Stop})
	}
	c.restandAll(now)
	if c.word.Ready && !c.word.lost {
		c.ready(now)
	}
	c.watch()
	c.sweep(now)
	c.settleHandovers(now)
	c.tell()
	return nil
}

// meet takes what was seen of links that were not watched until now.
func (c *core) meet(links map[string]vip.Link) {
	for name, l := range links {
		if _, known := c.links[name]; !known {
			c.links[name] = l
		}
	}
}

// living gives the routers that are configured.
func (c *core) living() []*router {
	return slices.DeleteFunc(slices.Clone(c.routers), func(r *router) bool { return r.group.leaving })
}

// match gives what a configuration says of a router that can stay as it is.
func match(cfg *link.Config, r *link.Router) *link.Router {
	for i := range cfg.Routers {
		if to := &cfg.Routers[i]; identity(to) == identity(r) && to.Version == r.Version && to.VMAC == r.VMAC {
			return to
		}
	}
	return nil
}

// split takes a router out of its group to leave alone.
func (c *core) split(r *router) {
	old, machine := r.group, r.machine()
	g := c.newGroup("", []*router{r}, []vrrp.Machine{machine})
	g.leaving, g.state, g.since, g.cause = true, old.state, old.since, old.cause
}

// regroup makes the groups of the configuration out of routers that stay and new ones.
func (c *core) regroup(now moment, kept map[*link.Router]*router) {
	var groups []*group
	for _, members := range grouped(c.config.Routers) {
		var routers []*router
		for _, to := range members {
			r := kept[to]
			switch {
			case r != nil:
				c.reconfigure(now, r, to)
			case c.obstructed(to):
				c.blocked = true
				continue
			default:
				r = c.newRouter(to)
			}
			routers = append(routers, r)
		}
		if len(routers) > 0 {
			groups = append(groups, c.join(now, members[0].Group, routers))
		}
	}
	for _, g := range c.groups {
		if g.leaving {
			groups = append(groups, g)
		}
	}
	c.groups = groups
}

// obstructed tells whether a new router must wait for one that leaves.
func (c *core) obstructed(to *link.Router) bool {
	addresses := addressesOf(to)
	for _, r := range c.routers {
		if !r.group.leaving {
			continue
		}
		if identity(&r.config) == identity(to) || r.config.Name == to.Name {
			return true
		}
		for _, a := range r.addresses {
			if slices.Contains(addresses, a) {
				return true
			}
		}
	}
	return false
}

// join makes a group of routers that were in others, or in none.
func (c *core) join(now moment, name string, routers []*router) *group {
	if g := routers[0].group; g != nil && slices.Equal(g.routers, routers) {
		g.name = name
		return g
	}
	var news []int
	var before *group
	machines := make([]vrrp.Machine, len(routers))
	for i, r := range routers {
		if r.group == nil {
			news = append(news, i)
			continue
		}
		machines[i] = r.machine()
		if before == nil || r.group.state == vrrp.Master {
			before = r.group
		}
	}
	g := c.newGroup(name, routers, machines)
	if before != nil {
		g.state, g.since, g.cause, g.transitions = before.state, before.since, before.cause, before.transitions
	} else {
		g.since = now
	}
	c.unmix(now, g)
	c.enlist(now, g, news)
	c.step(now, g, 0, vrrp.Event{Kind: vrrp.Stand, Standing: routers[0].standing}) // who bars whom is another's affair now
	return g
}

// unmix makes routers that come from several groups one state: none stays master unless all are.
func (c *core) unmix(now moment, g *group) {
	masters, others := 0, 0
	for _, r := range g.routers {
		switch r.machine().State() {
		case vrrp.Master:
			masters++
		case vrrp.Stopped:
		default:
			others++
		}
	}
	if masters == 0 || others == 0 {
		return
	}
	for i, r := range g.routers {
		if r.machine().State() == vrrp.Master {
			r.burst = 3 // a peer need not wait for the silence
			c.sendLeave(now, r)
			c.step(now, g, i, vrrp.Event{Kind: vrrp.Demote})
		}
	}
}

// enlist starts the new routers of a group; the group makes them masters if the others are.
func (c *core) enlist(now moment, g *group, news []int) {
	if len(news) == 0 {
		return
	}
	for _, i := range news {
		r := g.routers[i]
		c.attach(now, r)
		r.reasons = c.reasonsOf(now, r)
		r.standing = c.standing(r)
		for _, event := range []vrrp.Event{{Kind: vrrp.Configure, Params: r.params}, {Kind: vrrp.Stand, Standing: r.standing}} {
			c.perform(now, g, g.machines.Step(now.at, i, event), event) // what it is to the group shows when it starts
		}
	}
	c.step(now, g, everyone, vrrp.Event{Kind: vrrp.Start})
	for _, i := range news {
		c.want(now, g.routers[i])
		c.enter(g.routers[i])
	}
}

// reconfigure lets a router that stays have what is new.
func (c *core) reconfigure(now moment, r *router, to *link.Router) {
	was, params := r.config, r.params
	if reflect.DeepEqual(was, *to) {
		return
	}
	r.configure(to)
	c.attach(now, r)
	if r.params != params {
		c.step(now, r.group, r.member, vrrp.Event{Kind: vrrp.Configure, Params: r.params})
	}
	c.want(now, r)
	if was.Name != to.Name {
		c.addresses.Forget(was.Name, true)
	}
	c.enter(r)
}

// sweepNext is when a router that leaves can be forgotten: it has stopped, has said so, and its VIPs are off, or will never
// be.
func (r *router) sweepNext() vrrp.Instant {
	switch {
	case r.machine().State() != vrrp.Stopped || r.burst > 0:
		return vrrp.Never
	case r.settled:
		return 0
	}
	return r.renewed.Add(farewellTime)
}

// sweep forgets routers that left, and begins those that waited for it.
func (c *core) sweep(now moment) {
	swept := false
	for i := len(c.groups) - 1; i >= 0; i-- {
		g := c.groups[i]
		r := g.routers[0]
		if !g.leaving || now.at < r.sweepNext() {
			continue
		}
		c.detach(now, r)
		c.addresses.Forget(r.config.Name, false)
		c.journal.clear(r.place)
		c.groups = slices.Delete(c.groups, i, i+1)
		c.routers = slices.DeleteFunc(c.routers, func(x *router) bool { return x == r })
		swept = true
	}
	if swept && c.blocked && !c.stopping {
		if err := c.apply(now, c.config); err != nil {
			c.note(now, nil, true, "go on applying the configuration: "+err.Error())
		}
	}
}

// stop gives every role away, and ends.
func (c *core) stop(now moment) {
	c.stopping, c.blocked = true, false
	for _, g := range c.groups {
		c.step(now, g, everyone, vrrp.Event{Kind: vrrp.Stop})
	}
	c.settleHandovers(now)
	c.tell()
}

// over tells whether everything has stopped and its VIPs are off.
func (c *core) over(now moment) bool {
	for _, r := range c.routers {
		if now.at < r.sweepNext() {
			return false
		}
	}
	return true
}
