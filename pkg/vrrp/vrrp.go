// Package vrrp is the Virtual Router Redundancy Protocol: version 3 (RFC 9568, IPv4 and IPv6) and version 2 (RFC 3768,
// IPv4). Machine is the state machine of one virtual router and Group that of routers which are master together; both are
// pure: they read no clock and do no I/O. The codec says of every packet why it is refused, and Socket sends and receives
// on a link. Nothing on the way of an advert allocates.
//
// "Master" is what RFC 9568 calls Active. A packet that is refused never reaches a Machine, so that it changes no state
// and no timer.
package vrrp

import (
	"net/netip"
	"time"
)

// Instant is a moment, as the time since an origin of the caller's choice that never steps; lvsd's is CLOCK_BOOTTIME.
type Instant time.Duration

// Never is the Instant of what will not happen.
const Never = Instant(1<<63 - 1)

// Add gives the moment d later; Never stays Never.
func (i Instant) Add(d time.Duration) Instant {
	if i == Never {
		return Never
	}
	return i + Instant(d)
}

// Sub gives how much later i is than j.
func (i Instant) Sub(j Instant) time.Duration { return time.Duration(i - j) }

// What the protocol fixes.
const (
	Protocol      = 112 // of IP
	TTL           = 255
	TrafficClass  = 0xc0
	PriorityOwner = 255 // of the router whose own addresses the VIPs are
	PriorityLeave = 0   // of a master that goes
)

// The groups of multicast adverts (RFC 9568 section 5.1.1.2 and 5.1.2.2).
var (
	Multicast4 = netip.AddrFrom4([4]byte{224, 0, 0, 18})
	Multicast6 = netip.MustParseAddr("ff02::12")
)

// State is what a router is.
type State uint8

// The states. Fault is not in the RFC: a router that may not be master, for its interface or a check of this host; it
// still listens where it can.
const (
	Stopped State = iota // Initialize of the RFC
	Fault
	Backup
	Master // Active of the RFC
)

// String gives the state in lower case.
func (s State) String() string {
	switch s {
	case Stopped:
		return "stopped"
	case Fault:
		return "fault"
	case Backup:
		return "backup"
	case Master:
		return "master"
	}
	return "unknown"
}

// Params are what the operator wants of a router. They are comparable.
type Params struct {
	Version      uint8         // 2 or 3
	Interval     time.Duration // between adverts
	DownAdverts  int           // missed adverts before a takeover; 3 in the RFC
	Preempt      bool          // take over from a master of lower priority
	PreemptDelay time.Duration // not before such a master has been heard for this long
	PeerPriority uint8         // of the peer, until one is heard; 0 is unknown
	Hold         time.Duration // after Start, claim nothing before Ready or before no advert was heard for this long
}

// Standing is what this host can say of itself for a router.
type Standing struct {
	Priority uint8      // in effect: 1-254, or PriorityOwner
	Sick     bool       // a check of this host says that it should not be master; it still can forward
	Down     bool       // the interface cannot be used: no carrier, gone, no address
	Primary  netip.Addr // from which adverts come; breaks ties
}

// Event is something that happens to a router. Which fields count depends on the kind.
type Event struct {
	Kind     Kind
	Priority uint8         // Heard: of the advert
	Interval time.Duration // Heard: of the advert, version 3
	From     netip.Addr    // Heard: who sent it
	Standing Standing      // Stand
	Params   Params        // Configure
}

// Kind is what kind of event it is.
type Kind uint8

// The kinds. Groups make Promote, Demote and Postpone of their own for their members.
const (
	Tick      Kind = iota // Next has come; early or late ones are harmless
	Start                 // begin, after Configure and Stand
	Resume                // begin as master: the process before was, and its adverts cannot have been missed yet
	Heard                 // an advert that passed every check
	Stand                 // what this host can say of itself
	Configure             // what the operator wants
	Ready                 // the first table is in the kernel: the hold after Start is over
	Handover              // give the role away, if somebody takes it
	Stop                  // give the role away, and end
	Promote               // become master with the group
	Demote                // become backup with the group
	Postpone              // do not take over: the group hears a master elsewhere
)

// Effect is what is to be done after a step. Whether the VIPs are to be held is Machine.Holds.
type Effect struct {
	Adverts   int   // how many to send at once, a millisecond apart; 0 is none
	Priority  uint8 // in them
	Announce  bool  // tell the link whose the VIPs are, from the schedule's beginning
	Contested bool  // another master was heard while this one was master
	Cause     Cause // of the change of state, or why none came; empty for what is routine
}

// Cause says why, for people.
type Cause uint8

// The causes.
const (
	NoCause Cause = iota
	CauseStart
	CauseResumed    // the process before was master a moment ago
	CauseOwner      // priority 255
	CauseSilence    // no advert within the down interval
	CauseLeft       // the master gave its role up by priority 0
	CausePreempt    // a master of lower priority was heard, and its time was up
	CauseHigher     // a master with a higher priority, or an equal one and a higher address, was heard
	CauseHandedOver // a successor was heard after this one gave its role away
	CauseKept       // nobody took the role that was given away
	CauseSick       // a check of this host
	CauseWell       // that check again
	CauseLinkDown   // the interface cannot be used
	CauseLinkUp     // it can again
	CauseSlept      // this process did not run for so long that a peer must have taken over
	CauseStopped    // asked to end
	CauseGroup      // another router of the group
	CauseLastMan    // nobody else is heard, so a sick router goes on
	CauseGroupHeld  // the group still hears a master elsewhere, so its silence here is not believed
	CauseHeld       // a takeover waits for the first table
)
