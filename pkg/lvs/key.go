package lvs

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// String names the service as the record and the JSON of status do: "tcp 192.0.2.1:80", "fwmark 7 ipv4".
func (k Key) String() string {
	if k.Mark != 0 {
		family := "ipv4"
		if k.IPv6 {
			family = "ipv6"
		}
		return fmt.Sprintf("fwmark %d %s", k.Mark, family)
	}
	return k.Protocol.String() + " " + k.Addr.String()
}

// MarshalText gives String, so that keys can be names in JSON.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText wrote, and nothing else.
func (k *Key) UnmarshalText(b []byte) error {
	got, err := ParseKey(string(b))
	if err != nil {
		return err
	}
	*k = got
	return nil
}

// ParseKey reads what Key.String wrote.
func ParseKey(s string) (Key, error) {
	kind, rest, _ := strings.Cut(s, " ")
	if kind == "fwmark" {
		mark, family, _ := strings.Cut(rest, " ")
		n, err := strconv.ParseUint(mark, 10, 32)
		if err != nil || n == 0 || family != "ipv4" && family != "ipv6" {
			return Key{}, fmt.Errorf("parse virtual service %q: want \"fwmark N ipv4\" or \"fwmark N ipv6\"", s)
		}
		return Key{Mark: uint32(n), IPv6: family == "ipv6"}, nil
	}
	for _, p := range []Protocol{TCP, UDP, SCTP} {
		if kind != p.String() {
			continue
		}
		addr, err := netip.ParseAddrPort(rest)
		if err != nil {
			return Key{}, fmt.Errorf("parse virtual service %q: %w", s, err)
		}
		return Key{Protocol: p, Addr: addr}, nil
	}
	return Key{}, fmt.Errorf("parse virtual service %q: want tcp, udp, sctp or fwmark", s)
}
