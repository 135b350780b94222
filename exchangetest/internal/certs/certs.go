// Package certs makes the certificates of a server on the loopback interface.
package certs

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
	"time"
)

// Everything is valid from 1999 on, since the clocks of testing/synctest start
// in 2000.
var (
	validFrom  = time.Date(1999, time.January, 1, 0, 0, 0, 0, time.UTC)
	validUntil = time.Date(2099, time.January, 1, 0, 0, 0, 0, time.UTC)
)

// Authority is a certificate authority of its own.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// New returns a fresh authority.
func New() (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "exchangetest CA"},
		NotBefore:             validFrom,
		NotAfter:              validUntil,
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	certificate, err := sign(template, template, key, key)
	if err != nil {
		return nil, err
	}
	return &Authority{certificate, key}, nil
}

// Pool returns a pool that holds the authority's certificate alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// PEM returns the authority's certificate.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// Loopback returns a certificate for localhost, 127.0.0.1 and ::1.
func (a *Authority) Loopback() (tls.Certificate, error) {
	return a.issue(loopback())
}

// Expired returns a certificate as Loopback does, that has been out of date
// since 1999.
func (a *Authority) Expired() (tls.Certificate, error) {
	template := loopback()
	template.NotAfter = validFrom.AddDate(0, 1, 0)
	return a.issue(template)
}

// Foreign returns a certificate for a host that is not this one.
func (a *Authority) Foreign(host string) (tls.Certificate, error) {
	template := loopback()
	template.DNSNames, template.IPAddresses = []string{host}, nil
	return a.issue(template)
}

func loopback() *x509.Certificate {
	return &x509.Certificate{
		Subject:     pkix.Name{CommonName: "localhost"},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:   validFrom,
		NotAfter:    validUntil,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

func (a *Authority) issue(template *x509.Certificate) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := sign(template, a.certificate, key, a.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{
		Certificate: [][]byte{leaf.Raw, a.certificate.Raw},
		PrivateKey:  key,
		Leaf:        leaf,
	}, nil
}

// sign makes a certificate for key's public half, with parent's signature.
func sign(template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// SelfSigned returns a key and a certificate with which an application can
// authenticate itself.
func SelfSigned(name string) (*ecdsa.PrivateKey, *x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: validFrom,
		NotAfter:  validUntil,
		KeyUsage:  x509.KeyUsageDigitalSignature,
	}
	certificate, err := sign(template, template, key, key)
	return key, certificate, err
}
