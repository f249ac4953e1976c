// Package control is how people and programs talk to a running lvsd: HTTP with JSON over a unix socket. It decides
// nothing: Server asks a Backend, Client asks a Server.
//
//	GET  /v1/ping               lvsd is there               -> {"version": ...}
//	GET  /v1/status             everything                  -> Status
//	GET  /v1/why?server=A       one real server's address   -> Status, of what concerns that server, with its last tries
//	POST /v1/reload             read the configuration anew -> Reloaded, or 422 with every error of the configuration
//	POST /v1/handover?router=N  give mastership of a router, a group, or all away -> {}, or 422 where nobody takes it
//
// An answer other than 200 is a Problem. The JSON of Status is stable: fields are added, never renamed or removed; names
// that end in _ns are whole nanoseconds, times are RFC 3339, a time that never was is left out.
//
// Who calls is told by the kernel (SO_PEERCRED and SO_PEERGROUPS, unix(7)), as of the caller's connect. Root and lvsd's
// own user may do everything. Others may read if they are listed in [control] read or admin, and act if in admin. The
// socket itself has mode 0666: two lists of users and groups do not fit one file's owner and group, so everybody may
// connect and whoever is in no list is told so with 403. What such a caller can cost is bounded: see Server.
package control

import (
	"context"
	"net/netip"
)

// Backend is what the daemon offers. All are called from many goroutines at once.
type Backend interface {
	// Status tells what is known now: of everything, or with a valid server of what concerns it, with its last tries.
	Status(ctx context.Context, server netip.Addr) (*Status, error)

	// Reload reads the configuration anew for a caller and returns when it is applied, also if the caller leaves
	// meanwhile. A configuration that is refused is an error, which may hold several (Unwrap() []error); then nothing
	// has changed.
	Reload(ctx context.Context, by Caller) (*Reloaded, error)

	// Handover gives mastership of a VRRP router or group away for a caller, of all with an empty name, and returns when
	// another director has taken it. An error is that none did, or that the vrrp process does not answer.
	Handover(ctx context.Context, router string, by Caller) error
}

// Reloaded is what a reload did.
type Reloaded struct {
	Changes  []string `json:"changes"` // a line each, as "service web: server 10.0.0.3:80 added"; empty if nothing changed
	Warnings []string `json:"warnings,omitempty"`
}

// Problem is the answer of a request that was not done.
type Problem struct {
	Message string   `json:"error"`
	Errors  []string `json:"errors,omitempty"` // of a configuration, one each, in the order of the file
}

// Pong is the answer to a ping.
type Pong struct {
	Version string `json:"version"`
}
