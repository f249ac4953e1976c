package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// How many callers are served at once: those that may do everything, and others, so that nobody keeps `lvsd run` out.
const (
	trustedPlaces = 16
	otherPlaces   = 16
)

// Backend is what the server asks. Each may be called by several goroutines at once and answers within a bounded time.
type Backend struct {
	Hear     func(Word)
	State    func() *State
	Since    func(seq uint64) ([]Transition, []Notice)
	Prepare  func(*Config) error
	Apply    func(*Config) error
	Reexec   func(*Config) (anew bool, err error) // anew: another program is about to go on, and the connection ends
	Handover func(context.Context, Handover) error
}

// Server is the vrrp process' end of the link.
type Server struct {
	listener *net.UnixListener
	nudge    chan struct{}

	mu        sync.Mutex
	callers   map[*caller]bool
	trusted   int
	others    int
	nothing   bool // no caller is taken any more
	answering sync.WaitGroup
}

// Listen takes the path, whose directory is made if it is not there. The caller holds the lock of the vrrp process: what a
// dead one left is replaced. Nobody is answered before Serve.
func Listen(path string) (*Server, error) {
	l, err := bind(path)
	if err != nil {
		return nil, err
	}
	return serverOf(l), nil
}

// Inherit goes on with a listening socket that came through an exec; see File. It takes the file.
func Inherit(f *os.File) (*Server, error) {
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("take over the link: %w", err)
	}
	u, ok := l.(*net.UnixListener)
	if !ok {
		_ = l.Close()
		return nil, fmt.Errorf("take over the link: it is a %T", l)
	}
	u.SetUnlinkOnClose(true)
	return serverOf(u), nil
}

func serverOf(l *net.UnixListener) *Server {
	return &Server{listener: l, nudge: make(chan struct{}, 1), callers: map[*caller]bool{}}
}

// File gives a copy of the listening socket to hand to another program by exec. Who connects meanwhile waits, and the path
// stays when this server ends.
func (s *Server) File() (*os.File, error) {
	s.listener.SetUnlinkOnClose(false)
	f, err := s.listener.File()
	if err != nil {
		return nil, fmt.Errorf("hand the link on: %w", err)
	}
	return f, nil
}

// Close gives up a link that is not served. Serve does so itself.
func (s *Server) Close() error { return s.listener.Close() }

// Changed tells that there is something new for those who follow. It never blocks and allocates nothing.
func (s *Server) Changed() {
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}

// Serve answers until ctx is done, which is no error, or the socket fails. It returns when nobody is being answered.
func (s *Server) Serve(ctx context.Context, b Backend) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer s.answering.Wait()
	defer s.close()
	stop := context.AfterFunc(ctx, s.close)
	defer stop()
	s.answering.Go(func() { s.spread(ctx) })
	for {
		c, err := s.listener.AcceptUnix()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = c.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("serve the link: %w", err)
		case err != nil: // such as no descriptor left; those that are served may give one back
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		if caller := s.admit(c, b); caller != nil {
			s.answering.Go(func() { caller.serve(ctx); s.leave(caller) })
		}
	}
}

// spread passes nudges on to those who follow.
func (s *Server) spread(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.nudge:
		}
		s.mu.Lock()
		for c := range s.callers {
			c.nudged()
		}
		s.mu.Unlock()
	}
}

// admit gives a caller its place, or tells it why not and gives nil.
func (s *Server) admit(conn *net.UnixConn, b Backend) *caller {
	ok, uid, err := trusted(conn)
	if err != nil {
		_ = conn.Close()
		return nil
	}
	c := newCaller(conn, b, ok, uid)
	if !s.place(c) {
		_ = c.wire.send(Message{Error: "too many callers"})
		_ = conn.Close()
		return nil
	}
	return c
}

func (s *Server) place(c *caller) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	count, most := &s.others, otherPlaces
	if c.trusted {
		count, most = &s.trusted, trustedPlaces
	}
	if s.nothing || *count == most {
		return false
	}
	*count++
	s.callers[c] = true
	return true
}

func (s *Server) leave(c *caller) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.callers, c)
	if c.trusted {
		s.trusted--
	} else {
		s.others--
	}
}

// close ends the listening and every connection.
func (s *Server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nothing = true
	_ = s.listener.Close()
	for c := range s.callers {
		_ = c.wire.conn.Close()
	}
}
