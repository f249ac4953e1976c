package vip

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// mend does what was noted while hearing: puts back what was taken off, takes off what was put on, tells of interfaces.
func (h *hand) mend() {
	if h.unread {
		h.reread()
	}
	h.restore()
	if len(h.strays) > 0 {
		h.drops = append(h.drops, h.strays...)
		h.strays = nil
		h.takeOff()
	}
	h.tellLinks()
}

// reread looks at everything, since something may have been missed.
func (h *hand) reread() {
	if err := h.readLinks(); err != nil {
		h.retry = time.Now().Add(retryEvery)
		return
	}
	h.unread = false
	h.gone = h.gone[:0]
	for where, c := range h.places {
		if c.held {
			h.gone = append(h.gone, where) // restore finds out whether it is
		}
	}
	h.dirtyAll()
	h.sweep()
}

// restore adds the addresses that seem to be gone, if they are: our own removals are heard of, too.
func (h *hand) restore() {
	if len(h.gone) == 0 {
		return
	}
	now := boottime()
	for _, where := range h.gone {
		if c := h.places[where]; c.held && c.router.overdue(now) {
			h.lapse(c.router)
		}
	}
	h.scratch.reset()
	var sent []claim
	for _, where := range h.gone {
		c, i := h.places[where], h.index[where.link]
		if !c.held {
			continue
		}
		if i == 0 {
			c.router.due = time.Now() // tells that the interface is missing
			continue
		}
		h.scratch.add(c.router.want.Addresses[c.at], i, c.router.want.Lease, unix.NLM_F_EXCL)
		sent = append(sent, c)
	}
	h.gone = h.gone[:0]
	h.scratch.finish()
	failures, err := h.do(&h.scratch)
	if err != nil {
		for _, c := range sent {
			c.router.due = time.Now().Add(retryEvery)
			h.fail(c.router, err)
		}
		return
	}
	refused := map[int]unix.Errno{}
	for _, f := range failures {
		refused[f.place] = f.errno
	}
	var back []claim
	for i, c := range sent {
		switch errno := refused[i]; {
		case errno == 0:
			back = append(back, c)
			h.tell(Report{Kind: Restored, Router: c.router.name, Address: c.router.want.Addresses[c.at]})
		case !errors.Is(errno, unix.EEXIST):
			c.router.due = time.Now() // tries again, and tells
		}
	}
	h.announceAgain(back)
}
