package exchangetest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

func TestServersAreApart(t *testing.T) {
	t.Parallel()
	one, two := start(t), start(t)
	ts := one.TokenSource(alice)
	if err := tryLogin(t, one, xoauth2.IMAP, alice, ts); err != nil {
		t.Error(err)
	}
	if err := tryLogin(t, two, xoauth2.IMAP, alice, ts); err == nil {
		t.Error("a token of one server is good at another")
	}
	if _, err := tls.Dial("tcp", two.Addr(xoauth2.IMAP, false), one.TLSConfig()); err == nil {
		t.Error("a certificate of one server is trusted by another's client")
	}
}

func TestCloseEndsSessions(t *testing.T) {
	t.Parallel()
	srv := start(t)
	client, err := xoauth2.DialIMAP(t.Context(), alice, srv.TokenSource(alice), srv.DialOptions())
	if err != nil {
		t.Fatal(err)
	}
	idle, err := client.Idle()
	if err != nil {
		t.Fatal(err)
	}
	srv.StallConnections(exchangetest.AtAccept)
	silent := dial(t, srv, xoauth2.SMTP, true)
	waitFor(t, func() bool { return srv.OpenConnections() == 2 })
	if got, want := srv.Connections(), 2; got != want {
		t.Errorf("got %d connections, want %d", got, want)
	}
	srv.Close()
	srv.Close()
	if err := idle.Wait(); err == nil {
		t.Error("IDLE goes on")
	}
	_ = client.Close()
	silent.closed()
	if got := srv.OpenConnections(); got != 0 {
		t.Errorf("%d connections are open", got)
	}
	if _, err := srv.MemoryDial(t.Context(), "tcp", srv.Addr(xoauth2.IMAP, false)); err == nil {
		t.Error("a closed server is reached in memory")
	}
}

func TestManyClients(t *testing.T) {
	t.Parallel()
	srv := start(t, hello)
	srv.LimitSubmission(0, 0)
	ts := srv.App(nil).ClientCredentials()
	var clients sync.WaitGroup
	for i := range 30 {
		clients.Go(func() {
			protocol := []xoauth2.Protocol{xoauth2.IMAP, xoauth2.POP3, xoauth2.SMTP}[i%3]
			if err := tryLogin(t, srv, protocol, alice, ts); err != nil {
				t.Errorf("%v: %v", protocol, err)
			}
		})
	}
	clients.Wait()
	if got, want := srv.TokenRequests("client_credentials"), 1; got != want {
		t.Errorf("got %d token requests, want %d", got, want)
	}
	if got, want := srv.Logins(), 30; got != want {
		t.Errorf("got %d logins, want %d", got, want)
	}
	if got, want := len(srv.Messages(alice)), 11; got != want {
		t.Errorf("got %d messages, want %d", got, want)
	}
}

func TestCertificateFaults(t *testing.T) {
	t.Parallel()
	srv := start(t)
	config := srv.TLSConfig()
	handshake := func() error {
		conn, err := tls.Dial("tcp", srv.Addr(xoauth2.IMAP, false), config)
		if err != nil {
			return err
		}
		_, err = io.ReadFull(conn, make([]byte, 4)) // and with it a session ticket
		return errors.Join(err, conn.Close())
	}
	if err := handshake(); err != nil {
		t.Fatal(err)
	}
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	for what, fault := range map[string]struct {
		start func() *exchangetest.Fault
		want  func(error) bool
	}{
		"foreign":   {func() *exchangetest.Fault { return srv.ShowForeignCertificate("mail.example.net") }, func(err error) bool { return errors.As(err, &name) }},
		"expired":   {srv.ShowExpiredCertificate, func(err error) bool { return errors.As(err, &invalid) && invalid.Reason == x509.Expired }},
		"untrusted": {srv.ShowUntrustedCertificate, func(err error) bool { return errors.As(err, &unknown) }},
	} {
		f := fault.start()
		if err := handshake(); !fault.want(err) {
			t.Errorf("%s: got %v", what, err)
		}
		f.Clear()
		if err := handshake(); err != nil {
			t.Errorf("after %s: %v", what, err)
		}
	}
}

func TestFaultsAreCounted(t *testing.T) {
	t.Parallel()
	srv := start(t)
	fault := srv.RefuseLogins(xoauth2.IMAP, xoauth2.POP3).Times(2)
	ts := srv.TokenSource(alice)
	for i, test := range []struct {
		protocol xoauth2.Protocol
		want     bool
	}{{xoauth2.IMAP, false}, {xoauth2.SMTP, true}, {xoauth2.POP3, false}, {xoauth2.IMAP, true}} {
		if err := tryLogin(t, srv, test.protocol, alice, ts); (err == nil) != test.want {
			t.Errorf("login %d: got %v, want success: %v", i, err, test.want)
		}
	}
	if got, want := fault.Count(), 2; got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}

// requestToken asks for a token and follows no redirect.
func requestToken(srv *exchangetest.Server, clientID string) (*http.Response, []byte, error) {
	client := *srv.HTTPClient()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.PostForm(srv.URL()+tokenPath(srv.Tenant()), url.Values{
		"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {srv.ClientSecret(clientID)}, "scope": {outlookDefault},
	})
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return response, body, err
}

