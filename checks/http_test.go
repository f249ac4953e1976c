package checks_test

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/checks"
)

// page is an HTTP check with its defaults, changed by f.
func page(t testing.TB, f func(*checks.HTTP)) *checks.HTTP {
	t.Helper()
	c, _ := checks.New("http")
	h := c.(*checks.HTTP)
	if f != nil {
		f(h)
	}
	ready(t, h)
	return h
}

func body(s string) func(*checks.HTTP) { return func(h *checks.HTTP) { h.Body = s } }

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nok now"

func TestHTTPReplies(t *testing.T) {
	long := strings.Repeat("x", 70<<10)
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	sum := "sha256:" + "b" + strings.Repeat("0", 63)
	tests := []struct {
		name   string
		change func(*checks.HTTP)
		reply  string
		is     checks.Outcome
		reason string
	}{
		{"good", nil, ok, checks.Good, "status 200"},
		{"HTTP/1.0", nil, "HTTP/1.0 204 No Content\r\n\r\n", checks.Good, "status 204"},
		{"redirect is not followed", nil, "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\n\r\n", checks.Good, "status 302"},
		{"status", nil, "HTTP/1.1 503 Busy\r\n\r\n", checks.BadAnswer, "status 503, want 200-399"},
		{"wanted status", func(h *checks.HTTP) { h.Status = "503" }, "HTTP/1.1 503 Busy\r\n\r\n", checks.Good, "status 503"},
		{"not the wanted one", func(h *checks.HTTP) { h.Status = "200, 204" }, "HTTP/1.1 201 Made\r\n\r\n", checks.BadAnswer, "status 201, want 200, 204"},
		{"interim", nil, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok, checks.Good, "status 200"},
		{"endless interim", nil, strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 9) + ok, checks.BadAnswer, "not a proper HTTP reply: too many interim replies: \"HTTP/1.1 100 Continue…"},
		{"switched", nil, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", checks.BadAnswer, "status 101, want 200-399"},
		{"head", func(h *checks.HTTP) { h.Method = "HEAD" }, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", checks.Good, "status 200"},

		{"contains", body("contains:k n"), ok, checks.Good, "status 200, body as wanted"},
		{"contains not", body("contains:ko"), ok, checks.BadAnswer, `status 200, but body does not contain "ko"`},
		{"regex", body("regex:^ok"), ok, checks.Good, "status 200, body as wanted"},
		{"regex not", body("regex:^now"), ok, checks.BadAnswer, `status 200, but body does not match "^now"`},
		{"sha256", body("sha256:B5D7BE6A2EC9C1C6B8C7DD1D9AC1BFE22DDCE2A7AC2B1A4B1F5E3F2E0B1B3C4D"), ok, checks.BadAnswer, "status 200, but body has sha256 …"},
		{"sha256 right", body("sha256:08044ce7eb0ad2e0559416012c14373d2ef874e2965484e730b39eee9d26a6f9"), ok, checks.Good, "status 200, body as wanted"},
		{"sha256 too long", body(sum), "HTTP/1.1 200 OK\r\n\r\n" + long, checks.BadAnswer, "status 200, but the body is longer than max_body (64KB)"},
		{"json", body("json:.pools[1].free=3"), "HTTP/1.1 200 OK\r\n\r\n" + `{"pools":[{},{"free":3}]}`, checks.Good, "status 200, body as wanted"},
		{"json not", body("json:.status=ok"), "HTTP/1.1 200 OK\r\n\r\n" + `{"status":"ill"}`, checks.BadAnswer, "status 200, but body has .status=ill, want ok"},
		{"json missing", body("json:.a.b=ok"), "HTTP/1.1 200 OK\r\n\r\n" + `{"a":[]}`, checks.BadAnswer, "status 200, but body has no .a.b"},
		{"json beyond the end", body("json:.a[1]=1"), "HTTP/1.1 200 OK\r\n\r\n" + `{"a":[1]}`, checks.BadAnswer, "status 200, but body has no .a[1]"},
		{"json list that is none", body("json:.a[0]=1"), "HTTP/1.1 200 OK\r\n\r\n" + `{"a":{}}`, checks.BadAnswer, "status 200, but body has no .a[0]"},
		{"json null", body("json:.a=null"), "HTTP/1.1 200 OK\r\n\r\n" + `{"a":null}`, checks.Good, "status 200, body as wanted"},
		{"no json", body("json:.a=ok"), ok, checks.BadAnswer, "status 200, but body is not JSON: …"},
		{"json and more", body("json:.a=1"), "HTTP/1.1 200 OK\r\n\r\n" + `{"a":1}}`, checks.BadAnswer, "status 200, but body is not JSON: more follows the value"},
		{"status comes first", body("contains:ok"), "HTTP/1.1 500 No\r\n\r\nok", checks.BadAnswer, "status 500, want 200-399"},
		{"chunks", body("contains:abcd"), chunked + "2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n", checks.Good, "status 200, body as wanted"},
		{"bad chunks", body("contains:ab"), chunked + "zz\r\nab\r\n", checks.BadAnswer, "not a proper HTTP reply: invalid byte in chunk length: …"},
		{"cut chunks", body("contains:ab"), chunked + "9\r\nab", checks.BadAnswer, "reply cut short by the server (connected, request sent, status 200, 52 bytes received)"},
		{"cut body", body("contains:ok"), "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nok", checks.BadAnswer, "reply cut short by the server (connected, request sent, status 200, 40 bytes received)"},
		{"match within max_body", body("contains:xxx"), "HTTP/1.1 200 OK\r\n\r\n" + long, checks.Good, "status 200, body as wanted"},
		{"match beyond max_body", body("contains:end"), "HTTP/1.1 200 OK\r\n\r\n" + long + "end", checks.BadAnswer, `status 200, but body does not contain "end"`},

		{"nothing", nil, "", checks.BadAnswer, "connection closed without a reply (connected, request sent)"},
		{"cut header", nil, "HTTP/1.1 200 OK\r\nContent-Le", checks.BadAnswer, "reply cut short by the server (connected, request sent, 27 bytes received)"},
		{"another protocol", nil, "SSH-2.0-OpenSSH_9.2\r\n\r\n", checks.BadAnswer, `not a proper HTTP reply: malformed HTTP …`},
		{"terminal escapes", nil, "\x1b[31mred\x07\r\n\r\n", checks.BadAnswer, `not a proper HTTP reply: malformed HTTP …`},
		{"long header", nil, "HTTP/1.1 200 OK\r\nX: " + long + "\r\n\r\n", checks.BadAnswer, "reply is too long: no end of header or chunks in 65536 bytes"},
		{"long first line", nil, long, checks.BadAnswer, "reply is too long: no end of header or chunks in 65536 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at := checks.Target{Addr: serve(t, answer(tt.reply))}
			r := try(t, page(t, tt.change), at, 10*time.Second)
			want(t, r, tt.is, tt.reason)
			if !strings.HasPrefix(tt.reply, string(r.Head)) || (tt.reply != "" && len(r.Head) == 0) {
				t.Errorf("head %q of %.40q", r.Head, tt.reply)
			}
		})
	}
}

