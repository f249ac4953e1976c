package pair

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/test/lab"
)

var lvsd = program{"lvsd", newLvsd}

// lvsdNode is lvsd on a director: two processes, each watched over as by its unit.
type lvsdNode struct {
	t    testing.TB
	host *lab.Host
	settings
	table, vrrp *unit
}

func newLvsd(t testing.TB, h *lab.Host, s settings) node {
	n := &lvsdNode{t: t, host: h, settings: s}
	n.table = &unit{t: t, host: h, args: []string{"run", "-c", n.file("lvsd.toml")}, wait: time.Second}
	n.vrrp = &unit{t: t, host: h, args: []string{"vrrp", "run", "-c", n.file("lvsd.toml"), "--run-dir", n.file("vrrp")}}
	return n
}

func (n *lvsdNode) file(name string) string { return filepath.Join(n.host.Dir(), name) }

func (n *lvsdNode) configure(round int) {
	n.t.Helper()
	var servers []string
	for _, s := range n.servers {
		servers = append(servers, fmt.Sprintf("%q", s.Address()))
	}
	toml := fmt.Sprintf(`# %d
name = %q
state = %q
audit = { file = %q }
control = { socket = %q }
runtime = %q

[check.web]
type = "http"
status = "200"
interval = "1s"
timeout = "1s"

[[service]]
name = "web"
vips = ["198.51.100.10"]
ports = [80]
scheduler = "rr"
forward = "dr"
checks = ["web"]
servers = [%s]

[[vrrp]]
name = "VI_1"
interface = "eth0"
id = %d
priority = %d
advertise = %q
vips = ["198.51.100.10/32"]
`, round, n.host.Name, n.file("state"), n.file("audit.log"), n.file("lvsd.sock"), n.file("vrrp"), strings.Join(servers, ", "), vrid, n.priority, n.advertise)
	next := n.file("lvsd.toml.new")
	if err := os.WriteFile(next, []byte(toml), 0o600); err != nil {
		n.t.Fatal(err)
	}
	if err := os.Rename(next, n.file("lvsd.toml")); err != nil {
		n.t.Fatal(err)
	}
}

func (n *lvsdNode) start() {
	n.t.Helper()
	n.configure(0)
	n.vrrp.start()
	n.table.start()
}

func (n *lvsdNode) stop() {
	n.t.Helper()
	n.vrrp.stop()
	n.table.stop()
}

func (n *lvsdNode) crash(part string) {
	n.t.Helper()
	n.unit(part).kill()
}

func (n *lvsdNode) unit(part string) *unit {
	if part == "table" {
		return n.table
	}
	return n.vrrp
}

func (n *lvsdNode) crashAll() {
	n.t.Helper()
	n.vrrp.abandon()
	n.table.abandon()
}

func (n *lvsdNode) pause() {
	n.t.Helper()
	n.table.signal(syscall.SIGSTOP)
	n.vrrp.signal(syscall.SIGSTOP)
}

func (n *lvsdNode) resume() {
	n.t.Helper()
	n.vrrp.signal(syscall.SIGCONT)
	n.table.signal(syscall.SIGCONT)
}

// reload is the command, which applies the file to both processes.
func (n *lvsdNode) reload(round int) {
	n.t.Helper()
	n.configure(round)
	n.command("reload", "-c", n.file("lvsd.toml"))
}

// upgrade is what the package does: the VRRP process goes on in the new program, the other is started again.
func (n *lvsdNode) upgrade() {
	n.t.Helper()
	n.command("vrrp", "reload", "-c", n.file("lvsd.toml"), "--run-dir", n.file("vrrp"))
	n.table.stop()
	n.table.start()
}

func (n *lvsdNode) handover() {
	n.t.Helper()
	n.command("vrrp", "handover", "--run-dir", n.file("vrrp"))
}

func (n *lvsdNode) command(args ...string) string {
	n.t.Helper()
	return n.host.Run(lab.Lvsd(n.t), args...)
}

func (n *lvsdNode) backup() error {
	r, err := n.router()
	if err == nil && (r.State != "backup" || !r.Peer.IsValid()) {
		err = fmt.Errorf("lvsd on %s is %s, and has heard %v: want backup that heard its master", n.host.Name, r.State, r.Peer)
	}
	return err
}

// router is what the VRRP process says of the pair's router.
func (n *lvsdNode) router() (link.RouterState, error) {
	out, err := n.host.Try(lab.Lvsd(n.t), "vrrp", "--json", "--run-dir", n.file("vrrp"))
	var s link.State
	if e := json.Unmarshal([]byte(out), &s); e != nil {
		return link.RouterState{}, fmt.Errorf("read state of %s: %w (%w)", n.host.Name, e, err)
	}
	for _, r := range s.Routers {
		if r.ID == vrid {
			return r, nil
		}
	}
	return link.RouterState{}, fmt.Errorf("%s has no router %d: %s", n.host.Name, vrid, out)
}
