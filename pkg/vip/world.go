package vip

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// link gives what callers want to know of an interface, without the addresses that are VIPs.
func (l linkInfo) link(addrs []addrInfo, vips map[netip.Addr]bool) Link {
	out := Link{Name: l.name, Index: l.index, Up: l.up()}
	if l.ethernet {
		out.MAC = l.mac
	}
	for _, a := range addrs {
		if a.index == l.index && a.usable() && !vips[a.prefix.Addr()] {
			out.Addresses = append(out.Addresses, a.prefix)
		}
	}
	return out
}

// requester gives the socket, opened anew where the last one broke.
func (h *hand) requester() (*requester, error) {
	h.scratch.reset()
	_, err := h.do(&h.scratch) // opens it
	return h.req, err
}

// readLinks reads all interfaces, and does again what depends on those that changed: what the watch tells of them later
// is then no news.
func (h *hand) readLinks() error {
	req, err := h.requester()
	if err != nil {
		return err
	}
	links, err := req.links()
	if err != nil {
		return h.lost(err)
	}
	old := h.links
	h.links = links
	h.nameLinks()
	for i, l := range old {
		if links[i].name != l.name {
			h.relink(l.name)
		}
	}
	for i, l := range links {
		if old[i] != l {
			h.changed(old[i], l)
		}
	}
	return nil
}

func (h *hand) nameLinks() {
	h.index = make(map[string]int, len(h.links))
	for i, l := range h.links {
		h.index[l.name] = i
	}
}

// readAddrs reads all addresses.
func (h *hand) readAddrs() ([]addrInfo, error) {
	req, err := h.requester()
	if err != nil {
		return nil, err
	}
	addrs, err := req.addrs()
	return addrs, h.lost(err)
}

// lost gives the socket up after an error by which answers may still be in it.
func (h *hand) lost(err error) error {
	if err != nil && !errors.Is(err, errInterrupted) {
		h.req.close()
		h.req = nil
	}
	return err
}

// rewatch takes over which interfaces are watched. New ones are told of in the same turn.
func (h *hand) rewatch(names []string) {
	for name := range h.watched {
		if !slices.Contains(names, name) {
			delete(h.watched, name)
		}
	}
	for _, name := range names {
		if _, known := h.watched[name]; !known {
			h.watched[name] = Link{}
			h.dirty[name] = true
		}
	}
}

func (h *hand) dirtyAll() {
	for name := range h.watched {
		h.dirty[name] = true
	}
}

// tellLinks tells of the interfaces that changed.
func (h *hand) tellLinks() {
	for name := range h.dirty {
		if _, watched := h.watched[name]; !watched {
			delete(h.dirty, name)
		}
	}
	if len(h.dirty) == 0 {
		return
	}
	addrs, err := h.readAddrs()
	if err != nil {
		h.unread = true
		h.retry = time.Now().Add(retryEvery)
		return
	}
	for name := range h.dirty {
		delete(h.dirty, name)
		now := Link{Name: name}
		if l, ok := h.links[h.index[name]]; ok {
			now = l.link(addrs, h.vips)
		}
		if !reflect.DeepEqual(now, h.watched[name]) {
			h.watched[name] = now
			h.tell(Report{Kind: LinkChanged, Link: now})
		}
	}
}

// hear takes in what a reader heard. What is to be done about it is noted; mend does it.
func (h *hand) hear(x happening) {
	switch x.kind {
	case addrCame, addrWent:
		h.hearAddr(x.kind == addrCame, x.addr)
	case linkCame:
		h.hearLink(x.link)
	case linkWent:
		if l, known := h.links[x.link.index]; known {
			delete(h.links, l.index)
			h.nameLinks()
			h.relink(l.name)
		}
	case forwards:
		if l, known := h.links[x.link.index]; known {
			l.routes6 = x.link.routes6
			h.hearLink(l)
		}
	case overrun:
		h.unread = true
	case claimed:
		h.hearClaim(x)
	}
}

func (h *hand) hearAddr(came bool, a addrInfo) {
	name := h.links[a.index].name
	where := place{name, a.prefix.Addr()}
	c, ours := h.places[where]
	switch {
	case ours && !came && c.held && c.router.want.Addresses[c.at].Prefix == a.prefix:
		h.gone = append(h.gone, where)
	case ours && came && !c.held:
		h.stray(a)
	case !ours && !h.vips[where.addr]:
		h.dirty[name] = true
	}
}

// hearLink takes in what an interface is now. A renamed one is two: one that went and one that came.
func (h *hand) hearLink(l linkInfo) {
	old := h.links[l.index]
	if old == l {
		return
	}
	h.links[l.index] = l
	h.nameLinks()
	if old.index != 0 && old.name != l.name {
		h.relink(old.name)
	}
	h.changed(old, l)
}

// changed does again what depends on an interface that changed. old is the zero one if it was not there.
func (h *hand) changed(old, l linkInfo) {
	if !onlyState(old, l) {
		h.relink(l.name)
		return
	}
	h.dirty[l.name] = true
	h.checkVMACs(l.name)
	if l.up() && !old.up() { // IPv6 addresses go when an interface is taken down
		h.holdAgain(l.name)
	}
}

// onlyState tells whether two states of an interface differ in flags and settings only.
func onlyState(a, b linkInfo) bool {
	a.flags, a.conf4 = b.flags, b.conf4
	return a == b && (a.flags^b.flags)&unix.IFF_NOARP == 0
}

// relink does again what depends on an interface that came, went, or has another MAC.
func (h *hand) relink(name string) {
	h.dirty[name] = true
	for _, r := range h.routers {
		if r.uses(name) {
			r.build(h.indexOf)
		}
	}
	h.checkVMACs(name)
	h.holdAgain(name)
}

// checkVMACs has the VMACs looked at that are, or are on, an interface.
func (h *hand) checkVMACs(name string) {
	for _, r := range h.routers {
		if v := r.want.VMAC; v != (VMAC{}) && (v.Parent == name || v.Name == name) {
			h.retry = time.Now()
		}
	}
}

// holdAgain adds and announces what is held on an interface.
func (h *hand) holdAgain(name string) {
	used := false
	for _, r := range h.routers {
		if r.holds() && r.uses(name) {
			used = true
			r.due = time.Now()
			h.announceAnew(r)
		}
	}
	if used {
		h.listen()
	}
}

// uses tells whether a router has addresses on an interface, or its VMAC.
func (r *router) uses(name string) bool {
	return r.want.VMAC != (VMAC{}) && r.want.VMAC.Parent == name ||
		slices.ContainsFunc(r.want.Addresses, func(a Address) bool { return r.link(a) == name })
}
