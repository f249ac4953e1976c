package daemon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// listenNotify makes this process's systemd a socket of the test's own, and gives what it has been told so far.
func listenNotify(t *testing.T) (told func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	all := ""
	return func() string {
		buf := make([]byte, 4096)
		for {
			_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
			n, err := c.Read(buf)
			if err != nil {
				return all
			}
			all += string(buf[:n]) + "\n"
		}
	}
}

const second = `
[[service]]
name = "second"
vips = ["192.0.2.2"]
ports = [80]
scheduler = "wlc"
forward = "nat"
checks = ["hung"]
servers = [{ address = "127.0.0.1", port = %s }]
[check.hung]
type = "http"
interval = "1s"
timeout = "500ms"
`

// A service that somebody else kept until now loses no server when a reload takes it over, though its check hangs at first.
func TestReloadTakesOverALiveService(t *testing.T) {
	s := newSite(t)
	hung, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hung.Close()
	_, port, _ := net.SplitHostPort(hung.Addr().String())
	key := lvs.Key{Protocol: lvs.TCP, Addr: netip.MustParseAddrPort("192.0.2.2:80")}
	live := netip.MustParseAddrPort("127.0.0.1:" + port)
	for _, err := range s.kernel.Edit(
		lvs.Change{Op: lvs.AddService, Key: key, Service: lvs.Service{Scheduler: "wlc", Netmask: 32}},
		lvs.Change{Op: lvs.AddServer, Key: key, Addr: live, Server: lvs.Server{Forward: lvs.NAT, Weight: 3}},
	) {
		if err != nil {
			t.Fatal(err)
		}
	}
	s.start(Options{})
	s.eventually("in", func() bool { return s.servers() == 1 })
	writes := s.kernel.Writes()
	s.configure(fmt.Sprintf(second, port))
	if _, err := s.client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.eventually("taken over", func() bool {
		st, err := s.client.Status(t.Context())
		return err == nil && st.Kernel.Owned == 2
	})
	if n := s.kernel.Writes() - writes; n != 0 {
		t.Errorf("taking the service over wrote %d changes, want none before a verdict\n%s", n, s.record())
	}
	s.eventually("out by its own verdict", func() bool {
		servers, err := s.kernel.Servers(key)
		return err == nil && len(servers) == 0
	})
	s.end()
}

// One service that the kernel refuses does not keep systemd waiting for the others.
func TestReadyBesideARefusedService(t *testing.T) {
	told := listenNotify(t)
	s := newSite(t)
	s.kernel.Fail(func(c lvs.Change) error {
		if c.Key.Addr.Addr() == netip.MustParseAddr("192.0.2.2") {
			return ipvs.ErrNoScheduler
		}
		return nil
	})
	s.configure(fmt.Sprintf(second, "9"))
	s.start(Options{})
	s.eventually("READY=1", func() bool { return strings.Contains(told(), "READY=1") })
	st, err := s.client.Status(t.Context())
	if err != nil || st.Kernel.Error == "" {
		t.Errorf("status does not tell of the refused service: %+v, %v", st, err)
	}
	s.end()
}

// A reload does not make lvsd ready before its first table is in.
func TestReloadBeforeReady(t *testing.T) {
	told := listenNotify(t)
	s := newSite(t)
	s.kernel.Fail(func(lvs.Change) error { return errors.New("lost") })
	s.begin(Options{})
	s.eventually("answering", func() bool { _, err := s.client.Ping(t.Context()); return err == nil })
	if _, err := s.client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(told(), "READY=1") {
		t.Errorf("ready with an empty table:\n%s", told())
	}
	s.kernel.Fail(nil)
	s.eventually("READY=1", func() bool { return strings.Contains(told(), "READY=1") })
	s.end()
}

// A reload that comes while lvsd stops is told so, and leaves nothing waiting.
func TestReloadWhileStopping(t *testing.T) {
	d := &daemon{reloads: make(chan reloadRequest), stopping: make(chan struct{})}
	close(d.stopping)
	if _, err := d.Reload(t.Context(), control.Caller{}); err == nil || !strings.Contains(err.Error(), "stopping") {
		t.Errorf("got %v", err)
	}
}
