package xoauth2_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// issueCertificate returns a certificate of key, signed by issuerKey as issuer;
// nil: self-signed.
func issueCertificate(t *testing.T, name string, key crypto.Signer, issuer *x509.Certificate, issuerKey crypto.Signer) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	if issuer == nil {
		issuer, issuerKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), issuerKey)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func newECKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// testKeyRSA is one RSA key for all tests, since making one takes long.
var testKeyRSA = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// hardwareKey signs, and has nothing else to show.
type hardwareKey struct{ crypto.Signer }

// credentialCase is a way to prove who an application is.
type credentialCase struct {
	name      string
	algorithm jose.SignatureAlgorithm // of the assertion; empty: none
	sent      int                     // certificates along with it
	register  func(opts *exchangetest.AppOptions) xoauth2.Credential
}

// credentialCases returns all of them. A nil credential means the one that the
// App has from its registration.
func credentialCases(t *testing.T) []credentialCase {
	t.Helper()
	rsaKey, err := testKeyRSA()
	if err != nil {
		t.Fatal(err)
	}
	ecKey, caKey := newECKey(t), newECKey(t)
	rsaCertificate := issueCertificate(t, "rsa", rsaKey, nil, nil)
	ecCertificate := issueCertificate(t, "ec", ecKey, nil, nil)
	ca := issueCertificate(t, "ca", caKey, nil, nil)
	rsaIssued := issueCertificate(t, "rsa leaf", rsaKey, ca, caKey)
	ecIssued := issueCertificate(t, "ec leaf", ecKey, ca, caKey)
	certificate := func(key crypto.Signer, chain ...*x509.Certificate) func(*exchangetest.AppOptions) xoauth2.Credential {
		return func(opts *exchangetest.AppOptions) xoauth2.Credential {
			opts.Key, opts.Certificate = key, chain[0]
			return xoauth2.ClientCertificate(key, chain...)
		}
	}
	return []credentialCase{
		{"secret", "", 0, func(*exchangetest.AppOptions) xoauth2.Credential { return nil }},
		{"RSA", jose.PS256, 0, certificate(rsaKey, rsaCertificate)},
		{"RSA with chain", jose.PS256, 2, certificate(rsaKey, rsaIssued, ca)},
		{"EC", jose.ES256, 0, certificate(ecKey, ecCertificate)},
		{"EC with chain", jose.ES256, 2, certificate(ecKey, ecIssued, ca)},
		{"RSA in hardware", jose.PS256, 0, certificate(hardwareKey{rsaKey}, rsaCertificate)},
		{"EC in hardware", jose.ES256, 0, certificate(hardwareKey{ecKey}, ecCertificate)},
		{"workload identity", jose.RS256, 0, func(opts *exchangetest.AppOptions) xoauth2.Credential {
			opts.WorkloadIdentity = true
			return nil
		}},
	}
}

// newApp registers an application that has the credential.
func (c credentialCase) newApp(srv *exchangetest.Server, opts exchangetest.AppOptions) *xoauth2.App {
	credential := c.register(&opts)
	app := srv.App(&opts)
	if credential != nil {
		app.Credential = credential
	}
	return app
}

// watchTokenForms returns a function that returns the forms of the token
// requests so far.
func watchTokenForms(srv *exchangetest.Server) func() []url.Values {
	var mu sync.Mutex
	var forms []url.Values
	srv.HandleTokenRequests(func(_ http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		forms = append(forms, r.PostForm)
		return false
	})
	return func() []url.Values {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(forms)
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	for _, tt := range credentialCases(t) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := newExchange(t)
			forms := watchTokenForms(srv)
			app := tt.newApp(srv, exchangetest.AppOptions{})
			app.Protocols = []xoauth2.Protocol{xoauth2.SMTP}
			wantToken(t, app.ClientCredentials())
			form := forms()[0]
			if tt.algorithm == "" {
				if form.Has("client_assertion") || !form.Has("client_secret") {
					t.Error("want the secret and no assertion")
				}
				return
			}
			if got, want := form.Get("client_assertion_type"), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"; got != want || form.Has("client_secret") {
				t.Errorf("got assertion type %q, want %q and no secret", got, want)
			}
			checkAssertion(t, tt, app, form.Get("client_assertion"))
		})
	}
}

