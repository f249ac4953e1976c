package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Status tells what is known now, with the kernel's table as it is now.
func (d *daemon) Status(ctx context.Context, server netip.Addr) (*control.Status, error) {
	snapshot, err := d.ask(ctx, director.Ask{Server: server, Tries: server.IsValid()})
	if err != nil {
		return nil, err
	}
	s := &control.Status{
		Snapshot: *snapshot,
		Kernel:   d.table.status(d.resync),
		Audit:    d.auditStatus(),
		Config:   d.config.status(),
		Process: control.Process{
			Version: d.world.Version, Go: runtime.Version(), PID: os.Getpid(), Goroutines: runtime.NumGoroutine(),
		},
	}
	s.Notify = d.queues.State()
	if d.config.get().Pair != nil {
		heard, err := d.partner.status()
		s.Pair = &control.Pair{VRRP: heard}
		if err != nil {
			s.Pair.Error = err.Error()
		}
	}
	owned := d.table.ownedKeys()
	if s.Table, err = d.reader.rows(owned, server); err != nil {
		s.TableError = err.Error()
	}
	return s, nil
}

// ask asks the director.
func (d *daemon) ask(ctx context.Context, ask director.Ask) (*director.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	reply := make(chan *director.Snapshot, 1)
	ask.Reply = reply
	select {
	case d.asks <- ask:
		return <-reply, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("ask the director: %w", context.Cause(ctx))
	}
}

func (d *daemon) auditStatus() control.Audit {
	s := d.recorder.audit.Status()
	return control.Audit{File: s.File, Error: s.Error, Failing: s.Since, Lost: uint64(s.Lost)}
}

// reader reads the kernel's table for status, on a handle of its own: the table loop never waits for a person.
type reader struct {
	open func() (ipvs.Kernel, error)

	mu     sync.Mutex
	kernel ipvs.Kernel
}

// find reads what the kernel has of some services; what it has not is left out.
func (r *reader) find(keys []lvs.Key) (lvs.Table, error) {
	table := lvs.Table{}
	if len(keys) == 0 {
		return table, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.ensure(); err != nil {
		return nil, err
	}
	services, err := r.kernel.Services()
	if err != nil {
		return nil, fmt.Errorf("read the IPVS table: %w", err)
	}
	for _, key := range keys {
		observed, err := r.kernel.Servers(key)
		if errors.Is(err, ipvs.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the IPVS table: %w", err)
		}
		entry := lvs.Entry{Service: services[key], Servers: make(map[netip.AddrPort]lvs.Server, len(observed))}
		for addr, s := range observed {
			entry.Servers[addr] = s.Server
		}
		table[key] = entry
	}
	return table, nil
}

func (r *reader) ensure() error {
	if r.kernel != nil {
		return nil
	}
	kernel, err := r.open()
	if err == nil {
		r.kernel = kernel
	}
	return err
}

// rows reads the table, or with a valid server the services that have it, in the order of ipvsadm.
func (r *reader) rows(owned map[lvs.Key]bool, server netip.Addr) ([]control.Virtual, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.ensure(); err != nil {
		return nil, err
	}
	services, err := r.kernel.Services()
	if err != nil {
		return nil, fmt.Errorf("read the IPVS table: %w", err)
	}
	table := make(lvs.Table, len(services))
	for key := range services {
		table[key] = lvs.Entry{}
	}
	rows := make([]control.Virtual, 0, len(services))
	for _, key := range table.Listed() {
		observed, err := r.kernel.Servers(key)
		if errors.Is(err, ipvs.ErrNotFound) {
			continue // it went while the table was read
		}
		if err != nil {
			return nil, fmt.Errorf("read the IPVS table: %w", err)
		}
		row := control.VirtualOf(key, services[key], !owned[key])
		found := !server.IsValid()
		servers := make(map[netip.AddrPort]lvs.Server, len(observed))
		for addr, s := range observed {
			servers[addr] = s.Server
			found = found || addr.Addr() == server
		}
		for _, addr := range (lvs.Entry{Servers: servers}).Listed() {
			row.Servers = append(row.Servers, control.RealOf(addr, servers[addr], observed[addr].Connections))
		}
		if found {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// summary is the line that systemctl status shows.
func (d *daemon) summary() string {
	c := d.config.get()
	return fmt.Sprintf("%d virtual services, %d checks, configuration of %s", len(c.Director.Services), len(c.Director.Checks),
		d.config.loadedAt().Format(time.DateTime))
}

// alive tells whether probes, director and table loop each still do their work.
func (d *daemon) alive() error {
	ctx, cancel := context.WithTimeout(context.Background(), watchdogPeriod)
	defer cancel()
	if err := d.monitors.Ping(ctx); err != nil {
		return err
	}
	if _, err := d.ask(ctx, director.Ask{Alive: true}); err != nil {
		return err
	}
	if age, most := d.loop.Age(), 10*d.resync+stuckAfter; age > most {
		return fmt.Errorf("table loop: no turn ended for %v", age.Round(time.Second))
	}
	return nil
}
