package control

import (
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

// Client asks a running lvsd. It keeps no connection.
type Client struct {
	socket string
	http   *http.Client
}

// NewClient makes a client of a socket; nothing is asked yet.
func NewClient(socket string) *Client {
	return &Client{socket: socket, http: &http.Client{
		Timeout: clientWait,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "unix", socket)
			},
		},
	}}
}

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

// ask asks once, and again while the daemon has no place for a caller; a request that it had no place for is not done.
func (c *Client) ask(ctx context.Context, method, path string, answer any) error {
	end := time.Now().Add(retryFor)
	for {
		code, body, err := c.send(ctx, method, path)
		busy := code == http.StatusServiceUnavailable || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE)
		if busy && (method == http.MethodGet || err == nil) && time.Now().Before(end) && ctx.Err() == nil {
			time.Sleep(retryEvery)
			continue
		}
		if err != nil {
			return c.explain(err)
		}
		return c.read(code, body, answer)
	}
}

func (c *Client) send(ctx context.Context, method, path string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://lvsd"+path, nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
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
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return fmt.Errorf("%w: nothing on %s in time", ErrNoAnswer, c.socket)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return fmt.Errorf("%w on %s: %w", ErrNoAnswer, c.socket, err)
}
