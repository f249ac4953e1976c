package checks_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/checks"
)

func TestTCP(t *testing.T) {
	say := func(s string) func(net.Conn) {
		return func(c net.Conn) { _, _ = io.WriteString(c, s) }
	}
	stay := func(s string) func(net.Conn) {
		return func(c net.Conn) { _, _ = io.WriteString(c, s); hang(c) }
	}
	echo := func(c net.Conn) { _, _ = io.Copy(c, c) }
	tests := []struct {
		name   string
		check  checks.TCP
		server func(net.Conn)
		is     checks.Outcome
		reason string
	}{
		{"connection alone", checks.TCP{}, hang, checks.Good, "connected"},
		{"connection alone, big banner", checks.TCP{}, func(c net.Conn) { flood(c, "x") }, checks.Good, "connected"},
		{"banner", checks.TCP{Expect: "220 "}, stay("220 smtp ready\r\n"), checks.Good, "reply as expected"},
		{"banner in pieces", checks.TCP{Expect: "220 "}, func(c net.Conn) { drip(c, "220 smtp", 5*time.Millisecond) }, checks.Good, "reply as expected"},
		{"wrong banner is told at once", checks.TCP{Expect: "220 mail.example"}, stay("554 no\r\n"), checks.BadAnswer, `reply begins "554 no", want "220 mail.example"`},
		{"send", checks.TCP{Send: "PING\r\n", Expect: "PING\r\n"}, echo, checks.Good, "reply as expected"},
		{"contains", checks.TCP{Expect: "contains:ready"}, stay("220 smtp ready\r\n"), checks.Good, "reply as expected"},
		{"contains not", checks.TCP{Expect: "contains:ready"}, say("220 smtp\r\n"), checks.BadAnswer, `connection closed, reply was "220 smtp", want "contains:ready"`},
		{"contains not, and waits", checks.TCP{Expect: "contains:ready"}, stay("220 smtp\r\n"), checks.NoAnswer, "no answer within 300ms (connected, 10 bytes received)"},
		{"regex", checks.TCP{Expect: "regex:^2[0-9]+ "}, stay("220 smtp ready\r\n"), checks.Good, "reply as expected"},
		{"silence", checks.TCP{Expect: "x"}, hang, checks.NoAnswer, "no answer within 300ms (connected)"},
		{"silence after sending", checks.TCP{Send: "x", Expect: "x"}, hang, checks.NoAnswer, "no answer within 300ms (connected, sent)"},
		{"closes", checks.TCP{Expect: "x"}, say(""), checks.BadAnswer, "connection closed without a reply (connected)"},
		{"drips", checks.TCP{Expect: "contains:z"}, func(c net.Conn) { drip(c, strings.Repeat("x", 60), 20*time.Millisecond) }, checks.NoAnswer, "no answer within 300ms (connected, …"},
		{"resets", checks.TCP{Expect: "x"}, reset, checks.Refused, "connection reset…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := try(t, ready(t, &tt.check), checks.Target{Addr: serve(t, tt.server)}, enough(tt.is))
			want(t, r, tt.is, tt.reason)
		})
	}
}

func TestTCPIsBounded(t *testing.T) {
	for _, expect := range []string{"contains:z", "regex:z+y"} {
		at := checks.Target{Addr: serve(t, func(c net.Conn) { flood(c, "x") })}
		r := try(t, ready(t, &checks.TCP{Expect: expect}), at, time.Minute)
		want(t, r, checks.BadAnswer, `no "`+expect+`" in the first 65536 bytes`)
		if !r.Truncated || len(r.Head) != checks.HeadSize {
			t.Errorf("truncated %v, head of %d bytes", r.Truncated, len(r.Head))
		}
	}
}

