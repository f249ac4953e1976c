package neighbor

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// question is a request, whom to send it to, and what its answer looks like.
type question struct {
	protocol int // ETH_P_*
	to       net.HardwareAddr
	request  []byte
	filter   []bpf.RawInstruction // passes nothing that parse would not look at

	// parse gives the MAC in a packet that answers, from its network header on. from sent it.
	parse func(b []byte, from net.HardwareAddr) (net.HardwareAddr, bool)
}

func newQuestion(l link, addr netip.Addr) (question, error) {
	build := solicitation
	if addr.Is4() {
		build = arpRequest
	}
	q, program := build(l.ifi.HardwareAddr, l.src, addr.WithZone(""))
	var err error
	if q.filter, err = bpf.Assemble(program); err != nil {
		return question{}, fmt.Errorf("assemble filter: %w", err)
	}
	return q, nil
}

const (
	arpSize  = 28
	arpReply = 2
)

var arpHead = []byte{0, 1, 8, 0, 6, 4} // Ethernet, IPv4, 6 and 4 bytes of address

// arpRequest asks by RFC 826. An unspecified src is the probe of RFC 5227, section 1.1.
func arpRequest(mac net.HardwareAddr, src, addr netip.Addr) (question, []bpf.Instruction) {
	target := addr.As4()
	b := append(make([]byte, 0, arpSize), arpHead...)
	b = append(b, 0, 1) // request
	b = append(b, mac...)
	b = append(b, src.AsSlice()...)
	b = append(b, 0, 0, 0, 0, 0, 0)
	b = append(b, target[:]...)
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: 6, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: arpReply, SkipTrue: 3},
		bpf.LoadAbsolute{Off: 14, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(target[:]), SkipTrue: 1},
		bpf.RetConstant{Val: 1500},
		bpf.RetConstant{Val: 0},
	}
	return question{
		protocol: unix.ETH_P_ARP,
		to:       net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		request:  b,
		parse: func(b []byte, _ net.HardwareAddr) (net.HardwareAddr, bool) {
			return parseARP(b, mac, src, addr)
		},
	}, program
}

// parseARP gives the MAC in a reply from addr to src. Frames may be padded at their end.
func parseARP(b []byte, mac net.HardwareAddr, src, addr netip.Addr) (net.HardwareAddr, bool) {
	if len(b) < arpSize || !bytes.Equal(b[:6], arpHead) || binary.BigEndian.Uint16(b[6:]) != arpReply {
		return nil, false
	}
	sender := net.HardwareAddr(bytes.Clone(b[8:14]))
	ok := bytes.Equal(b[14:18], addr.AsSlice()) && bytes.Equal(b[24:28], src.AsSlice()) && isNeighbour(sender, mac)
	return sender, ok
}

// isNeighbour tells whether a MAC can be that of one other host.
func isNeighbour(mac, own net.HardwareAddr) bool {
	return len(mac) == 6 && mac[0]&1 == 0 && !bytes.Equal(mac, make([]byte, 6)) && !bytes.Equal(mac, own)
}