// A body that nobody asks for is not waited for.
func TestHTTPBodyUnread(t *testing.T) {
	asks := body("contains:ok")
	for _, tt := range []struct {
		name, header string
		change       func(*checks.HTTP)
		is           checks.Outcome
		reason       string
	}{
		{"slow error page", "HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\nx", nil, checks.BadAnswer, "status 503, want 200-399"},
		{"slow error page where a body is asked for", "HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\nx", asks, checks.BadAnswer, "status 503, want 200-399"},
		{"slow page", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx", nil, checks.Good, "status 200"},
		{"streaming page", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", nil, checks.Good, "status 200"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := checks.Target{Addr: serve(t, func(c net.Conn) {
				request(c)
				_, _ = io.WriteString(c, tt.header)
				hang(c)
			})}
			c, began := page(t, tt.change), time.Now()
			want(t, try(t, c, at, 10*time.Second), tt.is, tt.reason)
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("told after %v", took)
			}
		})
	}
}

// What is sent, byte by byte.
func TestHTTPRequest(t *testing.T) {
	tests := []struct {
		name   string
		change func(*checks.HTTP)
		want   string
	}{
		{"plain", nil, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nUser-Agent: lvsd\r\n\r\n"},
		{"all keys", func(h *checks.HTTP) {
			h.Host, h.Path, h.Method = "www.example.com", "/alive?x=1", "OPTIONS"
			h.Headers = map[string]string{"X-Probe": "lvsd", "Accept": "*/*", "user-agent": "mine"}
		}, "OPTIONS /alive?x=1 HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\nAccept: */*\r\nX-Probe: lvsd\r\nuser-agent: mine\r\n\r\n"},
		{"post", func(h *checks.HTTP) { h.Method = "POST" }, "POST / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nUser-Agent: lvsd\r\nContent-Length: 0\r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := make(chan string, 1)
			at := serve(t, func(c net.Conn) { got <- request(c); _, _ = io.WriteString(c, ok) })
			want(t, try(t, page(t, tt.change), checks.Target{Addr: at}, 10*time.Second), checks.Good, "status 200")
			expect := tt.want
			if strings.Contains(expect, "%s") {
				expect = fmt.Sprintf(expect, at)
			}
			if diff := cmp.Diff(expect, <-got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHostHeaderOfAnAddress(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1:80":       "192.0.2.1",
		"192.0.2.1:443":      "192.0.2.1:443",
		"[2001:db8::1]:80":   "[2001:db8::1]",
		"[2001:db8::1]:8080": "[2001:db8::1]:8080",
		"[fe80::1%eth0]:81":  "[fe80::1]:81",
		"[fe80::1%eth0]:80":  "[fe80::1]",
	} {
		if got := checks.HostOf(netip.MustParseAddrPort(addr), 80); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

// Servers that take their time: each try ends at its deadline and says how far it came.
func TestHTTPDeadline(t *testing.T) {
	const limit = 300 * time.Millisecond
	tests := []struct {
		name   string
		server func(net.Conn)
		reason string
	}{
		{"never answers", hang, "no answer within 300ms (connected, request sent)"},
		{"drips", func(c net.Conn) { drip(c, ok, 40*time.Millisecond) }, "no answer within 300ms (connected, request sent, …"},
		{"stops in the header", func(c net.Conn) { _, _ = io.WriteString(c, ok[:20]); hang(c) }, "no answer within 300ms (connected, request sent, 20 bytes received)"},
		{"stops in the body", func(c net.Conn) { _, _ = io.WriteString(c, ok[:40]); hang(c) }, "no answer within 300ms (connected, request sent, status 200, 40 bytes received)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at := checks.Target{Addr: serve(t, tt.server)}
			r := try(t, page(t, body("contains:ok")), at, limit)
			want(t, r, checks.NoAnswer, tt.reason)
			if r.Phases.Done < limit/2 {
				t.Errorf("gave up after %v", r.Phases.Done)
			}
		})
	}
}

// Servers that send without end are cut off long before the deadline.
func TestHTTPIsBounded(t *testing.T) {
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for name, tt := range map[string]struct {
		first, then string
		is          checks.Outcome
		reason      string
	}{
		"headers": {"HTTP/1.1 200 OK\r\n", "X: y\r\n", checks.BadAnswer, "reply is too long: …"},
		"body":    {"HTTP/1.1 200 OK\r\n\r\n", "x", checks.BadAnswer, `status 200, but body does not contain "end"`},
		"line":    {"", "x", checks.BadAnswer, "reply is too long: …"},
		// One byte of body to six of framing, and chunk extensions.
		"chunks":     {chunked, "1\r\nx\r\n", checks.BadAnswer, `status 200, but body does not contain "end"`},
		"extensions": {chunked, "1;" + strings.Repeat("e", 1000) + "\r\nx\r\n", checks.BadAnswer, "…"},
		"trailers":   {chunked + "0\r\n", "X: y\r\n", checks.BadAnswer, "…"},
	} {
		t.Run(name, func(t *testing.T) {
			at := checks.Target{Addr: serve(t, func(c net.Conn) {
				request(c)
				_, _ = io.WriteString(c, tt.first)
				flood(c, tt.then)
			})}
			r := try(t, page(t, body("contains:end")), at, time.Minute)
			want(t, r, tt.is, tt.reason)
			if !r.Truncated && name != "extensions" && name != "trailers" {
				t.Error("not marked as truncated")
			}
		})
	}
}

func TestHTTPValidate(t *testing.T) {
	set := func(f func(*checks.HTTP)) func(*checks.HTTP) { return f }
	header := func(k, v string) func(*checks.HTTP) {
		return func(h *checks.HTTP) { h.Headers = map[string]string{k: v} }
	}
	tests := []struct {
		name   string
		change func(*checks.HTTP)
		want   string // "" is that it is good
	}{
		{"defaults", set(func(*checks.HTTP) {}), ""},
		{"host with port", func(h *checks.HTTP) { h.Host = "www.example.com:8080" }, ""},
		{"host is v4", func(h *checks.HTTP) { h.Host = "192.0.2.1" }, ""},
		{"host is v6", func(h *checks.HTTP) { h.Host = "[2001:db8::1]:8080" }, ""},
		{"host is bare v6", func(h *checks.HTTP) { h.Host = "2001:db8::1" }, "host: write an IPv6 address in brackets: [2001:db8::1]"},
		{"host smuggles", func(h *checks.HTTP) { h.Host = "a\r\nX: y" }, `host: "a\r\nX: y" is not a host name`},
		{"host is v6 alone", func(h *checks.HTTP) { h.Host = "[2001:db8::1]" }, ""},
		{"host with zone", func(h *checks.HTTP) { h.Host = "[fe80::1%eth0]" }, `host: "[fe80::1%eth0]" is not a host name`},
		{"host port", func(h *checks.HTTP) { h.Host = "a:99999" }, `host: "99999" is not a port`},
		{"path", func(h *checks.HTTP) { h.Path = "alive" }, `path: must begin with "/"`},
		{"path smuggles", func(h *checks.HTTP) { h.Path = "/ HTTP/1.1\r\nX: y" }, `path: ' ' must be percent-encoded`},
		{"path in Greek", func(h *checks.HTTP) { h.Path = "/α" }, `path: 'α' must be percent-encoded`},
		{"method", func(h *checks.HTTP) { h.Method = "GE T" }, `method: "GE T" is not an HTTP method`},
		{"method case", func(h *checks.HTTP) { h.Method = "get" }, `method: methods are case-sensitive: write "GET"`},
		{"connect", func(h *checks.HTTP) { h.Method = "CONNECT" }, "method: CONNECT cannot be a check"},
		{"header name", header("a b", "c"), `headers: "a b" is not a header name`},
		{"header smuggles", header("A", "b\r\nC: d"), "headers: the value of A has control characters, or spaces around it"},
		{"header host", header("hOst", "b"), "headers: the host header has a key of its own: host"},
		{"header of framing", header("Content-Length", "5"), "headers: Content-Length is the check's own to send"},
		{"status", func(h *checks.HTTP) { h.Status = "2xx" }, `status: "2xx" is not a status code from 100 to 599`},
		{"body kind", func(h *checks.HTTP) { h.Body = "ok" }, `body: must begin with "contains:", "regex:", "sha256:" or "json:"`},
		{"body regex", func(h *checks.HTTP) { h.Body = "regex:(" }, "body: bad regular expression: error parsing regexp: missing closing ): `(`"},
		{"body sha256", func(h *checks.HTTP) { h.Body = "sha256:abcd" }, "body: sha256 wants 64 hexadecimal digits"},
		{"body of nothing", func(h *checks.HTTP) { h.Body = "contains:" }, `body: nothing follows "contains:"`},
		{"json without value", func(h *checks.HTTP) { h.Body = "json:.a" }, `body: json wants a path and a value, as "json:.status=ok"`},
		{"json without path", func(h *checks.HTTP) { h.Body = "json:a=b" }, `body: json wants a path and a value, as "json:.status=ok"`},
		{"json without name", func(h *checks.HTTP) { h.Body = "json:.a..b=c" }, `body: empty name in json path at "..b"`},
		{"json index", func(h *checks.HTTP) { h.Body = "json:.a[x]=c" }, `body: bad index in json path at "[x]"`},
		{"body of head", func(h *checks.HTTP) { h.Method, h.Body = "HEAD", "contains:x" }, "body: a reply to HEAD has no body"},
		{"max_body", func(h *checks.HTTP) { h.MaxBody = "1GB" }, "max_body: must be from 1B to 64MB"},
		{"max_body unit", func(h *checks.HTTP) { h.MaxBody = "64" }, `max_body: "64" is not a size such as "512B", "64KB", "50MB", "1GB"`},
		{"several", func(h *checks.HTTP) { h.Path, h.Status = "", "" }, `path: must begin with "/"; status: is empty; write codes such as "200-399" or "200,204"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := checks.New("http")
			h := c.(*checks.HTTP)
			tt.change(h)
			var got []string
			for _, e := range h.Validate() {
				got = append(got, e.Error())
			}
			if s := strings.Join(got, "; "); s != tt.want {
				t.Errorf("got  %s\nwant %s", s, tt.want)
			}
			if tt.want != "" {
				r := try(t, h, checks.Target{Addr: netip.MustParseAddrPort("127.0.0.1:1")}, time.Minute)
				want(t, r, checks.NotAsked, "this check's configuration was not validated")
			}
		})
	}
}
