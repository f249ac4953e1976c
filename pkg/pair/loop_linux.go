package pair

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/vip"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// loop is the thread that waits for packets, deadlines and the mailbox, and tells core.
type loop struct {
	pair  *Pair
	core  *core
	past  past
	dir   string // of the record
	epoll int
	timer int
	event int // eventfd that wakes it for the mailbox

	wires   map[int32]*wire
	spare   map[string]FrozenRouter // sockets of the program before that are not used yet
	armed   vrrp.Instant            // what the timer is set to
	calls   []func(moment)
	reports []vip.Report
	frozen  bool
	stopAt  vrrp.Instant // hard end of a stop
	ready   [64]unix.EpollEvent
	word    [8]byte
}

// wire is a router's socket in the loop.
type wire struct {
	*vrrp.Socket
	loop   *loop
	router *router
}

// Close takes it out of the loop.
func (w *wire) Close() error {
	delete(w.loop.wires, int32(w.FD()))
	return w.Socket.Close()
}

// Bounds of a turn.
const (
	maxTurn    = aliveBound / 4 // it turns at least so often
	maxPackets = 64             // of one socket, so that a flood delays no advert
	stopTurn   = 20 * time.Millisecond
)

// boottime reads the clock of all that is decided; it goes on while the host is suspended and never steps.
func boottime() vrrp.Instant {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // it cannot fail
	return vrrp.Instant(t.Nano())
}

func clocks() moment { return moment{at: boottime(), wall: time.Now()} }

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

// one is what an eventfd is written.
var one = binary.NativeEndian.AppendUint64(nil, 1)

// wake makes the loop look into the mailbox; the mailbox calls it under its lock, and never after closing.
func (l *loop) wake() { _, _ = unix.Write(l.event, one) }

// run turns until everything has stopped, or is frozen.
func (l *loop) run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l.core.begin(clocks(), l.past)
	l.past = past{}
	var err error
	if l.dir != "" {
		err = l.core.journal.publish(l.dir)
	}
	for err == nil && !l.ended() {
		err = l.turn()
	}
	l.end()
	return err
}

// ended tells whether there is nothing left to do.
func (l *loop) ended() bool {
	if l.frozen || !l.core.stopping {
		return l.frozen
	}
	now := clocks()
	return l.core.over(now) || now.at >= l.stopAt
}

// turn waits, and does all that waits: packets before deadlines, so that an advert that has come is never missed.
func (l *loop) turn() error {
	l.arm()
	longest := maxTurn
	if l.core.stopping {
		longest = stopTurn
	}
	n, err := unix.EpollWait(l.epoll, l.ready[:], int(longest/time.Millisecond))
	if err != nil && err != unix.EINTR {
		return fmt.Errorf("wait for packets: %w", err)
	}
	now := clocks()
	l.pair.turned.Store(int64(now.at))
	mail := false
	for i := range max(n, 0) {
		switch fd := l.ready[i].Fd; int(fd) {
		case l.timer:
			_, _ = unix.Read(l.timer, l.word[:])
			l.armed = vrrp.Never
		case l.event:
			_, _ = unix.Read(l.event, l.word[:])
			mail = true
		default:
			if w := l.wires[fd]; w != nil {
				l.receive(now, w)
			}
		}
	}
	if l.core.next() <= now.at {
		l.core.tick(now)
	}
	if mail {
		l.deliver()
	}
	l.core.tell()
	return nil
}

// receive reads the packets of a socket. What else recvmsg says is of the link, which is watched.
func (l *loop) receive(now moment, w *wire) {
	for range maxPackets {
		p, err := w.Receive()
		if err == vrrp.ErrNone {
			return
		}
		if err == nil {
			l.core.hear(now, w.router, p)
		}
	}
}

// deliver does what the mailbox has.
func (l *loop) deliver() {
	l.calls, l.reports = l.pair.mailbox.take(l.calls, l.reports)
	for i := range l.reports {
		l.core.report(clocks(), &l.reports[i])
	}
	for _, f := range l.calls {
		if l.frozen {
			return
		}
		f(clocks())
	}
}

// arm sets the timer to what is due next, if that is not what it is set to.
func (l *loop) arm() {
	next := l.core.next()
	if next == l.armed {
		return
	}
	var spec unix.ItimerSpec
	if next != vrrp.Never {
		spec.Value = unix.NsecToTimespec(max(int64(next), 1))
	}
	if err := unix.TimerfdSettime(l.timer, unix.TFD_TIMER_ABSTIME, &spec, nil); err == nil {
		l.armed = next
	}
}

// stop begins to stop; ended and turn do the rest.
func (l *loop) stop(now moment) {
	if l.core.stopping {
		return
	}
	l.core.stop(now)
	l.stopAt = now.at.Add(farewellTime + time.Second)
	for _, r := range l.core.routers {
		l.stopAt = max(l.stopAt, now.at.Add(2*r.config.Interval+farewellTime+2*time.Second))
	}
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

// end closes everything, and answers whoever still waits.
func (l *loop) end() {
	now := clocks()
	l.core.abandon()
	l.pair.final = l.core.state(now)
	l.pair.mailbox.close()
	l.closeAll()
	close(l.pair.done)
}

func (l *loop) closeAll() {
	for _, w := range l.wires {
		_ = w.Socket.Close()
	}
	l.dropSpare()
	if l.core != nil {
		if l.core.addresses != nil {
			l.core.addresses.Close()
		}
		_ = l.core.journal.close()
	}
	for _, fd := range []int{l.epoll, l.timer, l.event} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}
