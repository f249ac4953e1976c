package ipvs

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Commands and attributes of the family IPVS: enum ipvs_cmd_attr and the following of include/uapi/linux/ip_vs.h.
const (
	cmdNewService = 1
	cmdSetService = 2
	cmdDelService = 3
	cmdGetService = 4
	cmdNewServer  = 5
	cmdSetServer  = 6
	cmdDelServer  = 7
	cmdGetServer  = 8
	cmdNewDaemon  = 9
	cmdDelDaemon  = 10
	cmdGetDaemon  = 11
	cmdSetConfig  = 12
	cmdGetConfig  = 13
	cmdGetInfo    = 15

	attrService       = 1
	attrServer        = 2
	attrDaemon        = 3
	attrTimeoutTCP    = 4
	attrTimeoutTCPFin = 5
	attrTimeoutUDP    = 6

	infoVersion = 1
	infoSize    = 2

	daemonState     = 1
	daemonInterface = 2
	daemonID        = 3

	svcFamily    = 1
	svcProtocol  = 2
	svcAddr      = 3
	svcPort      = 4
	svcMark      = 5
	svcScheduler = 6
	svcFlags     = 7
	svcTimeout   = 8
	svcNetmask   = 9
	svcEngine    = 11

	dstAddr       = 1
	dstPort       = 2
	dstForward    = 3
	dstWeight     = 4
	dstUpper      = 5
	dstLower      = 6
	dstActive     = 7
	dstInactive   = 8
	dstPersistent = 9
	dstFamily     = 11
	dstTunType    = 13
	dstTunPort    = 14
	dstTunFlags   = 15

	forwardMask = 0x7 // IP_VS_CONN_F_FWD_MASK
)

// message is a netlink message that is being written: header, generic header, attributes, in the host's byte order.
type message []byte

func newMessage(family, flags uint16, seq uint32, cmd, version uint8) message {
	m := make(message, 0, 256)
	m = binary.NativeEndian.AppendUint32(m, 0) // length; see done
	m = binary.NativeEndian.AppendUint16(m, family)
	m = binary.NativeEndian.AppendUint16(m, flags|unix.NLM_F_REQUEST)
	m = binary.NativeEndian.AppendUint32(m, seq)
	m = binary.NativeEndian.AppendUint32(m, 0) // port: the kernel knows
	return append(m, cmd, version, 0, 0)
}

// done completes the header. Every attribute is padded, so the message can stand before another one.
func (m message) done() []byte {
	binary.NativeEndian.PutUint32(m, uint32(len(m)))
	return m
}

func (m *message) attr(kind uint16, value []byte) {
	b := binary.NativeEndian.AppendUint16(*m, uint16(unix.SizeofNlAttr+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	for len(b)%unix.NLA_ALIGNTO != 0 {
		b = append(b, 0)
	}
	*m = b
}

// nest writes an attribute whose value is what fill writes.
func (m *message) nest(kind uint16, fill func(*message)) {
	start := len(*m)
	m.attr(kind|unix.NLA_F_NESTED, nil)
	fill(m)
	binary.NativeEndian.PutUint16((*m)[start:], uint16(len(*m)-start))
}

func (m *message) u8(kind uint16, v uint8) { m.attr(kind, []byte{v}) }
func (m *message) u16(kind, v uint16)      { m.attr(kind, binary.NativeEndian.AppendUint16(nil, v)) }

func (m *message) u32(kind uint16, v uint32) {
	m.attr(kind, binary.NativeEndian.AppendUint32(nil, v))
}

func (m *message) port(kind, v uint16)                { m.attr(kind, binary.BigEndian.AppendUint16(nil, v)) }
func (m *message) text(kind uint16, s string)         { m.attr(kind, append([]byte(s), 0)) }
func (m *message) addr(kind uint16, a netip.Addr)     { m.attr(kind, a.AsSlice()) }
func (m *message) family(kind uint16, ipv6 bool)      { m.u16(kind, family(ipv6)) }
func (m *message) duration(k uint16, d time.Duration) { m.u32(k, uint32(d/time.Second)) }

func family(ipv6 bool) uint16 {
	if ipv6 {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// key writes which service is meant.
func (m *message) key(k lvs.Key) {
	m.family(svcFamily, k.Is6())
	if k.Mark != 0 {
		m.u32(svcMark, k.Mark)
		return
	}
	m.u16(svcProtocol, uint16(k.Protocol))
	m.addr(svcAddr, k.Addr.Addr())
	m.port(svcPort, k.Addr.Port())
}

// service writes how a service balances. Of the flags it names all that a user may set, and only those.
func (m *message) service(k lvs.Key, s lvs.Service) {
	m.text(svcScheduler, s.Scheduler)
	if s.Engine != "" {
		m.text(svcEngine, s.Engine)
	}
	flags := binary.NativeEndian.AppendUint32(nil, uint32(s.Flags))
	m.attr(svcFlags, binary.NativeEndian.AppendUint32(flags, uint32(lvs.AllFlags)))
	m.duration(svcTimeout, s.Timeout)
	m.attr(svcNetmask, netmask(k, s.Netmask))
}

// netmask gives a prefix length as the kernel takes it: a mask in network order for IPv4, the length for IPv6.
func netmask(k lvs.Key, length int) []byte {
	if k.Is6() {
		return binary.NativeEndian.AppendUint32(nil, uint32(length))
	}
	return binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-min(max(length, 0), 32)))
}

// server writes a real server; of one that goes only its address and port count.
func (m *message) server(addr netip.AddrPort, s lvs.Server) {
	m.addr(dstAddr, addr.Addr())
	m.port(dstPort, addr.Port())
	m.family(dstFamily, addr.Addr().Is6())
	m.u32(dstForward, uint32(s.Forward)&forwardMask)
	m.u32(dstWeight, uint32(s.Weight))
	m.u32(dstUpper, s.Upper)
	m.u32(dstLower, s.Lower)
	if s.Forward == lvs.Tunnel {
		m.u8(dstTunType, uint8(s.Encap.Type))
		m.port(dstTunPort, s.Encap.Port)
		m.u16(dstTunFlags, s.Encap.Flags)
	}
}

// changeMessage writes a whole change, or says why it cannot be told to the kernel.
func changeMessage(family, flags uint16, seq uint32, c lvs.Change) (message, error) {
	commands := map[lvs.Op]uint8{
		lvs.AddService: cmdNewService, lvs.EditService: cmdSetService, lvs.DelService: cmdDelService,
		lvs.AddServer: cmdNewServer, lvs.EditServer: cmdSetServer, lvs.DelServer: cmdDelServer,
	}
	command, known := commands[c.Op]
	switch {
	case !known:
		return nil, fmt.Errorf("%w: no such operation", ErrRefused)
	case c.Key.Mark == 0 && !c.Key.Addr.IsValid(), c.Op.OfServer() && !c.Addr.IsValid():
		return nil, fmt.Errorf("%w: no address", ErrRefused)
	}
	m := newMessage(family, flags, seq, command, 1)
	m.nest(attrService, func(m *message) {
		m.key(c.Key)
		if c.Op == lvs.AddService || c.Op == lvs.EditService {
			m.service(c.Key, c.Service)
		}
	})
	if c.Op.OfServer() {
		m.nest(attrServer, func(m *message) { m.server(c.Addr, c.Server) })
	}
	return m, nil
}
