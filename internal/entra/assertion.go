package entra

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	assertionLifetime = 5 * time.Minute
	// Entra refuses an assertion whose nbf lies ahead of its own clock
	// (AADSTS700024), so nbf leaves room for a clock of ours that is fast.
	assertionLeeway = time.Minute

	minRSABits = 2048
	maxRSABits = 16384
)

// Assertion returns a fresh client assertion (RFC 7523 section 2.2) for clientID
// and audience, the token endpoint, as Microsoft's "Certificate credentials"
// describes it: signed with PS256 or ES256, naming the certificate by its SHA-256
// thumbprint, valid for five minutes. chain starts with the certificate of key;
// if it holds more, all of it is sent, which applications that trust a
// certificate by subject and issuer need.
//
// A certificate that does not belong to key or is not valid now is refused, as
// are RSA keys under 2048 bits and curves other than P-256. key may live in
// hardware; a signature that its own public key does not confirm is an error.
func Assertion(key crypto.Signer, chain []*x509.Certificate, clientID, audience string) (string, error) {
	if key == nil || len(chain) == 0 || chain[0] == nil {
		return "", errors.New("a client assertion needs a private key and its certificate")
	}
	if clientID == "" || audience == "" {
		return "", errors.New("a client assertion needs a client id and an audience")
	}
	algorithm, err := signatureAlgorithm(key.Public())
	if err != nil {
		return "", err
	}
	now := time.Now()
	if err := checkLeaf(chain[0], key.Public(), now); err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: algorithm, Key: cryptosigner.Opaque(checkedSigner{key})},
		assertionHeader(chain),
	)
	if err != nil {
		return "", fmt.Errorf("signing the client assertion: %w", err)
	}
	assertion, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer:    clientID,
		Subject:   clientID,
		Audience:  jwt.Audience{audience},
		ID:        newUUID(),
		IssuedAt:  jwt.NewNumericDate(now),
		NotBefore: jwt.NewNumericDate(now.Add(-assertionLeeway)),
		Expiry:    jwt.NewNumericDate(now.Add(assertionLifetime)),
	}).Serialize()
	if err != nil {
		return "", fmt.Errorf("signing the client assertion: %w", err)
	}
	return assertion, nil
}

// assertionHeader names the certificate: RFC 7515 sections 4.1.6 and 4.1.8.
func assertionHeader(chain []*x509.Certificate) *jose.SignerOptions {
	thumbprint := sha256.Sum256(chain[0].Raw)
	options := (&jose.SignerOptions{}).WithType("JWT").
		WithHeader("x5t#S256", base64.RawURLEncoding.EncodeToString(thumbprint[:]))
	if len(chain) == 1 {
		return options
	}
	var x5c []string
	for _, c := range chain {
		x5c = append(x5c, base64.StdEncoding.EncodeToString(c.Raw))
	}
	return options.WithHeader("x5c", x5c)
}

// signatureAlgorithm returns the algorithm of RFC 7518 section 3.1 for a key
// with which Entra takes assertions.
func signatureAlgorithm(public crypto.PublicKey) (jose.SignatureAlgorithm, error) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return "", fmt.Errorf("the RSA key has %d bits, but %d to %d are needed", bits, minRSABits, maxRSABits)
		}
		return jose.PS256, nil
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return "", fmt.Errorf("the curve of the EC key is %s, but only P-256 can be used", k.Params().Name)
		}
		return jose.ES256, nil
	default:
		return "", fmt.Errorf("keys of type %T cannot be used, only RSA and EC P-256 keys", public)
	}
}

func checkLeaf(leaf *x509.Certificate, public crypto.PublicKey, now time.Time) error {
	if !samePublicKey(leaf, public) {
		return fmt.Errorf("the certificate of %q does not belong to the private key", leaf.Subject)
	}
	if now.Before(leaf.NotBefore) {
		return fmt.Errorf("the certificate of %q is not valid before %s: wait, or check the clock, which says %s",
			leaf.Subject, date(leaf.NotBefore), date(now))
	}
	if now.After(leaf.NotAfter) {
		return fmt.Errorf("the certificate of %q expired at %s: register a new one with the application (the clock says %s)",
			leaf.Subject, date(leaf.NotAfter), date(now))
	}
	return nil
}

func date(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func samePublicKey(c *x509.Certificate, public crypto.PublicKey) bool {
	k, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(public)
}

// checkedSigner puts right what go-jose v4.1.8's cryptosigner does with a
// crypto.Signer. It leaves the length of the PSS salt to the signer, which then
// takes the longest, while RFC 7518 section 3.5 wants that of the hash; and it
// panics over an ECDSA signature whose numbers are too large. Hardware may
// also ignore the options it is given, so the signature is verified.
type checkedSigner struct{ crypto.Signer }

func (s checkedSigner) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	pss := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: opts.HashFunc()}
	if _, ok := opts.(*rsa.PSSOptions); ok {
		opts = pss
	}
	signature, err := s.Signer.Sign(random, digest, opts)
	if err != nil {
		return nil, err
	}
	valid := false
	switch k := s.Public().(type) {
	case *rsa.PublicKey:
		valid = rsa.VerifyPSS(k, opts.HashFunc(), digest, signature, pss) == nil
	case *ecdsa.PublicKey:
		valid = ecdsa.VerifyASN1(k, digest, signature)
	}
	if !valid {
		return nil, errors.New("the signer returned a signature that its own public key does not confirm")
	}
	return signature, nil
}

// newUUID returns a random UUID (RFC 9562 section 5.4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
