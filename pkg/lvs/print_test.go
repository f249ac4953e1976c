package lvs_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/lvs"
)

func TestChangeString(t *testing.T) {
	udp := lvs.Key{Protocol: lvs.UDP, Addr: ap("192.0.2.1:5060")}
	for want, c := range map[string]lvs.Change{
		"-A -t 192.0.2.1:80 -s wlc": {
			Op: lvs.AddService, Key: tcp("192.0.2.1:80"), Service: lvs.Service{Scheduler: "wlc", Netmask: 32},
		},
		"-E -t [2001:db8::1]:80 -s rr -p 600": {
			Op: lvs.EditService, Key: tcp("[2001:db8::1]:80"),
			Service: lvs.Service{Scheduler: "rr", Flags: lvs.Persistent, Timeout: 10 * time.Minute, Netmask: 128},
		},
		"-A -t [2001:db8::1]:80 -s rr -p 1 -M 64": {
			Op: lvs.AddService, Key: tcp("[2001:db8::1]:80"),
			Service: lvs.Service{Scheduler: "rr", Flags: lvs.Persistent, Timeout: time.Second, Netmask: 64},
		},
		"-A -u 192.0.2.1:5060 -s sh -p 86400 -M 255.255.0.0 --pe sip -o -b sh-fallback,sh-port": {
			Op: lvs.AddService, Key: udp, Service: lvs.Service{
				Scheduler: "sh", Flags: lvs.AllFlags &^ lvs.Sched3, Timeout: 24 * time.Hour, Netmask: 16, Engine: "sip",
			},
		},
		"-A -u 192.0.2.1:5060 -s wlc -b flag-1,flag-2,flag-3": {
			Op: lvs.AddService, Key: udp, Service: lvs.Service{Scheduler: "wlc", Flags: lvs.Sched1 | lvs.Sched2 | lvs.Sched3, Netmask: 32},
		},
		"-A -f 3000000000 -6 -s mh -b mh-port": {
			Op: lvs.AddService, Key: lvs.Key{Mark: 3000000000, IPv6: true},
			Service: lvs.Service{Scheduler: "mh", Flags: lvs.Sched2, Netmask: 128},
		},
		"-D --sctp-service 192.0.2.1:80": {Op: lvs.DelService, Key: lvs.Key{Protocol: lvs.SCTP, Addr: ap("192.0.2.1:80")}},
		"-a -f 7 -r 10.0.0.1:0 -g -w 70000 -x 10 -y 5": {
			Op: lvs.AddServer, Key: lvs.Key{Mark: 7}, Addr: ap("10.0.0.1:0"),
			Server: lvs.Server{Forward: lvs.DR, Weight: 70000, Upper: 10, Lower: 5},
		},
		"-e -t 192.0.2.1:80 -r 10.0.0.1:8080 -m -w 0": {
			Op: lvs.EditServer, Key: tcp("192.0.2.1:80"), Addr: ap("10.0.0.1:8080"), Server: lvs.Server{Forward: lvs.NAT},
		},
		"-a -t 192.0.2.1:80 -r [2001:db8::5]:80 -i -w 3 --tun-type gue --tun-port 6080 --tun-remcsum": {
			Op: lvs.AddServer, Key: tcp("192.0.2.1:80"), Addr: ap("[2001:db8::5]:80"), Server: lvs.Server{
				Forward: lvs.Tunnel, Weight: 3, Encap: lvs.Encap{Type: lvs.GUE, Port: 6080, Flags: lvs.EncapRemoteChecksum},
			},
		},
		"-a -t 192.0.2.1:80 -r 10.0.0.1:80 -i -w 3 --tun-type gre --tun-nocsum": {
			Op: lvs.AddServer, Key: tcp("192.0.2.1:80"), Addr: ap("10.0.0.1:80"),
			Server: lvs.Server{Forward: lvs.Tunnel, Weight: 3, Encap: lvs.Encap{Type: lvs.GRE}},
		},
		"-d -t 192.0.2.1:80 -r 10.0.0.1:80": {Op: lvs.DelServer, Key: tcp("192.0.2.1:80"), Addr: ap("10.0.0.1:80")},
	} {
		if got := c.String(); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
}

// shown is a table that ipvsadm 1.31 listed and saved on Linux 6.1; listing and saved are what it printed.
var shown = lvs.Table{
	tcp("1.1.1.1:0"):       {Service: lvs.Service{Scheduler: "rr", Flags: lvs.Persistent, Timeout: 6 * time.Minute, Netmask: 32}},
	tcp("192.0.2.10:443"):  {Service: lvs.Service{Scheduler: "rr", Flags: lvs.Persistent, Timeout: 5 * time.Minute, Netmask: 24}},
	tcp("192.0.2.9:443"):   {Service: lvs.Service{Scheduler: "sh", Flags: lvs.Sched1 | lvs.Sched2, Netmask: 32}},
	tcp("[2001:db8::1]:1"): {Service: lvs.Service{Scheduler: "rr", Flags: lvs.Persistent, Timeout: 999 * time.Second, Netmask: 48}},
	{Protocol: lvs.UDP, Addr: ap("192.0.2.9:54")}: {
		Service: lvs.Service{Scheduler: "rr", Flags: lvs.Persistent | lvs.OnePacket, Timeout: 10 * time.Second, Netmask: 32},
	},
	{Protocol: lvs.UDP, Addr: ap("192.0.2.9:5060")}: {
		Service: lvs.Service{Scheduler: "rr", Flags: lvs.Persistent, Timeout: time.Minute, Netmask: 32, Engine: "sip"},
	},
	{Protocol: lvs.SCTP, Addr: ap("192.0.2.9:54")}: {
		Service: lvs.Service{Scheduler: "rr", Netmask: 32},
		Servers: map[netip.AddrPort]lvs.Server{ap("10.0.0.10:55"): {Forward: lvs.NAT, Weight: 1}},
	},
	tcp("192.0.2.1:80"): {
		Service: lvs.Service{Scheduler: "wlc", Netmask: 32},
		Servers: map[netip.AddrPort]lvs.Server{
			ap("10.0.0.2:80"):      {Forward: lvs.DR, Weight: 1},
			ap("10.0.0.10:80"):     {Forward: lvs.Tunnel, Weight: 70000, Upper: 10, Lower: 5},
			ap("10.0.0.1:8080"):    {Forward: lvs.NAT},
			ap("[2001:db8::6]:80"): {Forward: lvs.Tunnel, Weight: 3},
			ap("[fd00::6]:80"):     {Forward: lvs.Tunnel, Weight: 3},
		},
	},
	tcp("[2001:db8::ffff:1:2:3]:80"): {
		Service: lvs.Service{Scheduler: "rr", Netmask: 128},
		Servers: map[netip.AddrPort]lvs.Server{
			ap("[2001:db8:1111:2222:3333:4444:5555:6666]:65535"): {Forward: lvs.NAT, Weight: 1},
		},
	},
	{Mark: 7}:               {Service: lvs.Service{Scheduler: "rr", Netmask: 32}},
	{Mark: 7, IPv6: true}:   {Service: lvs.Service{Scheduler: "rr", Flags: lvs.Persistent, Timeout: 50 * time.Second, Netmask: 64}},
	{Mark: 20}:              {Service: lvs.Service{Scheduler: "rr", Netmask: 32}},
	{Mark: 100, IPv6: true}: {Service: lvs.Service{Scheduler: "wlc", Flags: lvs.Sched1 | lvs.Sched2 | lvs.Sched3, Netmask: 128}},
}

const listing = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  192.0.2.1:80 wlc
  -> [fd00::6]:80                 Tunnel  3      0          0         
  -> 10.0.0.1:8080                Masq    0      0          0         
  -> 10.0.0.2:80                  Route   1      0          0         
  -> 10.0.0.10:80                 Tunnel  70000  0          0         
  -> [2001:db8::6]:80             Tunnel  3      0          0         
TCP  192.0.2.9:443 sh (sh-fallback,sh-port)
TCP  192.0.2.10:443 rr persistent 300 mask 255.255.255.0
TCP  1.1.1.1:0 rr persistent 360
UDP  192.0.2.9:54 rr persistent 10 ops
UDP  192.0.2.9:5060 rr persistent 60 pe sip
SCTP 192.0.2.9:54 rr
  -> 10.0.0.10:55                 Masq    1      0          0         
TCP  [2001:db8::ffff:1:2:3]:80 rr
  -> [2001:db8:1111:2222:3333:4444:5555:6666]:65535 Masq    1      0          0         
TCP  [2001:db8::1]:1 rr persistent 999 mask 48
FWM  7 rr
FWM  7 IPv6 rr persistent 50 mask 64
FWM  20 rr
FWM  100 IPv6 wlc (flag-1,flag-2,flag-3)
`

const saved = `-A -t 192.0.2.1:80 -s wlc
-a -t 192.0.2.1:80 -r [fd00::6]:80 -i -w 3 --tun-type ipip
-a -t 192.0.2.1:80 -r 10.0.0.1:8080 -m -w 0
-a -t 192.0.2.1:80 -r 10.0.0.2:80 -g -w 1
-a -t 192.0.2.1:80 -r 10.0.0.10:80 -i -w 70000 --tun-type ipip
-a -t 192.0.2.1:80 -r [2001:db8::6]:80 -i -w 3 --tun-type ipip
-A -t 192.0.2.9:443 -s sh -b sh-fallback,sh-port
-A -t 192.0.2.10:443 -s rr -p 300 -M 255.255.255.0
-A -t 1.1.1.1:0 -s rr -p 360
-A -u 192.0.2.9:54 -s rr -p 10 -o
-A -u 192.0.2.9:5060 -s rr -p 60 --pe sip
-A --sctp-service 192.0.2.9:54 -s rr
-a --sctp-service 192.0.2.9:54 -r 10.0.0.10:55 -m -w 1
-A -t [2001:db8::ffff:1:2:3]:80 -s rr
-a -t [2001:db8::ffff:1:2:3]:80 -r [2001:db8:1111:2222:3333:4444:5555:6666]:65535 -m -w 1
-A -t [2001:db8::1]:1 -s rr -p 999 -M 48
-A -f 7 -s rr
-A -f 7 -6 -s rr -p 50 -M 64
-A -f 20 -s rr
-A -f 100 -6 -s wlc -b flag-1,flag-2,flag-3
`

func TestTableString(t *testing.T) {
	if diff := cmp.Diff(saved, shown.String()); diff != "" {
		t.Error(diff)
	}
}

func TestListing(t *testing.T) {
	got := lvs.ListVersion(0x010201, 4096) + lvs.ListHeader
	for _, key := range shown.Listed() {
		e := shown[key]
		got += lvs.ListService(key, e.Service) + "\n"
		for _, addr := range e.Listed() {
			got += lvs.ListServer(addr, e.Servers[addr], lvs.Connections{}) + "\n"
		}
	}
	if diff := cmp.Diff(listing, got); diff != "" {
		t.Error(diff)
	}
	counted := lvs.ListServer(ap("10.0.0.1:80"), lvs.Server{Forward: lvs.DR, Weight: 1}, lvs.Connections{Active: 12, Inactive: 3})
	if want := "  -> 10.0.0.1:80                  Route   1      12         3         "; counted != want {
		t.Errorf("got %q, want %q", counted, want)
	}
}
