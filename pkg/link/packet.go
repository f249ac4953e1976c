package link

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The first byte of a packet says whether the message ends with it. It is no part of the JSON.
const (
	partMore byte = '+'
	partLast byte = '.'
)

// sendTimeout is how long a reader may let a packet wait before it is given up.
const sendTimeout = time.Second

var errTooLong = errors.New("message is too long")

// wire is one end of a connection. send may be called by any goroutine, receive by one.
type wire struct {
	conn  *net.UnixConn
	limit int // of a message that is received

	mu   sync.Mutex // over all packets of a message
	out  []byte
	in   []byte
	part []byte
}

func newWire(c *net.UnixConn, limit int) *wire { return &wire{conn: c, limit: limit} }

// send sends a message or gives an error within sendTimeout for each packet, after which the connection is of no use.
func (w *wire) send(m Message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	if len(b) > MaxMessage {
		return fmt.Errorf("%w: %d bytes, %d at most", errTooLong, len(b), MaxMessage)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		part, rest, mark := b, []byte(nil), partLast
		if len(b) > MaxPacket-1 {
			part, rest, mark = b[:MaxPacket-1], b[MaxPacket-1:], partMore
		}
		w.out = append(append(w.out[:0], mark), part...)
		if err := w.conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
			return fmt.Errorf("send message: %w", err)
		}
		if _, err := w.conn.Write(w.out); err != nil {
			return fmt.Errorf("send message: %w", err)
		}
		if mark == partLast {
			return nil
		}
		b = rest
	}
}

// receive waits for the next message. io.EOF is the other side's end; any other error is a breach of these rules, or of
// the deadline that was set on the connection. The connection is of no use after either.
func (w *wire) receive() (Message, error) {
	if w.in == nil {
		w.in = make([]byte, min(w.limit, MaxPacket))
	}
	w.part = w.part[:0]
	for {
		n, _, flags, _, err := w.conn.ReadMsgUnix(w.in, nil)
		if errors.Is(err, unix.ECONNRESET) { // told once, before what the other side said last (unix_release of af_unix.c)
			n, _, flags, _, err = w.conn.ReadMsgUnix(w.in, nil)
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, unix.ECONNRESET):
			return Message{}, io.EOF
		case err != nil:
			return Message{}, fmt.Errorf("receive message: %w", err)
		case n == 0:
			return Message{}, io.EOF
		case flags&unix.MSG_TRUNC != 0:
			return Message{}, fmt.Errorf("receive message: a packet has more than %d bytes", len(w.in))
		case len(w.part)+n-1 > w.limit:
			return Message{}, fmt.Errorf("receive message: it has more than %d bytes", w.limit)
		}
		last := w.in[0] == partLast
		if !last && w.in[0] != partMore {
			return Message{}, fmt.Errorf("receive message: a packet begins with %q", w.in[0])
		}
		if last && len(w.part) == 0 {
			return decode(w.in[1:n])
		}
		w.part = append(w.part, w.in[1:n]...)
		if last {
			return decode(w.part)
		}
	}
}

// decode reads a message; it may come from anybody.
func decode(b []byte) (Message, error) {
	var m Message
	if err := json.Unmarshal(b, &m); err != nil {
		return Message{}, fmt.Errorf("decode message: %w", err)
	}
	return m, nil
}
