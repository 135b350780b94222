package entra

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	maxCertificateFile = 1 << 20
	maxKeyFile         = 16 << 10 // DER of the largest RSA key in use is under 10 KiB
)

// LoadCertificate reads a private key and its certificates from data: PEM in
// any order (PKCS #1, PKCS #8 and SEC 1 keys), or PKCS #12, which password opens
// and which is told by its first bytes. The chain starts with the certificate of
// the key, followed by its issuers as far as data holds them; other certificates
// are left out. If several belong to the key, the one that is valid longest wins.
//
// Encrypted keys in PEM are refused; the error says how to convert them. Whether the
// certificate is valid now is left to [Assertion].
func LoadCertificate(data []byte, password string) (crypto.Signer, []*x509.Certificate, error) {
	if len(data) > maxCertificateFile {
		return nil, nil, errors.New("the certificate file is longer than 1 MiB")
	}
	if looksLikeDER(data) {
		return loadPKCS12(data, password)
	}
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\ufeff")))
	switch {
	case len(data) == 0:
		return nil, nil, errors.New("the certificate file is empty")
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		return nil, nil, errors.New("the certificate file is UTF-16 text, as PowerShell's > writes it: save it as UTF-8")
	case !bytes.Contains(data, []byte("-----BEGIN ")):
		return nil, nil, errors.New("the certificate file is neither PEM nor PKCS #12: pass the content of the file, not its name or base64")
	}
	return loadPEM(data)
}

// looksLikeDER reports whether data starts with a long ASN.1 SEQUENCE, which
// no text does.
func looksLikeDER(data []byte) bool {
	return len(data) > 1 && data[0] == 0x30 && data[1] >= 0x80
}

func loadPEM(data []byte) (crypto.Signer, []*x509.Certificate, error) {
	var (
		keys   []crypto.Signer
		certs  []*x509.Certificate
		types  []string
		blocks int
	)
	announced := bytes.Count(data, []byte("-----BEGIN "))
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		blocks++
		types = append(types, block.Type)
		switch {
		case block.Type == "CERTIFICATE", block.Type == "X509 CERTIFICATE":
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, nil, fmt.Errorf("PEM block %d is a damaged certificate: %w", blocks, err)
			}
			certs = append(certs, cert)
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			key, err := parseKey(block)
			if err != nil {
				return nil, nil, fmt.Errorf("PEM block %d: %w", blocks, err)
			}
			keys = append(keys, key)
		}
	}
	// pem.Decode passes over what it cannot read.
	if blocks < announced {
		return nil, nil, fmt.Errorf("the certificate file announces %d PEM blocks, but only %d are complete: it is damaged or cut off", announced, blocks)
	}
	if len(keys) == 0 {
		return nil, nil, fmt.Errorf("the certificate file holds no private key, only %s: append the key's PEM", list(types))
	}
	if len(keys) > 1 {
		return nil, nil, fmt.Errorf("the certificate file holds %d private keys: keep the one of the registered certificate", len(keys))
	}
	if len(certs) == 0 {
		return nil, nil, fmt.Errorf("the certificate file holds no certificate, only %s: append the certificate's PEM", list(types))
	}
	return withChain(keys[0], certs)
}

// list names a few block types.
func list(types []string) string {
	const enough = 5
	slices.Sort(types)
	types = slices.Compact(types)
	if len(types) > enough {
		types = append(types[:enough], "more")
	}
	return cut(fmt.Sprintf("%q", types), maxCitation)
}

// parseKey reads the private key of a PEM block: RFC 7468 section 10, and the two
// older forms that OpenSSL writes.
func parseKey(block *pem.Block) (crypto.Signer, error) {
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
		return nil, errors.New("the private key is encrypted: decrypt it with \"openssl pkey -in encrypted.pem -out key.pem\", " +
			"or pack it with \"openssl pkcs12 -export -inkey encrypted.pem -in certificate.pem -out app.pfx\" and pass the password of that file")
	}
	if len(block.Bytes) > maxKeyFile {
		return nil, errors.New("the private key is longer than 16 KiB")
	}
	var (
		key any
		err error
	)
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("a key of type %q cannot be read: convert it with \"openssl pkey -in old.pem -out key.pem\"", cut(block.Type, maxWord))
	}
	if err != nil {
		return nil, fmt.Errorf("the private key is damaged: %w", err)
	}
	return usableKey(key)
}

// usableKey refuses a key with which nothing could be signed later.
func usableKey(key any) (crypto.Signer, error) {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("keys of type %T cannot sign", key)
	}
	if _, err := signatureAlgorithm(signer.Public()); err != nil {
		return nil, err
	}
	return signer, nil
}

// withChain puts the certificate of key first and then each one's issuer.
func withChain(key crypto.Signer, certs []*x509.Certificate) (crypto.Signer, []*x509.Certificate, error) {
	var leaf *x509.Certificate
	for _, c := range certs {
		if samePublicKey(c, key.Public()) && (leaf == nil || c.NotAfter.After(leaf.NotAfter)) {
			leaf = c
		}
	}
	if leaf == nil {
		return nil, nil, fmt.Errorf("the private key belongs to none of the certificates in the file (%d): "+
			"put the key and the certificate that was made from it together", len(certs))
	}
	chain := []*x509.Certificate{leaf}
	for c := issuer(leaf, certs); c != nil && !slices.ContainsFunc(chain, c.Equal); c = issuer(c, certs) {
		chain = append(chain, c)
	}
	return key, chain, nil
}

// issuer finds the certificate that signed c, going by names and key
// identifiers (RFC 5280 section 4.2.1.1); trusting it is not our part. A root has none.
func issuer(c *x509.Certificate, certs []*x509.Certificate) *x509.Certificate {
	if bytes.Equal(c.RawSubject, c.RawIssuer) {
		return nil
	}
	var found *x509.Certificate
	for _, p := range certs {
		if !bytes.Equal(p.RawSubject, c.RawIssuer) {
			continue
		}
		if len(c.AuthorityKeyId) > 0 && len(p.SubjectKeyId) > 0 && !bytes.Equal(c.AuthorityKeyId, p.SubjectKeyId) {
			continue
		}
		if found == nil || p.NotAfter.After(found.NotAfter) {
			found = p
		}
	}
	return found
}
