package lab

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// WebServer is a web server on a host, which behaves as it is told and remembers who asked what. It answers on every
// address of the host, so on a VIP too. Its requests and modes are those of all its ports together.
type WebServer struct {
	server
	tls     *tls.Config
	tlsPort map[uint16]bool

	asked []Request
	body  string
	told  sync.Mutex // guards asked and body
}

// WebConfig says what a WebServer serves.
type WebConfig struct {
	Ports    []uint16         // plain HTTP; with no port at all: 80
	TLSPorts []uint16         // HTTPS
	TLS      *tls.Certificate // for TLSPorts; see CA
	Body     string           // of an answer of 200; empty is the host's name and a newline
}

// ServerHeader names the host in each answer.
const ServerHeader = "X-Server"

// Request is a request as the server got it, whatever it did about it.
type Request struct {
	At     time.Time
	Method string
	Host   string // Host header
	Path   string // with query
	Header http.Header
	Local  netip.AddrPort // where it was asked: its own address or a VIP
	Remote netip.AddrPort
}

// Web starts a web server on the host. It ends with the test.
func (h *Host) Web(c WebConfig) *WebServer {
	h.net.t.Helper()
	if len(c.Ports)+len(c.TLSPorts) == 0 {
		c.Ports = []uint16{80}
	}
	if c.Body == "" {
		c.Body = h.Name + "\n"
	}
	w := &WebServer{server: server{host: h}, body: c.Body, tlsPort: map[uint16]bool{}}
	w.serve = w.talk
	w.addresses = wildcards(append(slices.Clone(c.Ports), c.TLSPorts...))
	if c.TLS != nil {
		w.tls = &tls.Config{Certificates: []tls.Certificate{*c.TLS}}
	}
	for _, p := range c.TLSPorts {
		if w.tls == nil {
			h.net.t.Fatalf("start server on %s: TLS ports without a certificate", h.Name)
		}
		w.tlsPort[p] = true
	}
	w.start()
	return w
}

// Say changes the body of answers.
func (w *WebServer) Say(body string) {
	w.told.Lock()
	defer w.told.Unlock()
	w.body = body
}

// Requests are all requests so far, in the order in which they came. The slice is the caller's.
func (w *WebServer) Requests() []Request {
	w.told.Lock()
	defer w.told.Unlock()
	return slices.Clone(w.asked)
}

// Asked are the requests for a path, at a Host or, if that is empty, at any.
func (w *WebServer) Asked(path, host string) []Request {
	return slices.DeleteFunc(w.Requests(), func(r Request) bool {
		return r.Path != path || host != "" && r.Host != host
	})
}

// AskedAt are the requests that came to an address, such as the VIP.
func (w *WebServer) AskedAt(a netip.Addr) []Request {
	return slices.DeleteFunc(w.Requests(), func(r Request) bool { return r.Local.Addr() != a })
}

// talk answers the requests of a connection until one end closes it.
func (w *WebServer) talk(c net.Conn, _ Mode) {
	plain := c
	if w.tlsPort[addrPort(c.LocalAddr()).Port()] {
		c = tls.Server(c, w.tls)
	}
	r := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		n := w.remember(req, plain)
		if !w.reply(c, plain, w.modeAt(plain), n) || req.Close {
			return
		}
	}
}

// remember notes the request and returns how many there were.
func (w *WebServer) remember(req *http.Request, c net.Conn) int {
	w.told.Lock()
	defer w.told.Unlock()
	w.asked = append(w.asked, Request{
		At: time.Now(), Method: req.Method, Host: req.Host, Path: req.RequestURI, Header: req.Header,
		Local: addrPort(c.LocalAddr()), Remote: addrPort(c.RemoteAddr()),
	})
	return len(w.asked)
}

// reply answers the nth request as the mode says. It is false when that is the end of the connection.
func (w *WebServer) reply(c, plain net.Conn, m Mode, n int) bool {
	status := m.status
	switch m.kind {
	case hang:
		w.linger(c)
		return false
	case hangUp:
		return false
	case reset:
		_ = plain.(*net.TCPConn).SetLinger(0)
		return false
	case flaky:
		if m.every > 0 && n%m.every == 0 {
			status = http.StatusServiceUnavailable
		}
	case answer, drip, refuse:
	}
	text := w.page(status)
	if m.kind == drip {
		for _, b := range text {
			if _, err := c.Write([]byte{b}); err != nil || !w.pause(time.Second) {
				return false
			}
		}
		return true
	}
	_, err := c.Write(text)
	return err == nil
}

// page is an answer; status 0 is 200.
func (w *WebServer) page(status int) []byte {
	w.told.Lock()
	body := w.body
	w.told.Unlock()
	if status == 0 {
		status = http.StatusOK
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s", status, http.StatusText(status),
		ServerHeader, w.host.Name, len(body), body)
	return b.Bytes()
}
