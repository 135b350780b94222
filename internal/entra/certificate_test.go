package entra_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/xoauth2/go-xoauth2/internal/entra"
)

// family is a leaf of rsaKey with its issuers, and a stranger.
type family struct{ leaf, intermediate, root, stranger *x509.Certificate }

func newFamily(tb testing.TB) family {
	tb.Helper()
	from, to := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	root := &authority{issue(tb, "root", ecKey(), nil, from, to), ecKey()}
	key := newEC(elliptic.P256())
	middle := &authority{issue(tb, "intermediate", key, root, from, to), key}
	return family{issue(tb, "app", rsaKey(), middle, from, to), middle.cert, root.cert, leaf(tb, otherRSA())}
}

// crossSigned returns a leaf of rsaKey that a issued, and two authorities that
// issued each other.
func crossSigned(tb testing.TB) (a, b, leaf *x509.Certificate) {
	tb.Helper()
	from, to := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	keyA, keyB := newEC(elliptic.P256()), newEC(elliptic.P256())
	rootA := &authority{issue(tb, "a", keyA, nil, from, to), keyA}
	rootB := &authority{issue(tb, "b", keyB, nil, from, to), keyB}
	return issue(tb, "a", keyA, rootB, from, to), issue(tb, "b", keyB, rootA, from, to), issue(tb, "app", rsaKey(), rootA, from, to)
}

func certPEM(certs ...*x509.Certificate) []byte {
	var b []byte
	for _, c := range certs {
		b = append(b, pemBlock("CERTIFICATE", c.Raw)...)
	}
	return b
}

func join(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			b = append(b, p...)
		case []byte:
			b = append(b, p...)
		}
	}
	return b
}

