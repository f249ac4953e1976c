package lvs

import (
	"maps"
	"net/netip"
	"slices"
)

// Op is what a Change does.
type Op uint8

// The six things that can be done to a table.
const (
	AddService Op = iota + 1
	EditService
	DelService
	AddServer
	EditServer
	DelServer
)

// OfServer tells whether the operation is about a real server; otherwise it is about a virtual service.
func (op Op) OfServer() bool { return op >= AddServer }

// Change is one step from one table to another, as the kernel takes it. It is comparable.
type Change struct {
	Op         Op
	Key        Key            // the virtual service
	Service    Service        // AddService, EditService: as it is to be
	WasService Service        // EditService, DelService: as it was
	Addr       netip.AddrPort // the real server; zero for a change of the service itself
	Server     Server         // AddServer, EditServer: as it is to be
	WasServer  Server         // EditServer, DelServer: as it was
}

// Diff gives what makes want of have, always in the same order: service by service in the order of Key.Compare, each
// first itself, then its new servers, its changed ones and those that go; at the very end the services that go. So a
// service that stays never has fewer servers than the smaller of before and after. A service that goes takes its
// servers with it.
func Diff(have, want Table) []Change {
	var changes []Change
	for _, key := range slices.SortedFunc(maps.Keys(want), Key.Compare) {
		old, known := have[key]
		entry := want[key]
		switch {
		case !known:
			changes = append(changes, Change{Op: AddService, Key: key, Service: entry.Service})
		case old.Service != entry.Service:
			changes = append(changes, Change{
				Op: EditService, Key: key, Service: entry.Service, WasService: old.Service,
			})
		}
		changes = appendServers(changes, key, old.Servers, entry.Servers)
	}
	for _, key := range slices.SortedFunc(maps.Keys(have), Key.Compare) {
		if _, stays := want[key]; !stays {
			changes = append(changes, Change{Op: DelService, Key: key, WasService: have[key].Service})
		}
	}
	return changes
}

// appendServers adds the changes of one service's servers: new ones, changed ones, those that go.
func appendServers(changes []Change, key Key, have, want map[netip.AddrPort]Server) []Change {
	var edit, gone []Change
	for _, addr := range slices.SortedFunc(maps.Keys(want), netip.AddrPort.Compare) {
		server := want[addr]
		switch old, known := have[addr]; {
		case !known:
			changes = append(changes, Change{Op: AddServer, Key: key, Addr: addr, Server: server})
		case old != server:
			edit = append(edit, Change{Op: EditServer, Key: key, Addr: addr, Server: server, WasServer: old})
		}
	}
	for _, addr := range slices.SortedFunc(maps.Keys(have), netip.AddrPort.Compare) {
		if _, stays := want[addr]; !stays {
			gone = append(gone, Change{Op: DelServer, Key: key, Addr: addr, WasServer: have[addr]})
		}
	}
	return append(append(changes, edit...), gone...)
}
