package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// memoryTable stands for the kernel's table where there is no IPVS. It refuses what the kernel refuses: to add what is
// there, to change or remove what is not.
type memoryTable struct {
	mu    sync.Mutex
	table lvs.Table
	turn  int // of the relay
}

var _ ipvs.Kernel = (*memoryTable)(nil)

// Services implements ipvs.Kernel.
func (m *memoryTable) Services() (map[lvs.Key]lvs.Service, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	services := map[lvs.Key]lvs.Service{}
	for key, entry := range m.table {
		services[key] = entry.Service
	}
	return services, nil
}

// Servers implements ipvs.Kernel.
func (m *memoryTable) Servers(of lvs.Key) (map[netip.AddrPort]ipvs.Observed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	entry, there := m.table[of]
	if !there {
		return nil, fmt.Errorf("virtual service %s: %w", of, ipvs.ErrNotFound)
	}
	servers := map[netip.AddrPort]ipvs.Observed{}
	for addr, s := range entry.Servers {
		servers[addr] = ipvs.Observed{Server: s}
	}
	return servers, nil
}

// Apply implements ipvs.Kernel.
func (m *memoryTable) Apply(changes []lvs.Change) []error {
	m.mu.Lock()
	defer m.mu.Unlock()
	errs := make([]error, len(changes))
	for i, c := range changes {
		errs[i] = m.apply(c)
	}
	return errs
}

func (m *memoryTable) apply(c lvs.Change) error {
	entry, there := m.table[c.Key]
	_, inThere := entry.Servers[c.Addr]
	switch {
	case c.Op == lvs.AddService && there, c.Op == lvs.AddServer && inThere:
		return ipvs.ErrExists
	case c.Op != lvs.AddService && !there, (c.Op == lvs.EditServer || c.Op == lvs.DelServer) && !inThere:
		return ipvs.ErrNotFound
	}
	servers := maps.Clone(entry.Servers)
	if servers == nil {
		servers = map[netip.AddrPort]lvs.Server{}
	}
	switch c.Op {
	case lvs.AddService, lvs.EditService:
		entry.Service = c.Service
	case lvs.DelService:
		delete(m.table, c.Key)
		return nil
	case lvs.AddServer, lvs.EditServer:
		servers[c.Addr] = c.Server
	case lvs.DelServer:
		delete(servers, c.Addr)
	}
	entry.Servers = servers
	m.table[c.Key] = entry
	return nil
}

// next gives the server of the next connection, each in its turn; false if the service has none that takes one.
func (m *memoryTable) next(key lvs.Key) (netip.AddrPort, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	entry := m.table[key]
	var takers []netip.AddrPort
	for _, addr := range entry.Listed() {
		if entry.Servers[addr].Weight > 0 {
			takers = append(takers, addr)
		}
	}
	if len(takers) == 0 {
		return netip.AddrPort{}, false
	}
	m.turn++
	return takers[m.turn%len(takers)], true
}

// relay does for the demo's clients what IPVS would: it takes their connections at the VIP and joins each to a server.
func (m *memoryTable) relay(ctx context.Context, key lvs.Key) error {
	l, err := net.Listen("tcp", key.Addr.String())
	if err != nil {
		return fmt.Errorf("listen at the VIP: %w", err)
	}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				go m.join(c, key)
			}
		}
	}()
	return nil
}

func (m *memoryTable) join(client net.Conn, key lvs.Key) {
	defer client.Close()
	addr, ok := m.next(key)
	if !ok {
		return
	}
	server, err := net.DialTimeout("tcp", addr.String(), time.Second)
	if err != nil {
		return
	}
	defer server.Close()
	end := time.Now().Add(2 * demoPatience)
	_ = client.SetDeadline(end)
	_ = server.SetDeadline(end)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(server, client)
		_ = server.SetReadDeadline(time.Unix(1, 0)) // the client has gone
	}()
	_, _ = io.Copy(client, server)
	_ = client.Close()
	<-done
}
