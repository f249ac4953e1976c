package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/test/lab"
)

// dialAs connects to lvsd's socket as a user, whom lvsd then takes the caller for.
func (d *director) dialAs(uid int) (c net.Conn, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// The raw call changes this thread alone; root stays its saved user, to come back.
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), 0); e != 0 {
		return nil, fmt.Errorf("become user %d: %w", uid, e)
	}
	c, err = net.Dial("unix", d.file("lvsd.sock"))
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, 0, 0, 0); e != 0 {
		panic(fmt.Sprintf("become root again: %v", e)) // this thread is of no use to anybody
	}
	return c, err
}

// pester sends something bad on a connection until it is cut off or done is closed.
func pester(c net.Conn, kind int, done <-chan struct{}) {
	defer c.Close() //nolint:errcheck // it is given up anyway
	r := rand.New(rand.NewPCG(uint64(kind), 7))
	request := "GET /v1/status HTTP/1.1\r\nHost: lvsd\r\nX: " + strings.Repeat("x", 4000)
	for i := 0; ; i++ {
		var err error
		pause := time.Second
		switch kind % 4 {
		case 0: // garbage
			b := make([]byte, 1+r.IntN(4096))
			for j := range b {
				b[j] = byte(r.Uint32())
			}
			_, err = c.Write(b)
			pause = 100 * time.Millisecond
		case 1: // a byte a second
			_, err = c.Write([]byte{request[i%len(request)]})
		case 2: // half a request
			if i == 0 {
				_, err = c.Write([]byte(request))
			}
		default: // requests whose answers nobody takes
			_, err = c.Write([]byte("GET /v1/status HTTP/1.1\r\nHost: lvsd\r\n\r\n"))
			pause = 100 * time.Millisecond
		}
		if err != nil {
			return
		}
		select {
		case <-done:
			return
		case <-time.After(pause):
		}
	}
}

// TestFaultsSocket: two hundred bad callers at once delay neither probes nor table nor the operator.
func TestFaultsSocket(t *testing.T) {
	d, web := newPair(t)
	d.configure("read = [\"@64010\"]\nadmin = [\"64020\"]\n" + pair)
	if err := unix.Chmod(d.host.Dir(), 0o755); err != nil {
		t.Fatal(err)
	}
	d.own(0)
	d.start()
	d.ready()
	d.expect(5*time.Second, "103 104", virtual)
	idle, files := d.resident(), d.files()

	done := make(chan struct{})
	defer close(done)
	quit, began := time.After(6*time.Second), time.Now()
	for i := range 200 {
		go func() {
			for { // as soon as it is cut off it is there again
				c, err := d.dialAs(64100 + i/8)
				if err == nil {
					pester(c, i, done)
				}
				select {
				case <-done:
					return
				case <-time.After(time.Second): // the flood itself must leave this one processor something
				}
			}
		}()
	}
	for open := true; open; {
		d.works(web[0])
		if n := d.files(); n > files+64+10 { // the places for others than root, and probes
			t.Errorf("lvsd has %d files open, %d before", n, files)
		}
		select {
		case <-quit:
			open = false
		default:
		}
	}
	last, gap := began, time.Duration(0)
	for _, r := range web[1].Requests() {
		if r.At.After(began) {
			last, gap = r.At, max(gap, r.At.Sub(last))
		}
	}
	// The flood and lvsd share one slow processor, so that a try takes longer than its interval.
	if gap = max(gap, time.Since(last)); gap > 2*time.Second {
		t.Errorf("the good server was not asked for %v", gap)
	}
	for _, c := range d.mustStatus().Checks {
		if c.MaxLag > time.Second {
			t.Errorf("a try of %v began %v late", c.ID(), c.MaxLag)
		}
	}
	if kb := d.resident(); kb > idle+60<<10 {
		t.Errorf("lvsd holds %d KB under the flood, %d before", kb, idle)
	}
}

// files counts what lvsd has open.
func (d *director) files() int {
	d.t.Helper()
	n, err := descriptors(d.proc.Pid())
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

// TestFaultsCallers: what each caller may do, by the lvsd binary as they run it.
func TestFaultsCallers(t *testing.T) {
	d, _ := newPair(t)
	d.configure("read = [\"@64010\"]\nadmin = [\"64020\"]\n" + pair)
	d.own(0)
	d.start()
	d.ready()
	readable := d.file("readable.toml") // the configuration itself is root's alone
	b, err := os.ReadFile(d.file("lvsd.toml"))
	if err == nil {
		err = os.WriteFile(readable, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		who          string
		uid, gid     int
		reads, loads bool
	}{
		{"stranger", 64001, 64001, false, false},
		{"reader by group", 64002, 64010, true, false},
		{"admin", 64020, 64020, true, true},
		{"root", 0, 0, true, true},
	} {
		for _, act := range []struct {
			verb    string
			allowed bool
		}{{"status", tt.reads}, {"reload", tt.loads}} {
			argv := append(asUser(tt.uid, tt.gid), lab.Lvsd(t), act.verb, "-c", readable)
			out, err := d.host.Try(argv[0], argv[1:]...)
			if (err == nil) != act.allowed || !act.allowed && !strings.Contains(out, "may not") {
				t.Errorf("%s: %s: %v, want allowed: %v\n%s", tt.who, act.verb, err, act.allowed, out)
			}
		}
	}
	lab.Eventually(t, 5*time.Second, func() error { // the record is written behind the answer
		uids := map[uint32]bool{}
		for _, e := range d.record() {
			if e.Event == audit.EventConfig && e.UID != nil {
				uids[*e.UID] = true
			}
		}
		if len(uids) != 2 || !uids[64020] || !uids[0] {
			return fmt.Errorf("the record has reloads by %v, want 0 and 64020", uids)
		}
		return nil
	})
}
