package systemd

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// manager is systemd's end of the notify socket.
type manager struct {
	t *testing.T
	c *net.UnixConn
}

func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return &manager{t: t, c: c}
}

// next gives the next datagram, or "" if none comes within the time given.
func (m *manager) next(within time.Duration) string {
	m.t.Helper()
	if err := m.c.SetReadDeadline(time.Now().Add(within)); err != nil {
		m.t.Fatal(err)
	}
	b := make([]byte, 64<<10)
	n, err := m.c.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ""
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return string(b[:n])
}

func TestNotify(t *testing.T) {
	m := newManager(t)
	for _, tt := range []struct {
		name string
		do   func() error
		want string
	}{
		{"ready", func() error { return Ready("3 services") }, "READY=1\nSTATUS=3 services\n"},
		{"ready without status", func() error { return Ready("") }, "READY=1\n"},
		{"stopping", Stopping, "STOPPING=1\n"},
		{"status", func() error { return Status("a b") }, "STATUS=a b\n"},
		{"status of several lines", func() error { return Status("a\nREADY=1\n\xff") }, "STATUS=a READY=1 ?\n"},
		{"long status", func() error { return Status(strings.Repeat("x", 1<<20)) }, "STATUS=" + strings.Repeat("x", maxStatus) + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.do(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, m.next(time.Second)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestReloading is what systemd wants of Type=notify-reload: both lines in one datagram, the time that of CLOCK_MONOTONIC.
func TestReloading(t *testing.T) {
	m := newManager(t)
	now := func() int64 {
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
			t.Fatal(err)
		}
		return ts.Nano() / 1000
	}
	before := now()
	if err := Reloading(); err != nil {
		t.Fatal(err)
	}
	after := now()
	got := m.next(time.Second)
	stamp, ok := strings.CutPrefix(got, "RELOADING=1\nMONOTONIC_USEC=")
	usec, err := strconv.ParseInt(strings.TrimSuffix(stamp, "\n"), 10, 64)
	if !ok || err != nil || usec < before || usec > after {
		t.Errorf("%q, want a time from %d to %d", got, before, after)
	}
}

func TestWithoutSystemd(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	for _, err := range []error{Ready("x"), Reloading(), Stopping(), Status("x"), Watchdog(t.Context(), nil, nil)} {
		if err != nil {
			t.Error(err)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	if err := Ready(""); err == nil || !strings.Contains(err.Error(), "notify systemd") {
		t.Errorf("Ready: %v", err)
	}
}

func TestWatchdog(t *testing.T) {
	m := newManager(t)
	const allowed = 200 * time.Millisecond
	t.Setenv("WATCHDOG_USEC", strconv.Itoa(int(allowed/time.Microsecond)))
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	var dead atomic.Bool
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- Watchdog(ctx, func() error {
			if dead.Load() {
				return errors.New("the table loop has not moved for 12s")
			}
			return nil
		}, func(err error) { t.Error(err) })
	}()
	last := time.Now()
	for range 5 {
		if got := m.next(10 * allowed); got != "WATCHDOG=1\n" {
			t.Fatalf("got %q", got)
		}
	}
	if took := time.Since(last); took < allowed || took > 7*allowed/2 {
		t.Errorf("5 pings, the first at once, took %v; want %v", took, 2*allowed)
	}
	dead.Store(true)
	fed := 0
	for range 4 {
		switch got := m.next(10 * allowed); got {
		case "WATCHDOG=1\n": // it may have been under way
			fed++
		case "STATUS=not alive: the table loop has not moved for 12s\n":
		default:
			t.Fatalf("got %q", got)
		}
	}
	if fed > 1 {
		t.Errorf("fed %d times while not alive", fed)
	}
	dead.Store(false)
	for m.next(10*allowed) != "WATCHDOG=1\n" {
		if t.Failed() {
			break
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for m.next(2*allowed) != "" {
		// what was sent before the end
	}
}

// TestWatchdogFeedsOn has a socket that is away for a while, which is told once each time.
func TestWatchdogFeedsOn(t *testing.T) {
	m := newManager(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	path := os.Getenv("NOTIFY_SOCKET")
	away := path + ".away"
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	told := make(chan error, 100)
	var fed atomic.Int32
	alive := func() error { fed.Add(1); return nil }
	go func() { ended <- Watchdog(ctx, alive, func(err error) { told <- err }) }()
	for range 2 {
		if err := os.Rename(path, away); err != nil {
			t.Fatal(err)
		}
		for m.next(200*time.Millisecond) != "" {
			// what was sent before
		}
		for at, end := fed.Load(), time.Now().Add(10*time.Second); fed.Load() < at+5 && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		if err := os.Rename(away, path); err != nil {
			t.Fatal(err)
		}
		if got := m.next(10 * time.Second); got != "WATCHDOG=1\n" {
			t.Fatalf("got %q after the socket came back", got)
		}
		if n := len(told); n != 1 {
			t.Errorf("told %d times, want once", n)
		} else if err := <-told; !strings.Contains(err.Error(), "notify systemd") {
			t.Error(err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestWatchdogStuck has an alive that does not return: no ping may come.
func TestWatchdogStuck(t *testing.T) {
	m := newManager(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	release := make(chan struct{})
	go func() {
		ended <- Watchdog(ctx, func() error { <-release; return errors.New("released") }, func(error) {})
	}()
	if got := m.next(200 * time.Millisecond); got != "" {
		t.Errorf("got %q", got)
	}
	cancel()
	close(release)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestWatchdogOfAnother(t *testing.T) {
	m := newManager(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", "1")
	if err := Watchdog(t.Context(), func() error { return nil }, nil); err != nil {
		t.Error(err)
	}
	if got := m.next(100 * time.Millisecond); got != "" {
		t.Errorf("got %q", got)
	}
	t.Setenv("WATCHDOG_USEC", "soon")
	if err := Watchdog(t.Context(), func() error { return nil }, nil); err == nil {
		t.Error("no error for WATCHDOG_USEC=soon")
	}
}
