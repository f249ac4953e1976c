package vip

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
)

var (
	vmac4 = mac{0x00, 0x00, 0x5e, 0x00, 0x01, 0x33}
	vip4  = netip.MustParseAddr("198.51.100.10")
	vip6  = netip.MustParseAddr("2001:db8::10")
)

// The frames are written here by the layouts of RFC 826, 5227, 5944, 4861 and 4862; checksums (CCCC) are added up anew.
func TestFrames(t *testing.T) {
	request, reply := gratuitous(vip4, vmac4)
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"gratuitous request": {request, `ffffffffffff 00005e000133 0806
			0001 0800 06 04 0001  00005e000133 c633640a  000000000000 c633640a`},
		"gratuitous reply": {reply, `ffffffffffff 00005e000133 0806
			0001 0800 06 04 0002  00005e000133 c633640a  00005e000133 c633640a`},
		"ARP probe": {arpProbe(vip4, vmac4), `ffffffffffff 00005e000133 0806
			0001 0800 06 04 0001  00005e000133 00000000  000000000000 c633640a`},
		"advertisement of a router": {unsolicited(vip6, vmac4, true), `333300000001 00005e000133 86dd
			60000000 0020 3a ff  20010db8000000000000000000000010  ff020000000000000000000000000001
			88 00 CCCC a0000000  20010db8000000000000000000000010  02 01 00005e000133`},
		"advertisement of a host": {unsolicited(vip6, vmac4, false), `333300000001 00005e000133 86dd
			60000000 0020 3a ff  20010db8000000000000000000000010  ff020000000000000000000000000001
			88 00 CCCC 20000000  20010db8000000000000000000000010  02 01 00005e000133`},
		"ND probe": {ndProbe(vip6, vmac4), `3333ff000010 00005e000133 86dd
			60000000 0018 3a ff  00000000000000000000000000000000  ff0200000000000000000001ff000010
			87 00 CCCC 00000000  20010db8000000000000000000000010`},
	} {
		want := strings.Join(strings.Fields(c.want), "")
		got := hex.EncodeToString(c.got)
		if strings.Contains(want, "CCCC") {
			i := strings.Index(want, "CCCC")
			if i+4 > len(got) {
				t.Fatalf("%s: %s", name, got)
			}
			want = want[:i] + got[i:i+4] + want[i+4:]
			if sum := sumByHand(c.got[14:]); sum != 0xffff {
				t.Errorf("%s: the checksum sums up to %#x", name, sum)
			}
		}
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}

// sumByHand adds up the words of an ICMPv6 message and its pseudo header as RFC 8200 section 8.1 draws it.
func sumByHand(packet []byte) uint32 {
	message := packet[40:]
	pseudo := append([]byte{}, packet[8:40]...)
	pseudo = append(pseudo, 0, 0, byte(len(message)>>8), byte(len(message)), 0, 0, 0, 58)
	var sum uint32
	for b := append(pseudo, message...); len(b) > 0; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
		sum = sum&0xffff + sum>>16
	}
	return sum
}

func TestParseClaims(t *testing.T) {
	request, reply := gratuitous(vip4, vmac4)
	for name, b := range map[string][]byte{"request": request[14:], "reply": append(reply[14:], make([]byte, 18)...)} {
		if addr, at, ok := parseARP(b); !ok || addr != vip4 || at != vmac4 {
			t.Error(name, addr, at, ok)
		}
	}
	for name, b := range map[string][]byte{"probe": arpProbe(vip4, vmac4)[14:], "short": request[14:41], "not Ethernet": append([]byte{0, 6}, request[16:]...)} {
		if addr, _, ok := parseARP(b); ok {
			t.Error(name, "claims", addr)
		}
	}
	na := unsolicited(vip6, vmac4, true)[54:]
	if addr, at, ok := parseNA(na); !ok || addr != vip6 || at != vmac4 {
		t.Error(addr, at, ok)
	}
	endless := append(append([]byte{}, na[:24]...), 1, 0, 0, 0, 0, 0, 0, 0)
	for name, b := range map[string][]byte{"solicitation": ndProbe(vip6, vmac4)[54:], "no option": na[:24], "short": na[:31], "endless": endless} {
		if addr, _, ok := parseNA(b); ok {
			t.Error(name, "claims", addr)
		}
	}
}

func FuzzParse(f *testing.F) {
	request, _ := gratuitous(vip4, vmac4)
	f.Add(request[14:])
	f.Add(unsolicited(vip6, vmac4, true)[54:])
	var b batch
	b.add(Address{Prefix: netip.PrefixFrom(vip4, 32), Label: "v0:1"}, 2, 0, 0)
	b.newMacvlan(VMAC{Name: "lvsd4.51", MAC: vmac4}, 2)
	f.Add(b.b)
	f.Fuzz(func(t *testing.T, in []byte) {
		if addr, _, ok := parseARP(in); ok && !addr.Is4() {
			t.Error(addr)
		}
		if addr, _, ok := parseNA(in); ok && !addr.Is6() {
			t.Error(addr)
		}
		messages(in, func(m message) {
			if a, ok := parseAddr(m.body); ok && (!a.prefix.IsValid() || a.index < 1) {
				t.Errorf("%+v", a)
			}
			if l, ok := parseLink(m.body); ok && (l.name == "" || l.index < 1) {
				t.Errorf("%+v", l)
			}
			parseNetconf(m.body)
		})
	})
}

// What is written is read back.
func TestAddressMessage(t *testing.T) {
	for _, p := range []string{"198.51.100.10/32", "198.51.100.10/24", "2001:db8::10/128"} {
		var b batch
		want := netip.MustParsePrefix(p)
		b.add(Address{Prefix: want, Label: "v0:1"}, 7, 0, 0)
		b.del(want, 7)
		b.finish()
		n := 0
		messages(b.b, func(m message) {
			n++
			if a, ok := parseAddr(m.body); !ok || a.prefix != want || a.index != 7 {
				t.Errorf("%s: %+v %v", p, a, ok)
			}
			if ack := m.flags&4 != 0; m.seq != uint32(n) || ack != (n == 2) {
				t.Errorf("%s: message %d has seq %d and flags %#x", p, n, m.seq, m.flags)
			}
		})
		if n != 2 {
			t.Errorf("%s: %d messages", p, n)
		}
	}
}
