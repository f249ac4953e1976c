package pair

import (
	"encoding/binary"
	"fmt"
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
