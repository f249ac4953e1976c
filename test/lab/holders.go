package lab

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
)

// HolderMeter watches which of some hosts have an address on an interface, by what their kernels tell of each change.
type HolderMeter struct {
	hosts  []*Host
	vip    netip.Addr
	cancel chan struct{}

	mu      sync.Mutex
	holds   []map[int]bool // by host: the interfaces that have it
	began   time.Time
	changes []HolderChange
}

// HolderChange is that a host got the address or lost it.
type HolderChange struct {
	At    time.Time
	Host  string
	Holds bool
}

// Holding is what a HolderMeter saw: how long nobody, one host, and more than one had the address, and each change.
type Holding struct {
	None, One, More time.Duration
	Changes         []HolderChange
}

// String tells it in one line, times of changes from the first.
func (h Holding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "none %s, one %s, more %s;", ms(h.None), ms(h.One), ms(h.More))
	for _, c := range h.Changes {
		fmt.Fprintf(&b, " +%s %s %t", ms(c.At.Sub(h.Changes[0].At)), c.Host, c.Holds)
	}
	return b.String()
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// WatchHolders begins to watch, until the test ends. An address on the loopback does not count.
func WatchHolders(vip netip.Addr, hosts ...*Host) *HolderMeter {
	t := hosts[0].net.t
	t.Helper()
	m := &HolderMeter{hosts: hosts, vip: vip, cancel: make(chan struct{}), began: time.Now()}
	t.Cleanup(func() { close(m.cancel) })
	for range hosts {
		m.holds = append(m.holds, map[int]bool{})
	}
	for i, h := range hosts {
		updates := make(chan netlink.AddrUpdate, 256)
		err := netlink.AddrSubscribeWithOptions(updates, m.cancel, netlink.AddrSubscribeOptions{
			Namespace:     &h.ns.fd,
			ListExisting:  true,
			ErrorCallback: func(error) {}, // the end of the subscription
		})
		if err != nil {
			t.Fatalf("watch addresses of %s: %v", h.Name, err)
		}
		go func() {
			for u := range updates {
				m.see(i, u)
			}
		}()
	}
	return m
}

func (m *HolderMeter) see(host int, u netlink.AddrUpdate) {
	a, _ := netip.AddrFromSlice(u.LinkAddress.IP)
	if a.Unmap() != m.vip || u.LinkIndex == 1 { // 1 is the loopback
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before := len(m.holds[host]) > 0
	if u.NewAddr {
		m.holds[host][u.LinkIndex] = true
	} else {
		delete(m.holds[host], u.LinkIndex)
	}
	if now := len(m.holds[host]) > 0; now != before {
		m.changes = append(m.changes, HolderChange{time.Now(), m.hosts[host].Name, now})
	}
}

// Holders are the names of the hosts that have the address now, in the order in which they were given.
func (m *HolderMeter) Holders() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.holders()
}

func (m *HolderMeter) holders() []string {
	var names []string
	for i, h := range m.hosts {
		if len(m.holds[i]) > 0 {
			names = append(names, h.Name)
		}
	}
	return names
}

// Mark forgets what was seen so far, so that the next Holding begins now.
func (m *HolderMeter) Mark() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.began, m.changes = time.Now(), nil
}

// Holding is what was seen since the beginning or the last Mark.
func (m *HolderMeter) Holding() Holding {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := Holding{Changes: append([]HolderChange(nil), m.changes...)}
	count, until := len(m.holders()), time.Now()
	for i := len(h.Changes) - 1; i >= -1; i-- { // from now back to the beginning
		from := m.began
		if i >= 0 {
			from = h.Changes[i].At
		}
		h.add(count, until.Sub(from))
		until = from
		if i >= 0 && h.Changes[i].Holds {
			count--
		} else {
			count++
		}
	}
	return h
}

func (h *Holding) add(holders int, d time.Duration) {
	switch holders {
	case 0:
		h.None += d
	case 1:
		h.One += d
	default:
		h.More += d
	}
}
