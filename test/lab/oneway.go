package lab

import (
	"fmt"
	"os/exec"
	"strings"
)

// Way is a direction on a cable, seen from the host.
type Way uint8

// The ways.
const (
	Sent  Way = 1 << iota // what the host sends
	Heard                 // what the host is sent
	Both  = Sent | Heard
)

// Impair makes the cable bad for one protocol of IPv4 and IPv6 by its number, such as 112, in the ways given and good in
// the others; how is as in Netem, and empty makes it good again. It takes the place of Netem, not part of it.
func (p *Port) Impair(ways Way, protocol uint8, how string) {
	p.host.net.t.Helper()
	for _, end := range []struct {
		way Way
		ns  *namespace
		dev string
	}{{Sent, p.host.ns, p.Name}, {Heard, p.host.net.wires, p.far}} {
		_ = exec.Command("tc", "-n", end.ns.name, "qdisc", "del", "dev", end.dev, "root").Run()
		if how == "" || ways&end.way == 0 {
			continue
		}
		if err := impair(end.ns.name, end.dev, protocol, how); err != nil {
			p.host.net.t.Fatalf("impair protocol %d by %q at %s of %s: %v", protocol, how, p.Name, p.host.Name, err)
		}
	}
}

// impair sends the protocol through the third band, which netem has, and all else through the first.
func impair(ns, dev string, protocol uint8, how string) error {
	for _, words := range []string{
		"qdisc add dev DEV root handle 1: prio bands 3 priomap 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
		"qdisc add dev DEV parent 1:3 handle 30: netem " + how,
		fmt.Sprintf("filter add dev DEV parent 1: protocol ip prio 1 u32 match ip protocol %d 0xff flowid 1:3", protocol),
		fmt.Sprintf("filter add dev DEV parent 1: protocol ipv6 prio 2 u32 match ip6 protocol %d 0xff flowid 1:3", protocol),
	} {
		args := append([]string{"-n", ns}, strings.Fields(strings.ReplaceAll(words, "DEV", dev))...)
		if out, err := exec.Command("tc", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	return nil
}
