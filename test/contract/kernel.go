// Package contract is what doubles and the real things that they stand for must both keep.
package contract

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Kernel holds an ipvs.Kernel to its contract. open gives an empty table, another one at each call.
func Kernel(t *testing.T, open func(*testing.T) ipvs.Kernel) {
	for name, test := range map[string]func(*testing.T, ipvs.Kernel){
		"empty":                  testEmpty,
		"services":               testServices,
		"servers":                testServers,
		"what has no effect":     testNoEffect,
		"remove":                 testRemove,
		"exists and not there":   testPresence,
		"refused":                testRefused,
		"no scheduler":           testNoScheduler,
		"each error to its own":  testAttribution,
		"a service and its pool": testOrder,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func tcp(s string) lvs.Key { return lvs.Key{Protocol: lvs.TCP, Addr: netip.MustParseAddrPort(s)} }

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// services are virtual services of all sorts.
var services = map[lvs.Key]lvs.Service{
	tcp("192.0.2.1:80"):                                   {Scheduler: "rr", Netmask: 32},
	tcp("[2001:db8::1]:80"):                               {Scheduler: "wlc", Netmask: 128},
	{Protocol: lvs.UDP, Addr: ap("192.0.2.1:53")}:         {Scheduler: "wrr", Flags: lvs.OnePacket, Netmask: 32},
	{Protocol: lvs.UDP, Addr: ap("[2001:db8::1]:53")}:     {Scheduler: "lc", Netmask: 128},
	{Protocol: lvs.SCTP, Addr: ap("192.0.2.1:80")}:        {Scheduler: "sed", Netmask: 32},
	{Protocol: lvs.SCTP, Addr: ap("[2001:db8::1]:65535")}: {Scheduler: "nq", Netmask: 128},
	{Mark: 7}:                    {Scheduler: "dh", Netmask: 32},
	{Mark: 7, IPv6: true}:        {Scheduler: "sh", Flags: lvs.Sched1 | lvs.Sched2, Netmask: 128},
	{Mark: 1<<32 - 1}:            {Scheduler: "mh", Flags: lvs.Sched2, Netmask: 32},
	tcp("192.0.2.2:0"):           {Scheduler: "rr", Flags: lvs.Persistent, Timeout: 5 * time.Minute, Netmask: 32},
	tcp("192.0.2.2:443"):         {Scheduler: "rr", Flags: lvs.Persistent, Timeout: time.Second, Netmask: 24},
	tcp("192.0.2.2:444"):         {Scheduler: "rr", Flags: lvs.Persistent, Timeout: time.Hour, Netmask: 0},
	tcp("[2001:db8::2]:443"):     {Scheduler: "lblc", Flags: lvs.Persistent, Timeout: time.Hour, Netmask: 64},
	tcp("[2001:db8::2]:444"):     {Scheduler: "lblcr", Flags: lvs.Persistent, Timeout: time.Hour, Netmask: 1},
	tcp("[::ffff:192.0.2.1]:80"): {Scheduler: "rr", Netmask: 128},
	tcp("192.0.2.3:80"):          {Scheduler: "fo", Flags: lvs.Sched1 | lvs.Sched3, Netmask: 32},
	tcp("192.0.2.4:80"):          {Scheduler: "ovf", Netmask: 32},
	{Mark: 8}:                    {Scheduler: "rr", Flags: lvs.Persistent | lvs.OnePacket, Timeout: 31 * 24 * time.Hour, Netmask: 1},
	{Protocol: lvs.UDP, Addr: ap("192.0.2.5:5060")}: {Scheduler: "rr", Flags: lvs.Persistent, Timeout: time.Minute, Netmask: 32, Engine: "sip"},
}

// servers are real servers of all sorts, by whether they are of an IPv6 service.
var servers = map[bool]map[netip.AddrPort]lvs.Server{
	false: {
		ap("10.0.0.1:80"):      {Forward: lvs.DR, Weight: 1},
		ap("10.0.0.2:80"):      {Forward: lvs.NAT, Weight: 0},
		ap("10.0.0.2:8080"):    {Forward: lvs.NAT, Weight: 70000},
		ap("10.0.0.3:80"):      {Forward: lvs.Tunnel, Weight: 1<<31 - 1},
		ap("10.0.0.4:80"):      {Forward: lvs.DR, Weight: 3, Upper: 70000, Lower: 69999},
		ap("10.0.0.5:0"):       {Forward: lvs.NAT, Weight: 3, Upper: 1<<32 - 1, Lower: 1},
		ap("10.0.0.6:80"):      {Forward: lvs.Tunnel, Weight: 1, Encap: lvs.Encap{Type: lvs.GUE, Port: 6080}},
		ap("10.0.0.7:80"):      {Forward: lvs.Tunnel, Weight: 1, Encap: lvs.Encap{Type: lvs.GUE, Port: 65535, Flags: lvs.EncapChecksum}},
		ap("10.0.0.8:80"):      {Forward: lvs.Tunnel, Weight: 1, Encap: lvs.Encap{Type: lvs.GUE, Port: 1, Flags: lvs.EncapRemoteChecksum}},
		ap("10.0.0.9:80"):      {Forward: lvs.Tunnel, Weight: 1, Encap: lvs.Encap{Type: lvs.GRE, Flags: lvs.EncapChecksum}},
		ap("[2001:db8::9]:80"): {Forward: lvs.Tunnel, Weight: 2},
	},
	true: {
		ap("[2001:db8::10]:80"):      {Forward: lvs.DR, Weight: 1},
		ap("[2001:db8::11]:65535"):   {Forward: lvs.NAT, Weight: 65536},
		ap("[2001:db8::12]:80"):      {Forward: lvs.Tunnel, Weight: 1, Encap: lvs.Encap{Type: lvs.GRE}},
		ap("[fd00:1:2:3:4:5:6:7]:1"): {Forward: lvs.NAT, Weight: 1, Upper: 2, Lower: 2},
		ap("10.0.0.1:80"):            {Forward: lvs.Tunnel, Weight: 2},
	},
}

func must(t *testing.T, k ipvs.Kernel, changes ...lvs.Change) {
	t.Helper()
	for i, err := range k.Apply(changes) {
		if err != nil {
			t.Errorf("%s: %v", changes[i], err)
		}
	}
}

func reads(t *testing.T, k ipvs.Kernel, want lvs.Table) {
	t.Helper()
	got, err := ipvs.Read(k)
	if err != nil {
		t.Fatal(err)
	}
	if changes := lvs.Diff(got, want); len(changes) > 0 {
		t.Errorf("what is read differs from what was written; to mend it: %v", changes)
	}
}

func one(key lvs.Key, s lvs.Service, servers map[netip.AddrPort]lvs.Server) lvs.Table {
	return lvs.Table{key: {Service: s, Servers: servers}}
}

func testEmpty(t *testing.T, k ipvs.Kernel) {
	got, err := k.Services()
	if err != nil || len(got) != 0 {
		t.Errorf("services of an empty table: %v, %v", got, err)
	}
	if _, err := k.Servers(tcp("192.0.2.1:80")); !errors.Is(err, ipvs.ErrNotFound) {
		t.Errorf("servers of no service: %v, want ErrNotFound", err)
	}
	must(t, k, lvs.Change{Op: lvs.AddService, Key: lvs.Key{Mark: 1}, Service: lvs.Service{Scheduler: "rr", Netmask: 32}})
	if got, err := k.Servers(lvs.Key{Mark: 1}); err != nil || len(got) != 0 {
		t.Errorf("servers of an empty service: %v, %v", got, err)
	}
	if errs := k.Apply(nil); len(errs) != 0 {
		t.Errorf("no changes, yet %v", errs)
	}
}

func testServices(t *testing.T, k ipvs.Kernel) {
	want := lvs.Table{}
	for key, s := range services {
		want[key] = lvs.Entry{Service: s}
	}
	must(t, k, lvs.Diff(nil, want)...)
	reads(t, k, want)
	for key, s := range services {
		s.Flags ^= lvs.OnePacket | lvs.Sched3
		s.Flags &^= lvs.Persistent
		s.Scheduler, s.Timeout, s.Netmask, s.Engine = "rr", 0, key.Bits(), ""
		must(t, k, lvs.Change{Op: lvs.EditService, Key: key, Service: s})
		want[key] = lvs.Entry{Service: s}
	}
	reads(t, k, want)
}

func testServers(t *testing.T, k ipvs.Kernel) {
	want := lvs.Table{}
	for key, s := range map[lvs.Key]lvs.Service{
		tcp("192.0.2.1:80"): {Scheduler: "rr", Netmask: 32}, {Mark: 7}: {Scheduler: "rr", Netmask: 32},
		tcp("[2001:db8::1]:80"): {Scheduler: "rr", Netmask: 128}, {Mark: 7, IPv6: true}: {Scheduler: "rr", Netmask: 128},
	} {
		want[key] = lvs.Entry{Service: s, Servers: servers[key.Is6()]}
	}
	must(t, k, lvs.Diff(nil, want)...)
	reads(t, k, want)
	for key, entry := range want {
		edited := map[netip.AddrPort]lvs.Server{}
		for addr, s := range entry.Servers {
			s.Weight, s.Upper, s.Lower = s.Weight/2, 100, 0
			must(t, k, lvs.Change{Op: lvs.EditServer, Key: key, Addr: addr, Server: s})
			edited[addr] = s
		}
		want[key] = lvs.Entry{Service: entry.Service, Servers: edited}
	}
	reads(t, k, want)
}

func testNoEffect(t *testing.T, k ipvs.Kernel) {
	key, addr := tcp("192.0.2.1:80"), ap("10.0.0.1:80")
	must(t, k,
		lvs.Change{Op: lvs.AddService, Key: key, Service: lvs.Service{Scheduler: "rr", Timeout: time.Minute, Netmask: 8}},
		lvs.Change{Op: lvs.AddServer, Key: key, Addr: addr, Server: lvs.Server{
			Forward: lvs.DR, Weight: 1, Encap: lvs.Encap{Type: lvs.GUE, Port: 6080},
		}})
	reads(t, k, one(key, lvs.Service{Scheduler: "rr", Netmask: 32}, map[netip.AddrPort]lvs.Server{
		addr: {Forward: lvs.DR, Weight: 1},
	}))
}

func testRemove(t *testing.T, k ipvs.Kernel) {
	key, s := tcp("192.0.2.1:80"), lvs.Service{Scheduler: "rr", Netmask: 32}
	full := one(key, s, servers[false])
	must(t, k, lvs.Diff(nil, full)...)
	gone := ap("10.0.0.2:80") // not 10.0.0.2:8080
	less := map[netip.AddrPort]lvs.Server{}
	for addr, server := range servers[false] {
		if addr != gone {
			less[addr] = server
		}
	}
	must(t, k, lvs.Diff(full, one(key, s, less))...)
	reads(t, k, one(key, s, less))
	must(t, k, lvs.Change{Op: lvs.DelService, Key: key})
	reads(t, k, nil)
	must(t, k, lvs.Change{Op: lvs.AddService, Key: key, Service: s})
	reads(t, k, one(key, s, nil)) // its servers went with it
}

// refusal is a change that must fail in a way.
type refusal struct {
	name   string
	change lvs.Change
	want   error
}

func (r refusal) check(t *testing.T, k ipvs.Kernel) {
	t.Helper()
	if err := k.Apply([]lvs.Change{r.change})[0]; !errors.Is(err, r.want) {
		t.Errorf("%s: %s: got %v, want %v", r.name, r.change, err, r.want)
	}
}

func testPresence(t *testing.T, k ipvs.Kernel) {
	key, absent := tcp("192.0.2.1:80"), tcp("192.0.2.1:81")
	addr, s, server := ap("10.0.0.1:80"), lvs.Service{Scheduler: "rr", Netmask: 32}, lvs.Server{Forward: lvs.DR, Weight: 1}
	table := one(key, s, map[netip.AddrPort]lvs.Server{addr: server})
	must(t, k, lvs.Diff(nil, table)...)
	for _, r := range []refusal{
		{"add a service", lvs.Change{Op: lvs.AddService, Key: key, Service: s}, ipvs.ErrExists},
		{"edit a service", lvs.Change{Op: lvs.EditService, Key: absent, Service: s}, ipvs.ErrNotFound},
		{"delete a service", lvs.Change{Op: lvs.DelService, Key: absent}, ipvs.ErrNotFound},
		{"add a server", lvs.Change{Op: lvs.AddServer, Key: key, Addr: addr, Server: server}, ipvs.ErrExists},
		{"add a server to nothing", lvs.Change{Op: lvs.AddServer, Key: absent, Addr: addr, Server: server}, ipvs.ErrNotFound},
		{"edit a server", lvs.Change{Op: lvs.EditServer, Key: key, Addr: ap("10.0.0.1:81"), Server: server}, ipvs.ErrNotFound},
		{"delete a server", lvs.Change{Op: lvs.DelServer, Key: key, Addr: ap("10.0.0.2:80")}, ipvs.ErrNotFound},
		{"delete a server of nothing", lvs.Change{Op: lvs.DelServer, Key: absent, Addr: addr}, ipvs.ErrNotFound},
	} {
		r.check(t, k)
	}
	reads(t, k, table)
}

func testRefused(t *testing.T, k ipvs.Kernel) {
	key, addr := tcp("192.0.2.1:80"), ap("10.0.0.1:80")
	must(t, k, lvs.Change{Op: lvs.AddService, Key: key, Service: lvs.Service{Scheduler: "rr", Netmask: 32}})
	add := func(addr netip.AddrPort, s lvs.Server) lvs.Change {
		return lvs.Change{Op: lvs.AddServer, Key: key, Addr: addr, Server: s}
	}
	gue := lvs.Server{Forward: lvs.Tunnel, Encap: lvs.Encap{Type: lvs.GUE}}
	for _, r := range []refusal{
		{"another family, no tunnel", add(ap("[2001:db8::1]:80"), lvs.Server{Forward: lvs.DR}), syscall.EINVAL},
		{"multicast", add(ap("224.0.0.1:80"), lvs.Server{Forward: lvs.DR}), syscall.EINVAL},
		{"no address", add(ap("0.0.0.0:80"), lvs.Server{Forward: lvs.DR}), syscall.EINVAL},
		{"weight below zero", add(addr, lvs.Server{Weight: -1}), syscall.ERANGE},
		{"lower above upper", add(addr, lvs.Server{Upper: 5, Lower: 6}), syscall.ERANGE},
		{"gue without a port", add(addr, gue), syscall.EINVAL},
		{"netmask of no length", lvs.Change{
			Op: lvs.AddService, Key: tcp("[2001:db8::1]:80"), Service: lvs.Service{Scheduler: "rr"},
		}, syscall.EINVAL},
	} {
		r.check(t, k)
		r.want = ipvs.ErrRefused
		r.check(t, k)
	}
	reads(t, k, one(key, lvs.Service{Scheduler: "rr", Netmask: 32}, nil))
}

func testNoScheduler(t *testing.T, k ipvs.Kernel) {
	key := tcp("192.0.2.1:80")
	must(t, k, lvs.Change{Op: lvs.AddService, Key: key, Service: lvs.Service{Scheduler: "rr", Netmask: 32}})
	for _, c := range []lvs.Change{
		{Op: lvs.AddService, Key: lvs.Key{Mark: 1}, Service: lvs.Service{Scheduler: "nosuch", Netmask: 32}},
		{Op: lvs.EditService, Key: key, Service: lvs.Service{Scheduler: "nosuch", Netmask: 32}},
		{Op: lvs.AddService, Key: lvs.Key{Mark: 1}, Service: lvs.Service{Scheduler: "rr", Engine: "nosuch", Netmask: 32}},
	} {
		err := k.Apply([]lvs.Change{c})[0]
		if !errors.Is(err, ipvs.ErrNoScheduler) || errors.Is(err, ipvs.ErrNotFound) {
			t.Errorf("%s: got %v, want ErrNoScheduler", c, err)
			continue
		}
		if !strings.Contains(err.Error(), "nosuch") || !strings.Contains(err.Error(), "ip_vs_") {
			t.Errorf("%s: error does not name what is missing and its module: %v", c, err)
		}
	}
	reads(t, k, one(key, lvs.Service{Scheduler: "rr", Netmask: 32}, nil))
}

// testAttribution makes a thousand changes at once, of which every seventh fails, the first and the last too.
func testAttribution(t *testing.T, k ipvs.Kernel) {
	key, s := tcp("192.0.2.1:80"), lvs.Service{Scheduler: "rr", Netmask: 32}
	must(t, k, lvs.Change{Op: lvs.AddService, Key: key, Service: s})
	const n = 1 + 7*143
	changes := make([]lvs.Change, n)
	want := make([]error, n)
	there := map[netip.AddrPort]lvs.Server{}
	for i := range changes {
		addr := ap(fmt.Sprintf("10.0.%d.%d:80", i/250, 1+i%250))
		c := lvs.Change{Op: lvs.AddServer, Key: key, Addr: addr, Server: lvs.Server{Forward: lvs.DR, Weight: i}}
		switch i % 21 {
		case 0:
			c.Op, want[i] = lvs.EditServer, ipvs.ErrNotFound
		case 7:
			c.Server.Weight, want[i] = -1, syscall.ERANGE
		case 14:
			c.Key, c.Op, want[i] = lvs.Key{}, lvs.DelService, ipvs.ErrRefused
		default:
			there[addr] = c.Server
		}
		changes[i] = c
	}
	errs := k.Apply(changes)
	if len(errs) != n {
		t.Fatalf("%d errors for %d changes", len(errs), n)
	}
	for i, err := range errs {
		if !errors.Is(err, want[i]) || (err == nil) != (want[i] == nil) {
			t.Errorf("change %d, %s: got %v, want %v", i, changes[i], err, want[i])
		}
	}
	reads(t, k, one(key, s, there))
}

// testOrder takes a service out and puts it back many times in one go.
func testOrder(t *testing.T, k ipvs.Kernel) {
	var changes []lvs.Change
	var last lvs.Table
	for weight := range 50 {
		changes = append(changes, lvs.Diff(last, nil)...)
		last = one(tcp("192.0.2.1:80"), lvs.Service{Scheduler: "rr", Netmask: 32}, map[netip.AddrPort]lvs.Server{
			ap("10.0.0.1:80"): {Forward: lvs.DR, Weight: weight},
		})
		changes = append(changes, lvs.Diff(nil, last)...)
	}
	must(t, k, changes...)
	reads(t, k, last)
}
