package vrrp

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Send sends what Append made for Destination, to the group or to every peer, whose checksums it makes right. It never waits
// and allocates nothing. Its error is a syscall.Errno, the first one; the other peers were sent to all the same. ENETUNREACH,
// ENODEV and EINVAL are what the kernel says of a link that is down or gone or a source that is no more, EAGAIN that too
// much waits to go out. No error does not mean that it arrived: a link that is full, or has had its carrier for a moment
// only, drops it and tells nobody.
func (s *Socket) Send(message []byte) error {
	var first error
	for i, name := range s.names {
		b := message
		if i > 0 && covers(message[0]>>4, s.o.Source.Is4(), s.o.Plain) {
			b = append(s.retarget[:0], message...)
			retarget(b, s.to[0], s.to[i])
		}
		if err := s.send(b, name); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (s *Socket) send(b []byte, to unix.Sockaddr) error {
	for {
		_, err := unix.SendmsgN(s.out, b, s.from, to, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return err
		}
	}
}

// received is where a packet comes to.
type received struct {
	packet  [60 + MaxMessage + 512]byte // an IPv4 header may have 60 bytes; what is longer is cut
	control [128]byte
	name    unix.RawSockaddrInet6
	iov     unix.Iovec
	msg     unix.Msghdr
}

// Receive gives the next packet that waits, whose payload is good until the next call, or ErrNone; other errors are those
// of recvmsg(2). It never waits and allocates nothing.
func (s *Socket) Receive() (Packet, error) {
	for {
		var p Packet
		n, err := s.recvmsg()
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN, err == unix.ENETDOWN: // the latter is said once by a packet socket
			return Packet{}, ErrNone
		case err != 0:
			return Packet{}, err
		}
		ok := false
		if b := s.received.packet[:n]; s.o.Source.Is4() {
			p, ok = packet4(b)
		} else {
			p, ok = s.packet6(b)
		}
		if ok {
			return p, nil
		}
	}
}

// recvmsg is the system call itself: unix.Recvmsg allocates the sender's address.
func (s *Socket) recvmsg() (int, unix.Errno) {
	r := &s.received
	r.iov.Base = &r.packet[0]
	r.iov.SetLen(len(r.packet))
	r.msg = unix.Msghdr{Iov: &r.iov, Name: (*byte)(unsafe.Pointer(&r.name)), Namelen: unix.SizeofSockaddrInet6, Control: &r.control[0]}
	r.msg.SetIovlen(1)
	r.msg.SetControllen(len(r.control))
	n, _, err := unix.Syscall(unix.SYS_RECVMSG, uintptr(s.in), uintptr(unsafe.Pointer(&r.msg)), unix.MSG_DONTWAIT)
	return int(n), err
}

// packet4 takes the IPv4 header off. Its length counts, not that of what came; a packet socket gives frames with their
// padding, and headers that nobody looked at.
func packet4(b []byte) (Packet, bool) {
	if len(b) < 20 || b[0]>>4 != 4 || b[9] != Protocol {
		return Packet{}, false
	}
	head, total := int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:]))
	if head < 20 || total < head || len(b) < head || fold(sum(0, b[:head])) != 0xffff {
		return Packet{}, false
	}
	return Packet{
		Src:     netip.AddrFrom4([4]byte(b[12:16])),
		Dst:     netip.AddrFrom4([4]byte(b[16:20])),
		TTL:     int(b[8]),
		Payload: b[head:min(total, len(b))],
	}, true
}

// packet6 takes what the kernel tells beside an IPv6 packet.
func (s *Socket) packet6(b []byte) (Packet, bool) {
	r := &s.received
	p := Packet{Src: netip.AddrFrom16(r.name.Addr), Payload: b}
	for rest := r.control[:r.msg.Controllen]; len(rest) >= unix.CmsgLen(0); {
		h, data, next, err := unix.ParseOneSocketControlMessage(rest)
		if err != nil {
			return Packet{}, false
		}
		switch {
		case h.Level != unix.IPPROTO_IPV6:
		case h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			p.Dst = netip.AddrFrom16([16]byte(data[:16]))
		case h.Type == unix.IPV6_HOPLIMIT && len(data) >= 4:
			p.TTL = int(binary.NativeEndian.Uint32(data))
		}
		rest = next
	}
	return p, p.Dst.IsValid()
}

// drain throws away what came before the filter and the interface were set.
func (s *Socket) drain() {
	for range queue {
		if _, err := s.recvmsg(); err == unix.EAGAIN {
			return
		}
	}
}
