package daemon

import (
	"sync"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// reasons remembers why each server was last moved, until the kernel change that follows has been made, and what the
// configuration calls each service, so that the record of the change can say both. The director tells it; the table loop
// asks it. Tables overtake each other on their way to the kernel; with it no change is told with another one's cause.
type reasons struct {
	mu         sync.Mutex
	moves      map[place]move
	names, old map[lvs.Key]string // of the configuration, and of the one before
}

// place is a real server of a virtual service, in the words of the record.
type place struct{ virtual, server string }

// move is why a server goes where it goes.
type move struct{ actor, reason string }

func newReasons() *reasons { return &reasons{moves: map[place]move{}} }

// note takes in an entry of the record.
func (r *reasons) note(e audit.Entry) {
	if e.Event != audit.EventServer {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moves[place{e.Virtual, e.Server}] = move{e.Actor, e.Reason}
}

// of gives why a server was moved, and forgets it if that is done.
func (r *reasons) of(virtual, server string, done bool) (move, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := place{virtual, server}
	m, ok := r.moves[p]
	if done {
		delete(r.moves, p)
	}
	return m, ok
}

// name gives what the configuration calls a service, or the one before called it; empty if neither has it.
func (r *reasons) name(key lvs.Key) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name, ok := r.names[key]; ok {
		return name
	}
	return r.old[key]
}

// configure takes the names from a configuration.
func (r *reasons) configure(c director.Config) {
	names := make(map[lvs.Key]string, len(c.Services))
	for _, v := range c.Services {
		names[v.Key] = v.Name
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names, r.old = names, r.names
	clear(r.moves) // of servers that may be gone; every one that moves from now on is told anew
}
