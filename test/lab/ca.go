package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// CA signs certificates that are trusted by who trusts it alone.
type CA struct {
	t    T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewCA makes an authority.
func NewCA(t T) *CA {
	t.Helper()
	ca := &CA{t: t}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "lab CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().Add(100 * 24 * time.Hour),
	}
	der, key, err := sign(template, nil, nil)
	if err == nil {
		ca.key = key
		ca.cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatalf("make CA: %v", err)
	}
	return ca
}

// Certificate signs a certificate for names and literal addresses, for servers and clients, that ends at notAfter.
func (ca *CA) Certificate(notAfter time.Time, names ...string) *tls.Certificate {
	ca.t.Helper()
	template := &x509.Certificate{
		NotAfter: notAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	der, key, err := sign(template, ca.cert, ca.key)
	if err != nil {
		ca.t.Fatalf("sign certificate: %v", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// sign makes a key and a certificate for it, by the parent or, without one, by itself.
func sign(template, parent *x509.Certificate, by *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if parent == nil {
		parent, by = template, key
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = template.NotAfter.Add(-365 * 24 * time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	return der, key, err
}

// Pool trusts the authority alone.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// WriteFile writes the authority's own certificate as PEM into a directory and returns the file's path.
func (ca *CA) WriteFile(dir string) string {
	ca.t.Helper()
	return ca.write(filepath.Join(dir, "ca.pem"), &pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})
}

// WritePair writes a certificate and its key as PEM into a directory and returns the files' paths.
func (ca *CA) WritePair(dir string, c *tls.Certificate) (cert, key string) {
	ca.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		ca.t.Fatalf("write key: %v", err)
	}
	return ca.write(filepath.Join(dir, "cert.pem"), &pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}),
		ca.write(filepath.Join(dir, "key.pem"), &pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func (ca *CA) write(path string, block *pem.Block) string {
	ca.t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		ca.t.Fatalf("write certificate: %v", err)
	}
	return path
}
