package checks

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"time"
)

// tlsError is a handshake that ended well by the protocol and not by the check.
type tlsError string

func (e tlsError) Error() string { return string(e) }

// tlsWords tells what is wrong with a server's TLS in an operator's words, and whether err is about TLS at all.
func tlsWords(err error) (string, bool) {
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return certificateWords(e.Err, e.UnverifiedCertificates), true
	}
	if e, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "not TLS: the reply begins " + quote(e.RecordHeader[:]), true
	}
	if e, ok := errors.AsType[tlsError](err); ok {
		return e.Error(), true
	}
	// crypto/tls has no type for an alert that came, but for this one word.
	if e, ok := errors.AsType[*net.OpError](err); ok {
		switch e.Op {
		case "remote error":
			return "TLS refused by the server: " + strings.TrimPrefix(e.Err.Error(), "tls: "), true
		case "local error":
			return "bad TLS from the server: " + strings.TrimPrefix(e.Err.Error(), "tls: "), true
		}
	}
	if words, ok := strings.CutPrefix(err.Error(), "tls: "); ok {
		return "bad TLS from the server: " + words, true
	}
	return "", false
}

// certificateWords tells why a certificate was refused.
func certificateWords(err error, chain []*x509.Certificate) string {
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired && e.Cert != nil {
		whose := "certificate"
		if len(chain) > 0 && !e.Cert.Equal(chain[0]) {
			whose = "certificate of the authority " + clip(oneLine(e.Cert.Subject.CommonName), 40)
		}
		if time.Now().Before(e.Cert.NotBefore) {
			return whose + " is not valid before " + e.Cert.NotBefore.UTC().Format(time.DateOnly)
		}
		return whose + " expired " + e.Cert.NotAfter.UTC().Format(time.DateOnly)
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok && e.Certificate != nil {
		return "certificate is for " + namesOf(e.Certificate) + ", not " + e.Host
	}
	if e, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		issuer := ""
		if e.Cert != nil {
			issuer = " " + clip(oneLine(e.Cert.Issuer.CommonName), 60)
		}
		return "certificate signed by unknown authority" + strings.TrimRight(issuer, " ")
	}
	return "certificate refused: " + strings.TrimPrefix(err.Error(), "x509: ")
}

// namesOf lists a few of the names that a certificate is for.
func namesOf(c *x509.Certificate) string {
	names := make([]string, 0, len(c.DNSNames)+len(c.IPAddresses))
	names = append(names, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	switch {
	case len(names) == 0:
		return "no name"
	case len(names) > 3:
		names = append(names[:3:3], "…")
	}
	return clip(oneLine(strings.Join(names, ", ")), 100)
}
