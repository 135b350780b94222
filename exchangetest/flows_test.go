package exchangetest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// check logs in to all three protocols.
func check(t *testing.T, srv *exchangetest.Server, username string, ts oauth2.TokenSource) {
	t.Helper()
	for _, protocol := range []xoauth2.Protocol{xoauth2.IMAP, xoauth2.POP3, xoauth2.SMTP} {
		if err := tryLogin(t, srv, protocol, username, ts); err != nil {
			t.Errorf("%v: %v", protocol, err)
		}
	}
}

// tryLogin logs in, looks at the mailbox or sends a message, and leaves.
func tryLogin(t *testing.T, srv *exchangetest.Server, protocol xoauth2.Protocol, username string, ts oauth2.TokenSource) error {
	t.Helper()
	return tryLoginWith(t, srv.DialOptions(), protocol, username, ts)
}

func tryLoginWith(t *testing.T, o *xoauth2.DialOptions, protocol xoauth2.Protocol, username string, ts oauth2.TokenSource) error {
	t.Helper()
	o.VerifyMailbox = true
	switch protocol {
	case xoauth2.IMAP:
		c, err := xoauth2.DialIMAP(t.Context(), username, ts, o)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		return c.Logout().Wait()
	case xoauth2.POP3:
		c, err := xoauth2.DialPOP3(t.Context(), username, ts, o)
		if err != nil {
			return err
		}
		return c.Quit()
	}
	c, err := xoauth2.DialSMTP(t.Context(), username, ts, o)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := c.SendMail(username, []string{username}, strings.NewReader("From: "+username+"\r\n\r\n")); err != nil {
		return err
	}
	return c.Quit()
}

// TestFlows runs every flow of package xoauth2 against the server.
func TestFlows(t *testing.T) {
	t.Parallel()
	for _, style := range []exchangetest.Style{exchangetest.Exchange, exchangetest.Outlook, exchangetest.Gmail, exchangetest.Yahoo, exchangetest.Dovecot} {
		t.Run(style.String(), func(t *testing.T) {
			t.Parallel()
			srv := exchangetest.NewServer()
			t.Cleanup(srv.Close)
			srv.SetStyle(style)
			username := map[exchangetest.Style]string{exchangetest.Outlook: "carol@outlook.com", exchangetest.Gmail: "carol@gmail.com", exchangetest.Yahoo: "carol@yahoo.com"}[style]
			if username == "" {
				username = alice
			}
			srv.AddMailbox(username)
			check(t, srv, username, srv.TokenSource(username))

			desktop := srv.App(&exchangetest.AppOptions{Public: true})
			if style == exchangetest.Outlook {
				desktop.Tenant = "consumers"
			}
			srv.SignIn(username)
			account, err := desktop.BrowserLogin(t.Context(), &xoauth2.BrowserOptions{Open: srv.Browse})
			if err != nil {
				t.Fatal(err)
			}
			if got := account.Username(); got != username {
				t.Errorf("got %s, want %s", got, username)
			}
			check(t, srv, username, account)
			check(t, srv, username, account.For())
		})
	}
}

