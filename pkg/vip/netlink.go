package vip

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	answerTimeout = 2 * time.Second // the kernel answers before a send returns; this is for one that does not
	bufferSize    = 4 << 20         // of sockets: some thousands of messages
	datagramSize  = 64 << 10        // the kernel's are at most half of that
	dumpTries     = 5
)

// errInterrupted is a dump during which the table changed.
var errInterrupted = errors.New("the table changed while it was read")

// failure is the kernel's refusal of one message of a batch.
type failure struct {
	place int // of the message in its batch, from 0
	errno unix.Errno
}

// requester is an rtnetlink socket for requests. It belongs to one goroutine.
type requester struct {
	fd       int
	port     uint32
	in       []byte
	failures []failure
}

func newRequester() (*requester, error) {
	fd, port, err := netlinkSocket(0)
	if err != nil {
		return nil, err
	}
	wait := unix.NsecToTimeval(answerTimeout.Nanoseconds())
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait) // it only stores the value
	if err := unix.Connect(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("connect netlink socket: %w", err)
	}
	return &requester{fd: fd, port: port, in: make([]byte, datagramSize)}, nil
}

func (r *requester) close() { _ = unix.Close(r.fd) }

// netlinkSocket opens an rtnetlink socket that hears of groups, and gives its port.
func netlinkSocket(groups ...int) (int, uint32, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return -1, 0, fmt.Errorf("open netlink socket: %w", err)
	}
	fail := func(err error) (int, uint32, error) {
		_ = unix.Close(fd)
		return -1, 0, fmt.Errorf("prepare netlink socket: %w", err)
	}
	for _, option := range []int{unix.SO_RCVBUFFORCE, unix.SO_SNDBUFFORCE} {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, bufferSize); err != nil {
			return fail(err)
		}
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1) // errors without the request in them
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fail(err)
	}
	for _, g := range groups {
		if g == 0 {
			continue
		}
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, g); err != nil {
			return fail(err)
		}
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return fail(err)
	}
	return fd, name.(*unix.SockaddrNetlink).Pid, nil
}

// do sends a finished batch and gives what the kernel refused of it, good until the next call. After an error, which is
// not the kernel's answer, the socket is of no more use.
func (r *requester) do(b *batch) ([]failure, error) {
	r.failures = r.failures[:0]
	if b.n == 0 {
		return nil, nil
	}
	if err := r.send(b.b); err != nil {
		return nil, err
	}
	for {
		n, err := r.receive()
		if err != nil {
			return nil, err
		}
		for in := r.in[:n]; len(in) >= headerSize+4; {
			size := int(order.Uint32(in))
			if size < headerSize+4 || size > len(in) || order.Uint16(in[4:]) != unix.NLMSG_ERROR {
				return nil, errors.New("read answer: not one of netlink")
			}
			place := int(order.Uint32(in[8:])) - 1
			if errno := unix.Errno(-int32(order.Uint32(in[headerSize:]))); errno != 0 {
				r.failures = append(r.failures, failure{place, errno})
			}
			if place == b.n-1 {
				return r.failures, nil
			}
			in = in[min((size+3)&^3, len(in)):]
		}
	}
}

func (r *requester) send(b []byte) error {
	for {
		_, err := unix.Write(r.fd, b)
		if err == nil {
			return nil
		}
		if err != unix.EINTR {
			return os.NewSyscallError("send to netlink", err)
		}
	}
}

func (r *requester) receive() (int, error) {
	for {
		n, err := unix.Read(r.fd, r.in)
		if err == nil {
			return n, nil
		}
		if err != unix.EINTR {
			return 0, os.NewSyscallError("read from netlink", err)
		}
	}
}

// dump asks for everything of a kind and calls each for every message of the answer. On errInterrupted it may be tried
// again; after other errors the socket is of no more use.
func (r *requester) dump(kind uint16, headSize int, each func(message)) error {
	var b batch
	b.begin(kind, unix.NLM_F_DUMP)
	b.b = append(b.b, make([]byte, headSize)...)
	b.end()
	if err := r.send(b.b); err != nil {
		return err
	}
	var done, interrupted bool
	var refused error
	for !done {
		n, err := r.receive()
		if err != nil {
			return err
		}
		messages(r.in[:n], func(m message) {
			interrupted = interrupted || m.flags&unix.NLM_F_DUMP_INTR != 0
			switch m.kind {
			case unix.NLMSG_DONE:
				done = true
			case unix.NLMSG_ERROR:
				done = true
				refused = unix.Errno(-int32(number(m.body)))
			default:
				each(m)
			}
		})
	}
	if refused == nil && interrupted {
		return errInterrupted
	}
	return refused
}

// links reads all interfaces, by index.
func (r *requester) links() (map[int]linkInfo, error) {
	var links map[int]linkInfo
	err := again(func() error {
		links = map[int]linkInfo{}
		return r.dump(unix.RTM_GETLINK, linkMsgSize, func(m message) {
			if l, ok := parseLink(m.body); ok && m.kind == unix.RTM_NEWLINK {
				links[l.index] = l
			}
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	return links, nil
}

// addrs reads all addresses, in the kernel's order.
func (r *requester) addrs() ([]addrInfo, error) {
	var addrs []addrInfo
	err := again(func() error {
		addrs = addrs[:0]
		return r.dump(unix.RTM_GETADDR, addrMsgSize, func(m message) {
			if a, ok := parseAddr(m.body); ok && m.kind == unix.RTM_NEWADDR {
				addrs = append(addrs, a)
			}
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	return addrs, nil
}

// again tries a dump until nothing changed meanwhile, some times.
func again(dump func() error) error {
	for try := 1; ; try++ {
		if err := dump(); !errors.Is(err, errInterrupted) || try == dumpTries {
			return err
		}
	}
}
