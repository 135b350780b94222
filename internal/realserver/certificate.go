//go:build linux

package realserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"time"
)

// makeCertificates writes the certificate of an authority, and one by it for
// the servers with its key. It returns what a client has to trust.
func (s *Servers) makeCertificates() (*x509.CertPool, error) {
	ca := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "realserver CA"},
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{
		Subject:     pkix.Name{CommonName: Host},
		DNSNames:    []string{Host},
		IPAddresses: []net.IP{net.ParseIP(s.ip)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if err := writeCertificate(s.CAFile(), ca, ca, caKey, caKey); err != nil {
		return nil, err
	}
	if err := writeCertificate(s.path("cert.pem"), leaf, ca, key, caKey); err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := writePEM(s.path("key.pem"), 0o600, "PRIVATE KEY", der); err != nil {
		return nil, err
	}
	trusted, err := os.ReadFile(s.CAFile())
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(trusted)
	return pool, nil
}

// writeCertificate writes a certificate for key, good for a day, that parent's
// key signs.
func writeCertificate(path string, template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) error {
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(24 * time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		return err
	}
	return writePEM(path, 0o644, "CERTIFICATE", der)
}

func writePEM(path string, mode os.FileMode, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}