func TestLoadPEM(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	sec1, err := x509.MarshalECPrivateKey(ecKey())
	if err != nil {
		t.Fatal(err)
	}
	rsaPEM, ecLeaf := pkcs8(t, rsaKey()), leaf(t, ecKey())
	older := issue(t, "app", rsaKey(), nil, time.Now().Add(-2*time.Hour), time.Now().Add(time.Minute))
	whole := []*x509.Certificate{f.leaf, f.intermediate, f.root}
	self := leaf(t, rsaKey())
	later := time.Now().Add(24 * time.Hour)
	otherSelf := issue(t, "app", otherRSA(), nil, time.Now(), later)
	otherRoot := issue(t, "root", otherRSA(), nil, time.Now(), later)
	a, b, cross := crossSigned(t)
	for _, tt := range []struct {
		name string
		data []byte
		key  crypto.Signer
		want []*x509.Certificate
	}{
		{"PKCS #8", join(rsaPEM, certPEM(f.leaf)), rsaKey(), whole[:1]},
		{"PKCS #1", join(certPEM(f.leaf), pemBlock("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey()))), rsaKey(), whole[:1]},
		{"SEC 1 with parameters", join(pemBlock("EC PARAMETERS", []byte("\x06\x08*\x86H\xce=\x03\x01\x07")), pemBlock("EC PRIVATE KEY", sec1), certPEM(ecLeaf)),
			ecKey(), []*x509.Certificate{ecLeaf}},
		{"PKCS #8 EC", join(pkcs8(t, ecKey()), certPEM(ecLeaf)), ecKey(), []*x509.Certificate{ecLeaf}},
		{"chain in order", join(rsaPEM, certPEM(whole...)), rsaKey(), whole},
		{"chain in disorder, twice, with a stranger", join(certPEM(f.root, f.stranger, f.intermediate, f.root), rsaPEM, certPEM(f.leaf, f.intermediate)), rsaKey(), whole},
		{"chain with a gap", join(certPEM(f.root, f.leaf), rsaPEM), rsaKey(), whole[:1]},
		{"renewed certificate", join(certPEM(older, f.leaf), rsaPEM), rsaKey(), whole[:1]},
		{"renewed certificate first", join(certPEM(f.leaf, older), rsaPEM), rsaKey(), whole[:1]},
		{"a stranger of the same name", join(certPEM(otherSelf, self), rsaPEM), rsaKey(), []*x509.Certificate{self}},
		{"an authority of the same name", join(certPEM(otherRoot, f.root, f.intermediate, f.leaf), rsaPEM), rsaKey(), whole},
		{"authorities that vouch for each other", join(certPEM(b, a, cross), rsaPEM), rsaKey(), []*x509.Certificate{cross, a, b}},
		{"text around", join("Bag Attributes\n    localKeyID: 01\nsubject=CN = app\n", certPEM(f.leaf), "\nKey Attributes: <No Attributes>\n", rsaPEM, "end\n"), rsaKey(), whole[:1]},
		{"byte order mark, CRLF", join("\ufeff", bytes.ReplaceAll(join(rsaPEM, certPEM(f.leaf)), []byte("\n"), []byte("\r\n"))), rsaKey(), whole[:1]},
		{"text that starts like DER", join("0 s:/CN=app\n", certPEM(f.leaf), rsaPEM), rsaKey(), whole[:1]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			key, chain, err := entra.LoadCertificate(tt.data, "not needed")
			if err != nil {
				t.Fatal(err)
			}
			checkLoaded(t, key, chain, tt.key, tt.want)
		})
	}
}

func checkLoaded(t *testing.T, key crypto.Signer, chain []*x509.Certificate, wantKey crypto.Signer, want []*x509.Certificate) {
	t.Helper()
	if k, ok := key.(interface{ Equal(crypto.PrivateKey) bool }); !ok || !k.Equal(wantKey) {
		t.Errorf("got another key, a %T", key)
	}
	if !slices.EqualFunc(chain, want, (*x509.Certificate).Equal) {
		var names []string
		for _, c := range chain {
			names = append(names, c.Subject.CommonName)
		}
		t.Errorf("got chain %q, want %d certificates", names, len(want))
	}
	if _, err := entra.Assertion(key, chain, "id", audience); err != nil {
		t.Error(err)
	}
}

func TestLoadPKCS12(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	whole := []*x509.Certificate{f.leaf, f.intermediate, f.root}
	for name, encoder := range map[string]*pkcs12.Encoder{
		"RC2": pkcs12.LegacyRC2, "3DES": pkcs12.LegacyDES, "2023": pkcs12.Modern2023, "2026": pkcs12.Modern2026,
	} {
		for _, password := range []string{"", "pässword"} {
			data, err := encoder.Encode(rsaKey(), f.root, []*x509.Certificate{f.leaf, f.stranger, f.intermediate}, password)
			if err != nil {
				t.Fatal(err)
			}
			key, chain, err := entra.LoadCertificate(data, password)
			if err != nil {
				t.Errorf("%s with password %q: %v", name, password, err)
				continue
			}
			checkLoaded(t, key, chain, rsaKey(), whole)
		}
	}
	data, err := pkcs12.Passwordless.Encode(ecKey(), f.root, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	key, chain, err := entra.LoadCertificate(data, "")
	if err != nil {
		t.Fatal(err)
	}
	checkLoaded(t, key, chain, ecKey(), whole[2:])
}

func TestLoadPKCS12FromOpenSSL(t *testing.T) {
	t.Parallel()
	for name, password := range map[string]string{"openssl3.pfx": "fixture", "legacy.pfx": "fixture", "empty.pfx": ""} {
		data := readFixture(t, name)
		key, chain, err := entra.LoadCertificate(data, password)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, ok := key.(*ecdsa.PrivateKey); !ok || len(chain) != 1 || chain[0].Subject.CommonName != "test fixture" {
			t.Errorf("%s: got a %T and %d certificates", name, key, len(chain))
		}
	}
}

func readFixture(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

const (
	decrypt = "openssl pkey -in encrypted.pem"
	remake  = "openssl pkcs12 -export -inkey"
)

// badFile is a file that cannot be used, and what its error must say.
type badFile struct {
	name     string
	data     []byte
	password string
	want     []string
}

func (tt badFile) check(t *testing.T) {
	t.Parallel()
	key, chain, err := entra.LoadCertificate(tt.data, tt.password)
	if err == nil || key != nil || chain != nil {
		t.Fatalf("got error %v, key %T and %d certificates", err, key, len(chain))
	}
	for _, want := range tt.want {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want %q in it", err, want)
		}
	}
	if len(err.Error()) > 600 || strings.Contains(err.Error(), "fixture") {
		t.Errorf("the error is too long or shows the password: %q", err)
	}
}

func TestLoadPEMRefuses(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	cert, key := certPEM(f.leaf), pkcs8(t, rsaKey())
	legacy := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: []byte("ciphertext"),
		Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,0011"}})
	exchange, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []badFile{
		{"nil", nil, "", []string{"is empty"}},
		{"white space", []byte(" \r\n\t"), "", []string{"is empty"}},
		{"too long", append(join(key, cert), make([]byte, 1<<20)...), "", []string{"longer than 1 MiB"}},
		{"a file name", []byte("app.pfx"), "", []string{"neither PEM nor PKCS #12", "content of the file"}},
		{"UTF-16", []byte("\xff\xfe-\x00-\x00"), "", []string{"UTF-16", "UTF-8"}},
		{"only a certificate", cert, "", []string{"no private key", "CERTIFICATE", "append the key"}},
		{"only a key", key, "", []string{"no certificate", "PRIVATE KEY", "append the certificate"}},
		{"request instead of a certificate", join(key, pemBlock("CERTIFICATE REQUEST", []byte("x"))), "", []string{"no certificate", "CERTIFICATE REQUEST"}},
		{"many kinds", join(pemBlock("A", nil), pemBlock("B", nil), pemBlock("C", nil), pemBlock("D", nil), pemBlock("E", nil), pemBlock("F", nil)), "", []string{"more"}},
		{"two keys", join(key, cert, pkcs8(t, otherRSA())), "", []string{"2 private keys", "keep the one"}},
		{"key of another certificate", join(key, certPEM(f.stranger)), "", []string{"belongs to none of the certificates", "together"}},
		{"encrypted PKCS #8", join(pemBlock("ENCRYPTED PRIVATE KEY", []byte("ciphertext")), cert), "fixture", []string{"encrypted", decrypt, remake}},
		{"encrypted in the old way", join(legacy, cert), "fixture", []string{"encrypted", decrypt, remake}},
		{"OpenSSH key", join(pemBlock("OPENSSH PRIVATE KEY", []byte("x")), cert), "", []string{"OPENSSH PRIVATE KEY", "openssl pkey"}},
		{"damaged key", join(pemBlock("PRIVATE KEY", []byte("junk")), cert), "", []string{"PEM block 1", "private key is damaged"}},
		{"damaged certificate", join(key, pemBlock("CERTIFICATE", []byte("junk"))), "", []string{"PEM block 2", "damaged certificate"}},
		{"huge key", join(pemBlock("RSA PRIVATE KEY", make([]byte, 100_000)), cert), "", []string{"longer than 16 KiB"}},
		{"cut off", join(key, cert[:len(cert)-40]), "", []string{"announces 2 PEM blocks, but only 1", "cut off"}},
		{"begins only", bytes.Repeat([]byte("-----BEGIN X-----\n"), 50_000), "", []string{"announces 50000 PEM blocks, but only 0"}},
		{"weak RSA key", join(pkcs8(t, weakRSA()), cert), "", []string{"1024 bits", "2048"}},
		{"P-521 key", join(pkcs8(t, newEC(elliptic.P521())), cert), "", []string{"P-521", "P-256"}},
		{"Ed25519 key", join(pkcs8(t, newEd25519(t)), cert), "", []string{"ed25519", "P-256"}},
		{"X25519 key", join(pkcs8(t, exchange), cert), "", []string{"cannot sign"}},
	} {
		t.Run(tt.name, tt.check)
	}
}

func newEd25519(tb testing.TB) ed25519.PrivateKey {
	tb.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func TestLoadPKCS12Refuses(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	pfx := readFixture(t, "openssl3.pfx")
	encode := func(key any, cert *x509.Certificate) []byte {
		data, err := pkcs12.Modern2023.Encode(key, cert, nil, "fixture")
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	trust, err := pkcs12.Modern2023.EncodeTrustStore([]*x509.Certificate{f.leaf}, "fixture")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []badFile{
		{"wrong password", pfx, "wrong", []string{"password of the PKCS #12 file is wrong"}},
		{"password with a newline", pfx, "fixture\n", []string{"is wrong", "white space"}},
		{"no password", pfx, "", []string{"needs a password"}},
		{"password beyond UCS-2", pfx, "😀", []string{"cannot be read"}},
		{"PKCS #12 cut off", pfx[:len(pfx)-1], "fixture", []string{"cannot be read", remake}},
		{"PKCS #12 with more behind", append(slices.Clone(pfx), 0), "fixture", []string{"cannot be read", remake}},
		{"PKCS #12 of certificates", trust, "fixture", []string{"private key missing", remake}},
		{"PKCS #12 of another certificate", encode(rsaKey(), f.stranger), "fixture", []string{"belongs to none"}},
		{"PKCS #12 with a weak key", encode(weakRSA(), leaf(t, ecKey())), "fixture", []string{"PKCS #12", "1024 bits"}},
		{"PKCS #12 with an Ed25519 key", encode(newEd25519(t), f.leaf), "fixture", []string{"PKCS #12", "ed25519"}},
		{"BER", append([]byte{0x30, 0x80}, pfx[4:]...), "fixture", []string{"BER", "openssl pkcs12 -in"}},
		{"certificate in DER", f.leaf.Raw, "", []string{"without a private key", remake}},
		{"junk in DER", join([]byte{0x30, 0x82, 0xff, 0xff}, "junk"), "", []string{"cannot be read", remake}},
		{"salt that looks like DER", withMAC(t, pfx, []byte{4, 0, 2, 4, 0x7f, 0xff, 0xff, 0xff}, 2048), "fixture", []string{"password of the PKCS #12 file is wrong"}},
		{"four billion iterations", withMAC(t, pfx, nil, 1<<32), "fixture", []string{"too long to read"}},
	} {
		t.Run(tt.name, tt.check)
	}
}
