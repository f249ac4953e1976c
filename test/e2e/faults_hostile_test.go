package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/test/lab"
)

// hostile are real servers that answer a request in bad faith.
var hostile = []struct {
	name  string
	first string
	again string
	pause time.Duration
	reset bool // close by RST
}{
	{"endless headers", "HTTP/1.1 200 OK\r\n", "X-A: " + strings.Repeat("a", 1000) + "\r\n", 0, false},
	{"one endless header", "HTTP/1.1 200 OK\r\nX-A: ", strings.Repeat("a", 4096), 0, false},
	{"endless body", "HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("b", 4096), 0, false},
	{"endless chunk extension", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", strings.Repeat("c", 4096), 0, false},
	{"endless 1xx", "", "HTTP/1.1 100 Continue\r\n\r\n", 0, false},
	{"drip", "HTTP/1.1 200 OK\r\n", "X", 200 * time.Millisecond, false},
	{"reset storm", "", "", 0, true},
}

// answerBadly serves one connection as a hostile server does.
func answerBadly(c net.Conn, kind int) {
	h := hostile[kind]
	defer c.Close() //nolint:errcheck // it is given up anyway
	if h.reset {
		_ = c.(*net.TCPConn).SetLinger(0)
		return
	}
	if _, err := c.Write([]byte(h.first)); err != nil {
		return
	}
	again := []byte(h.again)
	if h.pause == 0 {
		again = bytes.Repeat(again, 256<<10/len(again)) // as fast as it gets
	}
	for {
		if _, err := c.Write(again); err != nil {
			return
		}
		time.Sleep(h.pause)
	}
}

// TestFaultsHostile: servers that answer without end cost lvsd little, go out, and disturb no other.
func TestFaultsHostile(t *testing.T) {
	site := lab.OneBridge(t, lab.Size{Servers: 1 + len(hostile)})
	good := site.Servers[0].Web(lab.WebConfig{Body: "ok"})
	servers := []string{`"198.51.100.103"`}
	for kind, h := range site.Servers[1:] {
		l, err := h.Listen("tcp", "0.0.0.0:80")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go answerBadly(c, kind)
			}
		}()
		for n := range 5 {
			a := netip.AddrFrom4([4]byte{198, 51, 100, byte(120 + 5*kind + n)})
			h.AddAddress("eth0", netip.PrefixFrom(a, 32))
			servers = append(servers, fmt.Sprintf("%q", a))
		}
	}
	toml := strings.Replace(pair, `"198.51.100.103", "198.51.100.104"`, strings.Join(servers, ","), 1)
	d := newDirector(t, site.Directors[0], strings.Replace(toml, "[[service]]", "body = \"contains:ok\"\n[[service]]", 1))
	d.start()
	d.ready()
	began := time.Now()
	d.expect(10*time.Second, "103", virtual)
	w := watchTable(t, d.host, virtual)
	most := 0
	for time.Since(began) < 8*time.Second {
		most = max(most, d.resident())
		time.Sleep(100 * time.Millisecond) // between two looks at the memory
	}
	w.still(t)
	t.Logf("at most %d KB", most)
	if most > 100<<10 {
		t.Errorf("lvsd grew to %d KB before %d hostile servers", most, len(servers)-1)
	}
	asked := 0
	for _, r := range good.Requests() {
		if r.At.After(began) {
			asked++
		}
	}
	if want := int(time.Since(began) / (200 * time.Millisecond)); asked < want/3 { // they and lvsd share one slow processor
		t.Errorf("the good server was asked %d times in %v, want %d", asked, time.Since(began), want)
	}
	for _, c := range d.mustStatus().Checks {
		if bad := c.Addr.Addr() != netip.MustParseAddr("198.51.100.103"); bad != (c.Verdict == "down") {
			t.Errorf("%v is %s: %+v", c.ID(), c.Verdict, c.Last)
		}
		if c.Last.Took > 2*time.Second || c.MaxLag > time.Second {
			t.Errorf("a try of %v took %v, want 1s; one began %v late", c.ID(), c.Last.Took, c.MaxLag)
		}
	}
}
