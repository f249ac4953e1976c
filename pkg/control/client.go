package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNoAnswer is of a daemon that did not answer: it does not run, may not be asked, or is stuck. Every error of Client
// is this one, but for Refused.
var ErrNoAnswer = errors.New("no answer from lvsd")

// Refused is a daemon that answered that it did not do what was asked.
type Refused struct {
	Problem
	Code int // of HTTP
}

// Error gives the daemon's words.
func (r *Refused) Error() string { return r.Message }

const (
	maxReply   = 512 << 20
	clientWait = 35 * time.Second // longer than the server takes in any case
	retryEvery = 50 * time.Millisecond
	retryFor   = 3 * time.Second
)

// Client asks a running lvsd, each time over a connection of its own.
type Client struct{ socket string }

// NewClient makes a client of a socket; nothing is asked yet.
func NewClient(socket string) *Client { return &Client{socket: socket} }

// Ping asks for a sign of life and gives the version of the daemon.
func (c *Client) Ping(ctx context.Context) (string, error) {
	var p Pong
	err := c.ask(ctx, http.MethodGet, "/v1/ping", &p)
	return p.Version, err
}

// Status asks for everything.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	var s Status
	if err := c.ask(ctx, http.MethodGet, "/v1/status", &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// Why asks for what concerns one real server, with its last tries.
func (c *Client) Why(ctx context.Context, server netip.Addr) (*Status, error) {
	var s Status
	if err := c.ask(ctx, http.MethodGet, "/v1/why?server="+url.QueryEscape(server.String()), &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// Reload has the configuration read anew. A configuration that is not taken is a *Refused with its errors.
func (c *Client) Reload(ctx context.Context) (*Reloaded, error) {
	var r Reloaded
	if err := c.ask(ctx, http.MethodPost, "/v1/reload", &r); err != nil {
		return nil, err
	}
	return &r, nil
}

// Handover has mastership of a VRRP router or group given away, or of all with an empty name. That nobody takes it is a
// *Refused with the reason.
func (c *Client) Handover(ctx context.Context, router string) error {
	var done struct{}
	return c.ask(ctx, http.MethodPost, "/v1/handover?router="+url.QueryEscape(router), &done)
}

// ask asks once, and again while the daemon has no place for a caller; a request that it had no place for is not done.
func (c *Client) ask(ctx context.Context, method, path string, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, clientWait)
	defer cancel()
	end := time.Now().Add(retryFor)
	for {
		code, body, err := c.send(ctx, method, path)
		busy := code == http.StatusServiceUnavailable || err != nil && method == http.MethodGet && cut(err)
		if busy && time.Now().Before(end) && ctx.Err() == nil {
			time.Sleep(retryEvery)
			continue
		}
		if err != nil {
			return c.explain(err)
		}
		return c.read(code, body, answer)
	}
}

// cut tells whether a connection ended before its answer did.
func cut(err error) bool {
	return errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) || errors.Is(err, io.ErrUnexpectedEOF)
}

// send makes one request. It does without http.Transport, which takes the answer of a daemon that has no place, given
// before the request came, for a fault.
func (c *Client) send(ctx context.Context, method, path string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://lvsd"+path, nil)
	if err != nil {
		return 0, nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", c.socket)
	if err != nil {
		return 0, nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	wrote := req.Write(conn)
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return 0, nil, errors.Join(context.Cause(ctx), err, wrote)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err == nil && len(body) > maxReply {
		err = fmt.Errorf("more than %d bytes", maxReply)
	}
	return resp.StatusCode, body, err
}

func (c *Client) read(code int, body []byte, answer any) error {
	if code == http.StatusOK {
		if err := json.Unmarshal(body, answer); err != nil {
			return fmt.Errorf("%w on %s that can be read: %w", ErrNoAnswer, c.socket, err)
		}
		return nil
	}
	refused := &Refused{Code: code}
	if json.Unmarshal(bytes.TrimSpace(body), &refused.Problem) != nil || refused.Message == "" {
		return fmt.Errorf("%w on %s: http status %d", ErrNoAnswer, c.socket, code)
	}
	switch code {
	case http.StatusForbidden, http.StatusServiceUnavailable, http.StatusInternalServerError, http.StatusNotFound:
		return fmt.Errorf("%w on %s: %s", ErrNoAnswer, c.socket, refused.Message)
	}
	return refused
}

// explain says in an operator's words why nobody answered.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("%w: it does not run (nobody listens on %s)", ErrNoAnswer, c.socket)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: no permission to open %s", ErrNoAnswer, c.socket)
	case errors.Is(err, unix.EAGAIN):
		return fmt.Errorf("%w: too many callers wait on %s", ErrNoAnswer, c.socket)
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %w", ErrNoAnswer, context.Canceled)
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: nothing on %s in time", ErrNoAnswer, c.socket)
	}
	return fmt.Errorf("%w on %s: %w", ErrNoAnswer, c.socket, err)
}
