package vip

import (
	"bytes"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// capture is what tcpdump at a peer writes, one line for each frame.
type capture struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (c *capture) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Write(b)
}

// lines are those with all words in them.
func (c *capture) lines(words ...string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
next:
	for line := range strings.Lines(c.out.String()) {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue next
			}
		}
		out = append(out, line)
	}
	return out
}

// capture captures what comes in at the peer until the test ends.
func (p peer) capture(filter string) *capture {
	p.t.Helper()
	c, notes := &capture{}, &capture{}
	x := exec.Command("nsenter", "-t", fmt.Sprint(p.pid), "-n", "tcpdump", "-lnevvti", "v1", "--immediate-mode", filter)
	x.Stdout, x.Stderr = c, notes
	if err := x.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = x.Process.Kill()
		_ = x.Wait()
	})
	eventually(p.t, 5*time.Second, "tcpdump listens", func() bool { return len(notes.lines("listening on")) > 0 })
	return c
}

func TestAnnouncements(t *testing.T) {
	p := wire(t)
	sh(t, "sysctl -qw net.ipv6.conf.v0.forwarding=1")
	c := p.capture("arp or icmp6")
	k, _ := open(t)
	w := want(true, four, six)
	w.Schedule = Schedule{Repeat: 3, Delay: 300 * time.Millisecond}
	k.Set("web", w)
	request := []string{"02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff", "Request who-has 198.51.100.10", "tell 198.51.100.10"}
	reply := []string{"02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff", "Reply 198.51.100.10 is-at 02:00:00:00:00:01"}
	na := []string{"2001:db8::10 > ff02::1", "neighbor advertisement", "[icmp6 sum ok]"}
	all := func(n int) func() bool {
		return func() bool {
			return len(c.lines(request...)) == n && len(c.lines(reply...)) == n && len(c.lines(na...)) == n
		}
	}
	eventually(t, 250*time.Millisecond, "announced at once", all(3))
	eventually(t, time.Second, "announced after the delay", all(6))
	if x := c.lines("Flags [router, override]"); len(x) != 6 {
		t.Errorf("%q", c.out.String())
	}
	time.Sleep(100 * time.Millisecond)
	k.Set("web", w)
	if time.Sleep(100 * time.Millisecond); !all(6)() {
		t.Error("announced without an election event")
	}
	w.Election++
	k.Set("web", w)
	eventually(t, 250*time.Millisecond, "announced after an election event", all(9))
	sh(t, "ip addr del "+four+" dev v0")
	eventually(t, 250*time.Millisecond, "announced when restored", func() bool { return len(c.lines(request...)) == 10 })
	k.Set("web", want(false, four, six))
	count := func() int { return len(c.lines(request...)) + len(c.lines(reply...)) + len(c.lines(na...)) }
	time.Sleep(100 * time.Millisecond) // what was on its way
	before := count()
	if time.Sleep(400 * time.Millisecond); count() != before {
		t.Errorf("announced while not held:\n%s", c.out.String())
	}
}

// Announcements do not hold up what keeps the addresses.
func TestManyAnnouncementsArePaced(t *testing.T) {
	p := wire(t)
	c := p.capture("arp")
	k, r := open(t)
	var prefixes []string
	for i := range 300 {
		prefixes = append(prefixes, fmt.Sprintf("10.9.%d.%d/32", i/200, i%200+1))
	}
	w := want(true, prefixes...)
	w.Schedule = Schedule{Repeat: 5}
	k.Set("web", w)
	eventually(t, 5*time.Second, "announced", func() bool { return len(c.lines("Request who-has 10.9.")) >= 5*300*9/10 })
	sh(t, "ip addr del "+prefixes[7]+" dev v0")
	eventually(t, 50*time.Millisecond, "back", func() bool { return has(t, "v0", prefixes[7]) })
	if len(r.of(Failed)) > 0 {
		t.Error(r.of(Failed))
	}
}

