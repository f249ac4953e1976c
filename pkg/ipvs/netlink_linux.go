package ipvs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

const (
	answerTimeout = 3 * time.Second  // for one datagram of an answer
	dumpTimeout   = 20 * time.Second // for all of a dump
	batchSize     = 128              // changes in one datagram; more gain nothing
)

// Netlink is the Kernel of the network namespace that Open was called in. After an error that was not the kernel's
// answer it opens its socket anew when it is next used, in the namespace of whoever uses it then.
type Netlink struct {
	socket *nl.NetlinkSocket // nil: to be opened
	family uint16            // of IPVS; it changes when the module is loaded anew
	seq    uint32
}

var _ Kernel = (*Netlink)(nil)

// Open asks the kernel for IPVS, which makes it load the module by itself where it can. It gives ErrNoIPVS if there is
// none, and an error that is fs.ErrPermission on the first use without CAP_NET_ADMIN.
func Open() (*Netlink, error) {
	n := &Netlink{}
	if err := n.connect(); err != nil {
		return nil, err
	}
	return n, nil
}

// Close gives the socket back. A closed Netlink opens itself again when it is used.
func (n *Netlink) Close() {
	if n.socket != nil {
		n.socket.Close()
		n.socket = nil
	}
}

// Services implements Kernel.
func (n *Netlink) Services() (map[lvs.Key]lvs.Service, error) {
	services := map[lvs.Key]lvs.Service{}
	err := n.ask(cmdGetService, unix.NLM_F_DUMP, nil, func(kind uint16, v []byte) {
		if key, s, ok := parseService(v); ok && kind == attrService {
			services[key] = s
		}
	})
	return services, n.lost(err)
}

// Servers implements Kernel.
func (n *Netlink) Servers(of lvs.Key) (map[netip.AddrPort]Observed, error) {
	servers := map[netip.AddrPort]Observed{}
	which := func(m *message) { m.nest(attrService, func(m *message) { m.key(of) }) }
	err := n.ask(cmdGetServer, unix.NLM_F_DUMP, which, func(kind uint16, v []byte) {
		if addr, o, ok := parseServer(v, of); ok && kind == attrServer {
			servers[addr] = o
		}
	})
	if err == nil && len(servers) == 0 {
		// The kernel dumps nothing for a service that is not there, without an error; a get tells the two apart.
		err = n.ask(cmdGetService, 0, which, func(uint16, []byte) {})
	}
	if errors.Is(err, unix.ESRCH) {
		return nil, fmt.Errorf("virtual service %s: %w", of, ErrNotFound)
	}
	return servers, n.lost(err)
}

// Info asks for the version and the size of the connection table.
func (n *Netlink) Info() (Info, error) {
	var i Info
	err := n.ask(cmdGetInfo, 0, nil, func(kind uint16, v []byte) {
		switch kind {
		case infoVersion:
			i.Version = number(v)
		case infoSize:
			i.Size = number(v)
		}
	})
	return i, n.lost(err)
}

// Timeouts asks for the timeouts of connections.
func (n *Netlink) Timeouts() (Timeouts, error) {
	var t Timeouts
	err := n.ask(cmdGetConfig, 0, nil, func(kind uint16, v []byte) {
		d := time.Duration(number(v)) * time.Second
		switch kind {
		case attrTimeoutTCP:
			t.TCP = d
		case attrTimeoutTCPFin:
			t.TCPFin = d
		case attrTimeoutUDP:
			t.UDP = d
		}
	})
	return t, n.lost(err)
}

// SetTimeouts sets the timeouts of connections.
func (n *Netlink) SetTimeouts(t Timeouts) error {
	return n.lost(n.ask(cmdSetConfig, unix.NLM_F_ACK, func(m *message) {
		m.duration(attrTimeoutTCP, t.TCP)
		m.duration(attrTimeoutTCPFin, t.TCPFin)
		m.duration(attrTimeoutUDP, t.UDP)
	}, func(uint16, []byte) {}))
}