// The longest reply that is looked at, in the smallest pieces, costs little.
func TestTCPInTinyPieces(t *testing.T) {
	began := time.Now()
	text := strings.Repeat("xy", 30<<10) + "z"
	r := checks.Listen(t.Context(), ready(t, &checks.TCP{Expect: "regex:[a-y]+yz"}).(*checks.TCP), &bytewise{text})
	want(t, r, checks.Good, "reply as expected")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// bytewise gives a byte at a time.
type bytewise struct{ rest string }

func (b *bytewise) Read(p []byte) (int, error) {
	if b.rest == "" {
		return 0, io.EOF
	}
	n := copy(p[:min(1, len(p))], b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func TestTCPValidate(t *testing.T) {
	for _, tt := range []struct {
		check checks.TCP
		want  string
	}{
		{checks.TCP{Send: "x"}, "send: needs expect too: sending alone proves no more than connecting"},
		{checks.TCP{Expect: "regex:("}, "expect: bad regular expression: error parsing regexp: missing closing ): `(`"},
		{checks.TCP{Expect: "contains:"}, `expect: nothing follows "contains:"`},
		{checks.TCP{Expect: strings.Repeat("x", 65537)}, "expect: is longer than 64KB"},
	} {
		errs := tt.check.Validate()
		if len(errs) != 1 || errs[0].Error() != tt.want {
			t.Errorf("%v, want %s", errs, tt.want)
		}
		r := try(t, &tt.check, checks.Target{Addr: nobody(t)}, time.Minute)
		want(t, r, checks.NotAsked, "this check's configuration was not validated")
	}
}

// What every kind that connects says when there is nothing to connect to.
func TestNoConnection(t *testing.T) {
	for _, kind := range []string{"http", "https", "tcp", "tls"} {
		t.Run(kind, func(t *testing.T) {
			c, _ := checks.New(kind)
			ready(t, c)
			want(t, try(t, c, checks.Target{Addr: nobody(t)}, time.Minute), checks.Refused, "connection refused")

			full := backlogged(t)
			want(t, try(t, c, checks.Target{Addr: full}, 300*time.Millisecond), checks.NoAnswer, "no answer within 300ms (connecting)")
			quick := checks.Target{Addr: full, ConnectTimeout: 100 * time.Millisecond}
			r := try(t, c, quick, time.Minute)
			want(t, r, checks.NoAnswer, "no connection within 100ms")
			if r.Phases.Done > 100*time.Millisecond+soon {
				t.Errorf("took %v", r.Phases.Done)
			}

			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(50*time.Millisecond, cancel)
			want(t, c.Check(ctx, checks.Target{Addr: full}), checks.NotAsked, "cut short")
			want(t, c.Check(ctx, checks.Target{Addr: full}), checks.NotAsked, "cut short")

			for _, tt := range []struct {
				target checks.Target
				reason string
			}{
				{checks.Target{Interface: "nosuch0"}, "no such interface on this host"},
				{checks.Target{Source: netip.MustParseAddr("192.0.2.7")}, "no such source address on this host, or no free port"},
				{checks.Target{Source: netip.MustParseAddr("2001:db8::7")}, "…"},
			} {
				tt.target.Addr = full
				want(t, try(t, c, tt.target, time.Minute), checks.NotAsked, tt.reason)
			}
			want(t, try(t, c, checks.Target{}, time.Minute), checks.NotAsked, "…")
		})
	}
}

// Cancelled in the middle, connected: neither good nor bad.
func TestCutShort(t *testing.T) {
	at := checks.Target{Addr: serve(t, hang)}
	for _, c := range []checks.Checker{page(t, nil), &checks.TCP{Expect: "x"}, &checks.TLS{}} {
		ready(t, c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		time.AfterFunc(50*time.Millisecond, cancel)
		want(t, c.Check(ctx, at), checks.NotAsked, "cut short")
	}
}

// A server that breaks the connection.
func TestReset(t *testing.T) {
	at := checks.Target{Addr: serve(t, func(c net.Conn) { request(c); reset(c) })}
	want(t, try(t, page(t, nil), at, time.Minute), checks.Refused, "connection reset (connected, request sent)")
}

// The probe's own side: its address, and that its end of the connection is a reset, not a TIME_WAIT.
func TestOwnSide(t *testing.T) {
	type seen struct {
		from netip.AddrPort
		err  error
	}
	got := make(chan seen, 1)
	at := serve(t, func(c net.Conn) {
		_, err := c.Read(make([]byte, 1))
		got <- seen{c.RemoteAddr().(*net.TCPAddr).AddrPort(), err}
	})
	source := netip.MustParseAddr("127.0.0.99")
	r := try(t, ready(t, &checks.TCP{}), checks.Target{Addr: at, Source: source, Interface: "lo"}, time.Minute)
	want(t, r, checks.Good, "connected")
	s := <-got
	if s.from.Addr() != source {
		t.Errorf("came from %v, want %v", s.from, source)
	}
	if s.err == nil || !strings.Contains(s.err.Error(), "connection reset by peer") {
		t.Errorf("the server read %v, want a reset", s.err)
	}
}

func TestNothingLeaks(t *testing.T) {
	targets := []checks.Target{
		{Addr: nobody(t)},
		{Addr: serve(t, hang)},
		{Addr: serve(t, reset)},
		{Addr: serve(t, answer("HTTP/1.1 503 Busy\r\n\r\n"))},
		{Addr: serve(t, answer("rubbish"))},
	}
	kinds := []checks.Checker{page(t, body("contains:x")), &checks.TCP{Expect: "x"}, ready(t, &checks.TLS{Verify: true})}
	ready(t, kinds[1])
	tries := func(n int) {
		for range n {
			for _, c := range kinds {
				for _, at := range targets {
					if r := try(t, c, at, 10*time.Millisecond); r.Outcome == checks.Good {
						t.Errorf("%T of %v: %v", c, at.Addr, r)
					}
				}
			}
		}
	}
	tries(1)
	before := openFiles(t)
	tries(20)
	// The servers of this test close their side when they have seen ours go.
	for end := time.Now().Add(soon); openFiles(t) > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d open files before, %d after", before, openFiles(t))
		}
	}
}
