package vip

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// order is that of netlink: the host's own.
var order = binary.NativeEndian

const (
	headerSize  = unix.SizeofNlMsghdr
	addrMsgSize = 8  // struct ifaddrmsg
	linkMsgSize = 16 // struct ifinfomsg
	forever     = 0xffffffff
)

// batch is some netlink messages for one send. Each has its place in the batch, from 1, as its sequence number. Only the
// last one asks to be acknowledged: the kernel works on them in order, before the send returns, and answers errors in
// any case (net/netlink/af_netlink.c, netlink_rcv_skb).
type batch struct {
	b     []byte
	n     int // messages
	start int // of the last message
}

func (b *batch) reset() { b.b, b.n, b.start = b.b[:0], 0, 0 }

// begin starts a message. finish must be called after the last one.
func (b *batch) begin(kind, flags uint16) {
	b.n++
	b.start = len(b.b)
	b.b = append(b.b, make([]byte, headerSize)...)
	h := b.b[b.start:]
	order.PutUint16(h[4:], kind)
	order.PutUint16(h[6:], flags|unix.NLM_F_REQUEST)
	order.PutUint32(h[8:], uint32(b.n))
}

// end closes the message that was begun.
func (b *batch) end() { order.PutUint32(b.b[b.start:], uint32(len(b.b)-b.start)) }

// finish asks the kernel to acknowledge the last message.
func (b *batch) finish() {
	if b.n > 0 {
		h := b.b[b.start:]
		order.PutUint16(h[6:], order.Uint16(h[6:])|unix.NLM_F_ACK)
	}
}

func (b *batch) attr(kind uint16, v ...byte) {
	b.b = order.AppendUint16(b.b, uint16(4+len(v)))
	b.b = order.AppendUint16(b.b, kind)
	b.b = append(b.b, v...)
	for len(b.b)%4 != 0 {
		b.b = append(b.b, 0)
	}
}

func (b *batch) u32(kind uint16, v uint32) { b.attr(kind, order.AppendUint32(nil, v)...) }

func (b *batch) text(kind uint16, s string) { b.attr(kind, append([]byte(s), 0)...) }

// nest writes an attribute that contains others.
func (b *batch) nest(kind uint16, inside func()) {
	start := len(b.b)
	b.attr(kind)
	inside()
	order.PutUint16(b.b[start:], uint16(len(b.b)-start))
}

// addrHead writes the head of a message about an address: struct ifaddrmsg and the address itself.
func (b *batch) addrHead(p netip.Prefix, index int) {
	family, ip := byte(unix.AF_INET6), p.Addr().AsSlice()
	if p.Addr().Is4() {
		family = unix.AF_INET
	}
	b.b = append(b.b, family, byte(p.Bits()), 0, 0)
	b.b = order.AppendUint32(b.b, uint32(index))
	b.attr(unix.IFA_LOCAL, ip...)
	b.attr(unix.IFA_ADDRESS, ip...)
}

// add asks to add an address, or with NLM_F_REPLACE in flags to renew the lifetime of one that is there. IPv6 addresses
// are usable at once, and never chosen as the source of what this host begins.
func (b *batch) add(a Address, index int, lease time.Duration, flags uint16) {
	b.begin(unix.RTM_NEWADDR, flags|unix.NLM_F_CREATE)
	b.addrHead(a.Prefix, index)
	valid := lifetime(lease)
	preferred := valid
	if a.Prefix.Addr().Is6() {
		preferred = 0
		b.u32(unix.IFA_FLAGS, unix.IFA_F_NODAD)
	} else if a.Label != "" {
		b.text(unix.IFA_LABEL, a.Label)
	}
	var info []byte // struct ifa_cacheinfo
	for _, v := range []uint32{preferred, valid, 0, 0} {
		info = order.AppendUint32(info, v)
	}
	b.attr(unix.IFA_CACHEINFO, info...)
	b.end()
}

// lifetime is a lease as the kernel counts it: whole seconds, at least one.
func lifetime(lease time.Duration) uint32 {
	switch {
	case lease <= 0:
		return forever
	case lease < time.Second:
		return 1
	}
	return uint32(min(int64(lease/time.Second), forever-1))
}

// del asks to remove an address.
func (b *batch) del(p netip.Prefix, index int) {
	b.begin(unix.RTM_DELADDR, 0)
	b.addrHead(p, index)
	b.end()
}
