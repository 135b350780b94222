package exchangetest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

const (
	outlookDefault = "https://outlook.office365.com/.default"
	outlookIMAP    = "https://outlook.office.com/IMAP.AccessAsUser.All"
	outlookSMTP    = "https://outlook.office.com/SMTP.Send"
)

// reply is a reply of the token endpoint.
type reply struct {
	Status        int    `json:"-"`
	Error         string `json:"error"`
	Description   string `json:"error_description"`
	Codes         []int  `json:"error_codes"`
	Sub           string `json:"suberror"`
	Timestamp     string `json:"timestamp"`
	TraceID       string `json:"trace_id"`
	CorrelationID string `json:"correlation_id"`
	URI           string `json:"error_uri"`

	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	Scope        string `json:"scope"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`

	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	Verify     string `json:"verification_uri"`
	Interval   int    `json:"interval"`
}

// code returns the AADSTS number, 0 for success.
func (r reply) code() int {
	if len(r.Codes) == 0 {
		return 0
	}
	return r.Codes[0]
}

// post sends a form to an endpoint of Entra; pairs are its fields.
func post(t *testing.T, srv *exchangetest.Server, path string, pairs ...string) reply {
	t.Helper()
	form := make(url.Values)
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	response, err := srv.HTTPClient().PostForm(srv.URL()+path, form)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, response)
}

func decode(t *testing.T, response *http.Response) reply {
	t.Helper()
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	r := reply{Status: response.StatusCode}
	if err := json.Unmarshal(body, &r); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return r
}