func TestDuplicate(t *testing.T) {
	p := wire(t)
	k, r := open(t)
	k.Set("web", want(true, four, six))
	eventually(t, time.Second, "held", func() bool { return has(t, "v0", four) && has(t, "v0", six) })
	p.sh("ip addr add " + four + " dev v1; ip addr add " + six + " dev v1 nodad")
	told := func(prefix string) func() bool {
		return func() bool {
			for _, x := range r.of(Duplicate) {
				if x.Address.Prefix.String() == prefix && x.MAC == (mac{2, 0, 0, 0, 0, 2}) && x.Router == "web" {
					return true
				}
			}
			return false
		}
	}
	// Nobody announces anything: it is found by asking, one address each 10 s.
	eventually(t, 25*time.Second, "told of one", func() bool { return told(four)() || told(six)() })
	eventually(t, 12*time.Second, "told of the other", func() bool { return told(four)() && told(six)() })
	if len(r.of(Failed)) > 0 {
		t.Error(r.of(Failed))
	}
}

// What others say unasked is heard at once, and told of once a second.
func TestClaims(t *testing.T) {
	p := wire(t)
	k, r := open(t)
	k.Set("web", want(true, four, six))
	eventually(t, time.Second, "settled", func() bool { return len(r.of(Settled)) > 0 })
	stranger, own := mac{2, 0, 0, 0, 0, 9}, mac{2, 0, 0, 0, 0, 1}

	far := unsolicited(vip6, mac{2, 0, 0, 0, 0, 8}, false)
	far[ethernetSize+7] = 254 // hops: it came through a router
	own4, _ := gratuitous(vip4, own)
	another, _ := gratuitous(netip.MustParseAddr("198.51.100.77"), stranger)
	for _, b := range [][]byte{far, own4, unsolicited(vip6, own, false), another, arpProbe(vip4, stranger)} {
		p.send(b)
	}
	request, reply := gratuitous(vip4, stranger)
	for range 3 {
		p.send(request)
		p.send(reply)
		p.send(unsolicited(vip6, stranger, false))
	}
	eventually(t, time.Second, "told", func() bool { return len(r.of(Duplicate)) == 2 })
	time.Sleep(100 * time.Millisecond)
	told := map[string]mac{}
	for _, x := range r.of(Duplicate) {
		told[x.Address.Prefix.String()] = x.MAC
	}
	if len(r.of(Duplicate)) != 2 || told[four] != stranger || told[six] != stranger {
		t.Error(r.of(Duplicate))
	}
	p.send(request)
	if time.Sleep(100 * time.Millisecond); len(r.of(Duplicate)) != 2 {
		t.Error("told twice in a second")
	}
	k.Set("web", want(false, four, six))
	time.Sleep(time.Second)
	p.send(request)
	if time.Sleep(100 * time.Millisecond); len(r.of(Duplicate)) != 2 {
		t.Error("told of an address that is not held")
	}
}

// A link that was away may have been plugged into another switch.
func TestAnnouncedWhenTheLinkIsBack(t *testing.T) {
	p := wire(t)
	c := p.capture("arp")
	k, _ := open(t)
	w := want(true, four)
	w.Schedule.Repeat = 1
	k.Set("web", w)
	count := func() int { return len(c.lines("Request who-has 198.51.100.10")) }
	eventually(t, time.Second, "announced", func() bool { return count() == 1 })
	sh(t, "ip link set v0 down; ip link set v0 up")
	eventually(t, time.Second, "announced again", func() bool { return count() >= 2 })
	sh(t, "ip link set v0 address 02:00:00:00:00:05")
	eventually(t, time.Second, "announced with the new MAC", func() bool {
		return len(c.lines("02:00:00:00:00:05 >", "Reply 198.51.100.10 is-at 02:00:00:00:00:05")) > 0
	})
}

