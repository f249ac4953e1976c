package vrrp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// A macvlan with the virtual MAC has no IPv4 address while this host is backup, and then the kernel drops every packet that
// comes by it unless rp_filter is 0 for it and for all interfaces (fib_validate_source in net/ipv4/fib_frontend.c). 2 is
// what distributions set, and udev sets it again when an interface appears. A backup that is deaf for that is a second
// master. So adverts are received there by a packet socket, which sees them before that; it sees them before the packet
// filter too.

// isVirtual tells whether a MAC is that of an IPv4 virtual router (RFC 9568 section 7.3).
func isVirtual(mac net.HardwareAddr, vrid uint8) bool {
	return bytes.Equal(mac, []byte{0, 0, 0x5e, 0, 1, vrid})
}

// taps tells whether adverts are to be received by a packet socket.
func (s *Socket) taps() (bool, error) {
	if s.o.Source.Is6() {
		return false, nil
	}
	link, err := net.InterfaceByIndex(s.index)
	if err != nil {
		return false, fmt.Errorf("look up interface: %w", err)
	}
	return isVirtual(link.HardwareAddr, s.o.VRID), nil
}

// tap makes the packet socket.
func (s *Socket) tap() error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0) // 0: nothing before it is bound
	if err != nil {
		return fmt.Errorf("make packet socket: %w", err)
	}
	if err := s.setTap(fd); err != nil {
		unix.Close(fd)
		return err
	}
	s.in = fd
	return nil
}

func (s *Socket) setTap(fd int) error {
	if err := attach(fd, s.tapProgram()); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, queue); err != nil {
		return fmt.Errorf("set receive buffer: %w", err)
	}
	ip := binary.NativeEndian.Uint16([]byte{unix.ETH_P_IP >> 8, unix.ETH_P_IP & 0xff}) // in network order
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: ip, Ifindex: s.index}); err != nil {
		return fmt.Errorf("bind packet socket: %w", err)
	}
	return nil
}

// tapProgram passes whole packets of VRRP with our id, to this host, for the group or the source of our own.
func (s *Socket) tapProgram() []unix.SockFilter {
	const (
		word, half, byt = unix.BPF_LD | unix.BPF_W, unix.BPF_LD | unix.BPF_H, unix.BPF_LD | unix.BPF_B
		abs, ind        = unix.BPF_ABS, unix.BPF_IND
		equal, bits     = unix.BPF_JMP | unix.BPF_JEQ, unix.BPF_JMP | unix.BPF_JSET
		pktType         = 0xfffff000 + 4 // SKF_AD_OFF + SKF_AD_PKTTYPE of linux/filter.h
	)
	return []unix.SockFilter{
		{Code: word | abs, K: pktType},
		{Code: equal, Jt: 11, K: unix.PACKET_OTHERHOST},
		{Code: byt | abs, K: 9},
		{Code: equal, Jf: 9, K: Protocol},
		{Code: half | abs, K: 6},
		{Code: bits, Jt: 7, K: 0x3fff}, // a fragment
		{Code: word | abs, K: 16},
		{Code: equal, Jt: 1, K: word4(Multicast4)},
		{Code: equal, Jf: 4, K: word4(s.o.Source)},
		{Code: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH, K: 0},
		{Code: byt | ind, K: 1},
		{Code: equal, Jf: 1, K: uint32(s.o.VRID)},
		{Code: unix.BPF_RET, K: 0xffff},
		{Code: unix.BPF_RET, K: 0},
	}
}

// fromTap makes a Socket that receives by an inherited packet socket. It sends by a new one; that the group is left and joined
// does no harm, for what is to 224.0.0.0/24 is flooded (RFC 4541 section 2.1.2).
func fromTap(fd int, o SocketOptions) (*Socket, error) {
	s, err := sender(o)
	if err != nil {
		return nil, err
	}
	taps, err := s.taps()
	if err == nil && !taps {
		err = errOtherSocket
	}
	if err == nil {
		err = s.setTap(fd)
	}
	if err != nil {
		unix.Close(s.out)
		return nil, err
	}
	unix.CloseOnExec(fd)
	s.in = fd
	return s, nil
}

// isSocket looks whether a descriptor is a socket of a kind.
func isSocket(fd, domain, kind int) error {
	for _, want := range []struct{ option, value int }{{unix.SO_DOMAIN, domain}, {unix.SO_TYPE, kind}} {
		got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, want.option)
		if err != nil {
			return fmt.Errorf("descriptor %d: %w", fd, err)
		}
		if got != want.value {
			return errOtherSocket
		}
	}
	return nil
}

var errOtherSocket = errors.New("the descriptor is of another kind of socket")
