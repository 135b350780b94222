package xoauth2_test

import (
	"testing"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// TestClientCredentialsConfiguration catches what is wrong with an App before
// anything is sent, and says what to do about it.
func TestClientCredentialsConfiguration(t *testing.T) {
	t.Parallel()
	const guid = "0123abcd-4567-89ab-cdef-0123456789ab"
	tests := []struct {
		name   string
		change func(app *xoauth2.App)
		want   string
	}{
		{"no tenant", func(app *xoauth2.App) { app.Tenant = "" }, "use the Directory (tenant) ID"},
		{"common", func(app *xoauth2.App) { app.Tenant = "common" }, `"common", which names no directory`},
		{"organizations", func(app *xoauth2.App) { app.Tenant = "Organizations" }, `"Organizations", which names no directory`},
		{"consumers", func(app *xoauth2.App) { app.Tenant = "consumers" }, `"consumers", which names no directory`},
		{"tenant with line break", func(app *xoauth2.App) { app.Tenant += "\n" }, "white space or a slash"},
		{"tenant is a URL", func(app *xoauth2.App) { app.Tenant = "https://login.microsoftonline.com/x" }, "white space or a slash"},
		{"no client id", func(app *xoauth2.App) { app.ClientID = "" }, "use the Application (client) ID"},
		{"client id with space", func(app *xoauth2.App) { app.ClientID += " " }, "App.ClientID has white space"},
		{"no credential", func(app *xoauth2.App) { app.Credential = nil }, "use ClientSecret, ClientCertificate or ClientAssertion"},
		{"empty secret", func(app *xoauth2.App) { app.Credential = xoauth2.ClientSecret("") }, "the client secret is empty"},
		{"secret with line break", func(app *xoauth2.App) { app.Credential = xoauth2.ClientSecret(canary + "\n") }, "read from a file and not trimmed"},
		{"secret's id", func(app *xoauth2.App) { app.Credential = xoauth2.ClientSecret(guid) }, "use its Value"},
		{"no key", func(app *xoauth2.App) { app.Credential = xoauth2.ClientCertificate(nil) }, "needs a private key and its certificate"},
		{"no certificate", func(app *xoauth2.App) { app.Credential = xoauth2.ClientCertificate(newECKey(t)) }, "needs a private key and its certificate"},
		{"named scope", func(app *xoauth2.App) { app.Provider.IMAP.AppScope = "https://outlook.office365.com/IMAP.AccessAsApp" }, "use the resource's /.default"},
		{"personal accounts", func(app *xoauth2.App) { app.Provider = xoauth2.Outlook }, "Outlook.com has no application permissions: sign a user in"},
		{"Gmail", func(app *xoauth2.App) { app.Provider = xoauth2.Gmail }, "Gmail has no application permissions: sign a user in"},
		{"unknown protocol", func(app *xoauth2.App) { app.Protocols = []xoauth2.Protocol{77} }, "has no application permissions"},
		{"no token endpoint", func(app *xoauth2.App) { app.Provider.TokenURL = "" }, "set Provider.TokenURL"},
		{"plaintext endpoint", func(app *xoauth2.App) { app.Provider.TokenURL = "http://127.0.0.1/{tenant}/token" }, "not an https URL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := newExchange(t)
			app := srv.App(nil)
			tt.change(app)
			_, err := app.ClientCredentials().TokenContext(t.Context())
			wantError(t, err, tt.want)
			assertSecret(t, err)
			wantRequests(t, srv, 0)
		})
	}
}

// TestSignInConfiguration does the same for the flows with a user.
func TestSignInConfiguration(t *testing.T) {
	t.Parallel()
	verifier := oauth2.GenerateVerifier()
	open := func(string) error { t.Error("a browser is opened"); return nil }
	show := func(*oauth2.DeviceAuthResponse) error { t.Error("a code is shown"); return nil }
	authCodeURL := func(state, verifier string) func(*testing.T, *xoauth2.App) error {
		return func(_ *testing.T, app *xoauth2.App) error {
			_, err := app.AuthCodeURL(state, verifier)
			return err
		}
	}
	exchange := func(code string) func(*testing.T, *xoauth2.App) error {
		return func(t *testing.T, app *xoauth2.App) error {
			_, err := app.Exchange(t.Context(), code, verifier)
			return err
		}
	}
	browser := func(t *testing.T, app *xoauth2.App) error {
		_, err := app.BrowserLogin(t.Context(), &xoauth2.BrowserOptions{Open: open})
		return err
	}
	device := func(t *testing.T, app *xoauth2.App) error {
		_, err := app.DeviceLogin(t.Context(), show)
		return err
	}
	tests := []struct {
		name   string
		change func(app *xoauth2.App)
		call   func(*testing.T, *xoauth2.App) error
		want   string
	}{
		{"no state", func(*xoauth2.App) {}, authCodeURL("", verifier), "the state is empty"},
		{"no verifier", func(*xoauth2.App) {}, authCodeURL("state", ""), "use oauth2.GenerateVerifier"},
		{"short verifier", func(*xoauth2.App) {}, authCodeURL("state", verifier[:42]), "use oauth2.GenerateVerifier"},
		{"no redirect URL", func(app *xoauth2.App) { app.RedirectURL = "" }, authCodeURL("state", verifier), "set App.RedirectURL"},
		{"no client id for a URL", func(app *xoauth2.App) { app.ClientID = "" }, authCodeURL("state", verifier), "App.ClientID is missing"},
		{"no page", func(app *xoauth2.App) { app.Provider.AuthURL = "" }, authCodeURL("state", verifier), "set Provider.AuthURL"},
		{"no code", func(*xoauth2.App) {}, exchange(""), "the authorization code is empty"},
		{"no client id for a code", func(app *xoauth2.App) { app.ClientID = "" }, exchange("code"), "App.ClientID is missing"},
		{"bad secret for a code", func(app *xoauth2.App) { app.Credential = xoauth2.ClientSecret(canary + " ") }, exchange("code"), "white space around it"},
		{"no client id for a browser", func(app *xoauth2.App) { app.ClientID = "" }, browser, "App.ClientID is missing"},
		{"no page for a browser", func(app *xoauth2.App) { app.Provider.AuthURL = "" }, browser, "set Provider.AuthURL"},
		{"no client id for a device", func(app *xoauth2.App) { app.ClientID = "" }, device, "App.ClientID is missing"},
		{"no device flow", func(app *xoauth2.App) { app.Provider.DeviceURL = "" }, device, "use BrowserLogin"},
		{"Gmail has no device flow", func(app *xoauth2.App) { app.Provider = xoauth2.Gmail }, device, "Gmail has no device flow for its mail scope: use BrowserLogin"},
		{"Yahoo has no device flow", func(app *xoauth2.App) { app.Provider = xoauth2.Yahoo }, device, "Yahoo has no device flow for its mail scope: use BrowserLogin"},
		{"nothing to show with", func(*xoauth2.App) {}, func(t *testing.T, app *xoauth2.App) error {
			_, err := app.DeviceLogin(t.Context(), nil)
			return err
		}, "no function to show the code with"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := newExchange(t)
			app := srv.App(&exchangetest.AppOptions{RedirectURL: callbackURL})
			tt.change(app)
			err := tt.call(t, app)
			wantError(t, err, tt.want)
			assertSecret(t, err)
			wantRequests(t, srv, 0)
		})
	}
}