// checkAssertion compares an assertion with what Entra wants of one.
func checkAssertion(t *testing.T, tt credentialCase, app *xoauth2.App, assertion string) {
	t.Helper()
	token, err := jwt.ParseSigned(assertion, []jose.SignatureAlgorithm{tt.algorithm})
	if err != nil {
		t.Fatalf("the assertion is not one of %s: %v", tt.algorithm, err)
	}
	var claims jwt.Claims
	if err := token.UnsafeClaimsWithoutVerification(&claims); err != nil {
		t.Fatal(err)
	}
	if tt.algorithm == jose.RS256 {
		return // the workload's, not ours
	}
	if got, want := claims.Audience, app.Provider.Endpoint(app.Tenant).TokenURL; !got.Contains(want) {
		t.Errorf("got audience %q, want %q", got, want)
	}
	if claims.Issuer != app.ClientID || claims.Subject != app.ClientID || len(claims.ID) != 36 {
		t.Errorf("got issuer %q, subject %q, id %q", claims.Issuer, claims.Subject, claims.ID)
	}
	if got := claims.Expiry.Time().Sub(claims.IssuedAt.Time()); got != 5*time.Minute {
		t.Errorf("it lives %v, want 5m", got)
	}
	header := readAssertionHeader(t, assertion)
	if len(header.Thumbprint) != 43 || len(header.Chain) != tt.sent {
		t.Errorf("got thumbprint %q and %d certificates, want %d", header.Thumbprint, len(header.Chain), tt.sent)
	}
}

// assertionHeader is what an assertion says of the certificate.
type assertionHeader struct {
	Thumbprint string   `json:"x5t#S256"`
	Chain      []string `json:"x5c"`
}

func readAssertionHeader(t *testing.T, assertion string) (header assertionHeader) {
	t.Helper()
	encoded, _, _ := strings.Cut(assertion, ".")
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &header); err != nil {
		t.Fatal(err)
	}
	return header
}

// TestCredentialsForEveryGrant signs in on the web and on a device, and renews,
// with every credential.
func TestCredentialsForEveryGrant(t *testing.T) {
	t.Parallel()
	for _, tt := range credentialCases(t) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := newExchange(t)
			forms := watchTokenForms(srv)
			app := tt.newApp(srv, exchangetest.AppOptions{RedirectURL: callbackURL})
			account := signInOnTheWeb(t, srv, app, ada)
			wantToken(t, account.For(xoauth2.IMAP))
			srv.SignIn(bea)
			if _, err := app.DeviceLogin(t.Context(), showNothing); err != nil {
				t.Fatal(err)
			}
			assertions := make(map[string]bool)
			for _, form := range forms() {
				proof := form.Get("client_secret") + form.Get("client_assertion")
				if proof == "" {
					t.Errorf("a request of grant %s proves nothing", form.Get("grant_type"))
				}
				if assertions[proof] && tt.algorithm != "" {
					t.Errorf("a request of grant %s repeats an assertion", form.Get("grant_type"))
				}
				assertions[proof] = true
			}
			for _, grant := range []string{grantCode, grantRefresh, grantDevice} {
				wantRequests(t, srv, 1, grant)
			}
		})
	}
}

func showNothing(*oauth2.DeviceAuthResponse) error { return nil }

// TestWrongCertificate names the certificate that the endpoint does not know.
func TestWrongCertificate(t *testing.T) {
	t.Parallel()
	srv := newExchange(t)
	key, registered := exchangetest.NewCertificate("registered")
	app := srv.App(&exchangetest.AppOptions{Key: key, Certificate: registered})
	other := newECKey(t)
	certificate := issueCertificate(t, "other", other, nil, nil)
	app.Credential = xoauth2.ClientCertificate(other, certificate)
	_, err := app.ClientCredentials().TokenContext(t.Context())
	refusal := wantTokenError(t, err)
	sum := sha256.Sum256(certificate.Raw)
	if want := base64.RawURLEncoding.EncodeToString(sum[:]); refusal.AADSTS != 700027 || refusal.Thumbprint != want {
		t.Errorf("got AADSTS%d, thumbprint %q, want 700027 and %q", refusal.AADSTS, refusal.Thumbprint, want)
	}
	app = srv.App(&exchangetest.AppOptions{Key: key, Certificate: registered})
	app.Credential = xoauth2.ClientCertificate(key, certificate)
	_, err = app.ClientCredentials().TokenContext(t.Context())
	wantError(t, err, "does not belong to the private key")
	wantRequests(t, srv, 1)
}

