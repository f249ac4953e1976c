package main

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// The demo's table refuses what the kernel refuses, and holds what it was given.
func TestMemoryTable(t *testing.T) {
	m := &memoryTable{table: lvs.Table{}}
	s := lvs.Service{Scheduler: "rr", Netmask: 32}
	steps := []struct {
		change lvs.Change
		want   error
	}{
		{lvs.Change{Op: lvs.EditService, Key: web, Service: s}, ipvs.ErrNotFound},
		{lvs.Change{Op: lvs.AddServer, Key: web, Addr: one}, ipvs.ErrNotFound},
		{lvs.Change{Op: lvs.AddService, Key: web, Service: s}, nil},
		{lvs.Change{Op: lvs.AddService, Key: web, Service: s}, ipvs.ErrExists},
		{lvs.Change{Op: lvs.AddServer, Key: web, Addr: one, Server: lvs.Server{Weight: 1}}, nil},
		{lvs.Change{Op: lvs.AddServer, Key: web, Addr: one}, ipvs.ErrExists},
		{lvs.Change{Op: lvs.AddServer, Key: web, Addr: two, Server: lvs.Server{Weight: 1}}, nil},
		{lvs.Change{Op: lvs.EditServer, Key: web, Addr: one, Server: lvs.Server{Weight: 0}}, nil},
		{lvs.Change{Op: lvs.DelServer, Key: old, Addr: one}, ipvs.ErrNotFound},
	}
	for _, step := range steps {
		if errs := m.Apply([]lvs.Change{step.change}); !errors.Is(errs[0], step.want) {
			t.Errorf("%v: %v, want %v", step.change, errs[0], step.want)
		}
	}
	got, err := ipvs.Read(m)
	if diff := cmp.Diff(lvs.Table{web: {Service: s, Servers: map[netip.AddrPort]lvs.Server{one: {}, two: {Weight: 1}}}}, got,
		cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for range 3 {
		if addr, ok := m.next(web); !ok || addr != two {
			t.Errorf("a connection went to %v (%v), want the one of weight 1", addr, ok)
		}
	}
	for _, c := range []lvs.Change{{Op: lvs.DelServer, Key: web, Addr: two}, {Op: lvs.DelService, Key: web}} {
		if errs := m.Apply([]lvs.Change{c}); errs[0] != nil {
			t.Errorf("%v: %v", c, errs[0])
		}
		if addr, ok := m.next(web); ok {
			t.Errorf("after %v a connection went to %v", c, addr)
		}
	}
	if errs := m.Apply([]lvs.Change{{Op: lvs.DelServer, Key: web, Addr: two}}); !errors.Is(errs[0], ipvs.ErrNotFound) {
		t.Errorf("remove twice: %v", errs[0])
	}
	if _, err := m.Servers(web); !errors.Is(err, ipvs.ErrNotFound) {
		t.Errorf("servers of a service that is gone: %v", err)
	}
}
