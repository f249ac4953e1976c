package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/test/lab"
)

// forwarding is a service of each family, and what lvsd keeps of UDP and SCTP beside it.
const forwarding = `
[check.alive]
type     = "http"
port     = 80
interval = "500ms"

[[service]]
name       = "web"
vips       = ["198.51.100.10"]
ports      = [80]
scheduler  = "rr"
forward    = "%[1]s"
checks     = ["alive"]
servers    = ["%[2]s103", "%[2]s104"]

[[service]]
name       = "web6"
vips       = ["2001:db8::10"]
ports      = [80]
scheduler  = "rr"
forward    = "%[1]s"
checks     = ["alive"]
servers    = ["%[3]s103", "%[3]s104"]

[[service]]
name       = "sticky"
vips       = ["198.51.100.20"]
ports      = [80]
scheduler  = "rr"
forward    = "%[1]s"
persistent = "5m"
netmask    = 24
checks     = ["alive"]
servers    = ["%[2]s103", "%[2]s104"]

[[service]]
name       = "names"
vips       = ["198.51.100.10"]
ports      = [53]
protocol   = "udp"
one_packet = %[4]t
forward    = "%[1]s"
checks     = ["alive"]
servers    = ["%[2]s103", "%[2]s104"]

[[service]]
name       = "signals"
vips       = ["2001:db8::10"]
ports      = [2905]
protocol   = "sctp"
forward    = "%[1]s"
checks     = ["alive"]
servers    = ["%[3]s103", "%[3]s104"]
`

// Each way of forwarding carries a client's requests, over IPv4 and IPv6, to the servers that are in.
func TestMethods(t *testing.T) {
	for _, method := range []string{"dr", "nat", "tunnel"} {
		t.Run(method, func(t *testing.T) {
			var site *lab.Site
			four, six := "198.51.100.", "2001:db8::"
			if method == "nat" {
				site = lab.TwoBridges(t, lab.Size{Servers: 2})
				four, six = "10.0.0.", "2001:db8:1::"
			} else {
				site = lab.OneBridge(t, lab.Size{Servers: 2})
			}
			var web []*lab.WebServer
			for _, h := range site.Servers {
				if method == "tunnel" {
					h.TunnelEnd()
				}
				web = append(web, h.Web(lab.WebConfig{}))
			}
			d := newDirector(t, site.Directors[0], fmt.Sprintf(forwarding, method, four, six, method != "nat"))
			d.mustLvsd("config", "check")
			d.start()
			d.ready()
			carries(t, site, d, web[0])
			if method == "nat" {
				echoes(t, site)
			}
		})
	}
}

func carries(t *testing.T, site *lab.Site, d *director, web *lab.WebServer) {
	t.Helper()
	all := []string{"198.51.100.10:80", "[2001:db8::10]:80", "198.51.100.20:80", "198.51.100.10:53", "[2001:db8::10]:2905"}
	d.expect(10*time.Second, "103 104", all...)
	ops := " ops" // not with nat: nothing would translate the answers back
	if site.Inside != site.Outside {
		ops = ""
	}
	for _, row := range []string{"UDP  198.51.100.10:53 wlc" + ops, "SCTP [2001:db8::10]:2905 wlc", "TCP  198.51.100.20:80 rr persistent 300 mask 255.255.255.0"} {
		if listing := d.host.Ipvsadm(); !strings.Contains(listing, row+"\n") {
			t.Errorf("ipvsadm has no row %q:\n%s", row, listing)
		}
	}
	for _, vip := range []string{"198.51.100.10", "[2001:db8::10]"} {
		if got := curls(site.Client, vip, 4); len(got) != 2 || got["rs1"] != 2 || got["rs2"] != 2 {
			t.Errorf("curl of %s was answered by %v, want 2 by each", vip, got)
		}
	}
	if got := curls(site.Client, "198.51.100.20", 4); len(got) != 1 {
		t.Errorf("with persistence curl was answered by %v, want one server", got)
	}
	web.Set(lab.Status(503))
	d.expect(10*time.Second, "104", all...)
	for _, vip := range []string{"198.51.100.10", "[2001:db8::10]"} {
		if got := curls(site.Client, vip, 2); got["rs2"] != 2 {
			t.Errorf("curl of %s was answered by %v, want rs2", vip, got)
		}
	}
}

