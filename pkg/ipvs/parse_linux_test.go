package ipvs

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// body gives what fill writes, without the headers.
func body(fill func(*message)) []byte {
	m := newMessage(0, 0, 0, 0, 0)
	fill(&m)
	return m[unix.NLMSG_HDRLEN+unix.GENL_HDRLEN:]
}

func TestParseService(t *testing.T) {
	addressed := lvs.Key{Protocol: lvs.TCP, Addr: netip.MustParseAddrPort("192.0.2.1:80")}
	six := lvs.Key{Mark: 7, IPv6: true}
	persistent := lvs.Service{Scheduler: "rr", Flags: lvs.Persistent, Timeout: time.Minute, Netmask: 24}
	plain := lvs.Service{Scheduler: "rr", Netmask: 32}
	for name, c := range map[string]struct {
		fill func(*message)
		key  lvs.Key
		want lvs.Service
		ok   bool
	}{
		"as written": {func(m *message) { m.key(addressed); m.service(addressed, persistent) }, addressed, persistent, true},
		"hashed, and flags of a later kernel": {func(m *message) {
			m.key(addressed)
			m.text(svcScheduler, "rr")
			m.attr(svcFlags, []byte{0xc2, 0, 0, 0xc2, 0xff, 0xff, 0xff, 0xff})
		}, addressed, plain, true},
		"attributes of a later kernel": {func(m *message) {
			m.u32(200, 1)
			m.key(addressed)
			m.text(svcScheduler, "rr")
			m.nest(201, func(m *message) { m.u8(1, 1) })
		}, addressed, plain, true},
		"persistence that is off": {func(m *message) {
			m.key(addressed)
			m.service(addressed, lvs.Service{Scheduler: "rr", Timeout: time.Minute, Netmask: 8})
		}, addressed, plain, true},
		"16 bytes of an IPv4 address": {func(m *message) {
			m.family(svcFamily, false)
			m.u16(svcProtocol, uint16(lvs.TCP))
			m.attr(svcAddr, []byte{192, 0, 2, 1, 15: 0})
			m.port(svcPort, 80)
			m.text(svcScheduler, "rr")
		}, addressed, plain, true},
		"mask that is no prefix": {func(m *message) {
			m.key(addressed)
			m.attr(svcFlags, []byte{byte(lvs.Persistent), 0, 0, 0, 0, 0, 0, 0})
			m.attr(svcNetmask, []byte{255, 0, 255, 0})
		}, addressed, lvs.Service{Flags: lvs.Persistent, Netmask: -1}, true},
		"mark of IPv6": {func(m *message) {
			m.key(six)
			m.service(six, lvs.Service{Scheduler: "sh", Flags: lvs.Persistent, Netmask: 64, Engine: "sip"})
		}, six, lvs.Service{Scheduler: "sh", Flags: lvs.Persistent, Netmask: 64, Engine: "sip"}, true},
		"no address": {func(m *message) { m.family(svcFamily, false) }, lvs.Key{}, lvs.Service{Netmask: 32}, false},
		"no family":  {func(m *message) { m.u32(svcMark, 7) }, lvs.Key{Mark: 7}, lvs.Service{Netmask: 32}, false},
	} {
		key, got, ok := parseService(body(c.fill))
		if ok != c.ok || ok && (key != c.key || got != c.want) {
			t.Errorf("%s: got %v %+v %v, want %v %+v %v", name, key, got, ok, c.key, c.want, c.ok)
		}
	}
}

func TestParseServer(t *testing.T) {
	four, six := lvs.Key{Mark: 1}, lvs.Key{Mark: 1, IPv6: true}
	addr4, addr6 := netip.MustParseAddrPort("10.0.0.1:80"), netip.MustParseAddrPort("[2001:db8::1]:80")
	gue := lvs.Server{Forward: lvs.Tunnel, Weight: 70000, Upper: 9, Lower: 8, Encap: lvs.Encap{Type: lvs.GUE, Port: 6080, Flags: 2}}
	counted := Observed{Server: lvs.Server{Forward: lvs.NAT, Weight: 1}, Connections: lvs.Connections{Active: 1, Inactive: 2, Persistent: 3}}
	for name, c := range map[string]struct {
		of   lvs.Key
		fill func(*message)
		addr netip.AddrPort
		want Observed
		ok   bool
	}{
		"as written":      {four, func(m *message) { m.server(addr4, gue) }, addr4, Observed{Server: gue}, true},
		"another family":  {four, func(m *message) { m.server(addr6, gue) }, addr6, Observed{Server: gue}, true},
		"IPv4 of an IPv6": {six, func(m *message) { m.server(addr4, gue) }, addr4, Observed{Server: gue}, true},
		"family not told": {six, func(m *message) {
			m.addr(dstAddr, addr6.Addr())
			m.port(dstPort, 80)
			m.u32(dstForward, uint32(lvs.DR))
		}, addr6, Observed{Server: lvs.Server{Forward: lvs.DR}}, true},
		"bits beside the method": {four, func(m *message) {
			m.server(addr4, lvs.Server{})
			m.u32(dstForward, 0x100|uint32(lvs.DR))
		}, addr4, Observed{Server: lvs.Server{Forward: lvs.DR}}, true},
		"counts": {four, func(m *message) {
			m.server(addr4, counted.Server)
			m.u32(dstActive, 1)
			m.u32(dstInactive, 2)
			m.u32(dstPersistent, 3)
		}, addr4, counted, true},
		"encapsulation of no tunnel": {four, func(m *message) {
			m.server(addr4, lvs.Server{Forward: lvs.DR})
			m.u8(dstTunType, 1)
			m.port(dstTunPort, 6080)
		}, addr4, Observed{Server: lvs.Server{Forward: lvs.DR}}, true},
		"no address": {four, func(m *message) { m.port(dstPort, 80) }, netip.AddrPort{}, Observed{}, false},
	} {
		addr, got, ok := parseServer(body(c.fill), c.of)
		if ok != c.ok || ok && (addr != c.addr || got != c.want) {
			t.Errorf("%s: got %v %+v %v, want %v %+v %v", name, addr, got, ok, c.addr, c.want, c.ok)
		}
	}
}

// FuzzParse reads what no kernel sends.
func FuzzParse(f *testing.F) {
	key := lvs.Key{Protocol: lvs.TCP, Addr: netip.MustParseAddrPort("[2001:db8::1]:80")}
	f.Add(body(func(m *message) { m.key(key); m.service(key, lvs.Service{Scheduler: "rr", Netmask: 128}) }))
	f.Add(body(func(m *message) { m.server(key.Addr, lvs.Server{Forward: lvs.Tunnel}) }))
	f.Add([]byte{5, 0, 1, 0, 1}) // an attribute without its padding
	f.Add([]byte{3, 0, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, s, ok := parseService(b); ok {
			if again, same, ok := parseService(body(func(m *message) { m.key(k); m.service(k, s) })); s.Netmask >= 0 &&
				s.Netmask <= k.Bits() && k.Protocol != 0 && (again != k || same != s || !ok) {
				t.Errorf("%v %+v reads back as %v %+v %v", k, s, again, same, ok)
			}
		}
		_, _, _ = parseServer(b, key)
		_ = errno(b)
	})
}
