package lab

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"

	"github.com/vishvananda/netlink"
)

// Bridge is a switch that hosts are plugged into.
type Bridge struct {
	net  *Net
	name string
}

// Bridge makes a switch. Its name has at most 15 bytes.
func (n *Net) Bridge(name string) *Bridge {
	n.t.Helper()
	link := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}}
	if err := n.wires.nl.LinkAdd(link); err != nil {
		n.t.Fatalf("make bridge %s: %v", name, err)
	}
	if err := n.wires.nl.LinkSetUp(link); err != nil {
		n.t.Fatalf("make bridge %s: %v", name, err)
	}
	return &Bridge{net: n, name: name}
}

// Port is a host's interface and its cable to a bridge.
type Port struct {
	Name string // of the interface in the host: eth0, eth1, ...
	host *Host
	far  string // the cable's other end, in the namespace of the bridges

	addresses []netip.Prefix // that it was given by Join
}

// Join plugs the host into the bridge by a new interface with the addresses given: the first is eth0, the next eth1.
// Addresses are ready at once (IPv6 without duplicate address detection).
func (h *Host) Join(b *Bridge, addresses ...netip.Prefix) *Port {
	h.net.t.Helper()
	h.net.ports++
	p := &Port{Name: fmt.Sprintf("eth%d", len(h.ports)), host: h, far: fmt.Sprintf("port%d", h.net.ports)}
	if err := p.plug(b); err != nil {
		h.net.t.Fatalf("plug %s of %s into %s: %v", p.Name, h.Name, b.name, err)
	}
	h.ports = append(h.ports, p)
	p.addresses = addresses
	for _, a := range addresses {
		h.AddAddress(p.Name, a)
	}
	return p
}

func (p *Port) plug(b *Bridge) error {
	wires := p.host.net.wires.nl
	bridge, err := wires.LinkByName(b.name)
	if err != nil {
		return err
	}
	veth := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: p.far, MasterIndex: bridge.Attrs().Index},
		PeerName:      p.Name,
		PeerNamespace: netlink.NsFd(p.host.ns.fd),
	}
	if err := wires.LinkAdd(veth); err != nil {
		return err
	}
	if err := setUp(wires, p.far, true); err != nil {
		return err
	}
	return setUp(p.host.ns.nl, p.Name, true)
}

func setUp(nl *netlink.Handle, name string, up bool) error {
	link, err := nl.LinkByName(name)
	if err != nil {
		return err
	}
	if up {
		return nl.LinkSetUp(link)
	}
	return nl.LinkSetDown(link)
}

// Unplug pulls the cable: the interface loses its carrier and keeps its addresses.
func (p *Port) Unplug() { p.host.net.t.Helper(); p.set(p.host.net.wires, p.far, false) }

// Plug puts the cable back. The kernel tells the bridge of a carrier at most once a second: packets pass after that.
func (p *Port) Plug() { p.host.net.t.Helper(); p.set(p.host.net.wires, p.far, true) }

// Down switches the interface off, as ip link set down does: its routes and IPv6 addresses go.
func (p *Port) Down() { p.host.net.t.Helper(); p.set(p.host.ns, p.Name, false) }

// Up switches the interface on, with what Plug says of carriers. Routes through it that were there before do not come
// back.
func (p *Port) Up() { p.host.net.t.Helper(); p.set(p.host.ns, p.Name, true) }

func (p *Port) set(ns *namespace, name string, up bool) {
	p.host.net.t.Helper()
	if err := setUp(ns.nl, name, up); err != nil {
		p.host.net.t.Fatalf("set %s of %s: %v", p.Name, p.host.Name, err)
	}
}

// Netem makes the cable bad, both ways, as tc's netem takes it: "loss 30%", "delay 50ms 10ms", "duplicate 5%". A delay is
// added in each direction. Empty makes it good again.
func (p *Port) Netem(how string) {
	p.host.net.t.Helper()
	for _, end := range []struct {
		ns  *namespace
		dev string
	}{{p.host.ns, p.Name}, {p.host.net.wires, p.far}} {
		args := []string{"-n", end.ns.name, "qdisc", "replace", "dev", end.dev, "root", "netem"}
		if how == "" {
			args = []string{"-n", end.ns.name, "qdisc", "del", "dev", end.dev, "root"}
		}
		out, err := exec.Command("tc", append(args, strings.Fields(how)...)...).CombinedOutput()
		if err != nil {
			p.host.net.t.Fatalf("netem %q at %s of %s: %v: %s", how, p.Name, p.host.Name, err, out)
		}
	}
}
