// Package ipvs is the only door to the kernel's IPVS table. Kernel is the door, Netlink the real one, and Keeper keeps
// what is behind it as wanted.
//
// Netlink speaks the kernel's generic netlink family itself, over the sockets of vishvananda/netlink/nl. moby/ipvs is
// not in its way: that library runs modprobe when it is first used and, where ip_vs is missing, answers every call with
// success for the life of the process; it reads weights as 16 bits, does not tell the family of a server's address nor
// its encapsulation, reads no persistence engine, waits for an answer for ever and sends one message at a time. The
// benchmark measures against it (test/bench).
package ipvs

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Observed is a real server as the kernel has it now.
type Observed struct {
	lvs.Server
	lvs.Connections
}

// Kernel is the IPVS table of one network namespace. It is used by one goroutine at a time.
//
// Errors of single services and servers are ErrExists, ErrNotFound, ErrNoScheduler or what else the kernel refused
// (a syscall.Errno is inside); ErrNoIPVS and all others mean that the kernel was not heard, and for a change that it is
// unknown whether it was made.
type Kernel interface {
	// Services gives the virtual services without their servers; it is the cheap question. While someone else writes,
	// the kernel's answer may lack services that are there: make sure of a missing one with Servers.
	Services() (map[lvs.Key]lvs.Service, error)

	// Servers gives the real servers of one service, or ErrNotFound if there is no such service. Of services with more
	// than some fifty servers the answer may lack some, as above.
	Servers(lvs.Key) (map[netip.AddrPort]Observed, error)

	// Apply makes the changes in their order and goes on after one that fails. It gives as many errors as there are
	// changes; nil is done.
	Apply([]lvs.Change) []error
}

// Info is what the kernel's IPVS says of itself.
type Info struct {
	Version uint32 // three bytes: 0x010201
	Size    uint32 // of the connection table
}

// Timeouts are how long the kernel keeps connections that are idle: whole seconds. When they are set, zero leaves one
// as it is.
type Timeouts struct{ TCP, TCPFin, UDP time.Duration }

// What a Kernel may answer, for errors.Is.
var (
	ErrNoIPVS      = errors.New("this kernel has no ip_vs")
	ErrExists      = errors.New("it is there already")
	ErrNotFound    = errors.New("it is not there")
	ErrNoScheduler = errors.New("not in this kernel")
	ErrRefused     = errors.New("the kernel refused it")
)

// answered tells whether an error of a change is the kernel's word on it, so that the change was surely not made.
func answered(err error) bool {
	return errors.Is(err, ErrExists) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrNoScheduler) ||
		errors.Is(err, ErrRefused)
}

// Read gives the whole table. A service that goes while it is read is left out.
func Read(k Kernel) (lvs.Table, error) {
	services, err := k.Services()
	if err != nil {
		return nil, fmt.Errorf("read virtual services: %w", err)
	}
	table := make(lvs.Table, len(services))
	for key, service := range services {
		servers, err := k.Servers(key)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read servers of %s: %w", key, err)
		}
		table[key] = lvs.Entry{Service: service, Servers: settings(servers)}
	}
	return table, nil
}

// settings drops the connection counts.
func settings(servers map[netip.AddrPort]Observed) map[netip.AddrPort]lvs.Server {
	m := make(map[netip.AddrPort]lvs.Server, len(servers))
	for addr, s := range servers {
		m[addr] = s.Server
	}
	return m
}
