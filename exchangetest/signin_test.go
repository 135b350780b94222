package exchangetest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/xoauth2/go-xoauth2/exchangetest"
)

const (
	verifier = "the-verifier-of-these-tests-is-long-enough-to-be-one"
	redirect = "http://localhost:5000"
)

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// flow is one public client's sign-ins.
type flow struct {
	t        *testing.T
	srv      *exchangetest.Server
	clientID string
	tenant   string
}

func newFlow(t *testing.T, srv *exchangetest.Server) *flow {
	t.Helper()
	return &flow{t: t, srv: srv, clientID: srv.App(&exchangetest.AppOptions{Public: true}).ClientID, tenant: srv.Tenant()}
}

const consentScopes = outlookIMAP + " " + outlookSMTP + " User.Read openid profile email offline_access"

// authorize opens the sign-in page without following it anywhere. pairs change
// the parameters; an empty value takes one away.
func (f *flow) authorize(pairs ...string) *http.Response {
	f.t.Helper()
	parameters := url.Values{
		"client_id": {f.clientID}, "response_type": {"code"}, "redirect_uri": {redirect}, "scope": {consentScopes},
		"state": {"the state"}, "nonce": {"the nonce"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		parameters.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			parameters.Del(pairs[i])
		}
	}
	client := *f.srv.HTTPClient()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Get(f.srv.URL() + "/" + f.tenant + "/oauth2/v2.0/authorize?" + parameters.Encode())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// answer returns the parameters with which the browser is sent back.
func (f *flow) answer(pairs ...string) url.Values {
	f.t.Helper()
	response := f.authorize(pairs...)
	location, err := response.Location()
	if err != nil {
		body, _ := io.ReadAll(response.Body)
		f.t.Fatalf("%v: %s: %s", err, response.Status, body)
	}
	return location.Query()
}

// redeem asks for a token; pairs are fields beyond the usual.
func (f *flow) redeem(pairs ...string) reply {
	f.t.Helper()
	return post(f.t, f.srv, tokenPath(f.tenant), append([]string{"client_id", f.clientID}, pairs...)...)
}

func (f *flow) redeemCode(code string, pairs ...string) reply {
	f.t.Helper()
	return f.redeem(append([]string{
		"grant_type", "authorization_code", "code", code, "redirect_uri", redirect, "code_verifier", verifier, "scope", outlookIMAP,
	}, pairs...)...)
}

func (f *flow) refresh(token string, pairs ...string) reply {
	f.t.Helper()
	return f.redeem(append([]string{"grant_type", "refresh_token", "refresh_token", token, "scope", outlookIMAP}, pairs...)...)
}

// signIn signs Alice in.
func (f *flow) signIn() reply {
	f.t.Helper()
	f.srv.SignIn(alice)
	got := f.redeemCode(f.answer().Get("code"))
	if got.Status != http.StatusOK {
		f.t.Fatalf("got %+v", got)
	}
	return got
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	srv := start(t)
	f := newFlow(t, srv)
	srv.SignIn(alice)
	answer := f.answer()
	if answer.Get("state") != "the state" || answer.Get("iss") != srv.URL()+"/"+srv.Tenant()+"/v2.0" {
		t.Errorf("got %v", answer)
	}
	got := f.redeemCode(answer.Get("code"))
	if got.TokenType != "Bearer" || got.ExpiresIn != 3600 || got.RefreshToken == "" {
		t.Errorf("got %+v", got)
	}
	said := claims(t, srv, got.AccessToken)
	if said["aud"] != "https://outlook.office.com" || said["scp"] != "IMAP.AccessAsUser.All" || said["upn"] != alice || said["unique_name"] != alice || said["roles"] != nil {
		t.Errorf("the access token says %v", said)
	}
	id := claims(t, srv, got.IDToken)
	want := map[string]any{
		"iss": srv.URL() + "/" + srv.Tenant() + "/v2.0", "aud": f.clientID, "nonce": "the nonce", "preferred_username": alice,
		"email": alice, "tid": srv.Tenant(), "oid": said["oid"], "ver": "2.0",
	}
	for name, value := range want {
		if id[name] != value {
			t.Errorf("the id_token's %s: got %v, want %v", name, id[name], value)
		}
	}
}

func TestSignInRefusals(t *testing.T) {
	t.Parallel()
	srv := start(t)
	f := newFlow(t, srv)
	redirected := map[string]struct {
		pairs []string
		error string
		code  string
	}{
		"silent":              {[]string{"prompt", "none"}, "login_required", "AADSTS50058"},
		"response type":       {[]string{"response_type", "token"}, "interaction_required", "AADSTS700020"},
		"plain PKCE":          {[]string{"code_challenge_method", "plain"}, "invalid_request", "AADSTS501491"},
		"no scope":            {[]string{"scope", ""}, "invalid_request", "AADSTS900144"},
		"unknown scope":       {[]string{"scope", "https://outlook.office.com/SMTP.Sned"}, "invalid_scope", "AADSTS70011"},
		"mixed with all":      {[]string{"scope", outlookDefault + " " + outlookIMAP}, "invalid_scope", "AADSTS70011"},
		"unknown resource":    {[]string{"scope", "https://example.net/x"}, "invalid_resource", "AADSTS500011"},
		"a prompt, silent":    {[]string{"prompt", "none", "login_hint", alice}, "login_required", "AADSTS50058"},
		"without a method":    {[]string{"code_challenge_method", ""}, "invalid_request", "AADSTS501491"},
		"challenge too short": {[]string{"code_challenge", "x"}, "invalid_request", "AADSTS501491"},
	}
	for name, test := range redirected {
		answer := f.answer(test.pairs...)
		if answer.Get("error") != test.error || !strings.HasPrefix(answer.Get("error_description"), test.code+":") || answer.Get("state") != "the state" || answer.Has("code") {
			t.Errorf("%s: got %v, want %s %s", name, answer, test.error, test.code)
		}
	}
	shown := map[string]struct {
		pairs []string
		code  string
	}{
		"unknown client":    {[]string{"client_id", "x"}, "AADSTS700016"},
		"no redirect URL":   {[]string{"redirect_uri", ""}, "AADSTS900971"},
		"another host":      {[]string{"redirect_uri", "http://localhost.example.net:5000"}, "AADSTS50011"},
		"another path":      {[]string{"redirect_uri", "http://localhost:5000/callback"}, "AADSTS50011"},
		"another scheme":    {[]string{"redirect_uri", "https://localhost:5000"}, "AADSTS50011"},
		"a name in the URL": {[]string{"redirect_uri", "http://localhost:5000@example.net"}, "AADSTS50011"},
	}
	for name, test := range shown {
		response := f.authorize(test.pairs...)
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), test.code+":") {
			t.Errorf("%s: got %s %s, want a page with %s", name, response.Status, body, test.code)
		}
	}
}

