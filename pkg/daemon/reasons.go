package daemon

import (
	"net/netip"
	"sync"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// reasons remembers why each server was last moved, and what the configuration calls each service, so that the kernel
// change that follows a decision can say it too. The director tells it; the table loop asks it.
type reasons struct {
	mu    sync.Mutex
	why   map[server]string
	names map[lvs.Key]string
}

// server is a real server of a virtual service, in the words of the record.
type server struct{ virtual, addr string }

func newReasons() *reasons { return &reasons{why: map[server]string{}} }

// note takes in an entry of the record.
func (r *reasons) note(e audit.Entry) {
	if e.Event != audit.EventServer {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.why[server{e.Virtual, e.Server}] = e.Reason
}

// of gives the reason of the last move, empty if there is none.
func (r *reasons) of(key lvs.Key, addr netip.AddrPort) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.why[server{key.String(), addr.String()}]
}

// name gives what the configuration calls a service; empty for one that it no longer has.
func (r *reasons) name(key lvs.Key) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.names[key]
}

// configure takes the names from a configuration and forgets the servers of services that it does not have.
func (r *reasons) configure(c director.Config) {
	names := make(map[lvs.Key]string, len(c.Services))
	known := make(map[string]bool, len(c.Services))
	for _, v := range c.Services {
		names[v.Key] = v.Name
		known[v.Key.String()] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names = names
	for s := range r.why {
		if !known[s.virtual] {
			delete(r.why, s)
		}
	}
}
