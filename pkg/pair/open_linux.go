package pair

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/vip"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// openLoop makes the loop and its core ready.
func openLoop(p *Pair, o Options) (_ *loop, err error) {
	l := &loop{pair: p, wires: map[int32]*wire{}, epoll: -1, timer: -1, event: -1, spare: map[string]FrozenRouter{}}
	defer func() {
		if err != nil {
			l.closeAll()
		}
	}()
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make epoll: %w", err)
	}
	if l.timer, err = unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make timer: %w", err)
	}
	if l.event, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make eventfd: %w", err)
	}
	if err := errors.Join(l.watch(l.timer), l.watch(l.event)); err != nil {
		return nil, err
	}
	p.mailbox.wake = l.wake
	if err := l.openCore(o); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *loop) openCore(o Options) error {
	now := clocks()
	l.core = &core{
		version: o.Version, realTime: o.RealTime, pid: os.Getpid(), started: now.wall, image: now.wall, open: l.open, changed: o.Changed,
		links: map[string]vip.Link{}, journal: &journal{},
	}
	l.past, l.dir = past{record: &Record{}, frozen: o.Frozen}, o.Dir
	if o.Frozen != nil {
		for name, r := range o.Frozen.Routers {
			l.spare[name] = r
		}
	}
	var err error
	if l.core.boot, err = bootID(); err != nil {
		return err
	}
	if o.Dir != "" {
		if l.past.record, err = ReadRecord(o.Dir); err != nil {
			return err
		}
		if l.core.journal, err = openJournal(o.Dir, l.core.boot); err != nil {
			return err
		}
	}
	keep := o.Keep
	if keep == nil {
		keep = func(report func(vip.Report)) (Addresses, error) { return vip.Open(report) }
	}
	if l.core.addresses, err = keep(l.pair.mailbox.report); err != nil {
		return fmt.Errorf("keep addresses: %w", err)
	}
	if l.past.links, err = l.core.addresses.Links(); err != nil {
		return fmt.Errorf("look at interfaces: %w", err)
	}
	l.core.prepare(now, o.Config, l.past)
	l.dropSpare()
	return nil
}

// dropSpare closes the sockets of the program before that nobody took.
func (l *loop) dropSpare() {
	for name, r := range l.spare {
		if r.Socket >= 0 {
			_ = unix.Close(r.Socket)
		}
		delete(l.spare, name)
	}
}

// open makes a router's socket, or takes over that of the program before.
func (l *loop) open(o vrrp.SocketOptions, r *router) (port, error) {
	s := l.inherit(o, r)
	if s == nil {
		var err error
		if s, err = vrrp.Open(o); err != nil {
			return nil, err
		}
	}
	w := &wire{Socket: s, loop: l, router: r}
	if err := l.watch(s.FD()); err != nil {
		_ = s.Close()
		return nil, err
	}
	l.wires[int32(s.FD())] = w
	return w, nil
}

// inherit gives nil if there is none of the router that can be used; it is closed with the rest.
func (l *loop) inherit(o vrrp.SocketOptions, r *router) *vrrp.Socket {
	was, ok := l.spare[r.config.Name]
	if !ok || was.Socket < 0 || was.Router != identity(&r.config) {
		return nil
	}
	s, err := vrrp.FromFD(was.Socket, o)
	if err != nil {
		return nil
	}
	delete(l.spare, r.config.Name)
	return s
}

func (l *loop) watch(fd int) error {
	e := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &e); err != nil {
		return fmt.Errorf("wait for descriptor %d: %w", fd, err)
	}
	return nil
}

// freeze ends the loop and gives what the next program is to know.
func (l *loop) freeze(now moment) (*Frozen, error) {
	if l.core.stopping {
		return nil, ErrEnded
	}
	for _, r := range l.core.routers {
		if r.machine().Resigning() || r.group.leaving {
			return nil, errBusy
		}
	}
	copies := map[string]int{}
	for _, w := range l.wires {
		fd, err := unix.Dup(w.FD()) // stays open over an exec
		if err != nil {
			for _, fd := range copies {
				_ = unix.Close(fd)
			}
			return nil, fmt.Errorf("copy socket of %s: %w", w.router.config.Name, err)
		}
		copies[w.router.config.Name] = fd
	}
	f := l.core.freeze(now)
	for name, fd := range copies {
		r := f.Routers[name]
		r.Socket = fd
		f.Routers[name] = r
	}
	l.frozen = true
	return f, nil
}
