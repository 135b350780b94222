package entra_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/entra"
)

const audience = "https://login.microsoftonline.com/tenant/oauth2/v2.0/token"

// decodeJWT reads an assertion with the standard library alone.
func decodeJWT(t *testing.T, jwt string) (header, claims map[string]any, digest, signature []byte) {
	t.Helper()
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		t.Fatalf("got %d parts, want 3", len(parts))
	}
	var decoded [3][]byte
	for i := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(parts[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal(decoded[0], &header); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(decoded[1], &claims); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	return header, claims, sum[:], decoded[2]
}

func TestAssertion(t *testing.T) {
	t.Parallel()
	root := &authority{leaf(t, otherRSA()), otherRSA()}
	for _, tt := range []struct {
		name  string
		key   crypto.Signer
		chain []*x509.Certificate
		alg   string
	}{
		{"RSA", rsaKey(), []*x509.Certificate{leaf(t, rsaKey())}, "PS256"},
		{"EC", ecKey(), []*x509.Certificate{leaf(t, ecKey())}, "ES256"},
		{"RSA with its issuer", rsaKey(), []*x509.Certificate{issue(t, "app", rsaKey(), root, time.Now().Add(-time.Hour), time.Now().Add(time.Hour)), root.cert}, "PS256"},
		{"RSA in hardware", hardware{rsaKey().Public(), func(digest []byte, opts crypto.SignerOpts) ([]byte, error) {
			return rsaKey().Sign(rand.Reader, digest, opts)
		}}, []*x509.Certificate{leaf(t, rsaKey())}, "PS256"},
		{"EC in hardware", hardware{ecKey().Public(), func(digest []byte, opts crypto.SignerOpts) ([]byte, error) {
			return ecKey().Sign(rand.Reader, digest, opts)
		}}, []*x509.Certificate{leaf(t, ecKey())}, "ES256"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before := time.Now().Unix()
			jwt, err := entra.Assertion(tt.key, tt.chain, "client-id", audience)
			if err != nil {
				t.Fatal(err)
			}
			header, claims, digest, signature := decodeJWT(t, jwt)
			verify(t, tt.key.Public(), digest, signature)

			thumbprint := sha256.Sum256(tt.chain[0].Raw)
			wantHeader := map[string]any{"typ": "JWT", "alg": tt.alg, "x5t#S256": base64.RawURLEncoding.EncodeToString(thumbprint[:])}
			if len(tt.chain) > 1 {
				wantHeader["x5c"] = []any{base64.StdEncoding.EncodeToString(tt.chain[0].Raw), base64.StdEncoding.EncodeToString(tt.chain[1].Raw)}
			}
			if !reflect.DeepEqual(header, wantHeader) {
				t.Errorf("got header %v, want %v", header, wantHeader)
			}
			issued, _ := claims["iat"].(float64)
			if got := int64(issued); got < before || got > time.Now().Unix() {
				t.Errorf("got iat %d, want now", got)
			}
			id, _ := claims["jti"].(string)
			want := map[string]any{"iss": "client-id", "sub": "client-id", "aud": audience, "jti": id, "iat": issued, "nbf": issued - 60, "exp": issued + 300}
			if !reflect.DeepEqual(claims, want) {
				t.Errorf("got claims %v, want %v", claims, want)
			}
			if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) {
				t.Errorf("got jti %q, want a UUID of version 4", id)
			}
			again, err := entra.Assertion(tt.key, tt.chain, "client-id", audience)
			if err != nil {
				t.Fatal(err)
			}
			if _, claims, _, _ := decodeJWT(t, again); claims["jti"] == id {
				t.Error("got the same jti twice")
			}
		})
	}
}

// verify checks a signature as RFC 7518 sections 3.4 and 3.5 describe it.
func verify(t *testing.T, public crypto.PublicKey, digest, signature []byte) {
	t.Helper()
	switch k := public.(type) {
	case *rsa.PublicKey:
		// A salt of exactly the length of the hash, and not merely any.
		if err := rsa.VerifyPSS(k, crypto.SHA256, digest, signature, &rsa.PSSOptions{SaltLength: sha256.Size}); err != nil {
			t.Error(err)
		}
	case *ecdsa.PublicKey:
		if len(signature) != 64 || !ecdsa.Verify(k, digest, new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
			t.Errorf("the signature of %d bytes is not valid", len(signature))
		}
	}
}