func TestVMAC(t *testing.T) {
	p := wire(t)
	p.sh("ip route add 198.51.100.10 dev v1")
	k, r := open(t)
	c := p.capture("arp")
	w := want(true, four, six)
	w.VMAC = VMAC{Name: "lvsd4.51", Parent: "v0", MAC: vmac4}
	w.Schedule.Repeat = 1
	k.Set("web", w)
	eventually(t, time.Second, "held", func() bool { return has(t, "lvsd4.51", four) && has(t, "lvsd4.51", six) })
	if has(t, "v0", four) {
		t.Error("on the parent")
	}
	p.sh("ip neigh flush dev v1")
	p.reach("198.51.100.10")
	p.reach("2001:db8::10")
	if n := p.sh("ip neigh show 198.51.100.10; ip neigh show 2001:db8::10"); strings.Count(n, "00:00:5e:00:01:33") != 2 {
		t.Error(n)
	}
	if x := c.lines("198.51.100.10 is-at 02:00:00:00:00:01"); len(x) > 0 {
		t.Error("the parent answers too", x)
	}
	if x := c.lines("00:00:5e:00:01:33 > ff:ff:ff:ff:ff:ff", "Reply 198.51.100.10 is-at 00:00:5e:00:01:33"); len(x) == 0 {
		t.Error(x)
	}
	if out := sh(t, "ip -d link show lvsd4.51"); !strings.Contains(out, "mode private") || !strings.Contains(out, "addrgenmode none") {
		t.Error(out)
	}
	sh(t, "ip link del lvsd4.51")
	eventually(t, 500*time.Millisecond, "made again", func() bool { return has(t, "lvsd4.51", four) })
	p.reach("198.51.100.10")
	sh(t, "ip link del v0")
	eventually(t, time.Second, "gone", func() bool { return !has(t, "lvsd4.51", four) })
	p.plug()
	eventually(t, 2*time.Second, "made on the new parent", func() bool { return has(t, "lvsd4.51", four) })
	k.Close()
	index := sh(t, "cat /sys/class/net/lvsd4.51/ifindex || ip -o link show lvsd4.51")

	k, r = open(t)
	k.Set("web", w)
	eventually(t, time.Second, "settled", func() bool { return len(r.of(Settled)) > 0 })
	if again := sh(t, "cat /sys/class/net/lvsd4.51/ifindex || ip -o link show lvsd4.51"); again != index {
		t.Errorf("not adopted: %s, then %s", index, again)
	}
	sh(t, "sysctl -qw net.ipv4.conf.v0.arp_ignore=0; ip link set lvsd4.51 down")
	eventually(t, time.Second, "up again", func() bool {
		l, err := k.Look("lvsd4.51")
		return err == nil && l.Up && sh(t, "sysctl -n net.ipv4.conf.v0.arp_ignore") == "1"
	})
	if again := sh(t, "cat /sys/class/net/lvsd4.51/ifindex || ip -o link show lvsd4.51"); again != index {
		t.Errorf("not adopted: %s, then %s", index, again)
	}
	k.Forget("web", false)
	eventually(t, time.Second, "taken away", func() bool {
		l, err := k.Look("lvsd4.51")
		return err == nil && l.Index == 0
	})
	if x := r.of(Failed); len(x) > 0 {
		t.Error(x)
	}
}

func TestVMACThatCannotBe(t *testing.T) {
	wire(t)
	sh(t, "ip link add lvsd4.51 type veth peer name other")
	defer sh(t, "ip link del lvsd4.51")
	k, r := open(t)
	w := want(true, four)
	w.VMAC = VMAC{Name: "lvsd4.51", Parent: "v0", MAC: vmac4}
	k.Set("web", w)
	eventually(t, time.Second, "told", func() bool {
		x := r.of(Failed)
		return len(x) > 0 && strings.Contains(x[0].Err.Error(), "make lvsd4.51: an interface of that name is there")
	})
	w.VMAC.Name, w.VMAC.Parent = "lvsd4.52", "none"
	w.Addresses[0].Link = "none"
	k.Set("web", w)
	eventually(t, time.Second, "told", func() bool {
		for _, x := range r.of(Failed) {
			if strings.Contains(x.Err.Error(), "parent none: no such interface") {
				return true
			}
		}
		return false
	})
}
