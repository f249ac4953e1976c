package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Mode is how a server behaves. Modes are comparable.
type Mode struct {
	kind   modeKind
	status int
	every  int
}

type modeKind uint8

const (
	answer modeKind = iota
	hang
	drip
	hangUp
	reset
	refuse
	flaky
)

// The ways a server can behave, besides Status and Flaky.
var (
	OK     = Mode{}             // answers
	Hang   = Mode{kind: hang}   // accepts and never answers
	Drip   = Mode{kind: drip}   // answers at one byte a second
	Close  = Mode{kind: hangUp} // accepts and closes
	Reset  = Mode{kind: reset}  // accepts and resets
	Refuse = Mode{kind: refuse} // listens no more; connections that are open stay
)

// Status answers with an HTTP status.
func Status(code int) Mode { return Mode{status: code} }

// Flaky answers every nth request with 503, the others well.
func Flaky(n int) Mode { return Mode{kind: flaky, every: n} }

// server is what the lab's servers have in common: listeners that follow a mode, and the connections they accepted.
type server struct {
	host  *Host
	serve func(net.Conn, Mode) // one connection; closing done ends it

	mu        sync.Mutex
	mode      Mode
	each      map[netip.Addr]Mode
	addresses []string
	listeners map[string]net.Listener
	conns     map[net.Conn]bool
	done      chan struct{}
	running   sync.WaitGroup
}

// start opens the listeners and ends with the test.
func (s *server) start() {
	s.host.net.t.Helper()
	s.each = map[netip.Addr]Mode{}
	s.listeners = map[string]net.Listener{}
	s.conns = map[net.Conn]bool{}
	s.done = make(chan struct{})
	s.host.net.t.Cleanup(s.stop)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.listen(); err != nil {
		s.host.net.t.Fatalf("start server on %s: %v", s.host.Name, err)
	}
}

// Set changes how the server behaves, to requests that come from now on.
func (s *server) Set(m Mode) {
	s.host.net.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode = m
	if m == Refuse {
		for address, l := range s.listeners {
			_ = l.Close()
			delete(s.listeners, address)
		}
		return
	}
	if err := s.listen(); err != nil {
		s.host.net.t.Fatalf("set server on %s: %v", s.host.Name, err)
	}
}

// SetAt is Set for one of the server's addresses, for a host that has many. Refuse is not for one address.
func (s *server) SetAt(a netip.Addr, m Mode) {
	s.host.net.t.Helper()
	if m == Refuse {
		s.host.net.t.Fatalf("set server on %s: one address alone cannot refuse; try Reset", s.host.Name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.each[a] = m
}

// HangUp closes every open connection, as a server's end does.
func (s *server) HangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
}

// Open is the number of connections open at the server.
func (s *server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// listen opens the listeners that are not open. The caller holds mu.
func (s *server) listen() error {
	for _, address := range s.addresses {
		if s.listeners[address] != nil {
			continue
		}
		l, err := s.host.Listen("tcp", address)
		if err != nil {
			return err
		}
		s.listeners[address] = l
		s.running.Go(func() { s.accept(l) })
	}
	return nil
}

func (s *server) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // out of descriptors
			continue
		}
		if !s.keep(c) {
			_ = c.Close()
			return
		}
		s.running.Go(func() {
			defer s.forget(c)
			s.converse(c)
		})
	}
}

// keep notes an open connection. It is false when the server has ended.
func (s *server) keep(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.done:
		return false
	default:
		s.conns[c] = true
		return true
	}
}

func (s *server) forget(c net.Conn) {
	_ = c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// converse applies the modes that need no request.
func (s *server) converse(c net.Conn) {
	switch m := s.modeAt(c); m.kind {
	case hang:
		s.linger(c)
	case hangUp:
	case reset:
		_ = c.(*net.TCPConn).SetLinger(0)
	default:
		s.serve(c, m)
	}
}

// modeAt is the mode for the address that the connection came to.
func (s *server) modeAt(c net.Conn) Mode {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, ok := s.each[addrPort(c.LocalAddr()).Addr()]; ok {
		return m
	}
	return s.mode
}

// linger reads and says nothing until the other end closes or the server ends.
func (s *server) linger(c net.Conn) {
	buf := make([]byte, 512)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

// pause waits for d. It is false when the server ended meanwhile.
func (s *server) pause(d time.Duration) bool {
	select {
	case <-s.done:
		return false
	case <-time.After(d):
		return true
	}
}

func (s *server) stop() {
	s.mu.Lock()
	close(s.done)
	for _, l := range s.listeners {
		_ = l.Close()
	}
	s.mu.Unlock()
	s.HangUp()
	s.running.Wait()
}

// addrPort is the address of a TCP connection's end, without the form of IPv4 in IPv6.
func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// wildcards are addresses to listen on, for IPv4 and IPv6 both.
func wildcards(ports []uint16) []string {
	var out []string
	for _, p := range ports {
		out = append(out, fmt.Sprintf("[::]:%d", p))
	}
	return out
}
