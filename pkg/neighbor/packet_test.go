package neighbor

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/mdlayher/ndp"
	"golang.org/x/net/bpf"
)

var (
	own  = mac("02:00:00:00:00:01")
	peer = mac("02:00:00:00:00:02")

	addr4, src4 = netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.1")
	addr6, src6 = netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8::1")
)

func replyARP() []byte {
	b := slices.Concat(arpHead, []byte{0, arpReply}, peer, addr4.AsSlice(), own, src4.AsSlice())
	return append(b, make([]byte, 18)...) // a short frame is padded
}

// ad gives an advertisement made by others' code.
func ad(t testing.TB, m *ndp.NeighborAdvertisement) []byte {
	t.Helper()
	body, err := ndp.MarshalMessageChecksum(m, addr6, src6)
	if err != nil {
		t.Fatal(err)
	}
	head := []byte{6 << 4, 0, 0, 0, 0, byte(len(body)), icmpv6, 255}
	return slices.Concat(head, addr6.AsSlice(), src6.AsSlice(), body)
}

func replyND(t testing.TB) []byte {
	return ad(t, &ndp.NeighborAdvertisement{Solicited: true, TargetAddress: addr6, Options: []ndp.Option{
		&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: peer},
	}})
}

// passes runs a question's filter.
func passes(t testing.TB, q question, b []byte) bool {
	t.Helper()
	program, ok := bpf.Disassemble(q.filter)
	if !ok {
		t.Fatal("filter cannot be disassembled")
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run(b)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

func ask(t testing.TB, src, addr netip.Addr) question {
	t.Helper()
	q, err := newQuestion(link{ifi: &net.Interface{HardwareAddr: own}, src: src}, addr)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// TestSolicitation has the request read by others' code.
func TestSolicitation(t *testing.T) {
	q := ask(t, src6, netip.MustParseAddr("2001:db8::12:3456"))
	if q.to.String() != "33:33:ff:12:34:56" {
		t.Errorf("to %v", q.to)
	}
	want, err := ndp.MarshalMessageChecksum(&ndp.NeighborSolicitation{
		TargetAddress: netip.MustParseAddr("2001:db8::12:3456"),
		Options:       []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: own}},
	}, src6, netip.MustParseAddr("ff02::1:ff12:3456"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(q.request[ipv6Size:], want) {
		t.Errorf("body\n%x, want\n%x", q.request[ipv6Size:], want)
	}
}

func TestParseStrictly(t *testing.T) {
	arp, nd := ask(t, src4, addr4), ask(t, src6, addr6)
	plain := ad(t, &ndp.NeighborAdvertisement{Solicited: true, TargetAddress: addr6})
	set := func(b []byte, at int, v byte) []byte {
		b = bytes.Clone(b)
		b[at] = v
		return b
	}
	// mend gives an advertisement its right checksum after a change.
	mend := func(b []byte) []byte {
		b[ipv6Size+2], b[ipv6Size+3] = 0, 0
		binary.BigEndian.PutUint16(b[ipv6Size+2:], ^sum(b))
		return b
	}
	for _, tt := range []struct {
		name string
		q    question
		b    []byte
		want string
	}{
		{"arp reply", arp, replyARP(), "02:00:00:00:00:02"},
		{"without padding", arp, replyARP()[:arpSize], "02:00:00:00:00:02"},
		{"short", arp, replyARP()[:arpSize-1], ""},
		{"not Ethernet", arp, set(replyARP(), 1, 6), ""},
		{"not IPv4", arp, set(replyARP(), 2, 9), ""},
		{"request", arp, set(replyARP(), 7, 1), ""},
		{"of another", arp, set(replyARP(), 17, 3), ""},
		{"for another", arp, set(replyARP(), 27, 3), ""},
		{"group MAC", arp, set(replyARP(), 8, 3), ""},
		{"own MAC", arp, set(replyARP(), 13, 1), ""},

		{"advertisement", nd, replyND(t), "02:00:00:00:00:02"},
		{"without option: the frame's", nd, plain, "02:00:00:00:00:09"},
		{"with padding", nd, append(replyND(t), 0, 0), "02:00:00:00:00:02"},
		{"cut", nd, replyND(t)[:ipv6Size+adSize+7], ""},
		{"no header", nd, nil, ""},
		{"IPv4", nd, set(replyND(t), 0, 4<<4), ""},
		{"from beyond a router", nd, set(replyND(t), 7, 254), ""},
		{"not ICMPv6", nd, set(replyND(t), 6, 17), ""},
		{"wrong checksum", nd, set(replyND(t), ipv6Size+2, replyND(t)[ipv6Size+2]^1), ""},
		{"code", nd, mend(set(replyND(t), ipv6Size+1, 1)), ""},
		{"solicitation", nd, mend(set(replyND(t), ipv6Size, solicit)), ""},
		{"unsolicited", nd, ad(t, &ndp.NeighborAdvertisement{TargetAddress: addr6}), ""},
		{"to a group", nd, mend(set(replyND(t), 24, 0xff)), ""},
		{"of another target", nd, ad(t, &ndp.NeighborAdvertisement{Solicited: true, TargetAddress: src6}), ""},
		{"option of no length", nd, mend(set(replyND(t), ipv6Size+adSize+1, 0)), ""},
		{"option too long", nd, mend(set(replyND(t), ipv6Size+adSize+1, 2)), ""},
		{"payload length beyond the packet", nd, set(replyND(t), 5, 200), ""},
		{"payload length too short", nd, set(replyND(t), 5, adSize-1), ""},
		{"option of own MAC", nd, mend(set(replyND(t), ipv6Size+adSize+7, 1)), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if m, ok := tt.q.parse(tt.b, mac("02:00:00:00:00:09")); ok {
				got = m.String()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if tt.want != "" && !passes(t, tt.q, tt.b) {
				t.Error("the filter drops it")
			}
		})
	}
}

func TestFilterDropsOthers(t *testing.T) {
	arp, nd := ask(t, src4, addr4), ask(t, src6, addr6)
	for name, dropped := range map[string]bool{
		"own request":   !passes(t, arp, arp.request),
		"other's reply": !passes(t, arp, func() []byte { b := replyARP(); b[17]++; return b }()),
		"solicitation":  !passes(t, nd, nd.request),
		"other's ad":    !passes(t, nd, ad(t, &ndp.NeighborAdvertisement{Solicited: true, TargetAddress: src6})),
		"tcp":           !passes(t, nd, func() []byte { b := replyND(t); b[6] = 6; return b }()),
	} {
		if !dropped {
			t.Errorf("the filter passes %s", name)
		}
	}
}

// FuzzParse gives any packet to both parsers: none panics, what is taken passes the filter, and is from a neighbour.
func FuzzParse(f *testing.F) {
	arp, nd := ask(f, src4, addr4), ask(f, src6, addr6)
	f.Add(replyARP())
	f.Add(replyND(f))
	f.Add(arp.request)
	f.Add(nd.request)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, q := range []question{arp, nd} {
			m, ok := q.parse(b, peer)
			if ok && (!passes(t, q, b) || !isNeighbour(m, own)) {
				t.Fatalf("took %x from %v", b, m)
			}
		}
	})
}
