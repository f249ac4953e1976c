package control

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/lvs"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The JSON of status is promised to programs: this file changes only by what is added.
func TestStatusJSON(t *testing.T) {
	got, err := json.MarshalIndent(full(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const golden = "testdata/status.json"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("JSON of status (-want +got):\n%s", diff)
	}
	var back Status
	dec := json.NewDecoder(bytes.NewReader(want))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full(), back, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}

func TestRowsKeepEverything(t *testing.T) {
	key := lvs.Key{Mark: 7, IPv6: true}
	service := lvs.Service{Scheduler: "mh", Flags: lvs.Persistent | lvs.Sched1, Timeout: 5 * time.Minute, Netmask: 64, Engine: "sip"}
	v := VirtualOf(key, service, true)
	if got := v.Service(); got != service || v.Key != key || !v.Foreign {
		t.Errorf("%+v became %+v", service, got)
	}
	addr := netip.MustParseAddrPort("10.0.0.1:80")
	conns := lvs.Connections{Active: 1, Inactive: 2, Persistent: 3}
	for _, s := range []lvs.Server{
		{Forward: lvs.NAT, Weight: 70000},
		{Forward: lvs.Local, Weight: 0},
		{Forward: lvs.DR, Weight: 1, Upper: 9, Lower: 3},
		{Forward: lvs.Tunnel, Weight: 1},
		{Forward: lvs.Tunnel, Weight: 1, Encap: lvs.Encap{Type: lvs.GUE, Port: 6080, Flags: 2}},
	} {
		r := RealOf(addr, s, conns)
		got, err := r.Server()
		if err != nil || got != s || r.Addr != addr || r.Connections() != conns {
			t.Errorf("%+v became %+v (%v)", s, got, err)
		}
	}
	if _, err := (Real{Forward: "pigeon"}).Server(); err == nil {
		t.Error("a forwarding method that there is not was taken")
	}
}

// full is a Status with every field set.
func full() Status {
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	key := lvs.Key{Protocol: lvs.TCP, Addr: netip.MustParseAddrPort("198.51.100.10:80")}
	server := netip.MustParseAddrPort("198.51.100.105:80")
	try := director.Try{
		At: at, Took: 1200 * time.Microsecond, Lag: time.Millisecond, Outcome: checks.BadAnswer,
		Reason:   "status 503, want 200-399",
		Phases:   checks.Phases{Connect: 200 * time.Microsecond, TLS: 400 * time.Microsecond, FirstByte: 900 * time.Microsecond, Done: time.Millisecond},
		NotAfter: at.Add(1000 * time.Hour), Head: "HTTP/1.1 503 Service Unavailable\n",
	}
	virtual := VirtualOf(key, lvs.Service{Scheduler: "wlc", Flags: lvs.Persistent, Timeout: 5 * time.Minute, Netmask: 24, Engine: "sip"}, true)
	virtual.Servers = []Real{RealOf(server, lvs.Server{
		Forward: lvs.Tunnel, Weight: 1, Upper: 10, Lower: 5, Encap: lvs.Encap{Type: lvs.GUE, Port: 6080, Flags: 1},
	}, lvs.Connections{Active: 12, Inactive: 3, Persistent: 1})}
	return Status{
		Snapshot: director.Snapshot{
			Name: "lvs-a", At: at, Started: at, ConfigLoaded: at, Ready: true,
			Suspect: director.SuspectState{Suspected: true, Since: at, Words: "6 of 8 addresses fell silent", Silent: 6, Addresses: 8},
			Services: []director.ServiceState{{
				Name: "news", Virtual: key, State: "up", Since: at, Weight: 2, Quorum: 1, Up: 2, Total: 3, Sorry: true,
				Servers: []director.ServerState{{
					Addr: server, Sorry: true, Verdict: "down", Since: at, In: true, Weight: 1, Full: 2, Held: "held by min_up",
					Rising: true, Admin: "drained", Checks: []lvs.CheckID{{Check: "alive", Addr: server}}, Reason: "alive: status 503",
				}},
			}},
			Checks: []director.CheckState{{
				Check: "alive", Addr: server, Verdict: "down", Since: at, Streak: 1, Rise: 2, Fall: 2, Interval: 5 * time.Second,
				Timeout: 2 * time.Second, Count: 100, Unasked: 1, MaxLag: time.Millisecond, Last: &try, Tries: []director.Try{try},
			}},
		},
		Table:      []Virtual{virtual},
		TableError: "dump services: no buffer space",
		Kernel: Kernel{
			LastSync: at, Failing: at, Error: "add service: no such scheduler", Writes: 12, Repairs: 1, Sweep: 2 * time.Second,
			Contested: []string{"tcp 198.51.100.10:80"}, Owned: 2, Resync: 2 * time.Second,
		},
		Audit:   Audit{File: "/var/log/lvsd/audit.log", Error: "no space left on device", Failing: at, Lost: 3},
		Config:  Config{Files: []string{"/etc/lvsd/lvsd.toml"}, Warnings: []string{"w"}, Refused: at, Errors: []string{"e"}},
		Process: Process{Version: "v1", Go: "go1.26", PID: 1, Goroutines: 20},
	}
}