func TestDeviceLogin(t *testing.T) {
	t.Parallel()
	srv := start(t)
	app := srv.App(&exchangetest.AppOptions{Public: true})
	srv.SignIn(alice)
	account, err := app.DeviceLogin(t.Context(), func(d *oauth2.DeviceAuthResponse) error {
		if d.VerificationURI == "" || d.UserCode == "" {
			t.Errorf("got %s", d.VerificationURI)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	check(t, srv, alice, account)
}

func TestWebApplication(t *testing.T) {
	t.Parallel()
	srv := start(t)
	app := srv.App(&exchangetest.AppOptions{RedirectURL: "https://example.net/callback"})
	v := oauth2.GenerateVerifier()
	page, err := app.AuthCodeURL("state", v)
	if err != nil {
		t.Fatal(err)
	}
	srv.SignIn(alice)
	client := *srv.HTTPClient()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Get(page)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	location, err := response.Location()
	if err != nil {
		t.Fatal(err)
	}
	account, err := app.Exchange(t.Context(), location.Query().Get("code"), v)
	if err != nil {
		t.Fatal(err)
	}
	check(t, srv, alice, account)
}

// TestGoogle checks what is Google's own way.
func TestGoogle(t *testing.T) {
	t.Parallel()
	srv := exchangetest.NewServer()
	t.Cleanup(srv.Close)
	srv.SetStyle(exchangetest.Gmail)
	const carol = "carol@gmail.com"
	srv.AddMailbox(carol)
	app := srv.App(&exchangetest.AppOptions{RedirectURL: "https://example.net/callback"})
	secret := srv.ClientSecret(app.ClientID)
	signIn := func(extra string) reply {
		t.Helper()
		srv.SignIn(carol)
		client := *srv.HTTPClient()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		parameters := url.Values{"client_id": {app.ClientID}, "response_type": {"code"}, "redirect_uri": {app.RedirectURL}, "scope": {"https://mail.google.com/ openid email"}}
		response, err := client.Get(app.Provider.AuthURL + "?" + parameters.Encode() + extra)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		location, err := response.Location()
		if err != nil {
			t.Fatal(err)
		}
		return post(t, srv, "/google/token", "grant_type", "authorization_code", "code", location.Query().Get("code"),
			"redirect_uri", app.RedirectURL, "client_id", app.ClientID, "client_secret", secret)
	}
	if got := signIn(""); got.AccessToken == "" || got.RefreshToken != "" {
		t.Errorf("online: got %+v", got)
	}
	if got := signIn("&access_type=offline"); got.RefreshToken != "" {
		t.Errorf("known: got a refresh token")
	}
	got := signIn("&access_type=offline&prompt=consent")
	if got.RefreshToken == "" || !strings.HasPrefix(got.AccessToken, "ya29.") {
		t.Fatalf("offline: got %+v", got)
	}
	for range 2 {
		again := post(t, srv, "/google/token", "grant_type", "refresh_token", "refresh_token", got.RefreshToken, "client_id", app.ClientID, "client_secret", secret)
		if again.AccessToken == "" || again.RefreshToken != "" || again.Scope != "https://mail.google.com/ openid email" {
			t.Errorf("refreshed: got %+v", again)
		}
	}
	srv.RevokeSessions(carol)
	refused := post(t, srv, "/google/token", "grant_type", "refresh_token", "refresh_token", got.RefreshToken, "client_id", app.ClientID, "client_secret", secret)
	if refused.Error != "invalid_grant" || refused.Codes != nil || strings.Contains(refused.Description, "AADSTS") {
		t.Errorf("revoked: got %+v", refused)
	}
}

func TestMailboxesOfOthers(t *testing.T) {
	t.Parallel()
	srv := start(t)
	srv.AddMailbox(shared)
	ts := srv.TokenSource(alice)
	tests := func(want map[xoauth2.Protocol]bool) {
		t.Helper()
		for protocol, ok := range want {
			if err := tryLogin(t, srv, protocol, shared, ts); (err == nil) != ok {
				t.Errorf("%v: got %v, want success: %v", protocol, err, ok)
			}
		}
	}
	tests(map[xoauth2.Protocol]bool{xoauth2.IMAP: false, xoauth2.POP3: false, xoauth2.SMTP: false})
	srv.GrantFullAccess(strings.ToUpper(shared), alice)
	tests(map[xoauth2.Protocol]bool{xoauth2.IMAP: true, xoauth2.POP3: true, xoauth2.SMTP: false})
	check(t, srv, shared, srv.App(nil).ClientCredentials())
	for protocol, err := range map[xoauth2.Protocol]error{
		xoauth2.IMAP: tryLogin(t, srv, xoauth2.IMAP, "nobody@contoso.com", srv.App(nil).ClientCredentials()),
		xoauth2.SMTP: tryLogin(t, srv, xoauth2.SMTP, "nobody@contoso.com", srv.TokenSource("nobody@contoso.com")),
	} {
		if err == nil {
			t.Errorf("%v: no mailbox: got success", protocol)
		}
	}
}

func TestRBAC(t *testing.T) {
	t.Parallel()
	srv := start(t)
	ts := srv.App(&exchangetest.AppOptions{Permissions: []string{}}).ClientCredentials()
	if err := tryLogin(t, srv, xoauth2.SMTP, alice, ts); err == nil {
		t.Error("SMTP without a role: got success")
	}
	srv.GrantByRBAC()
	if err := tryLogin(t, srv, xoauth2.SMTP, alice, ts); err != nil {
		t.Errorf("SMTP by RBAC: %v", err)
	}
	if err := tryLogin(t, srv, xoauth2.IMAP, alice, ts); err == nil {
		t.Error("IMAP without a role: got success")
	}
}
