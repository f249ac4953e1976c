package pair

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/lvsd/lvsd/pkg/vip"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// reopenEvery is how often a socket that could not be opened is tried again.
const reopenEvery = time.Second

// linkChanged takes what is new of an interface.
func (c *core) linkChanged(now moment, l vip.Link) {
	c.links[l.Name] = l
	for _, r := range c.routers {
		if r.device() == l.Name || r.config.Interface == l.Name {
			c.attach(now, r)
		}
	}
	c.restandAll(now)
	c.settleHandovers(now)
}

// attach opens, keeps or closes a router's socket as its interface and source address want it. Who calls it calls restand.
func (c *core) attach(now moment, r *router) {
	l := c.links[r.device()]
	primary := source(&r.config, c.links[r.config.Interface], r.primary, c.isVIP)
	o := vrrp.SocketOptions{
		Interface: l.Name, VRID: r.config.ID, Source: primary, Peers: r.config.Peers, Plain: r.config.Plain,
	}
	if r.port != nil && r.index == l.Index && same(r.options, o) {
		return
	}
	if l.Index == 0 || !primary.IsValid() {
		c.detach(now, r)
		c.unbroken(now, r, "")
		return
	}
	old := r.port
	r.port = nil
	port, err := c.open(o, r)
	if old != nil {
		c.close(now, r, old)
	}
	r.opened = now.at
	if err != nil {
		r.primary = netip.Addr{}
		r.broken = err.Error()
		c.raise(now, r, alarmSocket, vrrp.Never, r.broken)
		return
	}
	r.port, r.options, r.index, r.primary = port, o, l.Index, primary
	r.expect.Self = primary
	r.compose()
	c.unbroken(now, r, fmt.Sprintf("%s can be used again", l.Name))
}

// isVIP tells whether an address is one of those that move: a dead process may have left them on their link.
func (c *core) isVIP(a netip.Addr) bool {
	return slices.ContainsFunc(c.routers, func(r *router) bool {
		return slices.ContainsFunc(r.addresses, func(v vip.Address) bool { return v.Prefix.Addr() == a })
	})
}

func same(a, b vrrp.SocketOptions) bool {
	return a.Interface == b.Interface && a.Source == b.Source && a.Plain == b.Plain && slices.Equal(a.Peers, b.Peers)
}

func (c *core) unbroken(now moment, r *router, words string) {
	r.broken = ""
	if words == "" {
		words = "its interface is not there or has no address to send from"
	}
	c.calm(now, r, alarmSocket, words)
}

// detach closes a router's socket.
func (c *core) detach(now moment, r *router) {
	if r.port != nil {
		c.close(now, r, r.port)
	}
	r.port, r.primary, r.index = nil, netip.Addr{}, 0
}

func (c *core) close(now moment, r *router, p port) {
	if err := p.Close(); err != nil {
		c.note(now, r, false, err.Error())
	}
}

// watch has the interfaces that matter told of, and forgets the others, which may change unseen.
func (c *core) watch() {
	var names []string
	for _, r := range c.routers {
		names = append(names, r.config.Interface, r.device())
		for _, t := range r.config.Tracks {
			names = append(names, t.Interface)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	maps.DeleteFunc(c.links, func(name string, _ vip.Link) bool { return !slices.Contains(names, name) })
	c.addresses.Watch(names)
}
