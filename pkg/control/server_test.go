package control

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestClient(t *testing.T) {
	socket := serve(t, plain(), Access{})
	c := NewClient(socket)
	if v, err := c.Ping(t.Context()); v != "v1.2.3" || err != nil {
		t.Errorf("Ping: %q, %v", v, err)
	}
	if s, err := c.Status(t.Context()); err != nil || s.Name != "lvs-a invalid IP" {
		t.Errorf("Status: %+v, %v", s, err)
	}
	if s, err := c.Why(t.Context(), netip.MustParseAddr("fd00::1%eth0")); err != nil || s.Name != "lvs-a fd00::1%eth0" {
		t.Errorf("Why: %+v, %v", s, err)
	}
	if r, err := c.Reload(t.Context()); err != nil || !cmp.Equal(r.Changes, []string{"service web: weight 1 -> 2"}) {
		t.Errorf("Reload: %+v, %v", r, err)
	}
	if err := c.Handover(t.Context(), "VI_1"); err != nil {
		t.Errorf("Handover: %v", err)
	}
	refused, ok := errors.AsType[*Refused](c.Handover(t.Context(), "VI 2"))
	if !ok || refused.Code != 422 || refused.Message != `no router "VI 2"` {
		t.Errorf("Handover of what is not there: %+v", refused)
	}
}

// joined is an error that holds several, as that of a configuration does.
type joined []error

func (j joined) Error() string   { return "2 errors in the configuration" }
func (j joined) Unwrap() []error { return j }

func TestErrorsOfBackend(t *testing.T) {
	b := plain()
	b.reload = func(context.Context, Caller) (*Reloaded, error) {
		return nil, joined{errors.New("lvsd.toml:3: first"), errors.New("lvsd.toml:9: second")}
	}
	b.status = func(_ context.Context, a netip.Addr) (*Status, error) {
		if a.IsValid() {
			panic("ouch")
		}
		return nil, errors.New("read table: no such device")
	}
	c := NewClient(serve(t, b, Access{}))
	_, err := c.Reload(t.Context())
	refused, ok := errors.AsType[*Refused](err)
	if !ok || errors.Is(err, ErrNoAnswer) || refused.Code != 422 {
		t.Fatalf("Reload: %#v", err)
	}
	if diff := cmp.Diff([]string{"lvsd.toml:3: first", "lvsd.toml:9: second"}, refused.Errors); diff != "" {
		t.Errorf("Reload's errors (-want +got):\n%s", diff)
	}
	if p := problemOf(errors.New("lvsd.toml:1: one\nlvsd.toml:2: two")); !cmp.Equal(p.Errors, []string{"lvsd.toml:1: one", "lvsd.toml:2: two"}) {
		t.Errorf("an error of two lines: %q", p.Errors)
	}
	_, err = c.Status(t.Context())
	if !errors.Is(err, ErrNoAnswer) || !strings.Contains(err.Error(), "no such device") {
		t.Errorf("Status: %v", err)
	}
	_, err = c.Why(t.Context(), netip.MustParseAddr("10.0.0.1"))
	if !errors.Is(err, ErrNoAnswer) || !strings.Contains(err.Error(), "answering crashed: ouch") {
		t.Errorf("Why: %v", err)
	}
	if _, err := c.Ping(t.Context()); err != nil {
		t.Errorf("Ping after a crash: %v", err)
	}
}

func TestRequestsThatAreNone(t *testing.T) {
	socket := serve(t, plain(), Access{})
	for _, test := range []struct {
		method, path string
		code         int
		words        string
	}{
		{"GET", "/", 404, "this lvsd has no GET /"},
		{"GET", "/v2/status", 404, "no GET /v2/status"},
		{"POST", "/v1/status", 404, "no POST /v1/status"},
		{"GET", "/v1/reload", 404, "no GET /v1/reload"},
		{"GET", "/v1/why", 400, "read server"},
		{"GET", "/v1/why?server=nonsense", 400, "nonsense"},
	} {
		code, body, err := askAs(socket, 0, 0, nil, test.method, test.path)
		if err != nil || code != test.code || !strings.Contains(body, test.words) {
			t.Errorf("%s %s: %d %s (%v), want %d and %q", test.method, test.path, code, body, err, test.code, test.words)
		}
	}
}

func TestReloadGoesOnWithoutItsCaller(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan error)
	b := plain()
	b.reload = func(ctx context.Context, _ Caller) (*Reloaded, error) {
		close(begun)
		var err error
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
		ended <- err
		return &Reloaded{}, nil
	}
	c := NewClient(serve(t, b, Access{}))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	if _, err := c.Reload(ctx); err == nil {
		t.Error("the caller left and was told that all is well")
	}
	if err := <-ended; err != nil {
		t.Errorf("the reload was ended with its caller: %v", err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	deaf := filepath.Join(dir, "deaf.sock")
	d, err := net.Listen("unix", deaf)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, test := range []struct{ socket, words string }{
		{filepath.Join(dir, "none.sock"), "it does not run"},
		{stale, "it does not run"},
		{deaf, "in time"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, err := NewClient(test.socket).Status(ctx)
		cancel()
		if !errors.Is(err, ErrNoAnswer) || !strings.Contains(err.Error(), test.words) {
			t.Errorf("%s: %v, want %q", test.socket, err, test.words)
		}
	}
}

func TestTakingTheSocket(t *testing.T) {
	socket := socketPath(t)
	first, err := Listen(socket, "v1")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("mode of the socket: %v, %v", info.Mode(), err)
	}
	if _, err := Listen(socket, "v2"); err == nil || err.Error() != "another lvsd run holds "+socket {
		t.Errorf("a second one: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
	second, err := Listen(socket, "v2")
	if err != nil {
		t.Fatalf("after the first one's end: %v", err)
	}
	_ = second.Close()
}

func TestWhatStandsInTheSocketsPlace(t *testing.T) {
	socket := socketPath(t)
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(socket, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(socket, "v1"); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a file: %v", err)
	}
	if b, _ := os.ReadFile(socket); string(b) != "precious" {
		t.Errorf("the file is now %q", b)
	}
	_ = os.Remove(socket)

	other, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(socket, "v1"); err == nil || !strings.Contains(err.Error(), "another program answers") {
		t.Errorf("a living socket: %v", err)
	}
	other.SetUnlinkOnClose(false)
	_ = other.Close()

	s, err := Listen(socket, "v1")
	if err != nil {
		t.Fatalf("a stale socket: %v", err)
	}
	_ = s.Close()

	long := filepath.Join(t.TempDir(), strings.Repeat("x", 120))
	if _, err := Listen(long, "v1"); err == nil || !strings.Contains(err.Error(), "at most 107 bytes") {
		t.Errorf("a long path: %v", err)
	}
}

// A killed daemon leaves the socket and gives up the lock.
func TestKilledDaemonIsReplaced(t *testing.T) {
	socket := socketPath(t)
	if os.Getenv("CONTROL_HOLD") != "" {
		if _, err := Listen(os.Getenv("CONTROL_HOLD"), "v1"); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	child := exec.Command(os.Args[0], "-test.run=^TestKilledDaemonIsReplaced$")
	child.Env = append(os.Environ(), "CONTROL_HOLD="+socket)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Lstat(socket); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the child does not listen")
		}
	}
	if _, err := Listen(socket, "v2"); err == nil {
		t.Error("took the socket of a living one")
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	s, err := Listen(socket, "v2")
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
}
