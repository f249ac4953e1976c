package vrrp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// queue bounds what waits in either direction, in bytes; the kernel doubles it. It is some two hundred adverts.
const queue = 64 << 10

// option is a socket option and its value.
type option struct {
	name  string
	key   int
	value int
}

// common are the options of both families. The priority is what queueing disciplines go by: 6 is "interactive", the highest
// that needs no more capabilities (tc-prio(8)).
var common = []option{
	{"receive buffer", unix.SO_RCVBUF, queue},
	{"send buffer", unix.SO_SNDBUF, queue},
	{"priority", unix.SO_PRIORITY, 6},
}

func (s *Socket) apply(level int, options []option) error {
	for _, o := range options {
		if err := unix.SetsockoptInt(s.out, level, o.key, o.value); err != nil {
			return fmt.Errorf("set %s: %w", o.name, err)
		}
	}
	return nil
}

func (s *Socket) set4() error {
	group := unix.IPMreqn{Multiaddr: Multicast4.As4(), Ifindex: int32(s.index)}
	if err := joined(unix.SetsockoptIPMreqn(s.out, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &group)); err != nil {
		return err
	}
	if err := unix.SetsockoptIPMreqn(s.out, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &group); err != nil {
		return fmt.Errorf("set multicast interface: %w", err)
	}
	s.from = control(unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
	info := (*unix.Inet4Pktinfo)(unsafe.Pointer(&s.from[unix.CmsgLen(0)]))
	info.Ifindex, info.Spec_dst = int32(s.index), s.o.Source.As4()
	s.destinations(Multicast4)
	return s.apply(unix.IPPROTO_IP, []option{
		{"TTL of multicast", unix.IP_MULTICAST_TTL, TTL},
		{"TTL", unix.IP_TTL, TTL},
		{"TOS", unix.IP_TOS, TrafficClass},
		{"multicast loop", unix.IP_MULTICAST_LOOP, 0},
		{"groups of other sockets", unix.IP_MULTICAST_ALL, 0},
		{"path MTU discovery", unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_OMIT}, // long lists are fragmented
	})
}

func (s *Socket) set6() error {
	group := unix.IPv6Mreq{Multiaddr: Multicast6.As16(), Interface: uint32(s.index)}
	if err := joined(unix.SetsockoptIPv6Mreq(s.out, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, &group)); err != nil {
		return err
	}
	s.from = control(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
	info := (*unix.Inet6Pktinfo)(unsafe.Pointer(&s.from[unix.CmsgLen(0)]))
	info.Ifindex, info.Addr = uint32(s.index), s.o.Source.As16()
	s.destinations(Multicast6)
	return s.apply(unix.IPPROTO_IPV6, []option{
		{"multicast interface", unix.IPV6_MULTICAST_IF, s.index},
		{"hop limit of multicast", unix.IPV6_MULTICAST_HOPS, TTL},
		{"hop limit", unix.IPV6_UNICAST_HOPS, TTL},
		{"traffic class", unix.IPV6_TCLASS, TrafficClass},
		{"multicast loop", unix.IPV6_MULTICAST_LOOP, 0},
		{"groups of other sockets", unix.IPV6_MULTICAST_ALL, 0},
		{"path MTU discovery", unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_OMIT},
		{"source of another interface", unix.IPV6_FREEBIND, 1}, // a macvlan has no link-local address of its own
		{"receiving of destination", unix.IPV6_RECVPKTINFO, 1},
		{"receiving of hop limit", unix.IPV6_RECVHOPLIMIT, 1},
	})
}

// joined is the error of joining a group, of which an inherited socket is a member already.
func joined(err error) error {
	if err == nil || errors.Is(err, unix.EADDRINUSE) {
		return nil
	}
	return fmt.Errorf("join multicast group: %w", err)
}

// control is a control message whose data are zeros.
func control(level, kind int32, size int) []byte {
	b := make([]byte, unix.CmsgSpace(size))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(size))
	return b
}

// destinations says where adverts go.
func (s *Socket) destinations(group netip.Addr) {
	if s.to = s.o.Peers; len(s.to) == 0 {
		s.to = []netip.Addr{group}
	}
	for _, a := range s.to {
		if a.Is4() {
			s.names = append(s.names, &unix.SockaddrInet4{Addr: a.As4()})
		} else {
			s.names = append(s.names, &unix.SockaddrInet6{Addr: a.As16(), ZoneId: uint32(s.index)})
		}
	}
}

// filter lets only a router's own packets pass. An IPv4 raw socket sees the IP header first (net/ipv4/raw.c), an IPv6 one
// what follows it (net/ipv6/raw.c).
func filter(fd int, o SocketOptions) error {
	program := []unix.SockFilter{
		{Code: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH, K: 0}, // X is the length of the IP header
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_IND, K: 1},  // the VRID
		{Code: unix.BPF_JMP | unix.BPF_JEQ, Jf: 1, K: uint32(o.VRID)},
		{Code: unix.BPF_RET, K: 0xffff},
		{Code: unix.BPF_RET, K: 0},
	}
	if o.Source.Is6() {
		program = program[1:]
		program[0] = unix.SockFilter{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 1}
	}
	return attach(fd, program)
}

func attach(fd int, program []unix.SockFilter) error {
	f := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &f); err != nil {
		return fmt.Errorf("attach filter: %w", err)
	}
	return nil
}

// word4 is an IPv4 address as a filter sees it.
func word4(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}
