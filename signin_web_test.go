package xoauth2_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// callbackURL is where the web application of the tests would be.
const callbackURL = "https://app.contoso.test/callback"

// visitPage opens a sign-in page, which somebody answers, and returns the
// parameters with which it sends the browser back.
func visitPage(t *testing.T, browser *http.Client, page string) url.Values {
	t.Helper()
	client := *browser
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	location, err := response.Location()
	if err != nil {
		t.Fatalf("the page leads nowhere: status %s", response.Status)
	}
	return location.Query()
}

// codeOnTheWeb signs username in and returns the code and the verifier.
func codeOnTheWeb(t *testing.T, srv *exchangetest.Server, app *xoauth2.App, username string, opts ...oauth2.AuthCodeOption) (code, verifier string) {
	t.Helper()
	verifier = oauth2.GenerateVerifier()
	page, err := app.AuthCodeURL("state", verifier, opts...)
	if err != nil {
		t.Fatal(err)
	}
	srv.SignIn(username)
	answer := visitPage(t, app.HTTPClient, page)
	if got := answer.Get("state"); got != "state" {
		t.Errorf("got state %q back", got)
	}
	return answer.Get("code"), verifier
}

// signInOnTheWeb signs username in to a web application.
func signInOnTheWeb(t *testing.T, srv *exchangetest.Server, app *xoauth2.App, username string) *xoauth2.Account {
	t.Helper()
	code, verifier := codeOnTheWeb(t, srv, app, username)
	account, err := app.Exchange(t.Context(), code, verifier)
	if err != nil {
		t.Fatalf("no sign-in: %v", err)
	}
	return account
}

func TestAuthCodeURL(t *testing.T) {
	t.Parallel()
	app := &xoauth2.App{
		Tenant: "contoso.com", ClientID: "client", RedirectURL: callbackURL, Credential: xoauth2.ClientSecret(canary),
		ExtraScopes: []string{"User.Read", "offline_access", "User.Read", "https://outlook.office.com/SMTP.Send"},
	}
	verifier := oauth2.GenerateVerifier()
	page, err := app.AuthCodeURL("state", verifier, oauth2.SetAuthURLParam("login_hint", ada), oauth2.SetAuthURLParam("prompt", "select_account"))
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := u.Scheme+"://"+u.Host+u.Path, "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/authorize"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	query := u.Query()
	nonce := query.Get("nonce")
	if len(nonce) != 43 || nonce == query.Get("code_challenge") {
		t.Errorf("got nonce %q, want a value of its own", nonce)
	}
	query.Del("nonce")
	want := url.Values{
		"client_id":             {"client"},
		"response_type":         {"code"},
		"redirect_uri":          {callbackURL},
		"state":                 {"state"},
		"code_challenge":        {oauth2.S256ChallengeFromVerifier(verifier)},
		"code_challenge_method": {"S256"},
		"login_hint":            {ada},
		"prompt":                {"select_account"},
		"scope": {"https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/POP.AccessAsUser.All " +
			"https://outlook.office.com/SMTP.Send openid profile email offline_access User.Read"},
	}
	if got := query.Encode(); got != want.Encode() {
		t.Errorf("got\n%s\nwant\n%s", got, want.Encode())
	}
	assertNoCanary(t, "the URL", page)
	again, err := app.AuthCodeURL("state", verifier)
	if err != nil || !strings.Contains(again, url.Values{"nonce": {nonce}}.Encode()) {
		t.Errorf("got %s, %v, want the nonce that belongs to the verifier", again, err)
	}
}

// TestExchange signs in once, for everything, and takes narrow tokens of it.
func TestExchange(t *testing.T) {
	t.Parallel()
	srv := newExchange(t)
	app := srv.App(&exchangetest.AppOptions{RedirectURL: callbackURL})
	app.ExtraScopes = []string{"User.Read"}
	account := signInOnTheWeb(t, srv, app, ada)
	if got := account.Username(); got != ada {
		t.Errorf("got user name %q, want %q", got, ada)
	}
	form := srv.LastTokenRequest()
	const mail = "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/POP.AccessAsUser.All https://outlook.office.com/SMTP.Send"
	if got, want := form.Get("scope"), mail+" openid profile email offline_access"; got != want {
		t.Errorf("the code is redeemed for %q, want %q", got, want)
	}
	if form.Get("redirect_uri") != callbackURL || form.Get("code_verifier") == "" || form.Get("client_secret") == "" {
		t.Errorf("got %v", form)
	}
	wide := wantToken(t, account)
	wantRequests(t, srv, 1) // the sign-in's own token serves
	if wide.RefreshToken != "" || wide.Extra("id_token") != nil {
		t.Error("the token that is handed out holds more than an access token")
	}
	for protocol, permission := range map[xoauth2.Protocol]string{xoauth2.IMAP: "IMAP.AccessAsUser.All", xoauth2.POP3: "POP.AccessAsUser.All", xoauth2.SMTP: "SMTP.Send"} {
		token := wantToken(t, account.For(protocol))
		if info := xoauth2.InspectToken(token.AccessToken); !slices.Equal(info.Scopes, []string{permission}) || info.Username != ada || info.AppOnly {
			t.Errorf("%v: got %+v", protocol, info)
		}
		if token.RefreshToken != "" || token.Extra("id_token") != nil {
			t.Error("a narrow token holds more than an access token")
		}
		if again := wantToken(t, account.For(protocol)); again.AccessToken != token.AccessToken {
			t.Errorf("%v: got another token at the second call", protocol)
		}
	}
	wantRequests(t, srv, 3, grantRefresh)
	if token := wantToken(t, account.For(xoauth2.IMAP, xoauth2.POP3, xoauth2.SMTP)); token.AccessToken != wide.AccessToken {
		t.Error("all protocols together are not the account itself")
	}
	if token := wantToken(t, account.For()); token.AccessToken != wide.AccessToken {
		t.Error("no protocols are not those of the App")
	}
}

