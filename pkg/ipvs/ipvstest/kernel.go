// Package ipvstest is a kernel table in memory that is as strict as the real one: test/contract holds both to the same.
package ipvstest

import (
	"errors"
	"maps"
	"net/netip"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Kernel is an IPVS table in memory. It refuses what Linux refuses, with the same errors. All methods may be called by
// any goroutine.
type Kernel struct {
	mu          sync.Mutex
	table       lvs.Table // its maps are our own
	connections map[ipvs.Entry]lvs.Connections
	schedulers  map[string]bool
	writes      int
	reads       int

	before func()
	fail   func(lvs.Change) error
	absent error
	miss   map[ipvs.Entry]int
	slow   time.Duration
}

// ErrLostAnswer is a change that is made although nobody hears of it, when the function of Fail gives it.
var ErrLostAnswer = errors.New("the answer was lost")

var _ ipvs.Kernel = (*Kernel)(nil)

// New makes a Kernel that holds a copy of a table and has the schedulers of Linux.
func New(table lvs.Table) *Kernel {
	k := &Kernel{
		table: lvs.Table{}, connections: map[ipvs.Entry]lvs.Connections{},
		schedulers: map[string]bool{}, miss: map[ipvs.Entry]int{},
	}
	for _, name := range []string{"rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh"} {
		k.schedulers[name] = true
	}
	for key, entry := range table {
		k.table[key] = lvs.Entry{Service: entry.Service, Servers: copied(entry.Servers)}
	}
	return k
}

func copied(servers map[netip.AddrPort]lvs.Server) map[netip.AddrPort]lvs.Server {
	m := maps.Clone(servers)
	if m == nil {
		m = map[netip.AddrPort]lvs.Server{}
	}
	return m
}

// Table gives a copy of what the kernel holds.
func (k *Kernel) Table() lvs.Table {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := make(lvs.Table, len(k.table))
	for key, entry := range k.table {
		t[key] = lvs.Entry{Service: entry.Service, Servers: copied(entry.Servers)}
	}
	return t
}

// Writes is how many changes Apply was given.
func (k *Kernel) Writes() int { k.mu.Lock(); defer k.mu.Unlock(); return k.writes }

// Reads is how often Services and Servers were called.
func (k *Kernel) Reads() int { k.mu.Lock(); defer k.mu.Unlock(); return k.reads }

// Edit is somebody else with ipvsadm: it makes changes that Writes does not count. What the kernel refuses it gives
// back as Apply does.
func (k *Kernel) Edit(changes ...lvs.Change) []error {
	k.mu.Lock()
	defer k.mu.Unlock()
	errs := make([]error, len(changes))
	for i, c := range changes {
		errs[i] = k.change(c)
	}
	return errs
}

// Clear is somebody else with ipvsadm -C.
func (k *Kernel) Clear() { k.mu.Lock(); defer k.mu.Unlock(); clear(k.table) }

// Connect sets what the kernel counts for a real server.
func (k *Kernel) Connect(key lvs.Key, addr netip.AddrPort, c lvs.Connections) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.connections[ipvs.Entry{Key: key, Addr: addr}] = c
}

// Before has f called at the beginning of every call of the Kernel's, for what somebody else does at that moment.
func (k *Kernel) Before(f func()) { k.mu.Lock(); defer k.mu.Unlock(); k.before = f }

// Fail has f asked about every change that Apply is given; one for which it gives an error is not made. f
// must not call the Kernel. nil ends it.
func (k *Kernel) Fail(f func(lvs.Change) error) { k.mu.Lock(); defer k.mu.Unlock(); k.fail = f }

// Break makes every call fail with err, as a kernel without ip_vs does; nil mends it.
func (k *Kernel) Break(err error) { k.mu.Lock(); defer k.mu.Unlock(); k.absent = err }

// Miss leaves an entry out of the next n answers that should have it, as the kernel does while somebody writes.
func (k *Kernel) Miss(e ipvs.Entry, n int) { k.mu.Lock(); defer k.mu.Unlock(); k.miss[e] = n }

// Slow makes every reading call take d.
func (k *Kernel) Slow(d time.Duration) { k.mu.Lock(); defer k.mu.Unlock(); k.slow = d }

// Services implements ipvs.Kernel.
func (k *Kernel) Services() (map[lvs.Key]lvs.Service, error) {
	defer k.enter()()
	k.reads++
	time.Sleep(k.slow)
	if k.absent != nil {
		return nil, k.absent
	}
	services := map[lvs.Key]lvs.Service{}
	for key, entry := range k.table {
		if !k.missed(ipvs.Entry{Key: key}) {
			services[key] = entry.Service
		}
	}
	return services, nil
}

// Servers implements ipvs.Kernel.
func (k *Kernel) Servers(key lvs.Key) (map[netip.AddrPort]ipvs.Observed, error) {
	defer k.enter()()
	k.reads++
	time.Sleep(k.slow)
	if k.absent != nil {
		return nil, k.absent
	}
	entry, there := k.table[key]
	if !there {
		return nil, errNoService
	}
	servers := map[netip.AddrPort]ipvs.Observed{}
	for addr, s := range entry.Servers {
		e := ipvs.Entry{Key: key, Addr: addr}
		if !k.missed(e) {
			servers[addr] = ipvs.Observed{Server: s, Connections: k.connections[e]}
		}
	}
	return servers, nil
}

// Apply implements ipvs.Kernel.
func (k *Kernel) Apply(changes []lvs.Change) []error {
	defer k.enter()()
	errs := make([]error, len(changes))
	for i, c := range changes {
		k.writes++
		errs[i] = k.absent
		if errs[i] == nil && k.fail != nil {
			errs[i] = k.fail(c)
		}
		if errs[i] == nil {
			errs[i] = k.change(c)
		} else if errors.Is(errs[i], ErrLostAnswer) {
			_ = k.change(c)
		}
	}
	return errs
}

// enter lets somebody else act, then takes the lock; what it gives back releases it.
func (k *Kernel) enter() func() {
	k.mu.Lock()
	before := k.before
	k.mu.Unlock()
	if before != nil {
		before()
	}
	k.mu.Lock()
	return k.mu.Unlock
}

func (k *Kernel) missed(e ipvs.Entry) bool {
	if k.miss[e] == 0 {
		return false
	}
	k.miss[e]--
	return true
}
