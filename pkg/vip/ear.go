package vip

import (
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	filterLimit = 1000 // IPv4 addresses in the kernel's filter; with more it lets every ARP packet through
	claimEvery  = time.Second
	icmp6Filter = 1 // ICMPV6_FILTER of linux/icmpv6.h
)

// ear hears who else says to have an address that is held here, by ARP and by neighbour advertisement.
type ear struct {
	arp, nd *os.File
	held    atomic.Pointer[map[spot]bool]
	wg      sync.WaitGroup
}

// spot is a place by the interface's index.
type spot struct {
	index int
	addr  netip.Addr
}

func newEar() (*ear, error) {
	arp, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0) // 0: nothing before there is a filter
	if err != nil {
		return nil, fmt.Errorf("open ARP socket: %w", err)
	}
	nd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6)
	if err != nil {
		_ = unix.Close(arp)
		return nil, fmt.Errorf("open ICMPv6 socket: %w", err)
	}
	e := &ear{arp: pollable(arp, "arp"), nd: pollable(nd, "icmpv6")}
	e.held.Store(&map[spot]bool{})
	if err := e.prepare(arp, nd); err != nil {
		_ = e.arp.Close()
		_ = e.nd.Close()
		return nil, err
	}
	return e, nil
}

func (e *ear) prepare(arp, nd int) error {
	if err := filterARP(arp, nil); err != nil {
		return err
	}
	protocol := order.Uint16([]byte{unix.ETH_P_ARP >> 8, unix.ETH_P_ARP & 0xff})
	if err := unix.Bind(arp, &unix.SockaddrLinklayer{Protocol: protocol}); err != nil {
		return fmt.Errorf("bind ARP socket: %w", err)
	}
	if err := filterND(nd, false); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(nd, unix.SOL_IPV6, unix.IPV6_RECVHOPLIMIT, 1); err != nil {
		return fmt.Errorf("prepare ICMPv6 socket: %w", err)
	}
	if err := unix.SetsockoptInt(nd, unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1); err != nil {
		return fmt.Errorf("prepare ICMPv6 socket: %w", err)
	}
	return nil
}

// listenFor says which addresses, by index of their interface, others are not to have. Nothing else wakes this process.
func (e *ear) listenFor(held map[spot]bool) {
	e.held.Store(&held)
	var four []netip.Addr
	six := false
	for p := range held {
		if p.addr.Is4() {
			four = append(four, p.addr)
		}
		six = six || p.addr.Is6()
	}
	control(e.arp, func(fd int) { _ = filterARP(fd, four) }) // the old filter stays where the new one is refused
	control(e.nd, func(fd int) { _ = filterND(fd, six) })
}

func control(f *os.File, do func(fd int)) {
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { do(int(fd)) })
	}
}

// filterARP lets only packets through whose sender says to have one of some addresses.
func filterARP(fd int, addrs []netip.Addr) error {
	program := []bpf.Instruction{bpf.LoadAbsolute{Off: 14, Size: 4}}
	if len(addrs) > filterLimit {
		program, addrs = []bpf.Instruction{bpf.RetConstant{Val: arpSize}}, nil
	}
	for _, a := range addrs {
		four := a.As4()
		v := uint32(four[0])<<24 | uint32(four[1])<<16 | uint32(four[2])<<8 | uint32(four[3])
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: v, SkipTrue: 1}, bpf.RetConstant{Val: arpSize})
	}
	program = append(program, bpf.RetConstant{Val: 0})
	raw, err := bpf.Assemble(program)
	if err != nil {
		return fmt.Errorf("assemble filter: %w", err)
	}
	code := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		code[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{
		Len: uint16(len(code)), Filter: &code[0],
	}); err != nil {
		return fmt.Errorf("attach filter: %w", err)
	}
	return nil
}

// filterND lets neighbour advertisements through, or nothing.
func filterND(fd int, open bool) error {
	f := unix.ICMPv6Filter{}
	for i := range f.Data {
		f.Data[i] = 0xffffffff // blocked
	}
	if open {
		f.Data[neighborAdvertisement/32] &^= 1 << (neighborAdvertisement % 32)
	}
	if err := unix.SetsockoptICMPv6Filter(fd, unix.SOL_ICMPV6, icmp6Filter, &f); err != nil {
		return fmt.Errorf("filter ICMPv6: %w", err)
	}
	return nil
}

// start begins to read. to gives false to end it.
func (e *ear) start(to func(happening) bool) {
	e.wg.Go(func() { e.hear(e.arp, receiveARP, to) })
	e.wg.Go(func() { e.hear(e.nd, receiveND, to) })
}

// hear reads one socket until it is closed, and hands over who claims an address, at most once a second for each.
func (e *ear) hear(f *os.File, receive func(fd int, b []byte) (claimHeard, error), to func(happening) bool) {
	conn, err := f.SyscallConn()
	if err != nil {
		return
	}
	b := make([]byte, 2048)
	last := map[claimHeard]time.Time{}
	for {
		var c claimHeard
		var failed error
		if err := conn.Read(func(fd uintptr) bool {
			c, failed = receive(int(fd), b)
			return failed != unix.EAGAIN
		}); err != nil {
			return // closed
		}
		if failed != nil || !(*e.held.Load())[spot{c.index, c.addr}] {
			continue
		}
		now := time.Now()
		if now.Sub(last[c]) < claimEvery {
			continue
		}
		if len(last) >= filterLimit {
			clear(last)
		}
		last[c] = now
		if !to(happening{
			kind: claimed, mac: c.mac,
			addr: addrInfo{index: c.index, prefix: netip.PrefixFrom(c.addr, c.addr.BitLen())},
		}) {
			return
		}
	}
}

// claimHeard is that somebody says to have an address. The zero one is nothing.
type claimHeard struct {
	index int
	addr  netip.Addr
	mac   mac
}

func receiveARP(fd int, b []byte) (claimHeard, error) {
	n, from, err := unix.Recvfrom(fd, b, unix.MSG_DONTWAIT)
	if err != nil {
		return claimHeard{}, err
	}
	sender, ok := from.(*unix.SockaddrLinklayer)
	addr, at, claims := parseARP(b[:n])
	if !ok || !claims || sender.Pkttype == unix.PACKET_OUTGOING {
		return claimHeard{}, nil
	}
	return claimHeard{sender.Ifindex, addr, at}, nil
}

// receiveND takes only what was sent on the link itself (RFC 4861 section 7.1.2). The kernel has verified the checksum.
func receiveND(fd int, b []byte) (claimHeard, error) {
	var oob [128]byte
	n, m, _, _, err := unix.Recvmsg(fd, b, oob[:], unix.MSG_DONTWAIT)
	if err != nil {
		return claimHeard{}, err
	}
	controls, err := unix.ParseSocketControlMessage(oob[:m])
	if err != nil {
		return claimHeard{}, nil
	}
	index, hops := 0, uint32(0)
	for _, c := range controls {
		switch {
		case c.Header.Level == unix.SOL_IPV6 && c.Header.Type == unix.IPV6_HOPLIMIT:
			hops = number(c.Data)
		case c.Header.Level == unix.SOL_IPV6 && c.Header.Type == unix.IPV6_PKTINFO && len(c.Data) >= 20:
			index = int(order.Uint32(c.Data[16:]))
		}
	}
	addr, at, claims := parseNA(b[:n])
	if !claims || hops != 255 {
		return claimHeard{}, nil
	}
	return claimHeard{index, addr, at}, nil
}

func (e *ear) close() {
	_ = e.arp.Close()
	_ = e.nd.Close()
	e.wg.Wait()
}
