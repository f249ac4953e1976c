package pair

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lvsd/lvsd/test/lab"
)

var keepalived = program{"keepalived", newKeepalived}

// keepalivedNode is keepalived on a director. Debian's unit does not start it again when it dies as a whole.
type keepalivedNode struct {
	t    testing.TB
	host *lab.Host
	settings
	proc *lab.Keepalived
}

func newKeepalived(t testing.TB, h *lab.Host, s settings) node {
	return &keepalivedNode{t: t, host: h, settings: s}
}

func (k *keepalivedNode) conf(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# %d
vrrp_instance VI_1 {
  interface eth0
  version 3
  nopreempt
  virtual_router_id %d
  priority %d
  advert_int %.2f
  virtual_ipaddress { 198.51.100.10/32 }
}
virtual_server 198.51.100.10 80 {
  delay_loop 1
  lb_algo rr
  lb_kind DR
  protocol TCP
`, n, vrid, k.priority, k.advertise.Seconds())
	for _, s := range k.servers {
		fmt.Fprintf(&b, "  real_server %s 80 {\n    HTTP_GET {\n      url {\n        path /\n        status_code 200\n      }\n      connect_timeout 1\n    }\n  }\n", s.Address())
	}
	return b.String() + "}\n"
}

func (k *keepalivedNode) start() { k.proc = k.host.Keepalived(k.conf(0)) }
func (k *keepalivedNode) stop()  { k.proc.Stop() }

// crash kills a child, which keepalived's parent starts again.
func (k *keepalivedNode) crash(part string) {
	k.t.Helper()
	if part == "table" {
		part = "checkers"
	}
	if err := syscall.Kill(k.proc.Child(part), syscall.SIGKILL); err != nil {
		k.t.Fatalf("kill keepalived's %s: %v", part, err)
	}
}

func (k *keepalivedNode) crashAll() { k.proc.KillAll() }
func (k *keepalivedNode) pause()    { k.proc.Pause() }
func (k *keepalivedNode) resume()   { k.proc.Continue() }

func (k *keepalivedNode) reload(n int) {
	k.proc.Write(k.conf(n))
	k.proc.Signal(syscall.SIGHUP)
	time.Sleep(200 * time.Millisecond) // to read it
}

// upgrade is a restart: that is what its package does.
func (k *keepalivedNode) upgrade() { k.stop(); k.start() }

// handover is a stop and a start, with time for the other to take over: there is no command for it.
func (k *keepalivedNode) handover() { k.stop(); time.Sleep(time.Second); k.start() }

func (k *keepalivedNode) backup() error {
	if s := k.proc.State("VI_1"); s != "BACKUP" {
		return fmt.Errorf("keepalived on %s is %q, want BACKUP", k.host.Name, s)
	}
	return nil
}
