package vip

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// happening is something that a reader heard.
type happening struct {
	kind happeningKind
	addr addrInfo
	link linkInfo
	mac  mac // claimed: by whom; addr is what
}

type happeningKind uint8

const (
	addrCame happeningKind = iota
	addrWent
	linkCame
	linkWent
	forwards // link.routes6 is new; of link only index is there besides
	overrun  // some were missed
	claimed  // somebody said to have an address
)

// brokenPause is between two reads of a socket that gives errors of an unknown kind.
const brokenPause = 100 * time.Millisecond

// watch reads what the kernel tells of interfaces and addresses.
type watch struct {
	file *os.File
	own  atomic.Uint32 // port of the hand's socket: what it adds is no news
	wg   sync.WaitGroup
}

func newWatch(own uint32) (*watch, error) {
	fd, _, err := netlinkSocket(unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV6_NETCONF)
	if err != nil {
		return nil, err
	}
	w := &watch{file: pollable(fd, "rtnetlink")}
	w.own.Store(own)
	return w, nil
}

// pollable makes a file of a socket, whose reads end when it is closed.
func pollable(fd int, name string) *os.File {
	_ = unix.SetNonblock(fd, true) // it cannot fail for an open descriptor
	return os.NewFile(uintptr(fd), name)
}

// start begins to read. to gives false to end it.
func (w *watch) start(to func(happening) bool) {
	w.wg.Go(func() {
		in := make([]byte, datagramSize)
		for {
			n, err := w.file.Read(in)
			switch {
			case errors.Is(err, os.ErrClosed):
				return
			case err != nil:
				if !to(happening{kind: overrun}) {
					return
				}
				if !errors.Is(err, unix.ENOBUFS) {
					time.Sleep(brokenPause)
				}
				continue
			}
			ok := true
			messages(in[:n], func(m message) {
				if x, news := w.parse(m); ok && news {
					ok = to(x)
				}
			})
			if !ok {
				return
			}
		}
	})
}

func (w *watch) parse(m message) (happening, bool) {
	var x happening
	ok := false
	switch m.kind {
	case unix.RTM_NEWADDR:
		// IPv6 does not name who asked; the places then say that it is no news.
		if m.port != 0 && m.port == w.own.Load() {
			return x, false
		}
		x.kind = addrCame
		x.addr, ok = parseAddr(m.body)
	case unix.RTM_DELADDR:
		x.kind = addrWent
		x.addr, ok = parseAddr(m.body)
	case unix.RTM_NEWLINK:
		x.kind = linkCame
		x.link, ok = parseLink(m.body)
	case unix.RTM_DELLINK:
		x.kind = linkWent
		x.link, ok = parseLink(m.body)
	case unix.RTM_NEWNETCONF:
		x.kind = forwards
		x.link.index, x.link.routes6, ok = parseNetconf(m.body)
	}
	return x, ok
}

func (w *watch) close() {
	_ = w.file.Close()
	w.wg.Wait()
}
