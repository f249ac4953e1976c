package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/ipvs/ipvstest"
	"github.com/lvsd/lvsd/pkg/lvs"
)

func TestMain(m *testing.M) {
	if !vrrpProgram() {
		goleak.VerifyTestMain(m)
	}
}

// site is a daemon over a kernel in memory, with one real server on loopback.
type site struct {
	t      testing.TB
	dir    string
	kernel *ipvstest.Kernel
	status atomic.Int32 // what the real server answers
	web    *httptest.Server
	log    *lockedBuffer
	client *control.Client

	reload chan struct{}
	stop   context.CancelFunc
	ended  chan error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}
func (l *lockedBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

var lifeKey = lvs.Key{Protocol: lvs.TCP, Addr: netip.MustParseAddrPort("192.0.2.1:80")}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), kernel: ipvstest.New(nil), log: &lockedBuffer{}}
	s.status.Store(200)
	s.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(s.status.Load()))
	}))
	t.Cleanup(s.web.Close)
	s.client = control.NewClient(filepath.Join(s.dir, "sock"))
	s.configure("")
	return s
}

// configure writes a configuration of one service with one real server; more goes behind it.
func (s *site) configure(more string) {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.web.Listener.Addr().String())
	s.write(fmt.Sprintf(`
name = "lvs-a"
state = %q
resync = "100ms"
audit = { file = %q }
control = { socket = %q }
[check.alive]
type = "http"
interval = "50ms"
timeout = "1s"
[[service]]
name = "web"
vips = ["192.0.2.1"]
ports = [80]
scheduler = "wlc"
forward = "nat"
checks = ["alive"]
servers = [{ address = "127.0.0.1", port = %s }]
`, s.dir, filepath.Join(s.dir, "audit.log"), filepath.Join(s.dir, "sock"), port) + more)
}

func (s *site) write(text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "lvsd.toml"), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// start runs lvsd and returns when it is ready; begin does not wait.
func (s *site) start(o Options) {
	s.t.Helper()
	s.begin(o)
	s.eventually("ready", func() bool {
		st, err := s.client.Status(s.t.Context())
		return err == nil && st.Ready
	})
}

func (s *site) begin(o Options) {
	s.t.Helper()
	ctx, stop := context.WithCancel(s.t.Context())
	s.stop, s.ended, s.reload = stop, make(chan error, 1), make(chan struct{})
	o.Config = filepath.Join(s.dir, "lvsd.toml")
	w := World{
		Kernel: func() (ipvs.Kernel, error) { return s.kernel, nil },
		Neighbors: func(context.Context, []netip.Addr) director.Probed {
			return director.Probed{Unasked: true, Words: "nobody here"}
		},
		Log: zerolog.New(s.log), Version: "test",
	}
	go func() { s.ended <- Run(ctx, w, o, Signals{Reload: s.reload}) }()
}

func (s *site) end() {
	s.t.Helper()
	s.stop()
	if err := <-s.ended; err != nil {
		s.t.Fatalf("run: %v\n%s", err, s.log)
	}
}