// TestExchangeRefusals redeems codes that are not to be had.
func TestExchangeRefusals(t *testing.T) {
	t.Parallel()
	srv := newExchange(t)
	app := srv.App(&exchangetest.AppOptions{RedirectURL: callbackURL})
	redeem := func(app *xoauth2.App, code, verifier string, number int) {
		t.Helper()
		_, err := app.Exchange(t.Context(), code, verifier)
		refusal := wantTokenError(t, err)
		if refusal.AADSTS != number || refusal.RedirectURL != app.RedirectURL {
			t.Errorf("got AADSTS%d for %q, want AADSTS%d: %v", refusal.AADSTS, refusal.RedirectURL, number, err)
		}
		if errors.Is(err, xoauth2.ErrSignInRequired) {
			t.Error("a sign-in that fails says that a sign-in is required")
		}
		for _, secret := range []string{code, verifier} {
			if strings.Contains(fmt.Sprintf("%+v", err), secret) {
				t.Error("the error shows the code or the verifier")
			}
		}
	}
	code, verifier := codeOnTheWeb(t, srv, app, ada)
	redeem(app, "invented-"+code, verifier, 70000)
	if _, err := app.Exchange(t.Context(), code, verifier); err != nil {
		t.Fatal(err)
	}
	redeem(app, code, verifier, 54005)
	code, _ = codeOnTheWeb(t, srv, app, ada)
	redeem(app, code, oauth2.GenerateVerifier(), 501481)
	code, verifier = codeOnTheWeb(t, srv, app, ada)
	other := srv.App(&exchangetest.AppOptions{RedirectURL: callbackURL})
	redeem(other, code, verifier, 70000)
	code, verifier = codeOnTheWeb(t, srv, app, ada)
	elsewhere := &xoauth2.App{
		Provider: app.Provider, Tenant: app.Tenant, ClientID: app.ClientID, Credential: app.Credential,
		HTTPClient: app.HTTPClient, RedirectURL: callbackURL + "2",
	}
	redeem(elsewhere, code, verifier, 500112)
}

// TestIDToken checks what the id_token says against what was asked.
func TestIDToken(t *testing.T) {
	t.Parallel()
	set := func(name string, value any) func(map[string]any) {
		return func(claims map[string]any) { claims[name] = value }
	}
	remove := func(names ...string) func(map[string]any) {
		return func(claims map[string]any) {
			for _, name := range names {
				delete(claims, name)
			}
		}
	}
	tests := []struct {
		name    string
		rewrite func(map[string]any)
		want    string // words of the error; empty: none
	}{
		{"wrong nonce", set("nonce", "another"), "nonce"},
		{"no nonce", remove("nonce"), "nonce"},
		{"wrong issuer", set("iss", "https://login.elsewhere.test/x/v2.0"), "issued by"},
		{"issuer without TLS", func(claims map[string]any) {
			claims["iss"] = strings.Replace(claims["iss"].(string), "https", "http", 1)
		}, "issued by"},
		{"no issuer", remove("iss"), `"iss" is missing`},
		{"wrong audience", set("aud", "00000002-0000-0ff1-ce00-000000000000"), "not for this application"},
		{"no audience", remove("aud"), `"aud" is missing`},
		{"several audiences", func(claims map[string]any) { claims["aud"] = []any{"other", claims["aud"]} }, ""},
		{"wrong tenant", set("tid", "9188040d-6c67-4c5b-b112-36a304b66dad"), "of the tenant"},
		{"no tenant", remove("tid"), "of the tenant"},
		{"ended", set("exp", time.Now().Add(-time.Hour).Unix()), "is this computer's clock right"},
		{"no end", remove("exp"), `"exp" is missing`},
		{"end is a word", set("exp", "soon"), `"exp" is not a number`},
		{"no subject", remove("sub"), `"sub" is missing`},
		{"only an email address", remove("preferred_username"), ""},
		{"only a upn", func(claims map[string]any) {
			remove("preferred_username", "email")(claims)
			claims["upn"] = ada
		}, ""},
		{"ten minutes ago", set("exp", time.Now().Add(-10*time.Minute).Unix()), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := newExchange(t)
			app := srv.App(&exchangetest.AppOptions{RedirectURL: callbackURL})
			code, verifier := codeOnTheWeb(t, srv, app, ada)
			srv.RewriteIDTokens(tt.rewrite)
			account, err := app.Exchange(t.Context(), code, verifier)
			if tt.want == "" {
				if err != nil || account.Username() != ada {
					t.Errorf("got %v, want %s", err, ada)
				}
				return
			}
			wantError(t, err, tt.want)
			if names, err := app.Accounts(t.Context()); len(names) != 0 || err != nil {
				t.Errorf("the account is stored: %q, %v", names, err)
			}
			if _, err := app.Account(t.Context(), ada); !errors.Is(err, xoauth2.ErrSignInRequired) {
				t.Errorf("got %v, want ErrSignInRequired", err)
			}
		})
	}
}

