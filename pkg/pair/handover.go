package pair

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// handover is one that waits for its successor.
type handover struct {
	routers []*router // one of each group
	begun   vrrp.Instant
	done    func(error) // called once, in the loop
}

// handOver begins to give the role away softly.
func (c *core) handOver(now moment, h link.Handover, done func(error)) {
	groups := c.groupsOf(h.Router)
	if len(groups) == 0 {
		done(fmt.Errorf("no virtual router or group has the name %q", h.Router))
		return
	}
	masters := slices.DeleteFunc(slices.Clone(groups), func(g *group) bool { return g.state != vrrp.Master })
	if len(masters) == 0 {
		done(fmt.Errorf("nothing to hand over: %s is %s here", titles(groups), groups[0].state))
		return
	}
	for _, g := range masters {
		c.note(now, g.routers[0], false, fmt.Sprintf("handover of %s asked for by %s", g.title(), h.By))
		c.step(now, g, everyone, vrrp.Event{Kind: vrrp.Handover})
	}
	waiting := make([]*router, len(masters))
	for i, g := range masters {
		waiting[i] = g.routers[0]
	}
	c.handovers = append(c.handovers, handover{routers: waiting, begun: now.at, done: done})
	c.settleHandovers(now)
	c.tell()
}

// groupsOf gives the groups that a name means: a router's, a group's, or with no name all.
func (c *core) groupsOf(name string) []*group {
	return slices.DeleteFunc(slices.Clone(c.groups), func(g *group) bool {
		return g.leaving || name != "" && g.name != name && !slices.Contains(g.names(), name)
	})
}

// settleHandovers answers those who wait for a successor that was heard, or that nobody is.
func (c *core) settleHandovers(now moment) {
	if len(c.handovers) == 0 {
		return
	}
	c.handovers = slices.DeleteFunc(c.handovers, func(h handover) bool {
		var kept []*group
		for _, r := range h.routers {
			switch m := r.machine(); {
			case m.State() == vrrp.Master && m.Resigning():
				return false
			case m.State() == vrrp.Master:
				kept = append(kept, r.group)
			}
		}
		if len(kept) == 0 {
			h.done(nil)
			return true
		}
		h.done(fmt.Errorf("nobody took %s over within %v: this director is still master", titles(kept), now.at.Sub(h.begun).Round(1e7)))
		return true
	})
}

// abandon answers whoever still waits when the loop ends.
func (c *core) abandon() {
	for _, h := range c.handovers {
		h.done(errors.New("the vrrp process ends"))
	}
	c.handovers = nil
}

// title is how a group is called: by its name or that of its only router.
func (g *group) title() string {
	if g.name != "" {
		return g.name
	}
	return g.routers[0].config.Name
}

func titles(groups []*group) string {
	var list []string
	for _, g := range groups {
		list = append(list, g.title())
	}
	return strings.Join(list, ", ")
}
