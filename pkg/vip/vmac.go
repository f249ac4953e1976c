package vip

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A VMAC is a macvlan of mode private, which the kernel gives frames to its MAC. The parent would answer ARP for the VIPs
// with a MAC of its own, so it is told to answer for its own addresses only (arp_ignore 1) and to ask with one of them
// (arp_announce 2), since caches learn from questions too; the VMAC must not drop what would be routed back by the parent
// (rp_filter 0). They are set by netlink, which works where /proc/sys is read-only, and stay set on the parent.

// makeVMACs makes the VMACs that are wanted and not right.
func (h *hand) makeVMACs() {
	made := false
	for _, r := range h.routers {
		v := r.want.VMAC
		if v == (VMAC{}) {
			continue
		}
		r.broken = nil
		if h.vmacRight(v) {
			h.vmacs[v.Name] = v
			continue
		}
		made = true
		if err := h.makeVMAC(v); err != nil {
			r.broken = fmt.Errorf("make %s: %w", v.Name, err)
			h.fail(r, r.broken)
			h.retry = time.Now().Add(retryEvery)
			continue
		}
		h.vmacs[v.Name] = v
	}
	if !made {
		return
	}
	if err := h.readLinks(); err != nil {
		h.unread = true
		h.retry = time.Now().Add(retryEvery)
	}
}

// vmacRight tells whether a VMAC is there as it should be.
func (h *hand) vmacRight(v VMAC) bool {
	l := h.links[h.index[v.Name]]
	p := h.links[h.index[v.Parent]]
	return l.index != 0 && p.index != 0 && sameVMAC(l, v, p.index) && l.flags&unix.IFF_UP != 0 &&
		l.conf4.rpFilter == 0 && l.conf4.arpIgnore == 1 && l.conf4.arpFilter == 0 && p.conf4.arpIgnore != 0 && p.conf4.arpAnnounce == 2
}

// sameVMAC tells whether an interface is the one that would be made.
func sameVMAC(l linkInfo, v VMAC, parent int) bool {
	return l.kind == "macvlan" && l.mode == modePrivate && l.mac == v.MAC && l.parent == parent
}

// makeVMAC makes or adopts one, and looks whether the kernel has it.
func (h *hand) makeVMAC(v VMAC) error {
	parent := h.index[v.Parent]
	if parent == 0 {
		return fmt.Errorf("parent %s: %w", v.Parent, errNoLink)
	}
	switch old := h.links[h.index[v.Name]]; {
	case old.index == 0, sameVMAC(old, v, parent):
	case old.kind != "macvlan":
		return errors.New("an interface of that name is there, and no macvlan")
	default: // of another parent or MAC; neither can be changed while it is up
		if err := h.link(func(b *batch) { b.delLink(old.index) }); err != nil {
			return err
		}
		delete(h.links, old.index)
		delete(h.index, v.Name)
	}
	if h.index[v.Name] == 0 {
		if err := h.link(func(b *batch) { b.newMacvlan(v, parent) }); err != nil {
			return err
		}
		if err := h.readLinks(); err != nil {
			return err
		}
	}
	i := h.index[v.Name]
	if err := h.link(func(b *batch) {
		b.setVMAC(i)
		b.setConf4(parent, map[uint16]uint32{
			confARPIgnore: max(h.links[parent].conf4.arpIgnore, 1), confARPAnnounce: 2,
		})
		b.setUp(i)
	}); err != nil {
		return err
	}
	if err := h.readLinks(); err != nil {
		return err
	}
	if !h.vmacRight(v) {
		return errors.New("the kernel accepted it but has it otherwise")
	}
	return h.strictEverywhere(v)
}

// link sends some messages about interfaces, of which none may be refused.
func (h *hand) link(write func(*batch)) error {
	h.scratch.reset()
	write(&h.scratch)
	h.scratch.finish()
	failures, err := h.do(&h.scratch)
	if err == nil && len(failures) > 0 {
		err = failures[0].errno
	}
	return err
}

