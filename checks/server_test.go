package checks_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/checks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon is far more than a try should take beyond its deadline on a busy machine, and far less than servers here wait.
const soon = 2 * time.Second

// serve answers each connection by f until the test ends, which closes what is still open.
func serve(t testing.TB, f func(net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var (
		mu   sync.Mutex
		open = make(map[net.Conn]bool)
		wg   sync.WaitGroup
	)
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			wg.Go(func() {
				f(c)
				mu.Lock()
				delete(open, c)
				mu.Unlock()
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return addrOf(l)
}

func addrOf(l net.Listener) netip.AddrPort { return l.Addr().(*net.TCPAddr).AddrPort() }

// hang reads until the other side goes.
func hang(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// reset closes with RST.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// drip sends b one byte at a time.
func drip(c net.Conn, b string, every time.Duration) {
	for i := range len(b) {
		if _, err := io.WriteString(c, b[i:i+1]); err != nil {
			return
		}
		time.Sleep(every)
	}
}

// flood sends s until the other side goes.
func flood(c net.Conn, s string) {
	b := bytes.Repeat([]byte(s), 1+(32<<10)/len(s))
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// request reads a request's header.
func request(c io.Reader) string {
	var b strings.Builder
	for r := bufio.NewReader(c); ; {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String()
		}
	}
}

// answer replies to a request with a fixed text and closes.
func answer(text string) func(net.Conn) {
	return func(c net.Conn) {
		request(c)
		_, _ = io.WriteString(c, text)
	}
}

// nobody is an address where nobody listens.
func nobody(t testing.TB) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return addrOf(l)
}

// ready validates a check and fails the test if it is wrong.
func ready(t testing.TB, c checks.Checker) checks.Checker {
	t.Helper()
	if errs := c.(checks.Validator).Validate(); errs != nil {
		t.Fatalf("validate: %v", errs)
	}
	return c
}

// try makes one try and looks at what holds for all of them.
func try(t testing.TB, c checks.Checker, target checks.Target, limit time.Duration) checks.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	began := time.Now()
	r := c.Check(ctx, target)
	took := time.Since(began)
	if took > limit+soon {
		t.Errorf("took %v with a limit of %v", took, limit)
	}
	wantSane(t, r)
	p := r.Phases
	last := time.Duration(0)
	for _, d := range []time.Duration{p.Connect, p.TLS, p.FirstByte, p.Done} {
		if d != 0 && d < last {
			t.Errorf("phases do not grow: %+v", p)
		}
		last = max(last, d)
	}
	if p.Done == 0 || p.Done > took {
		t.Errorf("done after %v of %v", p.Done, took)
	}
	return r
}

// wantSane looks at the bounds of a Result.
func wantSane(t testing.TB, r checks.Result) {
	t.Helper()
	if r.Reason == "" || len(r.Reason) > 200 || strings.ContainsFunc(r.Reason, func(c rune) bool { return !unicode.IsPrint(c) }) {
		t.Errorf("reason %q", r.Reason)
	}
	if len(r.Head) > checks.HeadSize {
		t.Errorf("head of %d bytes", len(r.Head))
	}
}

// within is the time that a reason names. On a busy machine a try begins late, and then it names less than the test gave.
var within = regexp.MustCompile(`within [0-9.]+m?s`)

// want compares outcome and reason; a reason that ends in … is a beginning.
func want(t testing.TB, r checks.Result, o checks.Outcome, reason string) {
	t.Helper()
	beginning, open := strings.CutSuffix(within.ReplaceAllString(reason, "within T"), "…")
	got := within.ReplaceAllString(r.Reason, "within T")
	if r.Outcome != o || (open && !strings.HasPrefix(got, beginning)) || (!open && got != beginning) {
		t.Errorf("got  %v: %s\nwant %v: %s", r.Outcome, r.Reason, o, reason)
	}
}

// enough is the time for a try that ends in o: short where it is to run out.
func enough(o checks.Outcome) time.Duration {
	if o == checks.NoAnswer {
		return 300 * time.Millisecond
	}
	return time.Minute
}

func openFiles(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// backlogged is an address that takes no more connections: its queue is full and the kernel drops SYNs.
func backlogged(t testing.TB) netip.AddrPort {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(name.(*unix.SockaddrInet4).Port))
	for range 8 { // a backlog of 0 holds one
		c, err := net.DialTimeout("tcp", at.String(), 100*time.Millisecond)
		if err != nil {
			return at
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Fatal("the queue does not fill")
	return at
}
