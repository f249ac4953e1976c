package control

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lvsd/lvsd/pkg/director"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend is a daemon that says what the test wants.
type backend struct {
	status func(context.Context, netip.Addr) (*Status, error)
	reload func(context.Context, Caller) (*Reloaded, error)
	hand   func(context.Context, string, Caller) error
}

func (b backend) Status(ctx context.Context, server netip.Addr) (*Status, error) {
	return b.status(ctx, server)
}

func (b backend) Reload(ctx context.Context, by Caller) (*Reloaded, error) { return b.reload(ctx, by) }

func (b backend) Handover(ctx context.Context, router string, by Caller) error {
	return b.hand(ctx, router, by)
}

// plain answers everything.
func plain() backend {
	return backend{
		status: func(_ context.Context, server netip.Addr) (*Status, error) {
			return &Status{Snapshot: director.Snapshot{Name: "lvs-a " + server.String()}}, nil
		},
		reload: func(context.Context, Caller) (*Reloaded, error) {
			return &Reloaded{Changes: []string{"service web: weight 1 -> 2"}}, nil
		},
		hand: func(_ context.Context, router string, _ Caller) error {
			if router != "VI_1" {
				return fmt.Errorf("no router %q", router)
			}
			return nil
		},
	}
}

// socketPath is a path in a directory that every user may enter.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "control")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "run", "lvsd.sock")
}

// serve answers on a socket until the test ends.
func serve(t *testing.T, b Backend, a Access) string {
	t.Helper()
	socket := socketPath(t)
	s, err := Listen(socket, "v1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	s.Allow(a)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, b) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Serve does not end")
		}
	})
	return socket
}
