package entra

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"

	"software.sslmate.com/src/go-pkcs12"
)

const (
	// OpenSSL writes 2,048 iterations; OWASP recommends up to 1.3 million. This
	// many take a few seconds.
	maxIterations = 2_000_000
	maxNesting    = 32
)

const remakePKCS12 = "make it anew with \"openssl pkcs12 -export -inkey key.pem -in certificate.pem -out app.pfx\""

// loadPKCS12 reads one private key and its certificates (RFC 7292).
func loadPKCS12(data []byte, password string) (crypto.Signer, []*x509.Certificate, error) {
	if _, err := x509.ParseCertificate(data); err == nil {
		return nil, nil, errors.New("the certificate file holds a certificate without a private key: " + remakePKCS12)
	}
	if !affordable(data, maxNesting) {
		return nil, nil, errors.New("the PKCS #12 file would take too long to read, by its iteration counts, the size of its numbers or its nesting: " + remakePKCS12)
	}
	key, leaf, others, err := pkcs12.DecodeChain(data, password)
	if err != nil {
		return nil, nil, explainPKCS12(data, password, err)
	}
	signer, err := usableKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("the PKCS #12 file: %w", err)
	}
	return withChain(signer, append([]*x509.Certificate{leaf}, others...))
}

func explainPKCS12(data []byte, password string, err error) error {
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword) && password == "":
		return errors.New("the PKCS #12 file needs a password")
	case errors.Is(err, pkcs12.ErrIncorrectPassword) && strings.TrimSpace(password) != password:
		return errors.New("the password of the PKCS #12 file is wrong: it starts or ends with white space, as it does when read from a file with its newline")
	case errors.Is(err, pkcs12.ErrIncorrectPassword):
		return errors.New("the password of the PKCS #12 file is wrong")
	case bytes.HasPrefix(data, []byte{0x30, 0x80}):
		return errors.New("the PKCS #12 file is in BER, of which only DER can be read: " +
			"convert it with \"openssl pkcs12 -in old.pfx -nodes -out all.pem\" and use all.pem")
	}
	return fmt.Errorf("the PKCS #12 file cannot be read, which takes one private key and its certificate: %w; %s", err, remakePKCS12)
}

// affordable reports whether the part of a PKCS #12 file that is in clear keeps its
// numbers within reason: go-pkcs12 v0.7.4 would derive keys with any iteration count that
// a file names, for years. Iteration counts are the INTEGERs that follow an OCTET
// STRING, the salt (RFC 7292 section 4, RFC 8018 appendix A); others are limited to
// the size of an RSA modulus.
func affordable(der []byte, depth int) bool {
	afterSalt := false
	for len(der) > 0 {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(der, &v)
		if err != nil {
			return true // not DER, so nothing that go-pkcs12 would go into
		}
		octets := v.Class == asn1.ClassUniversal && v.Tag == asn1.TagOctetString
		if v.Class == asn1.ClassUniversal && v.Tag == asn1.TagInteger {
			if len(v.Bytes) > maxRSABits/8+1 || afterSalt && !smallCount(v.FullBytes) {
				return false
			}
		}
		if v.IsCompound || octets && isSequence(v.Bytes) {
			if depth == 0 || !affordable(v.Bytes, depth-1) {
				return false
			}
		}
		afterSalt = octets
		der = rest
	}
	return true
}

// isSequence tells wrapped DER from salts and ciphertext, which may look like
// anything for a few bytes.
func isSequence(octets []byte) bool {
	var v asn1.RawValue
	rest, err := asn1.Unmarshal(octets, &v)
	return err == nil && len(rest) == 0 && v.Class == asn1.ClassUniversal && v.Tag == asn1.TagSequence
}

func smallCount(der []byte) bool {
	var n int
	_, err := asn1.Unmarshal(der, &n)
	return err == nil && n <= maxIterations
}