// strictEverywhere is an error if packets to a VMAC would be dropped by a setting of this host that is not the
// interface's: of net.ipv4.conf.all.rp_filter and that of the interface the greater counts.
func (h *hand) strictEverywhere(v VMAC) error {
	var strict bool
	if err := h.req.dump(unix.RTM_GETNETCONF, 4, func(m message) {
		if len(m.body) < 4 || m.body[0] != unix.AF_INET {
			return
		}
		var index int32
		var filter uint32
		attrs(m.body[4:], func(kind uint16, v []byte) {
			switch kind {
			case netconfIndex:
				index = int32(number(v))
			case netconfFilter:
				filter = number(v)
			}
		})
		strict = strict || index == netconfAll && filter == 1
	}); err != nil && !errors.Is(err, errInterrupted) {
		return h.lost(fmt.Errorf("look up rp_filter: %w", err))
	}
	if strict {
		return fmt.Errorf("net.ipv4.conf.all.rp_filter is 1: IPv4 packets to %s are dropped unless it is 0 or 2", v.Name)
	}
	return nil
}

// dropVMACs takes away those that no router wants any more, but not those of a router that was to be kept.
func (h *hand) dropVMACs(asked map[string]ask, olds map[string]Want) {
	for name := range h.vmacs {
		wanted := false
		for _, r := range h.routers {
			wanted = wanted || r.want.VMAC.Name == name
		}
		if wanted {
			continue
		}
		kept := false
		for router, a := range asked {
			kept = kept || a.forget && a.keep && olds[router].VMAC.Name == name
		}
		delete(h.vmacs, name)
		if l := h.links[h.index[name]]; !kept && l.kind == "macvlan" {
			_ = h.link(func(b *batch) { b.delLink(l.index) }) // it may have gone with its parent
			h.drops = slices.DeleteFunc(h.drops, func(d drop) bool { return d.link == name })
		}
	}
}

// newMacvlan asks for a VMAC, down and without an IPv6 address of its own.
func (b *batch) newMacvlan(v VMAC, parent int) {
	b.linkHead(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, 0, 0)
	b.text(unix.IFLA_IFNAME, v.Name)
	b.u32(unix.IFLA_LINK, uint32(parent))
	b.attr(unix.IFLA_ADDRESS, v.MAC[:]...)
	b.nest(unix.IFLA_LINKINFO, func() {
		b.text(unix.IFLA_INFO_KIND, "macvlan")
		b.nest(unix.IFLA_INFO_DATA, func() { b.u32(macvlanMode, modePrivate) })
	})
	b.end()
}

// setVMAC asks for the settings of a VMAC.
func (b *batch) setVMAC(index int) {
	b.setConf4(index, map[uint16]uint32{confARPIgnore: 1, confRPFilter: 0, confARPFilter: 0})
	b.linkHead(unix.RTM_NEWLINK, 0, index, 0)
	b.nest(unix.IFLA_AF_SPEC, func() {
		b.nest(unix.AF_INET6, func() { b.attr(inet6AddrGen, addrGenNone) })
	})
	b.end()
}

// setConf4 asks for settings in net.ipv4.conf, by their numbers.
func (b *batch) setConf4(index int, settings map[uint16]uint32) {
	b.linkHead(unix.RTM_NEWLINK, 0, index, 0)
	b.nest(unix.IFLA_AF_SPEC, func() {
		b.nest(unix.AF_INET, func() {
			b.nest(inetConf, func() {
				for kind, value := range settings {
					b.u32(kind, value)
				}
			})
		})
	})
	b.end()
}

func (b *batch) setUp(index int) {
	b.linkHead(unix.RTM_NEWLINK, 0, index, unix.IFF_UP)
	b.end()
}

func (b *batch) delLink(index int) {
	b.linkHead(unix.RTM_DELLINK, 0, index, 0)
	b.end()
}

// linkHead writes the head of a message about an interface: struct ifinfomsg, with the flags that are to be set.
func (b *batch) linkHead(kind, flags uint16, index int, up uint32) {
	b.begin(kind, flags)
	b.b = append(b.b, unix.AF_UNSPEC, 0, 0, 0)
	b.b = order.AppendUint32(b.b, uint32(index))
	b.b = order.AppendUint32(b.b, up)
	b.b = order.AppendUint32(b.b, up)
}