// TestCertificateWithWrongClock signs assertions by a clock that is ten minutes
// off, which Entra does not forgive: the error tells by how much.
func TestCertificateWithWrongClock(t *testing.T) {
	t.Parallel()
	key, certificate := exchangetest.NewCertificate("daemon")
	for _, skew := range []time.Duration{-10 * time.Minute, 10 * time.Minute} {
		srv := newExchange(t)
		srv.SkewClock(skew)
		app := srv.App(&exchangetest.AppOptions{Key: key, Certificate: certificate})
		_, err := app.ClientCredentials().TokenContext(t.Context())
		refusal := wantTokenError(t, err)
		if off := refusal.ClockSkew + skew; refusal.AADSTS != 700024 || off < -time.Minute || off > time.Minute {
			t.Errorf("%v: got AADSTS%d, clock skew %v", skew, refusal.AADSTS, refusal.ClockSkew)
		}
		if causes := xoauth2.Diagnose(err).Causes; len(causes) == 0 || !strings.Contains(causes[0].Problem+causes[0].Remedy, "clock") {
			t.Errorf("%v: the diagnosis does not speak of the clock: %+v", skew, causes)
		}
	}
}

func TestClientAssertion(t *testing.T) {
	t.Parallel()
	srv := newExchange(t)
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "the caller's")
	var calls int
	app := srv.App(&exchangetest.AppOptions{WorkloadIdentity: true})
	app.Credential = xoauth2.ClientAssertion(func(ctx context.Context) (string, error) {
		calls++
		if ctx.Value(key{}) != "the caller's" {
			t.Error("the function gets another context")
		}
		return srv.WorkloadToken() + "\n", nil // as a file ends
	})
	if _, err := app.ClientCredentials().TokenContext(ctx); err != nil || calls != 1 {
		t.Fatalf("got %v after %d calls", err, calls)
	}
	tests := []struct {
		name      string
		assertion func(context.Context) (string, error)
		want      string
	}{
		{"nil", nil, "no function"},
		{"fails", func(context.Context) (string, error) { return canary, errLunch }, errLunch.Error()},
		{"empty", func(context.Context) (string, error) { return " \n", nil }, "it is empty"},
	}
	for _, tt := range tests {
		app := srv.App(&exchangetest.AppOptions{WorkloadIdentity: true})
		app.Credential = xoauth2.ClientAssertion(tt.assertion)
		_, err := app.ClientCredentials().TokenContext(t.Context())
		wantError(t, err, "client assertion: "+tt.want)
		if tt.name == "fails" && !errors.Is(err, errLunch) {
			t.Errorf("got %v, want the function's error within", err)
		}
		assertSecret(t, err)
	}
	wantRequests(t, srv, 1)
}

// TestLoadCertificate takes a certificate all the way from its file to a token.
func TestLoadCertificate(t *testing.T) {
	t.Parallel()
	key := newECKey(t)
	certificate := issueCertificate(t, "file", key, nil, nil)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	for kind, der := range map[string][]byte{"PRIVATE KEY": private, "CERTIFICATE": certificate.Raw} {
		if err := pem.Encode(&file, &pem.Block{Type: kind, Bytes: der}); err != nil {
			t.Fatal(err)
		}
	}
	signer, chain, err := xoauth2.LoadCertificate(file.Bytes(), "")
	if err != nil {
		t.Fatal(err)
	}
	srv := newExchange(t)
	app := srv.App(&exchangetest.AppOptions{Key: signer, Certificate: certificate})
	app.Credential = xoauth2.ClientCertificate(signer, chain...)
	wantToken(t, app.ClientCredentials())

	_, _, err = xoauth2.LoadCertificate([]byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n"), "")
	wantError(t, err, "openssl")
	_, _, err = xoauth2.LoadCertificate([]byte(canary), "")
	wantError(t, err, "certificate: ")
	assertSecret(t, err)
}
