package control

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/director"
)

// 1000 callers that send half a request and wait hold no more than the places there are, and those not for long.
func TestSlowCallers(t *testing.T) {
	socket := serve(t, plain(), Access{})
	before := runtime.NumGoroutine()
	conns := make([]net.Conn, 0, 1000)
	for range cap(conns) {
		c, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		_, _ = c.Write([]byte("GET /v1/sta"))
	}
	if n := runtime.NumGoroutine() - before; n > 2*privilegedPlaces {
		t.Errorf("%d goroutines for slow callers", n)
	}
	// Others than root have places of their own, and root again when the slow ones' time is over.
	if code, _, err := askAs(socket, 47110, 47110, nil, "GET", "/v1/ping"); code != 403 || err != nil {
		t.Errorf("another user: %d %v", code, err)
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 4*headerTimeout)
	defer cancel()
	if _, err := NewClient(socket).Ping(ctx); err != nil {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	for _, c := range conns {
		_ = c.Close()
	}
}

// One user that takes all the places it gets keeps out neither another user nor root.
func TestOneUserCannotKeepOutOthers(t *testing.T) {
	socket := serve(t, plain(), Access{Read: []string{"47110", "47111"}})
	release := make(chan struct{})
	held := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := become(47110, 47110, nil)
		var conns []net.Conn
		for range 200 {
			c, e := net.Dial("unix", socket)
			if e != nil {
				err = e
				break
			}
			conns = append(conns, c)
		}
		held <- err
		<-release
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	defer close(release)
	// It is turned away before it has asked, so that its request may find nobody to take it any more.
	if code, body, err := askAs(socket, 47110, 47110, nil, "GET", "/v1/ping"); code != 503 && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("the greedy user: %d %s %v", code, body, err)
	}
	if code, body, err := askAs(socket, 47111, 47111, nil, "GET", "/v1/ping"); code != 200 || err != nil {
		t.Errorf("another user: %d %s %v", code, body, err)
	}
	if _, err := NewClient(socket).Ping(t.Context()); err != nil {
		t.Errorf("root: %v", err)
	}
}

// Answers that nobody takes are few: memory is bounded by replies, not by callers.
func TestAnswersThatNobodyTakes(t *testing.T) {
	working := make(chan struct{}, 1000)
	b := plain()
	b.status = func(context.Context, netip.Addr) (*Status, error) {
		working <- struct{}{}
		return &Status{Snapshot: director.Snapshot{Name: strings.Repeat("x", 8<<20)}}, nil
	}
	socket := serve(t, b, Access{})
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for range privilegedPlaces - 4 {
		c, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		_, _ = c.Write([]byte("GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"))
	}
	for range replies {
		<-working
	}
	select {
	case <-working:
		t.Errorf("more than %d answers at once", replies)
	case <-time.After(300 * time.Millisecond):
	}
}

// Garbage costs nothing and stops nothing.
func TestGarbage(t *testing.T) {
	socket := serve(t, plain(), Access{})
	seed := uint64(os.Getpid())
	r := rand.New(rand.NewPCG(seed, 2))
	for i := range 300 {
		c, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = c.Write(garbage(r))
		if i%3 == 0 {
			_, _ = c.Read(make([]byte, 100))
		}
		_ = c.Close()
	}
	if _, err := NewClient(socket).Status(t.Context()); err != nil {
		t.Errorf("with seed %d: %v", seed, err)
	}
}

func garbage(r *rand.Rand) []byte {
	b := make([]byte, r.IntN(20000))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	starts := []string{
		"", "GET ", "GET /v1/status HTTP/1.1\r\n", "POST /v1/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", "GET /v1/why?server=",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01", "GET / HTTP/1.1\r\nHost: x\r\nX: ",
	}
	return append([]byte(starts[r.IntN(len(starts))]), b...)
}

func TestHeadersAreBounded(t *testing.T) {
	socket := serve(t, plain(), Access{})
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = c.Write([]byte("GET /v1/ping HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 2*maxHeader) + "\r\n\r\n"))
	b := make([]byte, 64)
	n, _ := c.Read(b)
	if !strings.HasPrefix(string(b[:n]), "HTTP/1.1 431") {
		t.Errorf("answer to a header of %d bytes: %q", 2*maxHeader, b[:n])
	}
}
