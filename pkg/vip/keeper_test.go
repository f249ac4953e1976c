package vip

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const (
	four = "198.51.100.10/32"
	six  = "2001:db8::10/128"
)

func TestHeldWhileRenewedAndGoneAfterwards(t *testing.T) {
	p := wire(t)
	k, r := open(t)
	k.Set("web", want(true, four, six))
	eventually(t, time.Second, "settled", func() bool { return len(r.of(Settled)) > 0 })
	if !has(t, "v0", four) || !has(t, "v0", six) {
		t.Fatal(sh(t, "ip addr show v0"))
	}
	p.sh("ip route add 198.51.100.10 dev v1")
	p.reach("198.51.100.10")
	p.reach("2001:db8::10")
	for end := time.Now().Add(2500 * time.Millisecond); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if !has(t, "v0", four) || !has(t, "v0", six) {
			t.Fatal("gone while it was renewed")
		}
	}
	if n := len(r.of(Settled)); n < 7 || n > 12 {
		t.Errorf("%d settled in 2.5 s at a renewal of 300 ms", n)
	}
	k.Close()
	if !has(t, "v0", four) || !has(t, "v0", six) {
		t.Error("gone with the close, but only the lease may end it")
	}
	eventually(t, 2100*time.Millisecond, "gone by itself", func() bool { return !has(t, "v0", four) && !has(t, "v0", six) })
	if x := append(r.of(Failed), r.of(Restored)...); len(x) > 0 {
		t.Error(x)
	}
}

func TestLeaseIsCleared(t *testing.T) {
	wire(t)
	k, r := open(t)
	k.Set("web", want(true, four, six))
	eventually(t, time.Second, "settled", func() bool { return len(r.of(Settled)) > 0 })
	w := want(true, four, six)
	w.Lease = 0
	r.clear()
	k.Set("web", w)
	eventually(t, time.Second, "settled", func() bool { return len(r.of(Settled)) > 0 })
	out := sh(t, "ip addr show v0 | grep -A1 -e 198.51.100.10 -e 2001:db8::10")
	if strings.Count(out, "valid_lft forever") != 2 {
		t.Error(out)
	}
	if time.Sleep(2100 * time.Millisecond); !has(t, "v0", four) || !has(t, "v0", six) {
		t.Error("gone")
	}
}

func TestRemovedWhenNotHeld(t *testing.T) {
	wire(t)
	k, r := open(t)
	k.Set("web", want(true, four, six))
	eventually(t, time.Second, "held", func() bool { return has(t, "v0", four) && has(t, "v0", six) })
	k.Set("web", want(false, four, six))
	eventually(t, time.Second, "gone", func() bool { return !has(t, "v0", four) && !has(t, "v0", six) })
	if x := r.of(Removed); len(x) > 0 {
		t.Error("told of what it did as it was asked", x)
	}
	sh(t, "ip addr add 198.51.100.10/24 dev v0; ip addr add "+six+" dev v0")
	eventually(t, time.Second, "told", func() bool { return len(r.of(Removed)) == 2 })
	if has(t, "v0", "198.51.100.10/24") || has(t, "v0", six) {
		t.Error("not removed")
	}
	if a := r.of(Removed)[0]; a.Router != "web" || a.Address.Link != "v0" || a.At == 0 {
		t.Errorf("%+v", a)
	}
}

func TestStaleAtStart(t *testing.T) {
	wire(t)
	sh(t, "ip addr add 198.51.100.10/24 dev v0; ip addr add "+six+" dev v0 nodad; ip addr add 198.51.100.99/32 dev v0")
	k, r := open(t)
	k.Set("web", want(false, four, six))
	eventually(t, time.Second, "removed", func() bool { return len(r.of(Removed)) == 2 && len(r.of(Settled)) == 1 })
	if has(t, "v0", "198.51.100.10/24") || has(t, "v0", six) || !has(t, "v0", "198.51.100.99/32") {
		t.Error(sh(t, "ip addr show v0"))
	}
}

func TestRestored(t *testing.T) {
	wire(t)
	k, r := open(t)
	w := want(true, four, six)
	w.Lease = 0 // no renewal would bring it back
	k.Set("web", w)
	eventually(t, time.Second, "held", func() bool { return has(t, "v0", four) && has(t, "v0", six) })
	for round := 1; round <= 5; round++ {
		for _, vip := range []string{four, six} {
			sh(t, "ip addr del "+vip+" dev v0")
			eventually(t, 50*time.Millisecond, "back", func() bool { return has(t, "v0", vip) })
		}
	}
	eventually(t, time.Second, "told", func() bool { return len(r.of(Restored)) == 10 })
	r.clear()
	sh(t, "ip addr flush dev v0 || true") // it gives up in the end
	eventually(t, 200*time.Millisecond, "back after a flush", func() bool { return has(t, "v0", four) && has(t, "v0", six) })
	eventually(t, time.Second, "told", func() bool { return len(r.of(Restored)) >= 2 }) // ip flushes until nothing is left, in vain
}

