package checks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// HTTP asks for one page by HTTP/1.1 and judges the status and, where wanted, the body. Redirects are not followed.
type HTTP struct {
	Host    string            `toml:"host"`     // Host header; default: the address, with the port unless it is the scheme's
	Path    string            `toml:"path"`     // with query, percent-encoded
	Method  string            `toml:"method"`   // sent without a body
	Headers map[string]string `toml:"headers"`  // sent as they are; User-Agent is lvsd unless it is here
	Status  string            `toml:"status"`   // codes that are good
	Body    string            `toml:"body"`     // what the body must be; empty: it is not read
	MaxBody string            `toml:"max_body"` // how much of it is read

	ready *httpReady
}

// httpReady is what Validate made of an HTTP.
type httpReady struct {
	status  statusSet
	body    bodyMatch
	maxBody int64
	start   []byte // request line
	rest    []byte // of the header, after Host
}

const maxMaxBody = 64 << 20

// Validate checks the keys and builds the request.
func (h *HTTP) Validate() []FieldError {
	var (
		r    httpReady
		errs []FieldError
		err  error
	)
	add := func(key string, err error) {
		if err != nil {
			errs = append(errs, FieldError{key, err})
		}
	}
	add("host", checkHost(h.Host))
	add("path", checkPath(h.Path))
	add("method", checkMethod(h.Method))
	for _, name := range slices.Sorted(maps.Keys(h.Headers)) {
		add("headers", checkHeader(name, h.Headers[name]))
	}
	r.status, err = parseStatus(h.Status)
	add("status", err)
	r.body, err = parseBody(h.Body)
	if err == nil && r.body.asks() && h.Method == "HEAD" {
		err = errors.New("a reply to HEAD has no body")
	}
	add("body", err)
	r.maxBody, err = ParseSize(h.MaxBody)
	if err == nil && (r.maxBody < 1 || r.maxBody > maxMaxBody) {
		err = errors.New("must be from 1B to 64MB")
	}
	add("max_body", err)
	if errs == nil {
		r.start, r.rest = h.request()
		h.ready = &r
	}
	return errs
}

// request builds what is sent, but for the value of Host.
func (h *HTTP) request() (start, rest []byte) {
	start = fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: ", h.Method, h.Path)
	rest = append(rest, "\r\nConnection: close\r\n"...)
	agent := "User-Agent: lvsd\r\n"
	for _, name := range slices.Sorted(maps.Keys(h.Headers)) {
		rest = fmt.Appendf(rest, "%s: %s\r\n", name, h.Headers[name])
		if strings.EqualFold(name, "User-Agent") {
			agent = ""
		}
	}
	rest = append(rest, agent...)
	switch h.Method {
	case "POST", "PUT", "PATCH": // RFC 9110 section 8.6: a user agent should send it where a body could be
		rest = append(rest, "Content-Length: 0\r\n"...)
	}
	return start, append(rest, "\r\n"...)
}

// Check asks once.
func (h *HTTP) Check(ctx context.Context, t Target) Result {
	y := begin(ctx)
	if h.ready == nil {
		return y.end(NotAsked, unvalidated)
	}
	conn, release, failure := y.dial(ctx, t)
	if conn == nil {
		return failure
	}
	defer release()
	return h.ask(ctx, y, conn, t.Addr, 80)
}

const unvalidated = "this check's configuration was not validated"

// ask sends the request over a connection that stands, and judges the reply.
func (h *HTTP) ask(ctx context.Context, y *try, conn io.ReadWriter, to netip.AddrPort, usual uint16) Result {
	host := h.Host
	if host == "" {
		host = hostOf(to, usual)
	}
	if _, err := conn.Write(slices.Concat(h.ready.start, []byte(host), h.ready.rest)); err != nil {
		return y.failed(ctx, err)
	}
	y.reached = append(y.reached, "request sent")
	return h.judge(ctx, y, conn)
}

// hostOf is the Host header for an address (RFC 9110 section 7.2): the port only where it is not the scheme's.
func hostOf(a netip.AddrPort, usual uint16) string {
	if ip := a.Addr().WithZone(""); a.Port() == usual {
		if ip.Is6() {
			return "[" + ip.String() + "]"
		}
		return ip.String()
	}
	return netip.AddrPortFrom(a.Addr().WithZone(""), a.Port()).String()
}

func checkMethod(s string) error {
	switch {
	case !isToken(s):
		return fmt.Errorf("%q is not an HTTP method", clip(s, 40))
	case s != strings.ToUpper(s):
		return fmt.Errorf("methods are case-sensitive: write %q", strings.ToUpper(s))
	case s == "CONNECT":
		return errors.New("CONNECT cannot be a check")
	}
	return nil
}

func checkPath(s string) error {
	if !strings.HasPrefix(s, "/") {
		return errors.New(`must begin with "/"`)
	}
	for _, r := range s {
		if r <= ' ' || r >= 0x7f || r == '#' {
			return fmt.Errorf("%q must be percent-encoded", r)
		}
	}
	return nil
}

// checkHost accepts a name as DNS writes it or an address (IPv6 in brackets), with or without a port.
func checkHost(s string) error {
	if a, err := netip.ParseAddr(s); err == nil && a.Is6() {
		return fmt.Errorf("write an IPv6 address in brackets: [%s]", clip(s, 80))
	}
	if s == "" || isName(s) {
		return nil
	}
	if a, err := netip.ParseAddr(withoutPort(s)); !isName(withoutPort(s)) && (err != nil || a.Zone() != "") {
		return fmt.Errorf("%q is not a host name", clip(s, 80))
	}
	if _, port, err := net.SplitHostPort(s); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return fmt.Errorf("%q is not a port", clip(port, 40))
		}
	}
	return nil
}

// isName reports whether s looks like a host name: letters, digits, hyphens, underscores and dots.
func isName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for _, r := range s {
		if !isAlnum(r) && !strings.ContainsRune("-_.", r) {
			return false
		}
	}
	return true
}

func isAlnum(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// isToken reports whether s is a token of RFC 9110 section 5.6.2.
func isToken(s string) bool {
	for _, r := range s {
		if !isAlnum(r) && !strings.ContainsRune("!#$%&'*+-.^_`|~", r) {
			return false
		}
	}
	return s != ""
}

// checkHeader accepts a field of RFC 9110 section 5 that the check does not set itself.
func checkHeader(name, value string) error {
	if !isToken(name) {
		return fmt.Errorf("%q is not a header name", clip(name, 40))
	}
	switch strings.ToLower(name) {
	case "host":
		return errors.New(`the host header has a key of its own: host`)
	case "connection", "content-length", "transfer-encoding", "upgrade", "expect", "te", "trailer":
		return fmt.Errorf("%s is the check's own to send", name)
	}
	if value != strings.TrimSpace(value) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return fmt.Errorf("the value of %s has control characters, or spaces around it", name)
	}
	return nil
}