// echoes checks that UDP passes, there and back, to the server that is in.
func echoes(t *testing.T, site *lab.Site) {
	t.Helper()
	server := site.Servers[1]
	var echo net.PacketConn
	if err := server.Do(func() (err error) { echo, err = net.ListenPacket("udp", "10.0.0.104:53"); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = echo.Close() })
	go func() {
		b := make([]byte, 64)
		for {
			n, from, err := echo.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = echo.WriteTo(b[:n], from)
		}
	}()
	c, err := site.Client.Dial(t.Context(), "udp", "198.51.100.10:53")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 64)
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(b); err != nil || string(b[:n]) != "hello" {
		t.Errorf("the echo is %q: %v", b[:n], err)
	}
}

// curls asks with curl and counts who answered; what went wrong is counted by its words.
func curls(client *lab.Host, vip string, n int) map[string]int {
	by := map[string]int{}
	for range n {
		out, err := client.Try("curl", "-gsSf", "-m", "5", "http://"+vip+"/")
		if err != nil {
			out = strings.TrimSpace(out + " " + err.Error())
		}
		by[strings.TrimSpace(out)]++
	}
	return by
}

const scheduled = `
[[service]]
name      = "%[1]s"
vips      = ["198.51.100.10"]
ports     = [%[2]d]
scheduler = "%[1]s"
checks    = ["alive"]
servers   = ["198.51.100.103", "198.51.100.104"]
`

// Every scheduler that the kernel has can be had; one that it has not is named, and harms no other service.
func TestSchedulers(t *testing.T) {
	site := lab.OneBridge(t, lab.Size{Servers: 2})
	toml := "[check.alive]\ntype = \"http\"\nport = 80\ninterval = \"500ms\"\n"
	var ports []uint16
	var virtuals, rows []string
	for i, name := range schedulers(t) {
		port := 8000 + i
		ports = append(ports, uint16(port))
		toml += fmt.Sprintf(scheduled, name, port)
		virtuals = append(virtuals, fmt.Sprintf("198.51.100.10:%d", port))
		rows = append(rows, fmt.Sprintf("TCP  198.51.100.10:%d %s\n", port, name))
	}
	var web []*lab.WebServer
	for _, h := range site.Servers {
		web = append(web, h.Web(lab.WebConfig{Ports: append([]uint16{80}, ports...)}))
	}
	d := newDirector(t, site.Directors[0], toml+fmt.Sprintf(scheduled, "nosuch", 7999))
	d.start()
	d.expect(15*time.Second, "103 104", virtuals...)
	listing := d.host.Ipvsadm()
	for i, v := range virtuals {
		if !strings.Contains(listing, rows[i]) {
			t.Errorf("ipvsadm has no row %q:\n%s", rows[i], listing)
		}
		if got := curls(site.Client, v, 1); got["rs1"]+got["rs2"] != 1 {
			t.Errorf("curl of %s was answered by %v", rows[i], got)
		}
	}
	d.run("that the kernel has not", func(t *testing.T) {
		refused(t, d)
		web[0].Set(lab.Status(503))
		d.expect(10*time.Second, "104", virtuals...) // what can be kept is kept
		d.configure(toml)
		d.mustLvsd("reload")
		lab.Eventually(t, 10*time.Second, func() error {
			if s := d.mustStatus(); s.Kernel.Error != "" || !s.Ready {
				return fmt.Errorf("ready %t, kernel %q", s.Ready, s.Kernel.Error)
			}
			return nil
		})
	})
}

// refused checks that status, log and record name the scheduler that is missing.
func refused(t *testing.T, d *director) {
	t.Helper()
	clear := func(s string) bool { return strings.Contains(s, "nosuch") && strings.Contains(s, "scheduler") }
	if s := d.mustStatus(); !clear(s.Kernel.Error) {
		t.Errorf("status says %q", s.Kernel.Error)
	}
	if out, _ := d.lvsd("status"); !clear(out) {
		t.Errorf("status does not name the scheduler:\n%s", out)
	}
	if out := d.proc.Output(); !clear(out) {
		t.Errorf("the log does not name the scheduler:\n%s", out)
	}
	n := 0
	for _, e := range d.record() {
		if clear(e.Error + e.Command) {
			n++
		}
	}
	if n == 0 || n > 3 {
		t.Errorf("the record names the scheduler %d times, want it once or so", n)
	}
}

// schedulers are those that the running kernel has as modules.
func schedulers(t *testing.T) []string {
	t.Helper()
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join("/lib/modules", strings.TrimSpace(string(release)), "kernel/net/netfilter/ipvs/ip_vs_*.ko*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no schedulers in /lib/modules: %v", err)
	}
	var names []string
	for _, f := range files {
		name, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(f), "ip_vs_"), ".")
		if name != "ftp" && name != "pe_sip" {
			names = append(names, name)
		}
	}
	return names
}
