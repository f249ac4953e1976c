package vip

import "slices"

// announce follows what was asked of a router: what is held is announced, anew after an election event or where other
// addresses are held.
func (h *hand) announce(name string, old Want) {
	r := h.routers[name]
	if r == nil || !r.want.Held {
		h.voice.set(name, nil)
		return
	}
	w := r.want
	same := old.Held && old.Election == w.Election && old.Schedule == w.Schedule && old.VMAC == w.VMAC &&
		slices.Equal(old.Addresses, w.Addresses)
	if !same {
		h.announceAnew(r)
	}
}

// announceAnew announces what a router holds, from the schedule's beginning.
func (h *hand) announceAnew(r *router) {
	if !r.holds() {
		return
	}
	s := &song{schedule: r.want.Schedule}
	for _, a := range r.want.Addresses {
		if l, ok := h.speaker(r, a); ok {
			s.frames = append(s.frames, announcements(a, l)...)
			s.probes = append(s.probes, probe(a, l))
		}
	}
	h.voice.set(r.name, s)
}

// announceAgain announces single addresses once.
func (h *hand) announceAgain(back []claim) {
	var frames []frame
	for _, c := range back {
		a := c.router.want.Addresses[c.at]
		if l, ok := h.speaker(c.router, a); ok {
			frames = append(frames, announcements(a, l)...)
		}
	}
	h.voice.once(frames)
}

// speaker gives the interface that an address is announced on, if it can be.
func (h *hand) speaker(r *router, a Address) (linkInfo, bool) {
	l, ok := h.links[h.index[r.link(a)]]
	if l.name == r.want.VMAC.Name {
		l.routes6 = l.routes6 || h.links[l.parent].routes6
	}
	return l, ok && l.ethernet
}

// announcements are the frames by which a link learns of an address.
func announcements(a Address, l linkInfo) []frame {
	addr := a.Prefix.Addr()
	if addr.Is6() {
		return []frame{newFrame(l.index, unsolicited(addr, l.mac, l.routes6))}
	}
	request, reply := gratuitous(addr, l.mac)
	return []frame{newFrame(l.index, request), newFrame(l.index, reply)}
}

// probe is the frame that somebody else who has the address would answer.
func probe(a Address, l linkInfo) frame {
	if addr := a.Prefix.Addr(); addr.Is6() {
		return newFrame(l.index, ndProbe(addr, l.mac))
	} else {
		return newFrame(l.index, arpProbe(addr, l.mac))
	}
}

// listen tells the ear for which addresses, on which interfaces, others are not to answer.
func (h *hand) listen() {
	held := map[spot]bool{}
	for where, c := range h.places {
		if !c.held {
			continue
		}
		held[spot{h.index[where.link], where.addr}] = true
		if v := c.router.want.VMAC; where.link == v.Name { // the parent hears what is for all
			held[spot{h.index[v.Parent], where.addr}] = true
		}
	}
	h.ear.listenFor(held)
}

// hearClaim tells of somebody else who has an address that is held here.
func (h *hand) hearClaim(x happening) {
	name := h.links[x.addr.index].name
	where := place{name, x.addr.prefix.Addr()}
	c, ok := h.places[where]
	if !ok || !c.held {
		c, ok = h.claimAbove(where)
	}
	if !ok || h.ownMAC(x.mac) {
		return
	}
	h.tell(Report{Kind: Duplicate, Router: c.router.name, Address: c.router.want.Addresses[c.at], MAC: x.mac})
}

// claimAbove is the claim of a VMAC on the interface.
func (h *hand) claimAbove(where place) (claim, bool) {
	for _, v := range h.vmacs {
		if c, ok := h.places[place{v.Name, where.addr}]; ok && c.held && v.Parent == where.link {
			return c, true
		}
	}
	return claim{}, false
}

// ownMAC tells whether a MAC is one of this host's interfaces.
func (h *hand) ownMAC(m mac) bool {
	for _, l := range h.links {
		if l.mac == m {
			return true
		}
	}
	for _, v := range h.vmacs {
		if v.MAC == m {
			return true
		}
	}
	return false
}