func TestAssertionRefuses(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p384 := newEC(elliptic.P384())
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	expired := issue(t, "app", ecKey(), nil, now.Add(-2*time.Hour), now.Add(-time.Hour))
	future := issue(t, "app", ecKey(), nil, now.Add(time.Hour), now.Add(2*time.Hour))
	faulty := func(public crypto.PublicKey, signature []byte, err error) crypto.Signer {
		return hardware{public, func([]byte, crypto.SignerOpts) ([]byte, error) { return signature, err }}
	}
	tooLarge, err := asn1.Marshal([]*big.Int{new(big.Int).Lsh(big.NewInt(1), 600), big.NewInt(1)})
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := hardware{rsaKey().Public(), func(digest []byte, _ crypto.SignerOpts) ([]byte, error) {
		return rsa.SignPKCS1v15(rand.Reader, rsaKey(), crypto.SHA256, digest)
	}}
	one := func(c *x509.Certificate) []*x509.Certificate { return []*x509.Certificate{c} }
	for _, tt := range []struct {
		name  string
		key   crypto.Signer
		chain []*x509.Certificate
		want  string
	}{
		{"no key", nil, one(leaf(t, ecKey())), "needs a private key and its certificate"},
		{"no certificate", ecKey(), nil, "needs a private key and its certificate"},
		{"nil certificate", ecKey(), one(nil), "needs a private key and its certificate"},
		{"weak RSA", weakRSA(), one(leaf(t, ecKey())), "the RSA key has 1024 bits, but 2048 to 16384 are needed"},
		{"P-384", p384, one(leaf(t, p384)), "the curve of the EC key is P-384, but only P-256"},
		{"Ed25519", ed, one(leaf(t, ed)), "keys of type ed25519.PublicKey cannot be used"},
		{"no public key", faulty(nil, nil, nil), one(leaf(t, ecKey())), "cannot be used"},
		{"another certificate", rsaKey(), one(leaf(t, otherRSA())), `the certificate of "CN=app" does not belong to the private key`},
		{"another kind of certificate", rsaKey(), one(leaf(t, ecKey())), "does not belong"},
		{"expired", ecKey(), one(expired), "expired at " + expired.NotAfter.UTC().Format(time.RFC3339)},
		{"not yet valid", ecKey(), one(future), "not valid before " + future.NotBefore.UTC().Format(time.RFC3339)},
		{"hardware error", faulty(ecKey().Public(), nil, errors.New("token removed")), one(leaf(t, ecKey())), "signing the client assertion: token removed"},
		{"hardware signs with PKCS #1 v1.5", pkcs1, one(leaf(t, rsaKey())), "does not confirm"},
		{"hardware signs with huge numbers", faulty(ecKey().Public(), tooLarge, nil), one(leaf(t, ecKey())), "does not confirm"},
		{"hardware signs with junk", faulty(ecKey().Public(), []byte("junk"), nil), one(leaf(t, ecKey())), "does not confirm"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			jwt, err := entra.Assertion(tt.key, tt.chain, "client-id", audience)
			if err == nil || !strings.Contains(err.Error(), tt.want) || jwt != "" {
				t.Errorf("got error %v, want %q", err, tt.want)
			}
		})
	}
	for _, args := range [][2]string{{"", audience}, {"client-id", ""}} {
		if _, err := entra.Assertion(ecKey(), one(leaf(t, ecKey())), args[0], args[1]); err == nil {
			t.Errorf("%q: got no error", args)
		}
	}
}

func TestAssertionTime(t *testing.T) {
	t.Parallel()
	key := ecKey()
	synctest.Test(t, func(t *testing.T) {
		chain := []*x509.Certificate{issue(t, "app", key, nil, time.Now().Add(time.Second), time.Now().Add(time.Minute))}
		for _, step := range []struct {
			wait time.Duration
			ok   bool
		}{{0, false}, {time.Second, true}, {59 * time.Second, true}, {time.Second, false}} {
			time.Sleep(step.wait)
			if _, err := entra.Assertion(key, chain, "id", audience); (err == nil) != step.ok {
				t.Errorf("at %v: got error %v", time.Now(), err)
			}
		}
	})
}
