package exchangetest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// sign returns a client assertion by hand, with ES256.
func sign(t *testing.T, key any, certificate []byte, claims map[string]any) string {
	t.Helper()
	sum := sha256.Sum256(certificate)
	options := new(jose.SignerOptions).WithType("JWT").WithHeader("x5t#S256", base64.RawURLEncoding.EncodeToString(sum[:]))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestAssertionClaims(t *testing.T) {
	t.Parallel()
	srv := start(t)
	key, certificate := exchangetest.NewCertificate("daemon")
	app := srv.App(&exchangetest.AppOptions{Certificate: certificate, Key: key})
	now := time.Now()
	good := map[string]any{
		"iss": app.ClientID, "sub": app.ClientID, "aud": srv.URL() + tokenPath(srv.Tenant()),
		"nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	tests := []struct {
		name   string
		change map[string]any
		want   int
	}{
		{"good", map[string]any{"jti": "1"}, 0},
		{"used before", map[string]any{"jti": "1"}, 700027},
		{"without jti", nil, 50027},
		{"for another endpoint", map[string]any{"jti": "2", "aud": "https://login.microsoftonline.com/common/oauth2/v2.0/token"}, 700023},
		{"by another subject", map[string]any{"jti": "3", "sub": "x"}, 700021},
		{"ended", map[string]any{"jti": "4", "exp": now.Add(-10 * time.Minute).Unix()}, 700024},
		{"ended just now", map[string]any{"jti": "5", "exp": now.Add(-time.Minute).Unix()}, 0},
		{"not yet valid", map[string]any{"jti": "6", "nbf": now.Add(10 * time.Minute).Unix()}, 700024},
		{"without end", map[string]any{"jti": "7", "exp": nil}, 700024},
		{"for the v2.0 issuer", map[string]any{"jti": "8", "aud": srv.URL() + "/" + srv.Tenant() + "/v2.0"}, 0},
		{"for several audiences", map[string]any{"jti": "9", "aud": []string{"x", srv.URL() + tokenPath(srv.Tenant())}}, 0},
	}
	for _, test := range tests {
		claims := maps.Clone(good)
		maps.Copy(claims, test.change)
		got := post(t, srv, tokenPath(srv.Tenant()), "grant_type", "client_credentials", "scope", outlookDefault, "client_id", app.ClientID,
			"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
			"client_assertion", sign(t, key, certificate.Raw, claims))
		if got.code() != test.want {
			t.Errorf("%s: got AADSTS%d (%s), want AADSTS%d", test.name, got.code(), got.Description, test.want)
		}
	}
}