func TestTokenFaults(t *testing.T) {
	t.Parallel()
	srv := start(t)
	clientID := srv.App(nil).ClientID
	tests := map[string]struct {
		start func() *exchangetest.Fault
		want  func(*http.Response, []byte, error) bool
	}{
		"throttled": {func() *exchangetest.Fault { return srv.ThrottleTokens(1500 * time.Millisecond) }, func(r *http.Response, _ []byte, _ error) bool {
			return r.StatusCode == 429 && r.Header.Get("Retry-After") == "2"
		}},
		"unavailable": {func() *exchangetest.Fault { return srv.MakeTokensUnavailable(0) }, func(r *http.Response, _ []byte, _ error) bool {
			return r.StatusCode == 503 && r.Header.Get("Retry-After") == ""
		}},
		"intercepted": {srv.InterceptTokens, func(r *http.Response, body []byte, _ error) bool {
			return r.StatusCode == 200 && bytes.HasPrefix(body, []byte("<html>"))
		}},
		"redirected": {srv.RedirectTokens, func(r *http.Response, _ []byte, _ error) bool {
			return r.StatusCode == 307 && strings.HasPrefix(r.Header.Get("Location"), "https://localhost:")
		}},
		"inflated": {func() *exchangetest.Fault { return srv.InflateTokenReplies(1 << 20) }, func(_ *http.Response, body []byte, _ error) bool { return len(body) >= 1<<20 }},
		"dropped":  {srv.DropTokenRequests, func(_ *http.Response, _ []byte, err error) bool { return err != nil }},
		"cut": {srv.CutTokenReplies, func(_ *http.Response, body []byte, err error) bool {
			return err != nil && bytes.HasPrefix(body, []byte(`{"token_type"`))
		}},
		"rewritten": {func() *exchangetest.Fault {
			return srv.RewriteTokenReplies(func(r map[string]any) { r["expires_in"] = "3600" })
		}, func(_ *http.Response, body []byte, _ error) bool {
			return bytes.Contains(body, []byte(`"expires_in":"3600"`))
		}},
		"ahead": {func() *exchangetest.Fault { return srv.SkewClock(10 * time.Minute) }, func(r *http.Response, _ []byte, _ error) bool {
			date, err := http.ParseTime(r.Header.Get("Date"))
			return err == nil && time.Until(date) > 9*time.Minute
		}},
	}
	for name, test := range tests {
		fault := test.start()
		response, body, err := requestToken(srv, clientID)
		if !test.want(response, body, err) {
			t.Errorf("%s: got %v %.80q %v", name, response, body, err)
		}
		fault.Clear()
	}
	if response, _, err := requestToken(srv, clientID); err != nil || response.StatusCode != 200 {
		t.Errorf("in the end: got %v %v", response, err)
	}
}

func TestTokensEnd(t *testing.T) {
	t.Parallel()
	srv := start(t)
	var mu sync.Mutex
	at := time.Now()
	srv.SetClock(func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return at
	})
	srv.SetTokenLifetime(10 * time.Minute)
	token, err := srv.TokenSource(alice).Token()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := token.Expiry.Sub(at).Round(time.Minute), 10*time.Minute; got != want {
		t.Errorf("got a token for %v, want %v", got, want)
	}
	ts := fixed(token.AccessToken)
	if err := tryLogin(t, srv, xoauth2.POP3, alice, ts); err != nil {
		t.Error(err)
	}
	mu.Lock()
	at = at.Add(10 * time.Minute)
	mu.Unlock()
	if err := tryLogin(t, srv, xoauth2.POP3, alice, ts); err == nil {
		t.Error("a token that has ended is good")
	}
	fresh := fixed(userToken(t, srv, alice))
	srv.RevokeAccessTokens()
	if err := tryLogin(t, srv, xoauth2.POP3, alice, fresh); err == nil {
		t.Error("a revoked token is good")
	}
	if err := tryLogin(t, srv, xoauth2.POP3, alice, srv.TokenSource(alice)); err != nil {
		t.Errorf("a token of after the revocation: %v", err)
	}
}

func TestSecretsAreKnown(t *testing.T) {
	t.Parallel()
	srv := start(t)
	f := newFlow(t, srv)
	got := f.signIn()
	app := srv.App(nil)
	if _, err := app.ClientCredentials().Token(); err != nil {
		t.Fatal(err)
	}
	known := strings.Join(srv.Secrets(), "\n")
	for name, secret := range map[string]string{
		"access token": got.AccessToken, "refresh token": got.RefreshToken, "id_token": got.IDToken,
		"verifier": verifier, "client secret": srv.ClientSecret(app.ClientID),
	} {
		if !strings.Contains(known, secret) {
			t.Errorf("the %s is not known", name)
		}
		if strings.Contains(srv.LastTokenRequest().Encode(), url.QueryEscape(secret)) {
			t.Errorf("the %s is shown", name)
		}
	}
}

func TestBrowseReportsPagesThatLeadNowhere(t *testing.T) {
	t.Parallel()
	srv := start(t)
	for _, page := range []string{srv.URL() + "/common/oauth2/v2.0/authorize", srv.URL() + "/nowhere", "https://127.0.0.1:1/"} {
		if err := srv.Browse(page); err == nil {
			t.Errorf("%s: got success", page)
		}
	}
	app := srv.App(&exchangetest.AppOptions{Public: true})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	srv.DeclineSignIn()
	_, err := app.BrowserLogin(ctx, &xoauth2.BrowserOptions{Open: srv.Browse})
	var refusal *xoauth2.TokenError
	if !errors.As(err, &refusal) || refusal.Code != "access_denied" {
		t.Errorf("declined: got %v", err)
	}
	srv.FailSignIn(90094).Times(1)
	if _, err := app.BrowserLogin(ctx, &xoauth2.BrowserOptions{Open: srv.Browse}); !errors.As(err, &refusal) || refusal.AADSTS != 90094 {
		t.Errorf("refused: got %v", err)
	}
}
