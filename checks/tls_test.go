package checks_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/checks"
)

func TestTLS(t *testing.T) {
	ca, stranger := newAuthority(t, "Test CA"), newAuthority(t, "Strange CA")
	key := ecKey(t)
	day := 24 * time.Hour
	soonOver := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(9*day + time.Hour) }
	over := func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC)
	}
	early := func(c *x509.Certificate) {
		c.NotBefore = time.Date(2190, 1, 2, 0, 0, 0, 0, time.UTC)
		c.NotAfter = c.NotBefore.Add(day)
	}
	other := func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"b.example", "c.example"}, nil }
	with := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	asks := func(max uint16) *tls.Config {
		cfg := with(ca.issue(t, key, nil))
		cfg.ClientAuth, cfg.ClientCAs, cfg.MaxVersion = tls.RequireAndVerifyClientCert, x509.NewCertPool(), max
		cfg.ClientCAs.AddCert(ca.cert)
		return cfg
	}
	h2 := with(ca.issue(t, key, nil))
	h2.NextProtos = []string{"h2"}
	old := with(ca.issue(t, key, nil))
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	client := ca.issue(t, key, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	certFile, keyFile := writePEM(t, "CERTIFICATE", client.Certificate[0]), writeKey(t, key)

	tests := []struct {
		name   string
		check  checks.TLS
		server *tls.Config
		is     checks.Outcome
		reason string
	}{
		{"good by address", checks.TLS{Verify: true, CA: ca.file}, with(ca.issue(t, key, nil)), checks.Good, "TLS 1.3"},
		{"good by name", checks.TLS{Verify: true, CA: ca.file, ServerName: "a.example"}, with(ca.issue(t, key, nil)), checks.Good, "TLS 1.3"},
		{"wrong name", checks.TLS{Verify: true, CA: ca.file, ServerName: "a.example"}, with(ca.issue(t, key, other)), checks.BadAnswer, "certificate is for b.example, c.example, not a.example"},
		{"wrong address", checks.TLS{Verify: true, CA: ca.file}, with(ca.issue(t, key, other)), checks.BadAnswer, "certificate is for b.example, c.example, not 127.0.0.1"},
		{"unknown authority", checks.TLS{Verify: true, CA: stranger.file}, with(ca.issue(t, key, nil)), checks.BadAnswer, "certificate signed by unknown authority Test CA"},
		{"the system does not know it", checks.TLS{Verify: true}, with(ca.issue(t, key, nil)), checks.BadAnswer, "certificate signed by unknown authority Test CA"},
		{"expired", checks.TLS{Verify: true, CA: ca.file}, with(ca.issue(t, key, over)), checks.BadAnswer, "certificate expired 2020-01-02"},
		{"not yet", checks.TLS{Verify: true, CA: ca.file}, with(ca.issue(t, key, early)), checks.BadAnswer, "certificate is not valid before 2190-01-02"},
		{"not verified", checks.TLS{}, with(stranger.issue(t, key, over)), checks.Good, "TLS 1.3"},
		{"not verified, warns", checks.TLS{WarnExpiry: "14d"}, with(stranger.issue(t, key, over)), checks.Good, "TLS 1.3, certificate ended 2020-01-02"},
		{"warns", checks.TLS{Verify: true, CA: ca.file, WarnExpiry: "14d"}, with(ca.issue(t, key, soonOver)), checks.Good, "TLS 1.3, certificate ends in 9d"},
		{"does not warn", checks.TLS{Verify: true, CA: ca.file, WarnExpiry: "9d"}, with(ca.issue(t, key, soonOver)), checks.Good, "TLS 1.3"},
		{"alpn", checks.TLS{ALPN: []string{"h3", "h2"}}, h2, checks.Good, "TLS 1.3"},
		{"alpn refused", checks.TLS{ALPN: []string{"imap"}}, h2, checks.BadAnswer, "TLS refused by the server: no application protocol"},
		{"alpn ignored", checks.TLS{ALPN: []string{"imap"}}, with(ca.issue(t, key, nil)), checks.BadAnswer, "server agreed on no ALPN protocol of imap"},
		{"too old", checks.TLS{}, old, checks.BadAnswer, "TLS refused by the server: protocol version not supported"},
		{"wants a certificate", checks.TLS{}, asks(tls.VersionTLS12), checks.BadAnswer, "TLS refused by the server: …"},
		{"has one", checks.TLS{Verify: true, CA: ca.file, Cert: certFile, Key: keyFile}, asks(tls.VersionTLS12), checks.Good, "TLS 1.2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at := checks.Target{Addr: serve(t, secure(tt.server, hang))}
			r := try(t, ready(t, &tt.check), at, 10*time.Second)
			want(t, r, tt.is, tt.reason)
			if leaf, err := x509.ParseCertificate(tt.server.Certificates[0].Certificate[0]); strings.Contains(r.Reason, "certificate") && (err != nil || !r.NotAfter.Equal(leaf.NotAfter)) {
				t.Errorf("not after %v, want %v", r.NotAfter, leaf.NotAfter)
			}
			if (r.Phases.TLS != 0) != (r.Outcome == checks.Good || tt.name == "alpn ignored") {
				t.Errorf("phases %+v", r.Phases)
			}
		})
	}
}