// TestUserNames takes the best name that an id_token has.
func TestUserNames(t *testing.T) {
	t.Parallel()
	srv := newExchange(t)
	names := []string{"preferred_username", "email", "upn", "sub"}
	for i, want := range names {
		fault := srv.RewriteIDTokens(func(claims map[string]any) {
			for j, name := range names {
				delete(claims, name)
				if j >= i {
					claims[name] = name + "@contoso.com"
				}
			}
			claims["sub"] = "sub@contoso.com"
		})
		app := srv.App(&exchangetest.AppOptions{RedirectURL: callbackURL})
		if got := signInOnTheWeb(t, srv, app, ada).Username(); got != want+"@contoso.com" {
			t.Errorf("got %q, want the %s", got, want)
		}
		fault.Clear()
	}
}

// TestSignInReplies leaves out parts of the reply that a sign-in ends with.
func TestSignInReplies(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		rewrite func(map[string]any)
		want    string
	}{
		{"no refresh token", func(reply map[string]any) { delete(reply, "refresh_token") }, "brought no refresh token"},
		{"refresh token is a number", func(reply map[string]any) { reply["refresh_token"] = 1 }, `"refresh_token" is not a string`},
		{"no id_token and an opaque token", func(reply map[string]any) { delete(reply, "id_token"); reply["access_token"] = "EwB" + canary }, "does not say who signed in"},
		{"id_token of words", func(reply map[string]any) { reply["id_token"] = canary }, "id_token"},
		{"id_token is encrypted", func(reply map[string]any) { reply["id_token"] = "a.b.c.d." + canary }, "encrypted"},
		{"id_token is a number", func(reply map[string]any) { reply["id_token"] = 1 }, `"id_token" is not a string`},
		{"no access token", func(reply map[string]any) { delete(reply, "access_token") }, `"access_token" is missing`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := newExchange(t)
			app := srv.App(&exchangetest.AppOptions{RedirectURL: callbackURL})
			code, verifier := codeOnTheWeb(t, srv, app, ada)
			srv.RewriteTokenReplies(tt.rewrite)
			_, err := app.Exchange(t.Context(), code, verifier)
			wantError(t, err, tt.want)
			assertSecret(t, err)
		})
	}
}

// TestFormPost takes the answer as a POST, which keeps the code out of logs.
func TestFormPost(t *testing.T) {
	t.Parallel()
	srv := newExchange(t)
	answers := make(chan url.Values, 1)
	site := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.RawQuery != "" {
			t.Errorf("got %s with query %q, want a POST", r.Method, r.URL.RawQuery)
		}
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		answers <- r.PostForm
	}))
	t.Cleanup(site.Close)
	app := srv.App(&exchangetest.AppOptions{RedirectURL: site.URL + "/callback"})
	verifier := oauth2.GenerateVerifier()
	page, err := app.AuthCodeURL("state", verifier, oauth2.SetAuthURLParam("response_mode", "form_post"))
	if err != nil {
		t.Fatal(err)
	}
	srv.SignIn(ada)
	if err := srv.Browse(page); err != nil {
		t.Fatal(err)
	}
	answer := <-answers
	account, err := app.Exchange(t.Context(), answer.Get("code"), verifier)
	if err != nil || account.Username() != ada || answer.Get("state") != "state" {
		t.Errorf("got %v", err)
	}
}
