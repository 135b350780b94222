package xoauth2_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
)

// strictProvider is the token endpoint of an OpenID provider that passes over
// scopes it does not know at the sign-in, and refuses them in a renewal, as RFC
// 6749 (sections 3.3 and 6) has it. It answers without a network.
type strictProvider struct {
	granted  string // at the sign-in
	silent   bool   // does not tell what it granted
	nonce    string
	requests []url.Values
	valid    string // refresh token
}

func (p *strictProvider) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	p.requests = append(p.requests, form)
	status, reply := p.answer(form)
	text, err := json.Marshal(reply)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}},
		Body: io.NopCloser(strings.NewReader(string(text))), Request: r,
	}, nil
}

func (p *strictProvider) answer(form url.Values) (status int, reply map[string]any) {
	granted := strings.Fields(p.granted)
	foreign := func(scope string) bool { return !slices.Contains(granted, scope) }
	switch {
	case form.Get("grant_type") != grantRefresh:
	case form.Get("refresh_token") != p.valid:
		return http.StatusBadRequest, map[string]any{"error": "invalid_grant"}
	case slices.ContainsFunc(strings.Fields(form.Get("scope")), foreign):
		return http.StatusBadRequest, map[string]any{"error": "invalid_scope"}
	}
	p.valid = fmt.Sprintf("%s-refresh-%d", canary, len(p.requests))
	reply = map[string]any{
		"access_token": fmt.Sprintf("%s-access-%d", canary, len(p.requests)), "token_type": "bearer", "expires_in": 3600, "refresh_token": p.valid,
		"id_token": idToken(map[string]any{"iss": "https://op.test", "sub": "ada", "aud": "client", "nonce": p.nonce, "exp": time.Now().Unix() + 300}),
	}
	if !p.silent {
		reply["scope"] = p.granted
	}
	return http.StatusOK, reply
}

func idToken(claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err) // of a map that a test wrote
	}
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
}

// signIn signs in with an application of a provider that this package does not
// know.
func (p *strictProvider) signIn(t *testing.T) *xoauth2.Account {
	t.Helper()
	app := &xoauth2.App{
		Provider: xoauth2.Provider{
			AuthURL: "https://op.test/auth", TokenURL: "https://op.test/token",
			IMAP: xoauth2.Service{Scope: "mail.imap"}, SMTP: xoauth2.Service{Scope: "mail.smtp"},
		},
		ClientID: "client", RedirectURL: callbackURL, ExtraScopes: []string{"contacts"}, HTTPClient: &http.Client{Transport: p},
		Credential: xoauth2.ClientSecret("0123abcd-4567-89ab-cdef-0123456789ab"), // some providers make such
	}
	verifier := oauth2.GenerateVerifier()
	page, err := app.AuthCodeURL("state", verifier)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	p.nonce = u.Query().Get("nonce")
	account, err := app.Exchange(t.Context(), "code", verifier)
	if err != nil {
		t.Fatalf("no sign-in: %v", err)
	}
	return account
}

// TestRenewalWithinGrant renews where the sign-in granted less than was asked.
func TestRenewalWithinGrant(t *testing.T) {
	t.Parallel()
	const all = "mail.imap mail.smtp openid profile email offline_access"
	tests := []struct {
		name, granted string
		silent        bool
		want          []string // scopes of the requests of three renewals
	}{
		{"all", all + " contacts", false, []string{all, all, all}},
		{"untold", all, true, []string{all, all, all}},
		{"no email", "openid offline_access mail.imap mail.smtp profile", false, []string{all, "mail.imap mail.smtp openid profile offline_access", "mail.imap mail.smtp openid profile offline_access", "mail.imap mail.smtp openid profile offline_access"}},
		{"one protocol", "mail.imap openid contacts", false, []string{all, "mail.imap openid", "mail.imap openid", "mail.imap openid"}},
		{"none of ours", "openid contacts offline_access", false, []string{all, "openid offline_access", "openid offline_access", "openid offline_access"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &strictProvider{granted: tt.granted, silent: tt.silent}
				account := p.signIn(t)
				for range 3 {
					time.Sleep(2 * time.Hour)
					wantToken(t, account)
				}
				var got []string
				for _, form := range p.requests[1:] {
					got = append(got, form.Get("scope"))
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("got renewals for %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// TestRenewalBeyondGrant wants a protocol that the user did not grant.
func TestRenewalBeyondGrant(t *testing.T) {
	t.Parallel()
	p := &strictProvider{granted: "mail.imap openid offline_access"}
	account := p.signIn(t)
	_, err := account.For(xoauth2.SMTP).TokenContext(t.Context())
	if refusal := wantTokenError(t, err); refusal.Code != "invalid_scope" {
		t.Errorf("got %v, want the provider's refusal", err)
	}
	assertSecret(t, err)
	wantToken(t, account)
	wantToken(t, account.For(xoauth2.IMAP))
}