// tokenPath is the token endpoint in a directory.
func tokenPath(tenant string) string { return "/" + tenant + "/oauth2/v2.0/token" }

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	srv := start(t)
	app, public := srv.App(nil), srv.App(&exchangetest.AppOptions{Public: true})
	single := srv.App(&exchangetest.AppOptions{SingleTenant: true})
	secret := srv.ClientSecret(app.ClientID)
	tests := map[string]struct {
		tenant string
		form   []string
		code   int
		error  string
		status int
	}{
		"granted":           {srv.Tenant(), []string{"client_id", app.ClientID, "client_secret", secret, "scope", outlookDefault}, 0, "", 200},
		"by domain":         {"contoso.com", []string{"client_id", app.ClientID, "client_secret", secret, "scope", outlookDefault}, 0, "", 200},
		"by another name":   {srv.Tenant(), []string{"client_id", app.ClientID, "client_secret", secret, "scope", "00000002-0000-0ff1-ce00-000000000000/.default"}, 0, "", 200},
		"Graph":             {srv.Tenant(), []string{"client_id", app.ClientID, "client_secret", secret, "scope", "https://graph.microsoft.com/.default"}, 0, "", 200},
		"wrong secret":      {srv.Tenant(), []string{"client_id", app.ClientID, "client_secret", "x", "scope", outlookDefault}, 7000215, "invalid_client", 401},
		"no secret":         {srv.Tenant(), []string{"client_id", app.ClientID, "scope", outlookDefault}, 7000218, "invalid_client", 401},
		"public client":     {srv.Tenant(), []string{"client_id", public.ClientID, "scope", outlookDefault}, 7000218, "invalid_client", 401},
		"public, secret":    {srv.Tenant(), []string{"client_id", public.ClientID, "client_secret", "x", "scope", outlookDefault}, 700025, "invalid_client", 401},
		"named scope":       {srv.Tenant(), []string{"client_id", app.ClientID, "client_secret", secret, "scope", outlookIMAP}, 1002012, "invalid_scope", 400},
		"two resources":     {srv.Tenant(), []string{"client_id", app.ClientID, "client_secret", secret, "scope", outlookDefault + " https://graph.microsoft.com/.default"}, 1002012, "invalid_scope", 400},
		"no scope":          {srv.Tenant(), []string{"client_id", app.ClientID, "client_secret", secret}, 900144, "invalid_request", 400},
		"unknown resource":  {srv.Tenant(), []string{"client_id", app.ClientID, "client_secret", secret, "scope", "https://example.net/.default"}, 500011, "invalid_resource", 400},
		"no client":         {srv.Tenant(), []string{"scope", outlookDefault}, 900144, "invalid_request", 400},
		"unknown client":    {srv.Tenant(), []string{"client_id", "x", "client_secret", "x", "scope", outlookDefault}, 700016, "unauthorized_client", 400},
		"unknown tenant":    {"fabrikam.com", []string{"client_id", app.ClientID, "client_secret", secret, "scope", outlookDefault}, 90002, "invalid_request", 400},
		"common":            {"common", []string{"client_id", app.ClientID, "client_secret", secret, "scope", outlookDefault}, 9001023, "invalid_request", 400},
		"organizations":     {"organizations", []string{"client_id", app.ClientID, "client_secret", secret, "scope", outlookDefault}, 50194, "invalid_request", 400},
		"single at common":  {"common", []string{"client_id", single.ClientID, "client_secret", secret, "scope", outlookDefault}, 50194, "invalid_request", 400},
		"unknown assertion": {srv.Tenant(), []string{"client_id", app.ClientID, "client_assertion", "x", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "scope", outlookDefault}, 50027, "invalid_client", 401},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := post(t, srv, tokenPath(test.tenant), append(test.form, "grant_type", "client_credentials")...)
			if got.code() != test.code || got.Error != test.error || got.Status != test.status {
				t.Errorf("got %d %s AADSTS%d (%s), want %d %s AADSTS%d", got.Status, got.Error, got.code(), got.Description, test.status, test.error, test.code)
			}
			if (got.AccessToken != "") != (test.code == 0) || got.RefreshToken != "" || got.IDToken != "" {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestGrantTypes(t *testing.T) {
	t.Parallel()
	srv := start(t)
	app := srv.App(nil)
	client := []string{"client_id", app.ClientID, "client_secret", srv.ClientSecret(app.ClientID)}
	for grant, want := range map[string]int{"": 900144, "password": 70003, "authorization_code": 900144, "refresh_token": 900144, "urn:ietf:params:oauth:grant-type:device_code": 900144} {
		if got := post(t, srv, tokenPath(srv.Tenant()), append(client, "grant_type", grant)...).code(); got != want {
			t.Errorf("%q: got AADSTS%d, want AADSTS%d", grant, got, want)
		}
	}
	response, err := srv.HTTPClient().Get(srv.URL() + tokenPath(srv.Tenant()))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := decode(t, response).code(), 900561; got != want {
		t.Errorf("GET: got AADSTS%d, want AADSTS%d", got, want)
	}
}

func TestSecretInHeader(t *testing.T) {
	t.Parallel()
	srv := start(t)
	app := srv.App(nil)
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {outlookDefault}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL()+tokenPath(srv.Tenant()), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(url.QueryEscape(app.ClientID), url.QueryEscape(srv.ClientSecret(app.ClientID)))
	response, err := srv.HTTPClient().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if got := decode(t, response); got.Status != 200 {
		t.Errorf("got %+v", got)
	}
}

func TestRefusalLooksLikeEntras(t *testing.T) {
	t.Parallel()
	srv := start(t)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	srv.SetClock(func() time.Time { return at })
	app := srv.App(nil)
	got := post(t, srv, tokenPath(srv.Tenant()), "grant_type", "client_credentials", "client_id", app.ClientID, "client_secret", "x", "scope", outlookDefault)
	want := fmt.Sprintf("AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'. Trace ID: %s Correlation ID: %s Timestamp: 2026-03-01 12:00:00Z",
		app.ClientID, got.TraceID, got.CorrelationID)
	if got.Description != want {
		t.Errorf("got  %s\nwant %s", got.Description, want)
	}
	if got.Timestamp != "2026-03-01 12:00:00Z" || got.URI != srv.URL()+"/error?code=7000215" || len(got.TraceID) != 36 {
		t.Errorf("got %+v", got)
	}
}

// claims checks a token's signature with the published keys and returns what it
// says.
func claims(t *testing.T, srv *exchangetest.Server, token string) map[string]any {
	t.Helper()
	response, err := srv.HTTPClient().Get(srv.URL() + "/common/discovery/v2.0/keys")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var keys jose.JSONWebKeySet
	if err := json.NewDecoder(response.Body).Decode(&keys); err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	said := make(map[string]any)
	if err := parsed.Claims(keys, &said); err != nil {
		t.Fatal(err)
	}
	return said
}

func TestAppOnlyClaims(t *testing.T) {
	t.Parallel()
	srv := start(t)
	at := time.Now().Truncate(time.Second)
	srv.SetClock(func() time.Time { return at })
	app := srv.App(nil)
	token, err := app.ClientCredentials().Token()
	if err != nil {
		t.Fatal(err)
	}
	said := claims(t, srv, token.AccessToken)
	want := map[string]any{
		"aud": "https://outlook.office365.com", "appid": app.ClientID, "appidacr": "1", "idtyp": "app", "tid": srv.Tenant(),
		"iss": srv.URL() + "/" + srv.Tenant() + "/", "oid": said["sub"], "ver": "1.0", "app_displayname": "app1",
		"iat": float64(at.Unix()), "nbf": float64(at.Unix()), "exp": float64(at.Add(time.Hour).Unix()),
		"roles": []any{"IMAP.AccessAsApp", "POP.AccessAsApp", "SMTP.SendAsApp"},
	}
	for name, value := range want {
		if fmt.Sprint(said[name]) != fmt.Sprint(value) {
			t.Errorf("%s: got %v, want %v", name, said[name], value)
		}
	}
	if said["oid"] == app.ClientID || said["scp"] != nil || said["upn"] != nil {
		t.Errorf("got %v", said)
	}
	info := xoauth2.InspectToken(token.AccessToken)
	if !info.AppOnly || info.AppID != app.ClientID {
		t.Errorf("InspectToken: got %+v", info)
	}
}

func TestPermissionsFollowTheRegistration(t *testing.T) {
	t.Parallel()
	srv := start(t)
	app := srv.App(&exchangetest.AppOptions{Permissions: []string{"IMAP.AccessAsApp"}})
	for _, test := range []struct {
		protocol xoauth2.Protocol
		dial     func() error
		want     bool
	}{
		{xoauth2.IMAP, func() error {
			c, err := xoauth2.DialIMAP(t.Context(), alice, app.ClientCredentials(), srv.DialOptions())
			if err == nil {
				err = c.Close()
			}
			return err
		}, true},
		{xoauth2.POP3, func() error {
			_, err := xoauth2.DialPOP3(t.Context(), alice, app.ClientCredentials(), srv.DialOptions())
			return err
		}, false},
	} {
		if err := test.dial(); (err == nil) != test.want {
			t.Errorf("%v: got %v, want success: %v", test.protocol, err, test.want)
		}
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	srv := start(t)
	key, certificate := exchangetest.NewCertificate("daemon")
	otherKey, otherCertificate := exchangetest.NewCertificate("other")
	app := srv.App(&exchangetest.AppOptions{Certificate: certificate, Key: key})
	if _, err := app.ClientCredentials().Token(); err != nil {
		t.Error(err)
	}
	assertion := srv.LastTokenRequest().Get("client_assertion")
	if assertion != "redacted" {
		t.Errorf("got the assertion %q, want it redacted", assertion)
	}
	for name, credential := range map[string]xoauth2.Credential{
		"another certificate": xoauth2.ClientCertificate(otherKey, otherCertificate),
		"another key":         xoauth2.ClientAssertion(nil),
	} {
		if name == "another key" {
			credential = forged(t, otherKey, certificate.Raw, app.ClientID, srv.URL()+tokenPath(srv.Tenant()))
		}
		wrong := &xoauth2.App{Provider: app.Provider, Tenant: app.Tenant, ClientID: app.ClientID, Credential: credential, HTTPClient: app.HTTPClient}
		_, err := wrong.ClientCredentials().Token()
		if err == nil || !strings.Contains(err.Error(), "AADSTS700027") {
			t.Errorf("%s: got %v, want AADSTS700027", name, err)
		}
	}
}

func TestWorkloadIdentity(t *testing.T) {
	t.Parallel()
	srv := start(t)
	app := srv.App(&exchangetest.AppOptions{WorkloadIdentity: true})
	if _, err := app.ClientCredentials().Token(); err != nil {
		t.Error(err)
	}
	stranger := srv.App(nil)
	got := post(t, srv, tokenPath(srv.Tenant()), "grant_type", "client_credentials", "scope", outlookDefault, "client_id", stranger.ClientID,
		"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", srv.WorkloadToken())
	if got, want := got.code(), 700027; got != want {
		t.Errorf("an application that does not trust it: got AADSTS%d, want AADSTS%d", got, want)
	}
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	srv := start(t)
	for tenant, issuer := range map[string]string{srv.Tenant(): srv.Tenant(), "contoso.com": srv.Tenant(), "common": "{tenantid}"} {
		response, err := srv.HTTPClient().Get(srv.URL() + "/" + tenant + "/v2.0/.well-known/openid-configuration")
		if err != nil {
			t.Fatal(err)
		}
		var document map[string]any
		err = json.NewDecoder(response.Body).Decode(&document)
		_ = response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := document["issuer"], srv.URL()+"/"+issuer+"/v2.0"; got != want {
			t.Errorf("%s: got the issuer %v, want %v", tenant, got, want)
		}
		if got, want := document["token_endpoint"], srv.URL()+tokenPath(tenant); got != want {
			t.Errorf("%s: got the token endpoint %v, want %v", tenant, got, want)
		}
		if response.ProtoMajor != 2 {
			t.Errorf("got HTTP/%d, want HTTP/2", response.ProtoMajor)
		}
	}
}

func TestIntrospection(t *testing.T) {
	t.Parallel()
	srv := start(t)
	token := userToken(t, srv, alice)
	introspect := func() (said map[string]any) {
		t.Helper()
		response, err := srv.HTTPClient().PostForm(srv.URL()+"/common/oauth2/v2.0/introspect", url.Values{"token": {token}})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		if err := json.NewDecoder(response.Body).Decode(&said); err != nil {
			t.Fatal(err)
		}
		return said
	}
	if said := introspect(); said["active"] != true || said["username"] != alice {
		t.Errorf("got %v", said)
	}
	srv.RevokeAccessTokens()
	if said := introspect(); said["active"] != false || len(said) != 1 {
		t.Errorf("after the revocation: got %v", said)
	}
}

// forged returns a credential that names a certificate and signs with the key
// of another.
func forged(t *testing.T, key any, certificate []byte, clientID, audience string) xoauth2.Credential {
	t.Helper()
	assertion := sign(t, key, certificate, map[string]any{
		"iss": clientID, "sub": clientID, "aud": audience, "jti": "1",
		"nbf": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
	})
	return xoauth2.ClientAssertion(func(context.Context) (string, error) { return assertion, nil })
}
