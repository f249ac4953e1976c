// Package vip keeps virtual addresses on this host's links, or off them: leased in the kernel so that they vanish with a
// process that dies, announced by gratuitous ARP and unsolicited neighbour advertisement, and watched. It speaks
// rtnetlink and AF_PACKET and needs CAP_NET_ADMIN and CAP_NET_RAW.
package vip

import (
	"net/netip"
	"time"
)

// Address is one virtual address. It is comparable.
type Address struct {
	Prefix netip.Prefix // /32 and /128 unless the operator wants a subnet
	Link   string       // name of the interface that has it
	Label  string       // IPv4 only, "eth0:1"; empty is none
}

// Want is what shall be of the addresses of one router.
type Want struct {
	Addresses []Address
	Held      bool          // on this host; otherwise they are taken off wherever they are found on their links
	Lease     time.Duration // in the kernel unless renewed, whole seconds; 0 is for ever
	Renew     time.Duration // how often the lease is renewed
	Schedule  Schedule      // of announcements while held
	Election  uint64        // changed by every election event: announcements begin anew
	VMAC      VMAC          // the interface with the virtual MAC, if there is one; Addresses of its Parent are then on it
}

// Schedule is when addresses are announced after an election event: Repeat times at once, as often after Delay, every
// second for the first minute, and every Refresh from then on.
type Schedule struct {
	Repeat  int
	Delay   time.Duration
	Refresh time.Duration // 0 is never, and not every second either
}

// VMAC is an interface of its own (macvlan) with the virtual router's MAC address (RFC 9568 section 7.3). The zero VMAC
// is none.
type VMAC struct {
	Name   string // of the interface that is made, at most 15 bytes
	Parent string
	MAC    [6]byte
}

// Link is what is known of an interface.
type Link struct {
	Name      string
	Index     int  // 0 if there is no such interface
	Up        bool // administratively up, with carrier
	MAC       [6]byte
	Addresses []netip.Prefix // ready for use (not tentative), in the kernel's order, VIPs of ours left out
}

// Report is what came of keeping addresses. Exactly one kind is set.
type Report struct {
	At      time.Duration // CLOCK_BOOTTIME
	Kind    ReportKind
	Router  string  // not of LinkChanged
	Address Address // of Restored, Removed, Duplicate
	Link    Link    // of LinkChanged
	MAC     [6]byte // of Duplicate: who answered for the address
	Err     error   // of Failed
}

// ReportKind is what kind of report it is.
type ReportKind uint8

// The kinds.
const (
	Settled     ReportKind = iota // the addresses of Router are as wanted, by the last Set or renewal
	Restored                      // an address that somebody deleted was put back
	Removed                       // an address that was not to be here was taken off
	Failed                        // the kernel refused; it is tried again
	LinkChanged                   // an interface came, went, or changed
	Duplicate                     // somebody else on the link answers for an address that is held here
)