func (s *site) eventually(what string, f func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !f() {
		select {
		case err := <-s.ended:
			s.t.Fatalf("lvsd ended before %s: %v\n%s", what, err, s.log)
		default:
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("not %s within 10 s\n%s", what, s.log)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// servers counts the real servers of the service in the kernel; -1 is no service.
func (s *site) servers() int {
	m, err := s.kernel.Servers(lifeKey)
	if errors.Is(err, ipvs.ErrNotFound) {
		return -1
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return len(m)
}

func (s *site) record() string {
	b, err := os.ReadFile(filepath.Join(s.dir, "audit.log"))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

func TestLife(t *testing.T) {
	s := newSite(t)
	s.start(Options{})
	s.eventually("in", func() bool { return s.servers() == 1 })
	s.status.Store(503)
	s.eventually("out", func() bool { return s.servers() == 0 })
	s.status.Store(200)
	s.eventually("in again", func() bool { return s.servers() == 1 })

	s.write("this is no TOML")
	if _, err := s.client.Reload(t.Context()); err == nil {
		t.Error("a broken configuration was taken")
	}
	st, err := s.client.Status(t.Context())
	if err != nil || len(st.Config.Errors) == 0 || st.Config.Refused.IsZero() {
		t.Errorf("status does not tell of the refused configuration: %+v, %v", st.Config, err)
	}
	s.configure("quorum = 1\nmin_up = \"50%\"\n")
	done, err := s.client.Reload(t.Context())
	if err != nil || len(done.Changes) == 0 {
		t.Errorf("reload: %+v, %v", done, err)
	}
	s.reload <- struct{}{} // as SIGHUP
	s.kernel.Clear()
	s.eventually("repaired", func() bool { return s.servers() == 1 })
	s.end()
	if s.servers() != 1 {
		t.Error("stop took the server out")
	}
	for _, word := range []string{
		`"to":"started"`, `"to":"ready"`, `"command":"-A -t 192.0.2.1:80`, `"command":"-a -t 192.0.2.1:80 -r 127.0.0.1`,
		`"reason":"alive: status 503`, `"to":"refused"`, `"actor":"operator","uid":0`, `"event":"drift"`, `"to":"stopped"`,
	} {
		if !strings.Contains(s.record(), word) {
			t.Errorf("the record lacks %s:\n%s", word, s.record())
		}
	}

	writes := s.kernel.Writes()
	s.start(Options{})
	for range 20 {
		if _, err := s.client.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.end()
	if n := s.kernel.Writes() - writes; n != 0 {
		t.Errorf("a restart and 20 reloads wrote %d changes, want none", n)
	}

	s.start(Options{FlushOnStop: true})
	s.end()
	if s.servers() != -1 {
		t.Error("--flush-on-stop left the service")
	}
}

// What an earlier configuration put in is taken out by the next start, what others put in stays.
func TestOwnedAndForeign(t *testing.T) {
	s := newSite(t)
	foreign := lvs.Key{Protocol: lvs.UDP, Addr: netip.MustParseAddrPort("192.0.2.9:53")}
	for _, err := range s.kernel.Edit(lvs.Change{Op: lvs.AddService, Key: foreign, Service: lvs.Service{Scheduler: "rr", Netmask: 32}}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	s.start(Options{})
	s.eventually("in", func() bool { return s.servers() == 1 })
	s.end()
	s.write(fmt.Sprintf("state = %q\naudit = { file = %q }\ncontrol = { socket = %q }\n", s.dir, filepath.Join(s.dir, "audit.log"), filepath.Join(s.dir, "sock")))
	s.start(Options{})
	s.eventually("the dropped service gone", func() bool { return s.servers() == -1 })
	s.end()
	services, err := s.kernel.Services()
	if _, there := services[foreign]; err != nil || !there || len(services) != 1 {
		t.Errorf("services left: %v, %v; want the foreign one alone", services, err)
	}
}

// A kernel that refuses is told, tried again, and taken up when it answers.
func TestKernelFails(t *testing.T) {
	s := newSite(t)
	s.start(Options{})
	s.eventually("in", func() bool { return s.servers() == 1 })
	s.kernel.Break(io.ErrUnexpectedEOF)
	s.eventually("told", func() bool {
		st, err := s.client.Status(t.Context())
		return err == nil && st.Kernel.Error != ""
	})
	s.status.Store(503)
	time.Sleep(200 * time.Millisecond) // the verdict falls meanwhile; nothing waits for this
	s.kernel.Break(nil)
	s.eventually("out", func() bool { return s.servers() == 0 })
	s.eventually("in sync", func() bool {
		st, err := s.client.Status(t.Context())
		return err == nil && st.Kernel.Error == ""
	})
	s.end()
}

func TestSecondLvsdRefuses(t *testing.T) {
	s := newSite(t)
	s.start(Options{})
	err := Run(t.Context(), World{Kernel: func() (ipvs.Kernel, error) { return s.kernel, nil }}, Options{Config: filepath.Join(s.dir, "lvsd.toml")}, Signals{})
	if err == nil || !strings.Contains(err.Error(), "another lvsd run") {
		t.Errorf("second run: %v", err)
	}
	if _, err := s.client.Status(t.Context()); err != nil {
		t.Errorf("the first one no longer answers: %v", err)
	}
	s.end()
}

func TestBadConfigurationDoesNotStart(t *testing.T) {
	s := newSite(t)
	s.write("nme = 1\n")
	err := Run(t.Context(), World{}, Options{Config: filepath.Join(s.dir, "lvsd.toml")}, Signals{})
	if err == nil || !strings.Contains(err.Error(), "lvsd.toml:1") {
		t.Errorf("got %v, want the line of the mistake", err)
	}
}