// What this process does itself is no news, also where it changes its mind quickly.
func TestOwnChangesAreNoNews(t *testing.T) {
	wire(t)
	k, r := open(t)
	for i := range 200 {
		k.Set("web", want(i%2 == 0, four, six))
		if i%3 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	eventually(t, time.Second, "gone", func() bool { return !has(t, "v0", four) && !has(t, "v0", six) })
	k.Set("web", want(true, four, six))
	eventually(t, time.Second, "held", func() bool { return has(t, "v0", four) && has(t, "v0", six) })
	k.Close()
	if x := append(r.of(Restored), append(r.of(Removed), r.of(Failed)...)...); len(x) > 0 {
		t.Error(x)
	}
}

func TestLinkGoneAndBack(t *testing.T) {
	p := wire(t)
	k, r := open(t)
	k.Watch([]string{"v0"})
	k.Set("web", want(true, four, six))
	eventually(t, time.Second, "held", func() bool { return has(t, "v0", four) && has(t, "v0", six) })
	sh(t, "ip link del v0")
	eventually(t, time.Second, "told", func() bool {
		x := r.of(LinkChanged)
		return len(r.of(Failed)) > 0 && x[len(x)-1].Link.Index == 0
	})
	p.plug()
	eventually(t, 200*time.Millisecond, "held again", func() bool { return has(t, "v0", four) && has(t, "v0", six) })
	eventually(t, time.Second, "told", func() bool {
		x := r.of(LinkChanged)
		return x[len(x)-1].Link.Up && len(x[len(x)-1].Link.Addresses) == 3
	})
	if x := r.of(Failed); len(x) > 2 || !strings.Contains(x[len(x)-1].Err.Error(), "v0: no such interface") {
		t.Error(x)
	}
}

func TestLinks(t *testing.T) {
	p := wire(t)
	k, r := open(t)
	k.Watch([]string{"v0", "no"})
	k.Set("web", want(true, four, six))
	eventually(t, time.Second, "told", func() bool { return len(r.of(LinkChanged)) >= 2 && has(t, "v0", four) })
	sh(t, "ip addr add 192.0.2.7/24 dev v0; ip addr add 2001:db8::7/64 dev v0")
	l, err := k.Look("v0")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintln(l.Name, l.Up, l.MAC, l.Addresses); got != "v0 true [2 0 0 0 0 1] [192.0.2.1/24 192.0.2.7/24 2001:db8::1/64 fe80::1/64]\n" {
		t.Error(got) // without the VIPs and without the address that is still tentative
	}
	if l, err := k.Look("no"); err != nil || l.Name != "no" || l.Index != 0 {
		t.Error(l, err)
	}
	last := func() Link {
		var last Link
		for _, x := range r.of(LinkChanged) {
			if x.Link.Name == "v0" {
				last = x.Link
			}
		}
		return last
	}
	eventually(t, 5*time.Second, "told that 2001:db8::7 is ready", func() bool { return len(last().Addresses) == 5 })
	p.sh("ip link set v1 down")
	eventually(t, time.Second, "told of the carrier", func() bool { return !last().Up })
	p.sh("ip link set v1 up")
	eventually(t, time.Second, "told of the carrier", func() bool { return last().Up })
	sh(t, "ip link set v0 address 02:00:00:00:00:09")
	eventually(t, time.Second, "told of the MAC", func() bool { return last().MAC[5] == 9 })
	r.clear()
	if time.Sleep(700 * time.Millisecond); len(r.of(LinkChanged)) > 0 {
		t.Error("renewals are told as changes", r.of(LinkChanged))
	}
}

func TestLabel(t *testing.T) {
	wire(t)
	k, r := open(t)
	w := want(true, four)
	for _, label := range []string{"v0:1", "v0:2"} {
		w.Addresses[0].Label = label
		k.Set("web", w)
		eventually(t, time.Second, label, func() bool {
			return strings.Contains(sh(t, "ip addr show v0"), "198.51.100.10/32 scope global dynamic "+label)
		})
		w = want(true, four)
	}
	time.Sleep(100 * time.Millisecond)
	if x := append(r.of(Failed), r.of(Restored)...); len(x) > 0 {
		t.Error(x)
	}
}

// Addresses that come are there before others go, and one that changes router stays.
func TestReload(t *testing.T) {
	wire(t)
	k, _ := open(t)
	k.Set("web", want(true, four, "198.51.100.11/32"))
	eventually(t, time.Second, "held", func() bool { return has(t, "v0", four) && has(t, "v0", "198.51.100.11/32") })
	k.Set("web", want(true, "198.51.100.11/32", "198.51.100.12/32"))
	eventually(t, time.Second, "changed", func() bool { return !has(t, "v0", four) })
	if !has(t, "v0", "198.51.100.12/32") || !has(t, "v0", "198.51.100.11/32") {
		t.Error("not there")
	}
	k.Set("news", want(true, "198.51.100.11/32"))
	k.Forget("web", false)
	eventually(t, time.Second, "moved", func() bool { return !has(t, "v0", "198.51.100.12/32") })
	if !has(t, "v0", "198.51.100.11/32") {
		t.Error("not there")
	}
	k.Forget("news", true)
	k.Close()
	if !has(t, "v0", "198.51.100.11/32") {
		t.Error("not kept")
	}
}

// The kernel drops IPv6 addresses when an interface is taken down.
func TestLinkDownAndUp(t *testing.T) {
	p := wire(t)
	p.sh("ip route add 198.51.100.10 dev v1")
	k, _ := open(t)
	w := want(true, four, six)
	w.Lease = 0
	k.Set("web", w)
	eventually(t, time.Second, "held", func() bool { return has(t, "v0", four) && has(t, "v0", six) })
	sh(t, "ip link set v0 down")
	time.Sleep(20 * time.Millisecond)
	sh(t, "ip link set v0 up; ip addr add fe80::1/64 dev v0 nodad; ip addr add 2001:db8::1/64 dev v0 nodad")
	eventually(t, 200*time.Millisecond, "held", func() bool { return has(t, "v0", four) && has(t, "v0", six) })
	p.reach("198.51.100.10")
	p.reach("2001:db8::10")
}

func TestMissingLink(t *testing.T) {
	wire(t)
	k, r := open(t)
	w := want(true, four)
	w.Addresses[0].Link = "later"
	k.Set("web", w)
	eventually(t, time.Second, "told", func() bool { return len(r.of(Failed)) == 1 })
	time.Sleep(1200 * time.Millisecond)
	if n := len(r.of(Failed)); n != 1 {
		t.Errorf("told %d times", n)
	}
	sh(t, "ip link add later type veth peer name later2")
	defer func() { _ = exec.Command("ip", "link", "del", "later").Run() }()
	eventually(t, 100*time.Millisecond, "held", func() bool { return has(t, "later", four) })
}

func TestRemove(t *testing.T) {
	wire(t)
	sh(t, "ip addr add 198.51.100.10/24 dev v0; ip addr add "+six+" dev v0")
	w := want(false, four, six, "198.51.100.12/32")
	w.Addresses = append(w.Addresses, Address{Prefix: w.Addresses[0].Prefix, Link: "none"})
	if err := Remove(w.Addresses); err != nil {
		t.Fatal(err)
	}
	if has(t, "v0", "198.51.100.10/24") || has(t, "v0", six) || !has(t, "v0", "192.0.2.1/24") {
		t.Error(sh(t, "ip addr show v0"))
	}
}

func TestHundredsAtOnce(t *testing.T) {
	wire(t)
	k, r := open(t)
	var prefixes []string
	for i := range 300 {
		prefixes = append(prefixes, fmt.Sprintf("10.9.%d.%d/32", i/200, i%200+1))
	}
	start := time.Now()
	k.Set("web", want(true, prefixes...))
	if d := time.Since(start); d > 5*time.Millisecond {
		t.Errorf("Set took %v", d)
	}
	eventually(t, time.Second, "settled", func() bool { return len(r.of(Settled)) > 0 })
	t.Log("300 added in", time.Since(start))
	count := func() int { return strings.Count(sh(t, "ip -o -4 addr show v0"), " 10.9.") }
	if n := count(); n != 300 {
		t.Errorf("%d are there", n)
	}
	sh(t, "ip addr flush dev v0 || true") // it gives up in the end
	eventually(t, time.Second, "restored", func() bool { return count() == 300 })
	r.clear()
	start = time.Now()
	k.Set("web", want(false, prefixes...))
	eventually(t, time.Second, "settled", func() bool {
		x := r.of(Settled)
		return len(x) > 0 && count() == 0
	})
	t.Log("300 removed in", time.Since(start))
	if x := append(r.of(Failed), r.of(Removed)...); len(x) > 0 {
		t.Error(x)
	}
}
