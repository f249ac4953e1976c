// Package config turns the operator's TOML into finished values. What Load gives back needs no further check: every
// name is resolved, every default is filled in, every rule that can be known without the kernel holds. etc/lvsd.toml is
// the manual of the keys.
package config

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/notify"
)

// Config is one configuration, whole and valid. It is never changed after Load.
type Config struct {
	Name      string        // of this director
	State     string        // directory of what is kept over a restart, an absolute path
	Runtime   string        // directory of the vrrp process, with its record and its socket, an absolute path
	Resync    time.Duration // how often the kernel table is compared
	Audit     audit.Config
	Control   Control
	Timeouts  Timeouts
	Director  director.Config
	Pair      *link.Config      // for the vrrp process; nil without [[vrrp]]
	Sync      ipvs.Sync         // the kernel's connection synchronisation, both roles; zero is none
	Notifiers []notify.Notifier // by name
	Checks    map[string]Check  // every check by name, used or not
	Files     []string          // what was read: the file itself, then those that it includes
	Warnings  []string          // what is allowed and probably not meant, as "file:line: path: text"
}

// Control is where lvsd listens for its operators and who they are.
type Control struct {
	Socket string   // absolute path
	Read   []string // users by name or number, or groups as "@group"; they are not looked up here
	Admin  []string
}

// Timeouts are how long the kernel keeps idle connections; zero leaves the kernel's own. Whole seconds.
type Timeouts struct {
	TCP    time.Duration
	TCPFin time.Duration
	UDP    time.Duration
}

// Check is one [check.NAME] before it is known which server it asks.
type Check struct {
	Name    string
	Type    string
	Address netip.Addr  // asked instead of the server; zero for the server's
	Port    uint16      // asked instead of the server's; 0 for the server's
	Spec    health.Spec // Target.Addr is not set
}

// For says which probe a server's check is, and how it is asked. An error says that the check needs a port and has none,
// or that it cannot reach the server's family from its source address.
func (c Check) For(server netip.AddrPort) (lvs.CheckID, health.Spec, error) {
	addr, port := server.Addr(), server.Port()
	if c.Address.IsValid() {
		addr = c.Address
	}
	if c.Port != 0 {
		port = c.Port
	}
	spec := c.Spec
	spec.Target.Addr = netip.AddrPortFrom(addr, port)
	id := lvs.CheckID{Check: c.Name, Addr: spec.Target.Addr}
	if _, script := spec.Checker.(*checks.Script); port == 0 && !script {
		return id, spec, fmt.Errorf("check %q does not know which port to ask: set port in [check.%s]", c.Name, c.Name)
	}
	if source := spec.Target.Source; source.IsValid() && source.Is4() != addr.Is4() {
		return id, spec, fmt.Errorf("check %q sends from %v, which cannot reach %v", c.Name, source, addr)
	}
	return id, spec, nil
}
