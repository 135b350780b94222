package xoauth2_test

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// otherProviders are those without tenants, and somebody's mailbox there.
var otherProviders = []struct {
	style     exchangetest.Style
	user      string
	scope     string
	parameter url.Values // of the sign-in page, beyond those of all providers
}{
	{exchangetest.Gmail, "ada@gmail.com", "https://mail.google.com/ openid profile email", url.Values{"access_type": {"offline"}, "prompt": {"consent"}}},
	{exchangetest.Yahoo, "ada@yahoo.com", "mail-w openid profile email", url.Values{"prompt": {"consent"}}},
}

// TestOtherProviders signs in at Google and Yahoo, where refresh tokens stay the
// same, twice: Google gives one at the second time only if it has to ask.
func TestOtherProviders(t *testing.T) {
	for _, tt := range otherProviders {
		t.Run(tt.style.String(), func(t *testing.T) {
			withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
				srv.SetStyle(tt.style)
				srv.AddMailbox(tt.user)
				app := memoryApp(srv, &exchangetest.AppOptions{RedirectURL: callbackURL})
				app.Store = xoauth2.MemoryStore()
				for range 2 {
					account := signInOnTheWeb(t, srv, app, tt.user)
					if got := account.Username(); got != tt.user {
						t.Errorf("got user name %q, want %q", got, tt.user)
					}
					if got := srv.LastTokenRequest().Get("scope"); got != tt.scope {
						t.Errorf("the code is redeemed for %q, want %q", got, tt.scope)
					}
				}
				wantAccounts(t, app, tt.user)
				account := wantAccount(t, memoryRestart(srv, app), tt.user)
				for renewals := range 5 {
					token := wantToken(t, account)
					if narrow := wantToken(t, account.For(xoauth2.IMAP)); narrow.AccessToken != token.AccessToken {
						t.Error("a token of the same scope is another one")
					}
					wantRequests(t, srv, renewals, grantRefresh)
					time.Sleep(2 * time.Hour)
				}
				srv.RevokeSessions(tt.user)
				if _, err := account.TokenContext(t.Context()); !errors.Is(err, xoauth2.ErrSignInRequired) || wantTokenError(t, err).AADSTS != 0 {
					t.Errorf("got %v, want ErrSignInRequired", err)
				}
			})
		})
	}
}

// TestOtherProvidersPage asks for the sign-in page in each provider's way.
func TestOtherProvidersPage(t *testing.T) {
	t.Parallel()
	page := func(style exchangetest.Style, opts ...oauth2.AuthCodeOption) url.Values {
		srv := newExchange(t)
		srv.SetStyle(style)
		app := srv.App(&exchangetest.AppOptions{RedirectURL: callbackURL})
		page, err := app.AuthCodeURL("state", oauth2.GenerateVerifier(), opts...)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(page)
		if err != nil {
			t.Fatal(err)
		}
		return u.Query()
	}
	for _, tt := range otherProviders {
		got := page(tt.style)
		for _, name := range []string{"access_type", "prompt"} {
			if got.Get(name) != tt.parameter.Get(name) {
				t.Errorf("%v: got %s %q, want %q", tt.style, name, got.Get(name), tt.parameter.Get(name))
			}
		}
		if got.Get("scope") != tt.scope || got.Get("code_challenge_method") != "S256" || got.Get("nonce") == "" {
			t.Errorf("%v: got %v", tt.style, got)
		}
		if got := page(tt.style, oauth2.SetAuthURLParam("prompt", "select_account")); len(got["prompt"]) != 1 || got.Get("prompt") != "select_account consent" {
			t.Errorf("%v: got prompt %q, want the caller's and consent", tt.style, got["prompt"])
		}
	}
	if got := page(exchangetest.Exchange); got.Has("prompt") || got.Has("access_type") {
		t.Errorf("Exchange: got %v, want no prompt", got)
	}
}

// TestGmailOnline has a caller who takes the prompt for consent away.
func TestGmailOnline(t *testing.T) {
	t.Parallel()
	srv := newExchange(t)
	srv.SetStyle(exchangetest.Gmail)
	app := srv.App(&exchangetest.AppOptions{RedirectURL: callbackURL})
	signInOnTheWeb(t, srv, app, "ada@gmail.com")
	code, verifier := codeOnTheWeb(t, srv, app, "ada@gmail.com", oauth2.SetAuthURLParam("prompt", "none"))
	_, err := app.Exchange(t.Context(), code, verifier)
	wantError(t, err, "brought no refresh token")
	wantToken(t, wantAccount(t, app, "ada@gmail.com")) // of the first sign-in
}

// TestOtherProvidersWithoutDeviceFlow refuses before any request.
func TestOtherProvidersWithoutDeviceFlow(t *testing.T) {
	t.Parallel()
	for _, tt := range otherProviders {
		srv := newExchange(t)
		srv.SetStyle(tt.style)
		app := srv.App(&exchangetest.AppOptions{Public: true})
		app.HTTPClient = nil // which would fail
		_, err := app.DeviceLogin(t.Context(), showNothing)
		wantError(t, err, tt.style.String()+" has no device flow for its mail scope: use BrowserLogin")
		_, err = app.ClientCredentials().TokenContext(t.Context())
		wantError(t, err, "has no application permissions: sign a user in")
	}
}

// TestPersonalAccount signs in somebody whose access tokens say nothing.
func TestPersonalAccount(t *testing.T) {
	t.Parallel()
	const user = "ada@outlook.com"
	srv := newExchange(t)
	srv.SetStyle(exchangetest.Outlook)
	for _, tenant := range []string{"", "consumers", "common", "9188040d-6c67-4c5b-b112-36a304b66dad"} {
		app := srv.App(&exchangetest.AppOptions{Public: true, Tenant: tenant})
		if tenant == "" {
			app.Tenant = ""
		}
		account := signInByBrowser(t, srv, app, user)
		if got := account.Username(); got != user {
			t.Errorf("tenant %q: got user name %q, want %q", tenant, got, user)
		}
		if info := xoauth2.InspectToken(wantToken(t, account.For(xoauth2.IMAP)).AccessToken); !info.Opaque {
			t.Errorf("tenant %q: got %+v, want an opaque token", tenant, info)
		}
	}
}
