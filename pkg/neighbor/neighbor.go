// Package neighbor asks whether an address on one of this host's links is alive, by ARP (RFC 826) or by neighbour
// solicitation (RFC 4861). It does not rely on the kernel's neighbour table, which may believe in the dead for minutes,
// and does not change it.
//
// It needs CAP_NET_RAW. A link's own proxy (proxy ARP, a switch that answers for its hosts) cannot be told from the
// neighbour itself.
package neighbor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/mdlayher/packet"
)

const (
	attempts = 3
	gap      = 300 * time.Millisecond // between requests, and after the last
)

// What Probe learned where it got no answer. Every other error means that nothing was learned: the address is not on a
// link, is this host's own, or may not be asked.
var (
	// ErrSilent: the requests were sent and nobody answered.
	ErrSilent = errors.New("no answer")

	// ErrCutOff: this host has no route to the address, or the link is down or without carrier. Whoever asks because it
	// doubts itself has its answer.
	ErrCutOff = errors.New("this host is cut off")
)

// Answer is how a neighbour answered.
type Answer struct {
	Addr      netip.Addr
	MAC       net.HardwareAddr // that the neighbour says it has
	Interface string
	Took      time.Duration // from the first request
}

// String tells an answer in words.
func (a Answer) String() string {
	return fmt.Sprintf("%v answered from %v on %s", a.Addr, a.MAC, a.Interface)
}

// Probe asks for an address three times, 300 ms apart, and waits 300 ms after the last: it takes 0.9 s at most. An IPv6
// address may have a zone, the name of an interface; a link-local one must. An address behind a gateway is an error, for
// the gateway's answer would say nothing of it: ask the gateway itself.
func Probe(ctx context.Context, addr netip.Addr) (Answer, error) {
	addr = addr.Unmap()
	a, err := probe(ctx, addr)
	if err != nil {
		return Answer{}, fmt.Errorf("ask neighbour %v: %w", addr, err)
	}
	return a, nil
}

func probe(ctx context.Context, addr netip.Addr) (Answer, error) {
	l, err := find(addr)
	if err != nil {
		return Answer{}, err
	}
	q, err := newQuestion(l, addr)
	if err != nil {
		return Answer{}, err
	}
	conn, err := packet.Listen(l.ifi, packet.Datagram, q.protocol, &packet.Config{Filter: q.filter})
	if err != nil {
		return Answer{}, linkError(err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()

	began := time.Now()
	for range attempts {
		if _, err := conn.WriteTo(q.request, &packet.Addr{HardwareAddr: q.to}); err != nil {
			return Answer{}, linkError(err)
		}
		mac, err := await(ctx, conn, q)
		switch {
		case err == nil:
			return Answer{Addr: addr, MAC: mac, Interface: l.ifi.Name, Took: time.Since(began)}, nil
		case ctx.Err() != nil:
			return Answer{}, ctx.Err()
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return Answer{}, linkError(err)
		}
	}
	return Answer{}, ErrSilent
}

// await reads until the neighbour answers, the gap between two requests is over, or ctx ends.
func await(ctx context.Context, conn *packet.Conn, q question) (net.HardwareAddr, error) {
	if err := conn.SetReadDeadline(time.Now().Add(gap)); err != nil {
		return nil, err
	}
	if ctx.Err() != nil { // it may have ended before the deadline was set, and set its own
		return nil, ctx.Err()
	}
	b := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(b)
		if err != nil {
			return nil, err
		}
		if from, ok := from.(*packet.Addr); ok {
			if mac, ok := q.parse(b[:n], from.HardwareAddr); ok {
				return mac, nil
			}
		}
	}
}
