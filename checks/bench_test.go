package checks_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/lvsd/lvsd/checks"
)

// The cost of a good try over loopback, the server's half included.
func BenchmarkCheck(b *testing.B) {
	ca := newAuthority(b, "Test CA")
	cfg := &tls.Config{Certificates: []tls.Certificate{ca.issue(b, ecKey(b), nil)}}
	reply := func(c net.Conn) {
		var buf [1024]byte
		_, _ = c.Read(buf[:])
		_, _ = io.WriteString(c, ok)
	}
	https, _ := checks.New("https")
	https.(*checks.HTTPS).CA = ca.file
	for _, bb := range []struct {
		name   string
		check  checks.Checker
		server func(net.Conn)
	}{
		{"tcp", &checks.TCP{}, func(net.Conn) {}},
		{"http", page(b, nil), reply},
		{"http body", page(b, body("contains:ok")), reply},
		{"https", https, secure(cfg, reply)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			ready(b, bb.check)
			at := checks.Target{Addr: serve(b, bb.server)}
			b.ReportAllocs()
			for b.Loop() {
				ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
				if r := bb.check.Check(ctx, at); r.Outcome != checks.Good {
					b.Fatal(r.Reason)
				}
				cancel()
			}
		})
	}
}
