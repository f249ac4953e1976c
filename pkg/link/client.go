package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNoAnswer is of a vrrp process that did not answer: it does not run, may not be asked, or is stuck.
var ErrNoAnswer = errors.New("no answer from lvsd vrrp")

// Refused is the vrrp process' own word on why it did not do what it was asked.
type Refused struct{ Words string }

// Error gives the words.
func (r *Refused) Error() string { return r.Words }

// doTimeout bounds a request whose context has no deadline.
const doTimeout = 10 * time.Second

// Client asks a vrrp process. It may be used by several goroutines, one request at a time. Close it.
type Client struct {
	mu     sync.Mutex
	wire   *wire
	id     uint64
	path   string
	broken error
}

// Dial connects. An error is ErrNoAnswer.
func Dial(ctx context.Context, path string) (*Client, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "unixpacket", path)
	if err != nil {
		return nil, unanswered(path, err)
	}
	return &Client{wire: newWire(c.(*net.UnixConn), MaxMessage), path: path}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.wire.conn.Close() }

// Do asks and waits for the reply, until ctx is done or ten seconds are over. An error is *Refused, or ErrNoAnswer, after
// which the client is of no use.
func (c *Client) Do(ctx context.Context, m Message) (Message, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return Message{}, c.broken
	}
	ctx, cancel := context.WithTimeout(ctx, doTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = c.wire.conn.SetReadDeadline(time.Unix(1, 0)) })()
	c.id++
	m.ID = c.id
	reply, err := c.exchange(m)
	switch {
	case err == nil && reply.Error != "":
		return Message{}, &Refused{reply.Error}
	case err == nil:
		return reply, nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	c.broken = unanswered(c.path, err)
	return Message{}, c.broken
}

// exchange passes over what is no reply to m. A server that has no place says so before it is asked.
func (c *Client) exchange(m Message) (Message, error) {
	sent := c.wire.send(m)
	if errors.Is(sent, errTooLong) {
		return Message{}, sent
	}
	for {
		reply, err := c.wire.receive()
		switch {
		case err != nil:
			return Message{}, errors.Join(sent, err)
		case reply.ID == m.ID:
			return reply, nil
		case reply.ID == 0 && reply.Error != "":
			return Message{}, errors.New(reply.Error)
		}
	}
}

// unanswered says in an operator's words why nobody answered.
func unanswered(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("%w: it does not run (nobody listens on %s)", ErrNoAnswer, path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: no permission to open %s", ErrNoAnswer, path)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%w: %w", ErrNoAnswer, context.Canceled)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, unix.EAGAIN):
		return fmt.Errorf("%w: nothing on %s in time", ErrNoAnswer, path)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: it ended before it answered on %s", ErrNoAnswer, path)
	}
	return fmt.Errorf("%w on %s: %w", ErrNoAnswer, path, err)
}
