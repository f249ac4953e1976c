package main

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// demoServer is a real server of the demo: an HTTP server that can be made ill.
type demoServer struct {
	addr netip.AddrPort

	mu       sync.Mutex
	mode     string // "well", "503" or "hang"
	listener net.Listener
	released chan struct{} // closed when the server hangs no more
}

func startDemoServer(addr netip.AddrPort) (*demoServer, error) {
	s := &demoServer{addr: addr, mode: "well", released: make(chan struct{})}
	return s, s.start()
}

// start begins to listen, as a server that is started.
func (s *demoServer) start() error {
	l, err := net.Listen("tcp", s.addr.String())
	if err != nil {
		return fmt.Errorf("start real server %v: %w", s.addr, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener = l
	server := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
	server.SetKeepAlivesEnabled(false)
	go func() { _ = server.Serve(l) }() // until kill
	return nil
}

// kill ends it: nobody listens any more.
func (s *demoServer) kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listener.Close()
}

// become makes it "well", answer "503" to everything, or "hang": accept and never answer.
func (s *demoServer) become(mode string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mode == "hang" {
		close(s.released)
		s.released = make(chan struct{})
	}
	s.mode = mode
}

// ServeHTTP answers as the server is.
func (s *demoServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	mode, released := s.mode, s.released
	s.mu.Unlock()
	switch mode {
	case "503":
		http.Error(w, "deploying, please wait", http.StatusServiceUnavailable)
	case "hang":
		select {
		case <-released:
		case <-r.Context().Done():
		}
	default:
		w.Header().Set("X-Server", s.addr.Addr().String())
		fmt.Fprintf(w, "hello from %v\n", s.addr)
	}
}