// What is not TLS, or not all of it.
func TestTLSBroken(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server func(net.Conn)
		is     checks.Outcome
		reason string
	}{
		{"plain http", func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad\r\n\r\n"); hang(c) }, checks.BadAnswer, `not TLS: the reply begins "HTTP/"`},
		{"hangs", hang, checks.NoAnswer, "no answer within 300ms (connected)"},
		{"closes", func(c net.Conn) { _, _ = c.Read(make([]byte, 1024)) }, checks.BadAnswer, "connection closed by the server (connected)"},
		{"resets", func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); reset(c) }, checks.Refused, "connection reset (connected)"},
		{"drips", func(c net.Conn) { drip(c, "\x16\x03\x03\x40\x00"+strings.Repeat("x", 60), 20*time.Millisecond) }, checks.NoAnswer, "no answer within 300ms (connected)"},
		{"garbage", func(c net.Conn) { flood(c, "\x16\x03\x03\x00\x04\xff\xff\xff\xff") }, checks.BadAnswer, "bad TLS from the server: …"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := checks.Target{Addr: serve(t, tt.server)}
			want(t, try(t, ready(t, &checks.TLS{}), at, enough(tt.is)), tt.is, tt.reason)
		})
	}
}

func TestHTTPS(t *testing.T) {
	ca := newAuthority(t, "Test CA")
	key := ecKey(t)
	sni := make(chan string, 1)
	cfg := &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		select {
		case sni <- h.ServerName:
		default:
		}
		c := ca.issue(t, key, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(50 * time.Hour) })
		return &c, nil
	}}
	at := checks.Target{Addr: serve(t, secure(cfg, answer(ok)))}
	for _, tt := range []struct {
		name   string
		change func(*checks.HTTPS)
		sni    string
		is     checks.Outcome
		reason string
	}{
		{"by address", func(*checks.HTTPS) {}, "", checks.Good, "status 200"},
		{"by host", func(h *checks.HTTPS) { h.Host = "a.example:8443" }, "a.example", checks.Good, "status 200"},
		{"by server_name", func(h *checks.HTTPS) { h.Host, h.ServerName = "x.example", "a.example" }, "a.example", checks.Good, "status 200"},
		{"host is not in it", func(h *checks.HTTPS) { h.Host = "x.example" }, "x.example", checks.BadAnswer, "certificate is for a.example, 127.0.0.1, not x.example"},
		{"host is an address", func(h *checks.HTTPS) { h.Host = "[2001:db8::1]:443" }, "", checks.BadAnswer, "certificate is for a.example, 127.0.0.1, not 2001:db8::1"},
		{"warns", func(h *checks.HTTPS) { h.WarnExpiry = "14d" }, "", checks.Good, "status 200, certificate ends in 2d"},
		{"status", func(h *checks.HTTPS) { h.Status = "204" }, "", checks.BadAnswer, "status 200, want 204"},
		{"body", func(h *checks.HTTPS) { h.Body = "contains:ok" }, "", checks.Good, "status 200, body as wanted"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := checks.New("https")
			h := c.(*checks.HTTPS)
			h.CA = ca.file
			tt.change(h)
			r := try(t, ready(t, h), at, 10*time.Second)
			want(t, r, tt.is, tt.reason)
			if got := <-sni; got != tt.sni {
				t.Errorf("SNI %q, want %q", got, tt.sni)
			}
			if r.Outcome == checks.Good && (r.Phases.TLS == 0 || r.Phases.FirstByte < r.Phases.TLS || r.NotAfter.IsZero() || !strings.HasPrefix(string(r.Head), "HTTP/1.1 200 OK")) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// With TLS 1.3 a client learns after its handshake that its certificate is missing.
func TestHTTPSWithoutTheWantedCertificate(t *testing.T) {
	ca := newAuthority(t, "Test CA")
	cfg := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, ecKey(t), nil)}, ClientAuth: tls.RequireAnyClientCert}
	at := checks.Target{Addr: serve(t, secure(cfg, answer(ok)))}
	c, _ := checks.New("https")
	h := c.(*checks.HTTPS)
	h.CA = ca.file
	want(t, try(t, ready(t, h), at, 10*time.Second), checks.BadAnswer, "TLS refused by the server: certificate required")
}

