package signin_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2/internal/entra"
	"github.com/xoauth2/go-xoauth2/internal/signin"
)

const (
	authURL  = "https://login.test/contoso/authorize"
	tokenURL = "https://token.test:443/token"
)

func TestNonce(t *testing.T) {
	t.Parallel()
	one, two := oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	first := signin.Nonce(one)
	if again := signin.Nonce(one); first != again || first == signin.Nonce(two) {
		t.Error("a nonce does not go with its verifier")
	}
	if nonce := signin.Nonce(one); len(nonce) != 43 || nonce == oauth2.S256ChallengeFromVerifier(one) {
		t.Errorf("got nonce %q, want 256 bits that are not the challenge", nonce)
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for range 100 {
		state := signin.State()
		if seen[state] || len(state) < 22 { // 128 bits
			t.Fatalf("got state %q", state)
		}
		seen[state] = true
	}
}

func TestCode(t *testing.T) {
	t.Parallel()
	const refused = "refused"
	tests := []struct{ name, answer, want string }{ // the code, or words of the error
		{"code", "code=c", "c"},
		{"issuer", "code=c&iss=https://login.test/contoso/v2.0", "c"},
		{"issuer in capitals", "code=c&iss=HTTPS://LOGIN.TEST", "c"},
		{"issuer without scheme, as Google's", "code=c&iss=login.test", "c"},
		{"issuer of the token endpoint", "code=c&iss=https://token.test", "c"},
		{"issuer with the usual port", "code=c&iss=https://login.test:443", "c"},
		{"other issuer", "code=c&iss=https://elsewhere.test", "names the issuer"},
		{"issuer at another port", "code=c&iss=https://login.test:8443", "names the issuer"},
		{"issuer with the name as a user", "code=c&iss=https://login.test@elsewhere.test", "names the issuer"},
		{"issuer with the name in front", "code=c&iss=https://login.test.elsewhere.test", "names the issuer"},
		{"issuer without TLS", "code=c&iss=http://login.test", "names the issuer"},
		{"issuer of nothing", "code=c&iss=https://", "names the issuer"},
		{"issuer that is no URL", "code=c&iss=%25zz", "names the issuer"},
		{"refusal", "error=access_denied", refused},
		{"refusal with issuer", "error=access_denied&iss=https://login.test", refused},
		{"refusal of another issuer", "error=access_denied&iss=https://elsewhere.test", "names the issuer"},
		{"nothing", "", "holds no code"},
		{"empty code", "code=", "holds no code"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			answer, err := url.ParseQuery(tt.answer)
			if err != nil {
				t.Fatal(err)
			}
			code, err := signin.Code(answer, authURL, tokenURL)
			if _, ok := errors.AsType[*entra.Refusal](err); ok != (tt.want == refused) {
				t.Errorf("got %v, want a refusal: %v", err, !ok)
			}
			if code != tt.want && (err == nil || code != "" || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %q, %v, want %q", code, err, tt.want)
			}
		})
	}
}

func TestExpected(t *testing.T) {
	t.Parallel()
	want := signin.Expected{ClientID: "client", Nonce: "nonce", TenantID: "AAAA", URLs: []string{authURL, tokenURL}}
	tests := []struct {
		name   string
		change func(id *entra.IDToken, want *signin.Expected)
		words  string
	}{
		{"right", func(*entra.IDToken, *signin.Expected) {}, ""},
		{"several audiences", func(id *entra.IDToken, _ *signin.Expected) { id.Audience = []string{"x", "client"} }, ""},
		{"issuer of the token endpoint", func(id *entra.IDToken, _ *signin.Expected) { id.Issuer = "https://token.test" }, ""},
		{"tenant in capitals", func(id *entra.IDToken, _ *signin.Expected) { id.TenantID = "AAAA" }, ""},
		{"no nonce sent", func(id *entra.IDToken, want *signin.Expected) { id.Nonce, want.Nonce = "any", "" }, ""},
		{"any tenant", func(id *entra.IDToken, want *signin.Expected) { id.TenantID, want.TenantID = "any", "" }, ""},
		{"our clock is ahead", func(id *entra.IDToken, _ *signin.Expected) { id.Expiry = time.Now().Add(-14 * time.Minute) }, ""},
		{"other audience", func(id *entra.IDToken, _ *signin.Expected) { id.Audience = []string{"x"} }, "not for this application"},
		{"no audience", func(id *entra.IDToken, _ *signin.Expected) { id.Audience = nil }, "not for this application"},
		{"other nonce", func(id *entra.IDToken, _ *signin.Expected) { id.Nonce = "x" }, "nonce"},
		{"no nonce", func(id *entra.IDToken, _ *signin.Expected) { id.Nonce = "" }, "nonce"},
		{"other issuer", func(id *entra.IDToken, _ *signin.Expected) { id.Issuer = "https://elsewhere.test" }, "issued by"},
		{"other tenant", func(id *entra.IDToken, _ *signin.Expected) { id.TenantID = "bbbb" }, "of the tenant"},
		{"ended", func(id *entra.IDToken, _ *signin.Expected) { id.Expiry = time.Now().Add(-16 * time.Minute) }, "clock"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			id := &entra.IDToken{Issuer: "https://login.test/x", Audience: []string{"client"}, Nonce: "nonce", TenantID: "aaaa", Expiry: time.Now().Add(time.Hour)}
			asked := want
			tt.change(id, &asked)
			err := asked.Check(id)
			if (err == nil) != (tt.words == "") || err != nil && !strings.Contains(err.Error(), tt.words) {
				t.Errorf("got %v, want %q", err, tt.words)
			}
		})
	}
}
