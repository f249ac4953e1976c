package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// Asking is what a client asks again and again, each time on a new connection.
type Asking struct {
	URL     string
	Host    string        // Host header; empty is the URL's
	Every   time.Duration // between two requests' starts; 0 is 20 ms
	Timeout time.Duration // of one request; 0 is 2 s
	TLS     *tls.Config   // for https; nil verifies nothing
}

// Tally is what came of asking.
type Tally struct {
	OK     int            // answers of 2xx or 3xx
	Errors map[string]int // by kind: "refused", "reset", "timeout", "unreachable", "status 503", else the error's text
	By     map[string]int // good answers by the server that gave them
	Gap    time.Duration  // the longest time without a good answer
}

// Failed is the number of requests without a good answer.
func (t Tally) Failed() int {
	n := 0
	for _, c := range t.Errors {
		n += c
	}
	return n
}

// String tells the tally in one line.
func (t Tally) String() string {
	return fmt.Sprintf("%d ok by %v, %d failed %v, longest gap %s", t.OK, t.By, t.Failed(), t.Errors, t.Gap.Round(time.Millisecond))
}

// Asker is a client that keeps asking.
type Asker struct {
	do     func(context.Context) (server string, err error)
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu    sync.Mutex
	tally Tally
	last  time.Time // of a good answer, or the start
}

// Ask starts to ask from the host, until Stop or the end of the test. A slow request delays no other.
func (h *Host) Ask(a Asking) *Asker {
	h.net.t.Helper()
	if a.Every == 0 {
		a.Every = 20 * time.Millisecond
	}
	ctx, cancel := context.WithCancel(context.Background())
	k := &Asker{cancel: cancel, last: time.Now(), tally: Tally{Errors: map[string]int{}, By: map[string]int{}}}
	k.do = func(ctx context.Context) (string, error) { return h.Get(ctx, a) }
	h.net.t.Cleanup(func() { k.Stop() })
	k.done.Go(func() {
		tick := time.NewTicker(a.Every)
		defer tick.Stop()
		for ctx.Err() == nil {
			k.done.Go(func() { k.once(ctx) })
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	})
	return k
}

func (k *Asker) once(ctx context.Context) {
	server, err := k.do(ctx)
	if ctx.Err() != nil && err != nil {
		return // cut short by Stop
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		k.tally.Errors[Kind(err)]++
		return
	}
	k.tally.OK++
	k.tally.By[server]++
	k.tally.Gap = max(k.tally.Gap, time.Since(k.last))
	k.last = time.Now()
}

// Tally is what came of asking so far.
func (k *Asker) Tally() Tally {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.tally
	t.Errors, t.By = clone(t.Errors), clone(t.By)
	t.Gap = max(t.Gap, time.Since(k.last))
	return t
}

func clone(m map[string]int) map[string]int {
	c := make(map[string]int, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

// Stop ends the asking and returns what came of it. Requests under way are not counted.
func (k *Asker) Stop() Tally {
	t := k.Tally()
	k.cancel()
	k.done.Wait()
	return t
}

// Get asks once and returns the name of the server that answered.
func (h *Host) Get(ctx context.Context, a Asking) (server string, err error) {
	if a.Timeout == 0 {
		a.Timeout = 2 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL, nil)
	if err != nil {
		return "", err
	}
	req.Host = a.Host
	resp, err := h.transport(a.TLS, true).RoundTrip(req)
	if err != nil {
		return "", err
	}
	return read(resp)
}

// transport makes HTTP connections from the host.
func (h *Host) transport(c *tls.Config, once bool) *http.Transport {
	if c == nil {
		c = &tls.Config{InsecureSkipVerify: true}
	}
	return &http.Transport{DialContext: h.Dial, TLSClientConfig: c, DisableKeepAlives: once}
}

// read reads an answer to its end and returns who gave it.
func read(resp *http.Response) (string, error) {
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "", err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 399 {
		return "", statusError(resp.StatusCode)
	}
	return resp.Header.Get(ServerHeader), nil
}

type statusError int

func (e statusError) Error() string { return fmt.Sprintf("status %d", int(e)) }

// Kind is the word for an error of Get or Dial that Tally.Errors uses.
func Kind(err error) string {
	var status statusError
	var timeout net.Error
	switch {
	case errors.As(err, &status):
		return status.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "unreachable"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	default:
		return err.Error()
	}
}

// Held is one connection that a client keeps open.
type Held struct {
	transport *http.Transport
	dials     *int
	asking    Asking
}

// Hold makes an HTTP connection from the host and keeps it for Held.Ask. It ends with the test.
func (h *Host) Hold(a Asking) *Held {
	h.net.t.Helper()
	if a.Timeout == 0 {
		a.Timeout = 2 * time.Second
	}
	held := &Held{transport: h.transport(a.TLS, false), dials: new(int), asking: a}
	held.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if *held.dials++; *held.dials > 1 {
			return nil, errors.New("the held connection is gone")
		}
		return h.Dial(ctx, network, address)
	}
	h.net.t.Cleanup(held.transport.CloseIdleConnections)
	if _, err := held.Ask(); err != nil {
		h.net.t.Fatalf("hold connection from %s to %s: %v", h.Name, a.URL, err)
	}
	return held
}

// Ask asks on the held connection, and returns who answered. When the connection is gone that is an error; no other is
// made. One goroutine may call it.
func (c *Held) Ask() (server string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.asking.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.asking.URL, nil)
	if err != nil {
		return "", err
	}
	req.Host = c.asking.Host
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	return read(resp)
}