func TestSignInIsDeclined(t *testing.T) {
	t.Parallel()
	srv := start(t)
	f := newFlow(t, srv)
	srv.DeclineSignIn()
	answer := f.answer()
	if answer.Get("error") != "access_denied" || answer.Get("error_subcode") != "cancel" || answer.Get("iss") == "" {
		t.Errorf("got %v", answer)
	}
}

func TestRedirectURLs(t *testing.T) {
	t.Parallel()
	srv := start(t)
	f := newFlow(t, srv)
	for _, to := range []string{"http://localhost", "http://localhost:1", "http://localhost:65535/"} {
		srv.SignIn(alice)
		if answer := f.answer("redirect_uri", to); answer.Get("code") == "" {
			t.Errorf("%s: got %v", to, answer)
		}
	}
	web := srv.App(&exchangetest.AppOptions{RedirectURL: "https://example.net/callback"})
	f.clientID = web.ClientID
	srv.SignIn(alice)
	if answer := f.answer("redirect_uri", "https://example.net/callback"); answer.Get("code") == "" {
		t.Errorf("got %v", answer)
	}
	if response := f.authorize("redirect_uri", "https://example.net/callback/"); response.StatusCode != http.StatusBadRequest {
		t.Errorf("with a slash: got %s", response.Status)
	}
}

