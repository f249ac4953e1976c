// Package director decides. Run owns all state that changes while lvsd runs: what the checks say, what was decided for
// each virtual service, whether the director suspects itself. It takes in what happens and gives out what is wanted; it
// does no I/O and waits for nobody.
package director

import (
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/notify"
	"github.com/lvsd/lvsd/pkg/plan"
)

// Config is what the operator wants, finished and checked. A Config that has been handed on is never changed.
type Config struct {
	Name     string // of this director
	Services []plan.Virtual
	Checks   map[lvs.CheckID]health.Spec // every check that a service or a router's track uses
	Routers  []Router
	Suspect  Suspect

	// Found is what the kernel holds of services that the configuration before did not have: what has no verdict stays as
	// it is there. At the start Run is given the whole table instead.
	Found lvs.Table
}

// Router is one [[vrrp]], as far as its standing is decided here.
type Router struct {
	Name      string
	OnSuspect int // added to the priority while the director suspects itself
	Tracks    []Track
}

// Track is a check of this host or a service that a router depends on. One of Check and Service is set.
type Track struct {
	Check   lvs.CheckID
	Service string // without its quorum in one of its virtual services it counts as failed
	Share   int    // of Service: so does one with less than this share of its servers up, in percent; 0 is none
	Weight  int    // below 0: added while it fails; above 0: while it does not; 0: its failure is a fault
}

// Suspect is when the director doubts itself (SAFETY.md, "Suspecting oneself").
type Suspect struct {
	Share int           // percent of the addresses above which it does; 0 is never
	Probe []netip.Addr  // whom to ask by ARP or ND; empty is the gateways
	Hold  time.Duration // the longest time for which removals are withheld
}

// Inputs are where things come from. Run ends when Reports is closed; it has then given out its last table.
type Inputs struct {
	Configs <-chan Config
	Reports <-chan []health.Report
	Asks    <-chan Ask
	Probed  <-chan Probed
}

// Ask is a request for what the director knows now.
type Ask struct {
	Alive  bool // only a sign of life is asked for; the Snapshot is empty
	Tries  bool // with the last tries of every check, not only the newest
	Server netip.Addr
	Reply  chan<- *Snapshot // given exactly one; must have room for it
}

// Probed is the answer to Outputs.Probe: whether anybody asked answered, in words.
type Probed struct {
	Answered bool
	Words    string // "198.51.100.1 answered from 02:…", "198.51.100.1 is silent"
	Unasked  bool   // there was nobody to ask, or this host could not
}

// Outputs are where things go. None may block.
type Outputs struct {
	Table    func(t lvs.Table, cause string) // what the kernel should hold of the configured services
	Ready    func()                          // once, after the Table that is worth being called ready for
	Record   func(audit.Entry)               // what was decided
	Verdicts func(map[lvs.CheckID]Known)     // what to remember over a restart, when it changed
	Probe    func(addrs []netip.Addr)        // ask whether these neighbours, or the gateways, answer; see Probed
	Event    func(notify.Event)              // a service or a server is in another state; Mono is not set

	// Standing is what raises or lowers the priority of each router, whole, at once when it changes. Until the first one,
	// what an earlier process said is the best that is known: it comes when every tracked check was tried, and standWait
	// after the start at the latest. The map is never changed.
	Standing func(reasons map[string][]link.Reason)
}

// What a Table or an audit entry was caused by.
const (
	CauseStart   = "start"
	CauseReload  = "reload"
	CauseCheck   = "check"
	CauseSuspect = "suspect"
	CauseClock   = "slow start"
	CauseStop    = "stop"
)

// Known is a verdict worth keeping over a restart.
type Known struct {
	Verdict lvs.Verdict
	Since   time.Time
}
