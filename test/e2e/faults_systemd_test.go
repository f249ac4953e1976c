package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/test/lab"
)

// manager is systemd's end of the notify socket: it keeps what it is told and sees the kernel's table at that moment.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func newManager(t *testing.T, path string) *manager {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &manager{t, c}
}

// until gives the next message that says word; messages that do not are passed over, but not those that say never.
func (m *manager) until(word string, within time.Duration, never ...string) string {
	m.t.Helper()
	deadline := time.Now().Add(within)
	for {
		message, err := m.next(deadline)
		if err != nil {
			m.t.Fatalf("not within %v: %s: %v", within, word, err)
		}
		for _, n := range never {
			if strings.Contains(message, n) {
				m.t.Fatalf("%q before %s", message, word)
			}
		}
		if strings.Contains(message, word) {
			return message
		}
	}
}

func (m *manager) next(deadline time.Time) (string, error) {
	b := make([]byte, 4096)
	if err := m.conn.SetReadDeadline(deadline); err != nil {
		return "", err
	}
	n, err := m.conn.Read(b)
	return string(b[:n]), err
}

// drain forgets what was said so far.
func (m *manager) drain() {
	m.t.Helper()
	for {
		if _, err := m.next(time.Now().Add(time.Millisecond)); errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}

// underSystemd starts lvsd as systemd does, with a watchdog.
func (d *director) underSystemd(socket string, watchdog time.Duration) {
	d.t.Helper()
	cmd := d.host.Command(lab.Lvsd(d.t), "run", "-c", d.file("lvsd.toml"))
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket, fmt.Sprintf("WATCHDOG_USEC=%d", watchdog.Microseconds()))
	d.proc = d.host.StartCommand(cmd)
}

// TestFaultsSystemd is Type=notify-reload with a watchdog, as systemd sees it (sd_notify(3), systemd.service(5)).
func TestFaultsSystemd(t *testing.T) {
	d, web := newPair(t)
	web[1].Set(lab.Hang) // its first verdict takes until the timeout, 1 s
	m := newManager(t, d.file("notify"))
	const watchdog = 4 * time.Second
	began := time.Now()
	d.underSystemd(d.file("notify"), watchdog)

	ready := m.until("READY=1", 15*time.Second, "STOPPING", "RELOADING")
	if got := d.servers(virtual); got != "103" {
		t.Errorf("ready with servers %q in the kernel, want 103", got)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("ready %v after the start, before the second server can have a verdict", took)
	}
	if !strings.Contains(ready, "STATUS=") {
		t.Errorf("no status line: %q", ready)
	}
	for range 3 {
		m.until("WATCHDOG=1", watchdog, "STOPPING")
	}

	for _, good := range []bool{true, false} {
		if !good {
			d.write("no toml")
		}
		m.drain()
		before := monotonic(t)
		d.proc.Signal(syscall.SIGHUP)
		reloading := m.until("RELOADING=1", 5*time.Second, "READY")
		_, stamp, _ := strings.Cut(reloading, "MONOTONIC_USEC=")
		usec, err := strconv.ParseInt(strings.TrimSpace(strings.SplitN(stamp, "\n", 2)[0]), 10, 64)
		if err != nil || usec < before || usec > monotonic(t) {
			t.Errorf("reload %v: %q, sent after %d", good, reloading, before)
		}
		m.until("READY=1", 5*time.Second, "STOPPING")
	}

	d.proc.Signal(syscall.SIGSTOP)
	time.Sleep(100 * time.Millisecond)
	m.drain()
	if said, err := m.next(time.Now().Add(watchdog)); err == nil {
		t.Errorf("a process that stands still said %q", said)
	}
	d.proc.Signal(syscall.SIGCONT)
	m.until("WATCHDOG=1", watchdog)

	d.proc.Signal(syscall.SIGTERM)
	m.until("STOPPING=1", 5*time.Second, "READY")
	if code := d.proc.Wait(10 * time.Second); code != 0 {
		t.Errorf("exit status %d\n%s", code, d.proc.Output())
	}
	if got := d.servers(virtual); got != "103" {
		t.Errorf("after the end the kernel has servers %q, want 103", got)
	}
}

// monotonic is the clock of MONOTONIC_USEC.
func monotonic(t *testing.T) int64 {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	return ts.Nano() / 1000
}
