package checks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dial connects to the target. A nil connection comes with the result of the try; it is the caller's to close
// otherwise, and closing it resets it (SO_LINGER 0), so that probing leaves no TIME_WAIT behind. The connection is
// unblocked when ctx is done; release ends that and closes it.
func (y *try) dial(ctx context.Context, t Target) (conn *net.TCPConn, release func(), failure Result) {
	within, cancel := ctx, context.CancelFunc(func() {})
	if t.ConnectTimeout > 0 {
		within, cancel = context.WithTimeout(ctx, t.ConnectTimeout)
	}
	defer cancel()
	c, err := t.dialer().DialContext(within, "tcp", t.Addr.String())
	if err != nil {
		return nil, nil, y.unconnected(ctx, t, err)
	}
	conn = c.(*net.TCPConn)
	if conn.LocalAddr().(*net.TCPAddr).AddrPort() == conn.RemoteAddr().(*net.TCPAddr).AddrPort() {
		// The kernel chose the target's own port as ours: a simultaneous open with ourselves (RFC 9293 section 3.5).
		_ = conn.Close()
		return nil, nil, y.end(Refused, errnos[unix.ECONNREFUSED].words)
	}
	y.reached = append(y.reached, "connected")
	y.result.Phases.Connect = y.elapsed()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return conn, func() { stop(); _ = conn.Close() }, Result{}
}

// unconnected gives the result of a try that did not come to a connection.
func (y *try) unconnected(ctx context.Context, t Target, err error) Result {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return y.end(NotAsked, "cut short")
	case timedOut(err) && t.ConnectTimeout > 0 && ctx.Err() == nil:
		return y.end(NoAnswer, fmt.Sprintf("no connection within %v", t.ConnectTimeout))
	case timedOut(err):
		return y.end(NoAnswer, y.late())
	case ambiguous(err) && t.routed(ctx) == nil:
		return y.end(Refused, "unreachable, says ICMP: "+rootCause(err))
	case errors.Is(err, unix.EHOSTUNREACH) && t.routed(ctx) != nil:
		return y.end(NotAsked, errnos[unix.ENETUNREACH].words)
	}
	return y.end(outcomeOf(err))
}

// ambiguous reports whether err comes from this host's own routes as well as from a router's ICMP.
func ambiguous(err error) bool {
	return errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EACCES)
}

func rootCause(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}

// routed reports whether this host has a way to the target: connecting a UDP socket looks up the route and sends
// nothing.
func (t Target) routed(ctx context.Context) error {
	d := t.dialer()
	if t.Source.IsValid() {
		d.LocalAddr = &net.UDPAddr{IP: t.Source.AsSlice(), Zone: t.Source.Zone()}
	}
	c, err := d.DialContext(ctx, "udp", t.Addr.String())
	if err != nil {
		return err
	}
	return c.Close()
}

// dialer sends as the target says. Keep-alive is off: no probe lives that long.
func (t Target) dialer() *net.Dialer {
	d := &net.Dialer{KeepAlive: -1, Control: t.control}
	if t.Source.IsValid() {
		d.LocalAddr = &net.TCPAddr{IP: t.Source.AsSlice(), Zone: t.Source.Zone()}
	}
	return d
}

// control sets the socket's options before it is bound and connected.
func (t Target) control(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) { err = t.setOptions(int(fd)) }); e != nil {
		return e
	}
	return err
}

func (t Target) setOptions(fd int) error {
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return fmt.Errorf("set SO_LINGER: %w", err)
	}
	if t.Mark != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(t.Mark)); err != nil {
			return fmt.Errorf("set SO_MARK: %w", err)
		}
	}
	if t.Interface != "" {
		if err := unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, t.Interface); err != nil {
			return fmt.Errorf("bind to interface %s: %w", t.Interface, err)
		}
	}
	if t.Source.IsValid() {
		// The port is chosen at connect, per destination: otherwise one source has 28,000 ports for all servers (ip(7)).
		if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return fmt.Errorf("set IP_BIND_ADDRESS_NO_PORT: %w", err)
		}
	}
	return nil
}
