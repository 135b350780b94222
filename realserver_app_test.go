//go:build linux

package xoauth2_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
	"github.com/xoauth2/go-xoauth2/internal/realserver"
)

// TestRealServersApp logs in with client credentials to servers that ask Entra
// about every token. Such a token names no mailbox; which one an application
// may open is for the mail server to know.
func TestRealServersApp(t *testing.T) {
	t.Parallel()
	entra := exchangetest.NewServer()
	t.Cleanup(entra.Close)
	app := entra.App(nil)
	introspection := httptest.NewServer(appMailbox(t, entra, map[string]string{app.ClientID: testUser}))
	t.Cleanup(introspection.Close)
	w := &realWorld{realserver.Start(t, realserver.Options{Introspection: introspection.URL}), entra}

	t.Run("its mailbox", func(t *testing.T) {
		eachRealService(t, func(t *testing.T, s realService) {
			session, err := s.dial(t.Context(), testUser, app.ClientCredentials(), w.options(s))
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			if err := session.noop(); err != nil {
				t.Errorf("got %v from the session, want it usable", err)
			}
		})
	})
	if got := entra.TokenRequests("client_credentials"); got != 1 {
		t.Errorf("got %d token requests for all logins, want 1", got)
	}
	// A refusal may cost another request: on a slow machine the token is older than a minute by now.
	t.Run("another mailbox", func(t *testing.T) {
		eachRealService(t, func(t *testing.T, s realService) {
			const other = "bob@contoso.test"
			_, err := s.dial(t.Context(), other, app.ClientCredentials(), w.options(s))
			s.checkRefusal(t, err, other, realDocument(xoauth2.Mechanism))
		})
	})
}

// appMailbox passes introspection requests on to Entra, and adds to its answers
// the mailboxes of applications.
func appMailbox(t *testing.T, entra *exchangetest.Server, mailboxes map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		response, err := entra.HTTPClient().PostForm(
			entra.URL()+"/"+entra.Tenant()+"/oauth2/v2.0/introspect",
			url.Values{"token": {r.FormValue("token")}},
		)
		if err != nil {
			t.Error(err)
			return
		}
		defer response.Body.Close()
		var answer map[string]any
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
			t.Error(err)
			return
		}
		if id, ok := answer["client_id"].(string); ok {
			answer["username"] = mailboxes[id]
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}
}
