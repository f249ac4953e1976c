package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of who may be connected at once. Root and lvsd's own user have places of their own, so that nobody else can
// keep the operator out.
const (
	privilegedPlaces = 32
	otherPlaces      = 64
	placesPerUser    = 8
)

const socketPathMax = 107 // sun_path of unix(7) without its ending zero

// listener accepts callers within the bounds and knows who they are. Who finds no place is told so and cut off.
type listener struct {
	*net.UnixListener
	lock *os.File

	mu         sync.Mutex
	privileged int
	others     int
	users      map[uint32]int
}

// listen takes the socket, or says who has it. What a dead lvsd left behind is replaced; anything else is not touched.
func listen(socket string) (*listener, error) {
	if len(socket) > socketPathMax {
		return nil, fmt.Errorf("listen on %s: a socket's path has at most %d bytes", socket, socketPathMax)
	}
	if err := os.Mkdir(filepath.Dir(socket), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make directory of the control socket: %w", err)
	}
	lock, err := lockSocket(socket)
	if err != nil {
		return nil, err
	}
	l, err := bind(socket)
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	return &listener{UnixListener: l, lock: lock, users: map[uint32]int{}}, nil
}

// lockSocket makes sure that of two that start at once only one goes on. The lock goes with the process.
func lockSocket(socket string) (*os.File, error) {
	f, err := os.OpenFile(socket+".lock", os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the control socket: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another lvsd run holds %s", socket)
		}
		return nil, fmt.Errorf("lock %s.lock: %w", socket, err)
	}
	return f, nil
}

func bind(socket string) (*net.UnixListener, error) {
	if info, err := os.Lstat(socket); err == nil {
		if info.Mode().Type() != fs.ModeSocket {
			return nil, fmt.Errorf("listen on %s: something is there that is not a socket", socket)
		}
		if c, err := net.DialTimeout("unix", socket, time.Second); err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("another program answers on %s", socket)
		} else if !errors.Is(err, unix.ECONNREFUSED) {
			return nil, fmt.Errorf("see whether somebody answers on %s: %w", socket, err)
		}
		if err := os.Remove(socket); err != nil {
			return nil, fmt.Errorf("remove the socket that a dead lvsd left: %w", err)
		}
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on the control socket: %w", err)
	}
	if err := os.Chmod(socket, 0o666); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("open the control socket to callers: %w", err)
	}
	return l, nil
}

// Accept waits for the next caller that finds a place.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		caller, err := callerOf(c)
		if err != nil {
			_ = c.Close()
			continue
		}
		if !l.take(caller) {
			turnAway(c)
			continue
		}
		return &conn{UnixConn: c, caller: caller, leave: sync.OnceFunc(func() { l.leave(caller) })}, nil
	}
}

// turnAway tells a caller that there is no place for it. So little fits the empty buffer of a new socket.
func turnAway(c *net.UnixConn) {
	_ = c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	_, _ = c.Write([]byte("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: application/json\r\n" +
		"Content-Length: 30\r\n\r\n" + `{"error":"too many callers"}` + "\r\n"))
	_ = c.Close()
}

func (l *listener) take(c Caller) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.privileged() {
		if l.privileged == privilegedPlaces {
			return false
		}
		l.privileged++
		return true
	}
	if l.others == otherPlaces || l.users[c.UID] == placesPerUser {
		return false
	}
	l.others++
	l.users[c.UID]++
	return true
}

func (l *listener) leave(c Caller) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.privileged() {
		l.privileged--
		return
	}
	l.others--
	if l.users[c.UID]--; l.users[c.UID] == 0 {
		delete(l.users, c.UID)
	}
}

// Close removes the socket and gives up the lock.
func (l *listener) Close() error {
	err := l.UnixListener.Close()
	_ = l.lock.Close()
	return err
}

// conn is a caller's connection; closing it gives up the place.
type conn struct {
	*net.UnixConn
	caller Caller
	leave  func()
}

// Close ends the connection.
func (c *conn) Close() error {
	defer c.leave()
	return c.UnixConn.Close()
}
