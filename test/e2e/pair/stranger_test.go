package pair

import (
	"context"
	"net"
	"time"

	"golang.org/x/net/ipv4"
)

// strange is an advert of version 2 with the pair's virtual router, priority 200, one second, another VIP and no password
// (RFC 3768 section 5.1), checksum and all: a router of version 3 must refuse it (RFC 9568 section 7.1).
var strange = []byte{2<<4 | 1, vrid, 200, 1, 0, 1, 0, 0, 198, 51, 100, 99, 0, 0, 0, 0, 0, 0, 0, 0}

// stranger lets a third host send adverts that are none of the pair's, every 300 ms.
func stranger(p *pair, d time.Duration) {
	p.t.Helper()
	h := p.site.Servers[2]
	var raw net.PacketConn
	err := h.Do(func() (err error) {
		raw, err = (&net.ListenConfig{}).ListenPacket(context.Background(), "ip4:112", h.Address().String())
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	defer raw.Close()
	conn := ipv4.NewPacketConn(raw)
	if err := conn.SetMulticastTTL(255); err != nil {
		p.t.Fatal(err)
	}
	if err := h.Do(func() error { return setOutput(conn) }); err != nil {
		p.t.Fatal(err)
	}
	for end := time.Now().Add(d); time.Now().Before(end); p.rest(300 * time.Millisecond) {
		if _, err := conn.WriteTo(summed(strange), nil, &net.IPAddr{IP: net.IPv4(224, 0, 0, 18)}); err != nil {
			p.t.Fatal(err)
		}
	}
}

func setOutput(conn *ipv4.PacketConn) error {
	eth0, err := net.InterfaceByName("eth0")
	if err != nil {
		return err
	}
	return conn.SetMulticastInterface(eth0)
}

// summed is a packet with the internet checksum at its bytes 6 and 7.
func summed(packet []byte) []byte {
	p := append([]byte(nil), packet...)
	sum := 0
	for i := 0; i+1 < len(p); i += 2 {
		sum += int(p[i])<<8 | int(p[i+1])
	}
	sum = sum&0xffff + sum>>16
	sum = ^(sum&0xffff + sum>>16)
	p[6], p[7] = byte(sum>>8), byte(sum)
	return p
}