// connect makes sure of a socket and of the family's number.
func (n *Netlink) connect() error {
	if n.socket != nil {
		return nil
	}
	socket, err := nl.Subscribe(unix.NETLINK_GENERIC)
	if err != nil {
		return fmt.Errorf("open netlink socket: %w", err)
	}
	wait := unix.NsecToTimeval(answerTimeout.Nanoseconds())
	_ = socket.SetReceiveTimeout(&wait) // these two only store the value
	_ = socket.SetSendTimeout(&wait)
	// Short errors, without the request: more of them fit into the buffer. Kernels before 4.3 send the request too.
	_ = unix.SetsockoptInt(socket.GetFd(), unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	n.socket, n.family = socket, 0
	if n.family, err = n.resolve(); err != nil {
		n.Close()
		return err
	}
	return nil
}

// resolve asks for the number of the family IPVS; the kernel loads ip_vs for the question.
func (n *Netlink) resolve() (uint16, error) {
	n.seq++
	m := newMessage(nl.GENL_ID_CTRL, 0, n.seq, nl.GENL_CTRL_CMD_GETFAMILY, nl.GENL_CTRL_VERSION)
	m.text(nl.GENL_CTRL_ATTR_FAMILY_NAME, "IPVS")
	var id uint16
	err := n.exchange(m.done(), false, func(kind uint16, v []byte) {
		if kind == nl.GENL_CTRL_ATTR_FAMILY_ID {
			id = uint16(number(v))
		}
	})
	switch {
	case errors.Is(err, unix.ENOENT), err == nil && id == 0:
		return 0, fmt.Errorf("%w: the kernel found no module for the netlink family IPVS; load the module ip_vs", ErrNoIPVS)
	case err != nil:
		return 0, fmt.Errorf("ask for the netlink family IPVS: %w", err)
	}
	return id, nil
}

// ask sends one request and hands each attribute of the answer to each.
func (n *Netlink) ask(cmd uint8, flags uint16, fill func(*message), each func(kind uint16, value []byte)) error {
	if err := n.connect(); err != nil {
		return err
	}
	n.seq++
	m := newMessage(n.family, flags, n.seq, cmd, 1)
	if fill != nil {
		fill(&m)
	}
	return n.exchange(m.done(), flags&unix.NLM_F_DUMP != 0, each)
}

// exchange sends the request numbered n.seq and reads its answer: one message, or all until a dump is done.
func (n *Netlink) exchange(request []byte, dump bool, each func(kind uint16, value []byte)) error {
	if err := n.send(request); err != nil {
		return err
	}
	for began := time.Now(); time.Since(began) < dumpTimeout; {
		messages, _, err := n.socket.Receive()
		if err != nil {
			return fmt.Errorf("%w: %w", errNoAnswer, err)
		}
		for _, m := range messages {
			if m.Header.Seq != n.seq {
				continue
			}
			switch m.Header.Type {
			case unix.NLMSG_ERROR, unix.NLMSG_DONE:
				return errno(m.Data)
			}
			if len(m.Data) < unix.GENL_HDRLEN {
				continue
			}
			for kind, v := range attributes(m.Data[unix.GENL_HDRLEN:]) {
				each(kind, v)
			}
			if !dump {
				return nil
			}
		}
	}
	return fmt.Errorf("%w: the table is still coming after %s", errNoAnswer, dumpTimeout)
}

// errNoAnswer is a socket that failed: what is still to be read from it belongs to nobody.
var errNoAnswer = errors.New("no answer from the kernel")

func (n *Netlink) send(b []byte) error {
	if err := unix.Sendto(n.socket.GetFd(), b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("%w: send: %w", errNoAnswer, err)
	}
	return nil
}

// lost closes the socket after an error that leaves it in doubt, and puts the rest in words. ENOENT of a question is a
// family that has gone with its module.
func (n *Netlink) lost(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("read or write the IPVS table: CAP_NET_ADMIN is needed: %w", err)
	case errors.Is(err, unix.ENOENT) && !errors.Is(err, ErrNoIPVS):
		err = fmt.Errorf("%w: %w", ErrNoIPVS, err)
	}
	n.Close()
	return err
}

// errno reads the number that an error message, an ack or the end of a dump begins with.
func errno(data []byte) error {
	if len(data) < 4 {
		return nil
	}
	if code := -int32(binary.NativeEndian.Uint32(data)); code != 0 {
		return syscall.Errno(code)
	}
	return nil
}
