package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"
)

// Bounds of one request. A connection carries one request, so that these bound its life too.
const (
	headerTimeout = 2 * time.Second
	readTimeout   = 5 * time.Second
	writeTimeout  = 30 * time.Second // the answer of Backend included; a reload may wait for the kernel
	maxHeader     = 8 << 10
	maxBody       = 64 << 10
	replies       = 4 // being made or written at once, of root's callers and of all others: they are what takes memory
	replyWait     = 5 * time.Second
)

// Server answers on the socket. At most 32 connections of root and lvsd's own user and 64 of others (8 of each) are
// served at once, each for at most 30 s and one request of at most 8 KiB of header and 64 KiB of body, and at most 4
// answers of each kind of caller are in memory. Whatever callers do, more than that they cannot cost.
type Server struct {
	listener *listener
	version  string
	access   atomic.Pointer[Access]
	slots    [2]chan struct{} // of others, of privileged callers
}

// Listen takes the socket, which answers nobody before Serve. If another lvsd has it, the error says so.
func Listen(socket, version string) (*Server, error) {
	l, err := listen(socket)
	if err != nil {
		return nil, err
	}
	s := &Server{listener: l, version: version}
	for i := range s.slots {
		s.slots[i] = make(chan struct{}, replies)
	}
	s.access.Store(&Access{})
	return s, nil
}

// Allow says who may do what from the next request on. Before it is called only root and lvsd's own user may.
func (s *Server) Allow(a Access) { s.access.Store(&a) }

// Close gives up a socket that is not served. Serve does so itself.
func (s *Server) Close() error { return s.listener.Close() }

// Serve answers until ctx is done, which is no error; requests under way have a second to end.
func (s *Server) Serve(ctx context.Context, b Backend) error {
	h := &http.Server{
		Handler:           s.routes(b),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.New(io.Discard, "", 0), // what callers do wrong is told to them
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, callerKey{}, c.(*conn).caller)
		},
	}
	h.SetKeepAlivesEnabled(false)
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(s.listener) }()
	select {
	case err := <-ended:
		_ = s.listener.Close()
		return fmt.Errorf("serve control socket: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = h.Shutdown(grace)
	_ = h.Close()
	<-ended
	return nil
}

type callerKey struct{}

// routes says what can be asked, and what it takes.
func (s *Server) routes(b Backend) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, need right, do func(*http.Request, Caller) (any, error)) {
		mux.Handle(pattern, s.guard(need, do))
	}
	handle("GET /v1/ping", toRead, func(*http.Request, Caller) (any, error) { return Pong{Version: s.version}, nil })
	handle("GET /v1/status", toRead, func(r *http.Request, _ Caller) (any, error) {
		return b.Status(r.Context(), netip.Addr{})
	})
	handle("GET /v1/why", toRead, func(r *http.Request, _ Caller) (any, error) {
		addr, err := netip.ParseAddr(r.URL.Query().Get("server"))
		if err != nil {
			return nil, refusal{code: http.StatusBadRequest, err: fmt.Errorf("read server: %w", err)}
		}
		return b.Status(r.Context(), addr)
	})
	handle("POST /v1/reload", toAct, func(r *http.Request, c Caller) (any, error) {
		done, err := b.Reload(context.WithoutCancel(r.Context()), c) // begun is done, even if the caller leaves
		if err != nil {
			return nil, refusal{code: http.StatusUnprocessableEntity, err: err}
		}
		return done, nil
	})
	handle("POST /v1/handover", toAct, func(r *http.Request, c Caller) (any, error) {
		if err := b.Handover(r.Context(), r.URL.Query().Get("router"), c); err != nil {
			return nil, refusal{code: http.StatusUnprocessableEntity, err: err}
		}
		return struct{}{}, nil
	})
	mux.Handle("/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reply(w, http.StatusNotFound, Problem{Message: fmt.Sprintf("this lvsd has no %s %s", r.Method, r.URL.Path)})
	}))
	return http.MaxBytesHandler(mux, maxBody)
}

// guard lets in who may, as many at once as memory allows, and writes what came of it.
func (s *Server) guard(need right, do func(*http.Request, Caller) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller := r.Context().Value(callerKey{}).(Caller)
		if err := s.access.Load().check(caller, need); err != nil {
			reply(w, http.StatusForbidden, Problem{Message: err.Error()})
			return
		}
		slots := s.slots[0]
		if caller.privileged() {
			slots = s.slots[1]
		}
		wait, cancel := context.WithTimeout(r.Context(), replyWait)
		defer cancel()
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-wait.Done():
			reply(w, http.StatusServiceUnavailable, Problem{Message: "too many callers"})
			return
		}
		defer func() { // a fault of ours: told to the caller, and lvsd goes on
			if p := recover(); p != nil {
				reply(w, http.StatusInternalServerError, Problem{Message: fmt.Sprintf("answering crashed: %v", p)})
			}
		}()
		answer, err := do(r, caller)
		if err != nil {
			reply(w, codeOf(err), problemOf(err))
			return
		}
		reply(w, http.StatusOK, answer)
	})
}

// refusal is an error with the status code that tells what kind it is.
type refusal struct {
	code int
	err  error
}

// Error gives the words of what it wraps.
func (r refusal) Error() string { return r.err.Error() }

// Unwrap gives what it wraps.
func (r refusal) Unwrap() error { return r.err }

func codeOf(err error) int {
	if r, ok := errors.AsType[refusal](err); ok {
		return r.code
	}
	return http.StatusInternalServerError
}

// problemOf tells an error, and one by one those that it holds, or its lines if they are several.
func problemOf(err error) Problem {
	p := Problem{Message: err.Error()}
	if many, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err); ok {
		for _, e := range many.Unwrap() {
			p.Errors = append(p.Errors, e.Error())
		}
	} else if strings.Contains(p.Message, "\n") {
		p.Errors = strings.Split(p.Message, "\n")
	}
	return p
}

// reply writes an answer. A caller that does not take it has gone, or is cut off at the write timeout.
func reply(w http.ResponseWriter, code int, answer any) {
	body, err := json.Marshal(answer)
	if err != nil {
		code, body = http.StatusInternalServerError, []byte(`{"error":"the answer has no JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n'))
}
