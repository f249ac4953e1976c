package vip

import (
	"slices"
	"time"
)

// obey does what was asked since the last time: what is to be held is added before anything is taken off.
func (h *hand) obey() {
	asked, watched, rewatch := h.k.take()
	if rewatch {
		h.rewatch(watched)
	}
	if len(asked) == 0 {
		return
	}
	olds := map[string]Want{}
	for name, a := range asked {
		if old := h.routers[name]; old != nil {
			olds[name] = old.want
		}
		h.accept(name, a)
	}
	h.place()
	h.makeVMACs()
	now := time.Now()
	for name, a := range asked {
		if a.want.Held && !a.forget {
			h.relabel(name, olds[name])
			h.hold(h.routers[name], now)
		}
	}
	stale := false
	for name, a := range asked {
		stale = h.leave(name, a, olds[name]) || stale
	}
	h.takeOff()
	if stale {
		h.sweep()
	}
	h.dropVMACs(asked, olds)
	for name, a := range asked {
		if !a.forget {
			h.settleIdle(h.routers[name])
		}
		h.announce(name, olds[name])
	}
	h.listen()
	h.dirtyAll() // another address may have become a VIP, or is none any more
}

// accept puts what was asked into the router's place.
func (h *hand) accept(name string, a ask) {
	if a.forget {
		delete(h.routers, name)
		return
	}
	r := h.routers[name]
	if r == nil {
		r = &router{name: name}
		h.routers[name] = r
	}
	r.want = a.want
	r.due, r.renewed, r.lapsed = time.Time{}, 0, false
}

// place makes the list of places anew, and what is built on it. Where two routers have one place, the one that holds it
// counts.
func (h *hand) place() {
	clear(h.places)
	clear(h.vips)
	for _, r := range h.routers {
		for at, a := range r.want.Addresses {
			h.vips[a.Prefix.Addr()] = true
			where := place{r.link(a), a.Prefix.Addr()}
			if c, taken := h.places[where]; !taken || !c.held {
				h.places[where] = claim{r, at, r.holds()}
			}
		}
		r.build(h.indexOf)
	}
}

func (h *hand) indexOf(name string) int { return h.index[name] }

// relabel takes off what is held under another label: the kernel changes no label (net/ipv4/devinet.c,
// inet_rtm_newaddr).
func (h *hand) relabel(name string, old Want) {
	r := h.routers[name]
	if !old.Held {
		return
	}
	was := router{want: old}
	h.scratch.reset()
	for _, a := range r.want.Addresses {
		for _, b := range old.Addresses {
			if i := h.index[r.link(a)]; i != 0 && a.Prefix == b.Prefix && r.link(a) == was.link(b) && a.Label != b.Label {
				h.scratch.del(b.Prefix, i)
			}
		}
	}
	h.scratch.finish()
	if _, err := h.do(&h.scratch); err != nil {
		h.fail(r, err)
	}
}

// leave notes which addresses of a router are to be taken off: those that it held and holds no more. It tells whether
// others may be there that this process did not add.
func (h *hand) leave(name string, a ask, old Want) (stale bool) {
	if a.forget && a.keep {
		return false
	}
	was := router{want: old}
	if old.Held {
		for _, v := range old.Addresses {
			d := drop{router: name, link: was.link(v), prefix: v.Prefix, own: true}
			if !h.holds(d) {
				h.drops = append(h.drops, d)
			}
		}
	}
	same := slices.Equal(old.Addresses, a.want.Addresses) && old.VMAC == a.want.VMAC
	return !a.forget && !a.want.Held && !(old.Held && same)
}

// sweep takes off what is at places that are not held, with whatever prefix.
func (h *hand) sweep() {
	addrs, err := h.readAddrs()
	if err != nil {
		h.retry = time.Now().Add(retryEvery)
		h.unread = true
		return
	}
	for _, a := range addrs {
		h.stray(a)
	}
	h.drops = append(h.drops, h.strays...)
	h.strays = nil
	h.takeOff()
}

// stray notes an address that is not to be where it is.
func (h *hand) stray(a addrInfo) {
	link := h.links[a.index].name
	if c, ok := h.places[place{link, a.prefix.Addr()}]; ok && !c.held {
		h.strays = append(h.strays, drop{router: c.router.name, link: link, prefix: a.prefix})
	}
}

// settleIdle tells that a router that is not to hold anything does not.
func (h *hand) settleIdle(r *router) {
	if r.want.Held || r.broken != nil || slices.ContainsFunc(h.drops, func(d drop) bool { return d.router == r.name }) {
		return
	}
	r.told = ""
	h.tell(Report{Kind: Settled, Router: r.name})
}