func TestTLSValidate(t *testing.T) {
	ca := newAuthority(t, "Test CA")
	key := ecKey(t)
	cert := writePEM(t, "CERTIFICATE", ca.issue(t, key, nil).Certificate[0])
	own, wrong := writeKey(t, key), writeKey(t, ecKey(t))
	bad := writePEM(t, "CERTIFICATE", []byte("rubbish"))
	missing := filepath.Join(t.TempDir(), "missing")
	for _, tt := range []struct {
		name  string
		check checks.TLS
		want  string
	}{
		{"all", checks.TLS{CA: ca.file, Cert: cert, Key: own, ServerName: "a.example", ALPN: []string{"h2"}, WarnExpiry: "1d12h"}, ""},
		{"no file", checks.TLS{CA: missing}, "ca: open " + missing + ": no such file or directory"},
		{"no certificate", checks.TLS{CA: own}, "ca: " + own + " holds no PEM certificate"},
		{"bad certificate", checks.TLS{CA: bad}, "ca: parse certificate 1 of " + bad + ": x509: malformed certificate"},
		{"key alone", checks.TLS{Key: own}, "key: needs cert too"},
		{"cert alone", checks.TLS{Cert: cert}, "cert: needs key too"},
		{"no key file", checks.TLS{Cert: cert, Key: missing}, "key: open " + missing + ": no such file or directory"},
		{"key of another", checks.TLS{Cert: cert, Key: wrong}, "cert: read " + cert + " with " + wrong + ": tls: private key does not match public key"},
		{"name", checks.TLS{ServerName: "a b"}, `server_name: "a b" is not a host name`},
		{"alpn", checks.TLS{ALPN: []string{""}}, "alpn: a protocol is 1 to 255 bytes long"},
		{"several", checks.TLS{CA: missing, WarnExpiry: "14"}, "ca: open " + missing + `: no such file or directory; warn_expiry: "14" is not a time such as "300ms", "5s", "10m", "30d"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, e := range tt.check.Validate() {
				got = append(got, e.Error())
			}
			if s := strings.Join(got, "; "); s != tt.want {
				t.Errorf("got  %s\nwant %s", s, tt.want)
			}
		})
	}
	h := &checks.HTTPS{HTTP: *page(t, nil), TLS: checks.TLS{ALPN: []string{"h2"}}}
	if errs := h.Validate(); len(errs) != 1 || errs[0].Error() != `alpn: "h2" is not what this check speaks: "http/1.1"` {
		t.Error(errs)
	}
	want(t, try(t, h, checks.Target{Addr: nobody(t)}, time.Minute), checks.NotAsked, "this check's configuration was not validated")
}

// Deeply equal is the same check: that holds with files of the same content, and no more when one has changed. Nothing
// of a key shows where a check is printed.
func TestTLSFilesAreConfiguration(t *testing.T) {
	ca, another := newAuthority(t, "Test CA"), newAuthority(t, "Test CA")
	for kind, key := range keysOfAllKinds(t) {
		t.Run(kind, func(t *testing.T) {
			cert := writePEM(t, "CERTIFICATE", ca.issue(t, key, nil).Certificate[0])
			caFile, keyFile := filepath.Join(t.TempDir(), "ca"), writeKey(t, key)
			load := func() checks.Checker {
				h := &checks.HTTPS{HTTP: *page(t, body("regex:a+(b|c)")), TLS: checks.TLS{Verify: true, CA: caFile, Cert: cert, Key: keyFile}}
				return ready(t, h)
			}
			copyFile(t, caFile, ca.file)
			before, again := load(), load()
			if !reflect.DeepEqual(before, again) {
				t.Error("the same files are another check")
			}
			copyFile(t, caFile, another.file)
			if reflect.DeepEqual(before, load()) {
				t.Error("a changed authority is the same check")
			}

			secret, err := x509.MarshalPKCS8PrivateKey(key)
			if err != nil {
				t.Fatal(err)
			}
			asJSON, err := json.Marshal(before)
			if err != nil {
				t.Fatal(err)
			}
			tail := secret[len(secret)-8:]
			dump := fmt.Sprintf("%+v %#v %v %s", before, before, before, asJSON)
			for _, form := range []string{"%d", "%x", "%q", "%#v"} {
				if s := strings.Trim(fmt.Sprintf(form, tail), "[]"); strings.Contains(dump, s) {
					t.Errorf("the key shows as %s in %s", s, dump)
				}
			}
			if strings.Contains(dump, "PrivateKey") || strings.Contains(dump, "Certificate:") {
				t.Errorf("insides show in %s", dump)
			}
		})
	}
}

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
