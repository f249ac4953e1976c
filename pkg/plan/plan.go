// Package plan decides what the kernel should hold for a virtual service: which real servers are in, at what weight,
// and whether the sorry servers stand in for them. It is pure: it does no I/O, reads no clock and keeps nothing. The
// rules are those of SAFETY.md, "Probes and table"; decide_test.go has a row for each.
package plan

import (
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// OnDown says what becomes of a server whose checks fail.
type OnDown uint8

// Remove takes it out of the table; Quiesce leaves it there with weight 0, so that open and persistent connections go on.
const (
	Remove OnDown = iota
	Quiesce
)

// Virtual is one virtual service as the operator wants it. A service with two VIPs and two ports is four of them.
type Virtual struct {
	Name       string // of the service in the configuration
	Key        lvs.Key
	Service    lvs.Service
	Servers    []Server
	Sorry      []Server // in the table while the quorum is lost
	OnDown     OnDown
	Quorum     int           // weight in service below which the service is down
	Hysteresis int           // weight above Quorum that brings it up again
	MinUp      int           // percent of the servers below which no more are taken out
	SlowStart  time.Duration // over which the weight of a server that comes up rises
}

// Server is a real server as it should be when it is in service. All of its checks must pass; without checks it is
// always up.
type Server struct {
	Addr   netip.AddrPort
	Set    lvs.Server
	Checks []lvs.CheckID
}

// Health is what is known of one check.
type Health struct {
	Verdict lvs.Verdict
	Since   time.Time // of the verdict
	Weight  *int      // weight that the server asked for, if any
}

// Input is what a decision rests on besides the configuration and the state before.
type Input struct {
	Now      time.Time
	Health   func(lvs.CheckID) Health
	Admin    func(service string, server netip.AddrPort) lvs.Admin
	Withhold bool // the director suspects itself: nothing is taken out for a check
	Finish   bool // lvsd stops: weights on their way up go to full
}

// Quorum is whether a service has enough weight in service.
type Quorum uint8

// Pending is before enough is known to say.
const (
	Pending Quorum = iota
	Reached
	Lost
)

// String gives "pending", "up" or "down".
func (q Quorum) String() string { return [...]string{"pending", "up", "down"}[q] }

// Held is why a server is still in the table although no check says that it is well.
type Held uint8

// The reasons to hold a server.
const (
	NotHeld     Held = iota
	HeldUnknown      // it was in before and has no verdict yet
	HeldByMinUp
	HeldBySuspicion
)

// String gives the reason in the words of status, empty for none.
func (h Held) String() string {
	return [...]string{"", "held until its first verdict", "held by min_up", "held: the director suspects itself"}[h]
}

// ServerState is what was decided of one server, and why.
type ServerState struct {
	Addr    netip.AddrPort
	Sorry   bool
	Admin   lvs.Admin
	Verdict lvs.Verdict // of all its checks together
	Check   lvs.CheckID // the check that decided; zero if all passed or there is none
	Held    Held
	In      bool // it is in the table and takes new connections, if its weight is not 0
	Since   time.Time
	Rising  time.Time // when its slow start began; zero when it is over
	Fresh   bool      // no verdict has been seen of it since the service was first decided
}

// State is a decision: what the kernel should hold for the service and how that came about. The zero State, or one
// that has only the kernel's Entry, is where a service begins.
type State struct {
	Entry   lvs.Entry
	Servers []ServerState // the servers in the order of the configuration, then the sorry servers
	Quorum  Quorum
	Weight  int       // in service, at full weight
	Next    time.Time // when the same input would decide otherwise; zero for never
}