func TestSignInPage(t *testing.T) {
	t.Parallel()
	srv := start(t)
	f := newFlow(t, srv)
	response := f.authorize("login_hint", "al\"<ice>@contoso.com")
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	page := string(body)
	for _, want := range []string{`name="username"`, `name="action" value="signin"`, `value="al&#34;&lt;ice&gt;@contoso.com"`, `<option value="alice@contoso.com">`, "<li>SMTP.Send</li>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page holds no %s:\n%s", want, page)
		}
	}
	for _, unwanted := range []string{"http://", "https://", challenge()} {
		if strings.Contains(page, unwanted) {
			t.Errorf("the page holds %s", unwanted)
		}
	}
	client := *srv.HTTPClient()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for username, want := range map[string]int{alice: http.StatusFound, "nobody@contoso.com": http.StatusBadRequest} {
		response, err := client.PostForm(response.Request.URL.String(), url.Values{"action": {"signin"}, "username": {username}})
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: got %s, want %d", username, response.Status, want)
		}
	}
}

func TestFormPost(t *testing.T) {
	t.Parallel()
	srv := start(t)
	f := newFlow(t, srv)
	srv.SignIn(alice)
	body, err := io.ReadAll(f.authorize("response_mode", "form_post", "state", `"><script>`).Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`<form method="post" action="http://localhost:5000">`, `name="code" value="`, `name="state" value="&#34;&gt;&lt;script&gt;"`} {
		if !strings.Contains(string(body), want) {
			t.Errorf("the page holds no %s:\n%s", want, body)
		}
	}
}

func TestPersonalAccounts(t *testing.T) {
	t.Parallel()
	srv := start(t)
	const personal = "carol@outlook.com"
	srv.AddMailbox(personal)
	f := newFlow(t, srv)
	for tenant, want := range map[string]bool{"common": true, "consumers": true, "organizations": false, srv.Tenant(): false} {
		f.tenant = tenant
		srv.SignIn(personal)
		if response := f.authorize(); (response.StatusCode == http.StatusFound) != want {
			t.Errorf("%s: got %s, want success: %v", tenant, response.Status, want)
		}
	}
	f.tenant = "consumers"
	srv.SignIn(alice)
	if response := f.authorize(); response.StatusCode != http.StatusBadRequest {
		t.Errorf("a work account at consumers: got %s", response.Status)
	}
	srv.SignIn(personal)
	got := f.redeemCode(f.answer().Get("code"))
	if !strings.HasPrefix(got.AccessToken, "EwB") || strings.Contains(got.AccessToken, ".") {
		t.Errorf("got an access token that is not opaque")
	}
	if said := claims(t, srv, got.IDToken); said["tid"] != "9188040d-6c67-4c5b-b112-36a304b66dad" {
		t.Errorf("the id_token says %v", said)
	}
}

func TestAdminConsent(t *testing.T) {
	t.Parallel()
	srv := start(t)
	app := srv.App(&exchangetest.AppOptions{RedirectURL: "https://example.net/done"})
	page, err := app.Provider.AdminConsentURL("contoso.com", app.ClientID, app.RedirectURL, "the state")
	if err != nil {
		t.Fatal(err)
	}
	client := *srv.HTTPClient()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.PostForm(page, url.Values{"action": {"signin"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	location, err := response.Location()
	if err != nil {
		t.Fatal(err)
	}
	if q := location.Query(); q.Get("admin_consent") != "True" || q.Get("tenant") != srv.Tenant() || q.Get("state") != "the state" {
		t.Errorf("got %v", q)
	}
}
