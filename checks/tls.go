package checks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// TLS makes a handshake and looks at the certificate. Every try is a full handshake: a resumed one would not show a
// certificate that has changed.
type TLS struct {
	Verify     bool     `toml:"verify"`      // the certificate must be valid, for the name, and of a known authority
	CA         string   `toml:"ca"`          // file of the authorities; default: the system's
	Cert       string   `toml:"cert"`        // file of the own certificate and its chain, for servers that want one
	Key        string   `toml:"key"`         // file of its key
	ServerName string   `toml:"server_name"` // asked for (SNI) and verified; default: the host, else the address, without SNI
	ALPN       []string `toml:"alpn"`        // offered; where set, one must be agreed on
	WarnExpiry string   `toml:"warn_expiry"` // a good reply says so when the certificate ends sooner; "" or "0s" is never

	ready *tlsReady
}

// tlsReady is what Validate made of a TLS. Its certificates are kept parsed and not as a pool, because two pools are
// never deeply equal; and all of it is behind one pointer, so that no key shows where a TLS is printed.
type tlsReady struct {
	roots    []*x509.Certificate // nil is the system's
	identity *tls.Certificate
	warn     time.Duration
}

// Validate checks the keys and reads the files.
func (c *TLS) Validate() []FieldError {
	var (
		r    tlsReady
		errs []FieldError
	)
	add := func(key string, err error) {
		if err != nil {
			errs = append(errs, FieldError{key, err})
		}
	}
	var err error
	r.roots, err = readRoots(c.CA)
	add("ca", err)
	r.identity, errs = c.readIdentity(errs)
	if c.ServerName != "" {
		if _, err := netip.ParseAddr(c.ServerName); err != nil && !isName(c.ServerName) {
			add("server_name", fmt.Errorf("%q is not a host name", clip(c.ServerName, 80)))
		}
	}
	for _, p := range c.ALPN {
		if len(p) == 0 || len(p) > 255 { // RFC 7301 section 3.1
			add("alpn", errors.New("a protocol is 1 to 255 bytes long"))
		}
	}
	if c.WarnExpiry != "" {
		r.warn, err = ParseDuration(c.WarnExpiry)
		add("warn_expiry", err)
	}
	if errs == nil {
		c.ready = &r
	}
	return errs
}

// readRoots reads a file of PEM certificates, all of which must be good.
func readRoots(file string) ([]*x509.Certificate, error) {
	if file == "" {
		return nil, nil
	}
	rest, err := readFile(file)
	if err != nil {
		return nil, err
	}
	var roots []*x509.Certificate
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parse certificate %d of %s: %w", len(roots)+1, file, err)
		}
		roots = append(roots, cert)
	}
	if roots == nil {
		return nil, fmt.Errorf("%s holds no PEM certificate", file)
	}
	return roots, nil
}

// readIdentity reads the own certificate and key, if any; it appends to errs what is wrong.
func (c *TLS) readIdentity(errs []FieldError) (*tls.Certificate, []FieldError) {
	switch {
	case c.Cert == "" && c.Key == "":
		return nil, errs
	case c.Cert == "":
		return nil, append(errs, FieldError{"key", errors.New("needs cert too")})
	case c.Key == "":
		return nil, append(errs, FieldError{"cert", errors.New("needs key too")})
	}
	cert, err := readFile(c.Cert)
	if err != nil {
		return nil, append(errs, FieldError{"cert", err})
	}
	key, err := readFile(c.Key)
	if err != nil {
		return nil, append(errs, FieldError{"key", err})
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, append(errs, FieldError{"cert", fmt.Errorf("read %s with %s: %w", c.Cert, c.Key, err)})
	}
	return &pair, errs
}

// Check makes one handshake.
func (c *TLS) Check(ctx context.Context, t Target) Result {
	y := begin(ctx)
	if c.ready == nil {
		return y.end(NotAsked, unvalidated)
	}
	conn, release, failure := y.dial(ctx, t)
	if conn == nil {
		return failure
	}
	defer release()
	name := c.ServerName
	if name == "" {
		name = t.Addr.Addr().WithZone("").String()
	}
	secure, err := c.handshake(y, conn, name)
	if err != nil {
		return y.failed(ctx, err)
	}
	return y.good(tls.VersionName(secure.ConnectionState().Version) + c.warning(y.result.NotAfter))
}

// handshake speaks TLS over conn with the server called name, which is not sent when it is an address. Without alpn of
// its own the check offers what offer says.
func (c *TLS) handshake(y *try, conn net.Conn, name string, offer ...string) (*tls.Conn, error) {
	cfg := &tls.Config{
		ServerName:         name,
		InsecureSkipVerify: !c.Verify, //nolint:gosec // the operator says so by verify = false
		MinVersion:         tls.VersionTLS12,
		// The default's post-quantum share costs twice the CPU of the whole handshake; nothing secret is told here.
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256},
		NextProtos:       offer,
	}
	if len(c.ALPN) > 0 {
		cfg.NextProtos = c.ALPN
	}
	if c.ready.roots != nil {
		cfg.RootCAs = x509.NewCertPool()
		for _, cert := range c.ready.roots {
			cfg.RootCAs.AddCert(cert)
		}
	}
	if c.ready.identity != nil {
		cfg.Certificates = []tls.Certificate{*c.ready.identity}
	}
	secure := tls.Client(conn, cfg)
	err := secure.Handshake()
	y.result.NotAfter = notAfter(secure, err)
	if err != nil {
		return nil, err
	}
	y.reached = append(y.reached, "TLS done")
	y.result.Phases.TLS = y.elapsed()
	if p := secure.ConnectionState().NegotiatedProtocol; len(c.ALPN) > 0 && !slices.Contains(c.ALPN, p) {
		return nil, tlsError("server agreed on no ALPN protocol of " + strings.Join(c.ALPN, ", "))
	}
	return secure, nil
}

// notAfter is the end of the server's certificate, also where err refuses it; zero when none was seen.
func notAfter(conn *tls.Conn, err error) time.Time {
	certs := conn.ConnectionState().PeerCertificates
	if refused, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		certs = refused.UnverifiedCertificates
	}
	if len(certs) == 0 {
		return time.Time{}
	}
	return certs[0].NotAfter
}

// warning is what a good reason adds where the certificate ends soon.
func (c *TLS) warning(end time.Time) string {
	left := time.Until(end)
	switch {
	case end.IsZero() || c.ready.warn == 0 || left >= c.ready.warn:
		return ""
	case left < 0:
		return ", certificate ended " + end.UTC().Format(time.DateOnly)
	case left < 48*time.Hour:
		return fmt.Sprintf(", certificate ends in %dh", left/time.Hour)
	}
	return fmt.Sprintf(", certificate ends in %dd", left/(24*time.Hour))
}

// withoutPort gives the host of "host:port", "[v6]:port", "[v6]" or "host".
func withoutPort(s string) string {
	if host, _, err := net.SplitHostPort(s); err == nil {
		return host
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		return strings.TrimSuffix(inner, "]")
	}
	return s
}
