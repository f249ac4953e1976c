package lab

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Advert is a VRRP packet as a witness that is not lvsd reads it (RFC 9568 section 5.2, RFC 3768 section 5.3).
type Advert struct {
	At       time.Time
	From, To netip.Addr
	TTL      uint8 // or hop limit
	Version  uint8
	ID       uint8
	Priority uint8
	Interval time.Duration
}

// String tells it in a line.
func (a Advert) String() string {
	return fmt.Sprintf("%s > %s v%d id %d priority %d every %s", a.From, a.To, a.Version, a.ID, a.Priority, a.Interval)
}

// Adverts is what a host's interface saw of VRRP, both what was sent and what was heard.
type Adverts struct {
	fd int

	mu   sync.Mutex
	seen []Advert
}

// vrrpOnly passes IPv4 and IPv6 packets of protocol 112, seen from their first byte, and 128 bytes of them.
var vrrpOnly = []bpf.Instruction{
	bpf.LoadAbsolute{Off: 0, Size: 1},
	bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: 6, SkipTrue: 2},
	bpf.LoadAbsolute{Off: 9, Size: 1},
	bpf.Jump{Skip: 1},
	bpf.LoadAbsolute{Off: 6, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: 112, SkipFalse: 1},
	bpf.RetConstant{Val: 128},
	bpf.RetConstant{Val: 0},
}

// Adverts begins to note VRRP packets at an interface of the host, until the test ends.
func (h *Host) Adverts(device string) *Adverts {
	h.net.t.Helper()
	a := &Adverts{fd: -1}
	if err := h.Do(func() error { return a.open(device) }); err != nil {
		h.net.t.Fatalf("watch adverts at %s of %s: %v", device, h.Name, err)
	}
	over := make(chan struct{})
	h.net.t.Cleanup(func() {
		_ = unix.Shutdown(a.fd, unix.SHUT_RDWR)
		close(over)
	})
	go a.read(over)
	return a
}

func (a *Adverts) open(device string) error {
	ifi, err := net.InterfaceByName(device)
	if err != nil {
		return err
	}
	raw, err := bpf.Assemble(vrrpOnly)
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	// Bound only after the filter is there, so that nothing else comes in.
	if a.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	if err := unix.SetsockoptSockFprog(a.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}); err != nil {
		return err
	}
	tick := unix.Timeval{Usec: 200_000} // how late the end is noticed
	if err := unix.SetsockoptTimeval(a.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tick); err != nil {
		return err
	}
	return unix.Bind(a.fd, &unix.SockaddrLinklayer{Protocol: binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL}), Ifindex: ifi.Index})
}

func (a *Adverts) read(over chan struct{}) {
	defer unix.Close(a.fd)
	packet := make([]byte, 256)
	for {
		n, _, err := unix.Recvfrom(a.fd, packet, 0)
		select {
		case <-over:
			return
		default:
		}
		if err != nil {
			continue // nothing came
		}
		if advert, ok := decodeAdvert(packet[:n]); ok {
			advert.At = time.Now()
			a.mu.Lock()
			a.seen = append(a.seen, advert)
			a.mu.Unlock()
		}
	}
}

// decodeAdvert reads a packet from its IP header on.
func decodeAdvert(p []byte) (Advert, bool) {
	var a Advert
	var body []byte
	switch {
	case len(p) >= 20 && p[0]>>4 == 4 && len(p) >= int(p[0]&15)*4+8:
		a.From, a.To, a.TTL = netip.AddrFrom4([4]byte(p[12:16])), netip.AddrFrom4([4]byte(p[16:20])), p[8]
		body = p[int(p[0]&15)*4:]
	case len(p) >= 48 && p[0]>>4 == 6:
		a.From, a.To, a.TTL = netip.AddrFrom16([16]byte(p[8:24])), netip.AddrFrom16([16]byte(p[24:40])), p[7]
		body = p[40:]
	default:
		return a, false
	}
	a.Version, a.ID, a.Priority = body[0]>>4, body[1], body[2]
	if a.Version == 2 {
		a.Interval = time.Duration(body[5]) * time.Second
	} else {
		a.Interval = time.Duration(binary.BigEndian.Uint16(body[4:])&0x0fff) * 10 * time.Millisecond
	}
	return a, true
}

// Seen are the adverts so far, in the order in which they passed.
func (a *Adverts) Seen() []Advert {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Advert(nil), a.seen...)
}

// Speakers tells who sent adverts of a virtual router since a moment, one after the other: repeats are left out, as are
// adverts of priority 0.
func (a *Adverts) Speakers(id uint8, since time.Time) []netip.Addr {
	var list []netip.Addr
	for _, s := range a.Seen() {
		if s.ID == id && s.Priority > 0 && !s.At.Before(since) && (len(list) == 0 || list[len(list)-1] != s.From) {
			list = append(list, s.From)
		}
	}
	return list
}
