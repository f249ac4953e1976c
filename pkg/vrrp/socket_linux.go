package vrrp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// SocketOptions say where a router's adverts go and come from.
type SocketOptions struct {
	Interface string       // the link; with a virtual MAC, the macvlan that has it
	VRID      uint8        // packets of others are not received
	Source    netip.Addr   // of adverts; an address of this host, with a macvlan one of the link below it
	Peers     []netip.Addr // unicast, of Source's family, at most MaxPeers; none is multicast
	Plain     bool         // version 3 over IPv4: checksums without pseudo-header, as in Append
}

// MaxPeers bounds the unicast peers of a router.
const MaxPeers = 64

// Socket sends and receives the adverts of one router. It belongs to one goroutine. It hears unicast and multicast
// whatever it sends, so that a router which speaks the other way is noticed.
type Socket struct {
	out      int // sends, and is a member of the group
	in       int // receives; the same one, but on a macvlan with IPv4
	index    int // of the interface
	o        SocketOptions
	to       []netip.Addr
	names    []unix.Sockaddr // of to
	from     []byte          // control message that sets the source
	retarget []byte          // a message made ready for another peer

	received received
}

// ErrNone is that no packet waits.
var ErrNone = errors.New("no packet waits")

// Open makes a socket that is bound to its interface and has joined the group there. CAP_NET_RAW is needed. Errors wrap what
// the kernel said; ENODEV is that the interface is not there.
func Open(o SocketOptions) (*Socket, error) {
	s, err := open(o)
	if err != nil {
		return nil, fmt.Errorf("open VRRP socket on %s: %w", o.Interface, err)
	}
	return s, nil
}

func open(o SocketOptions) (*Socket, error) {
	s, err := sender(o)
	if err != nil {
		return nil, err
	}
	taps, err := s.taps()
	if err == nil && taps {
		err = s.tap()
	}
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	s.drain()
	return s, nil
}

// sender makes a new socket that receives by the descriptor by which it sends.
func sender(o SocketOptions) (*Socket, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	fd, err := unix.Socket(o.domain(), unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, Protocol)
	if err != nil {
		return nil, err
	}
	s, err := set(fd, o)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return s, nil
}

// FromFD makes a Socket of FD of another one, which was inherited from the program before this one in the same process.
// What waits in it is kept. If that fails the descriptor is left open.
func FromFD(fd int, o SocketOptions) (*Socket, error) {
	s, err := fromFD(fd, o)
	if err != nil {
		return nil, fmt.Errorf("take over VRRP socket on %s: %w", o.Interface, err)
	}
	return s, nil
}

func fromFD(fd int, o SocketOptions) (*Socket, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if isSocket(fd, unix.AF_PACKET, unix.SOCK_DGRAM) == nil {
		return fromTap(fd, o)
	}
	if err := isSocket(fd, o.domain(), unix.SOCK_RAW); err != nil {
		return nil, err
	}
	if protocol, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL); err != nil || protocol != Protocol {
		return nil, errOtherSocket
	}
	unix.CloseOnExec(fd)
	s, err := set(fd, o)
	if err != nil {
		return nil, err
	}
	if taps, err := s.taps(); taps || err != nil {
		return nil, errors.Join(errOtherSocket, err)
	}
	return s, nil
}

func (o *SocketOptions) check() error {
	switch {
	case !o.Source.IsValid():
		return errors.New("no source address")
	case len(o.Peers) > MaxPeers:
		return fmt.Errorf("%d peers, and %d are possible", len(o.Peers), MaxPeers)
	}
	for _, p := range o.Peers {
		if !p.IsValid() || p.Is4() != o.Source.Is4() || p.IsMulticast() {
			return fmt.Errorf("%v cannot be a peer of %v", p, o.Source)
		}
	}
	return nil
}

func (o *SocketOptions) domain() int {
	if o.Source.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// set does everything to a socket; nothing of it does harm to one that has it already.
func set(fd int, o SocketOptions) (*Socket, error) {
	o.Source, o.Peers = o.Source.WithZone(""), slices.Clone(o.Peers)
	if err := filter(fd, o); err != nil {
		return nil, err
	}
	index, err := interfaceIndex(fd, o.Interface)
	if err != nil {
		return nil, err
	}
	if err := unix.BindToDevice(fd, o.Interface); err != nil {
		return nil, fmt.Errorf("bind to interface: %w", err)
	}
	s := &Socket{out: fd, in: fd, index: index, o: o, retarget: make([]byte, 0, MaxMessage)}
	if o.Source.Is4() {
		err = s.set4()
	} else {
		err = s.set6()
	}
	if err != nil {
		return nil, err
	}
	return s, s.apply(unix.SOL_SOCKET, common)
}

func interfaceIndex(fd int, name string) (int, error) {
	r, err := unix.NewIfreq(name)
	if err != nil {
		return 0, fmt.Errorf("look up interface: %w", err)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, r); err != nil {
		return 0, fmt.Errorf("look up interface: %w", err)
	}
	return int(r.Uint32()), nil
}

// FD is the descriptor to wait on, and that to hand on to FromFD. It stays the Socket's.
func (s *Socket) FD() int { return s.in }

// Destination is to whom the message that Send takes is addressed: the group, or the first peer.
func (s *Socket) Destination() netip.Addr { return s.to[0] }

// Close closes the socket and leaves the group.
func (s *Socket) Close() error {
	err := unix.Close(s.out)
	if s.in != s.out {
		err = errors.Join(err, unix.Close(s.in))
	}
	if err != nil {
		return fmt.Errorf("close VRRP socket on %s: %w", s.o.Interface, err)
	}
	return nil
}
