package xoauth2_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// The people of the tests of token flows.
const (
	ada = "ada@contoso.com"
	bea = "bea@contoso.com"
)

// Grant types, as exchangetest counts them.
const (
	grantClient  = "client_credentials"
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"
	grantDevice  = "urn:ietf:params:oauth:grant-type:device_code"
)

// newExchange returns a server with the mailboxes of Ada and Bea.
func newExchange(t *testing.T) *exchangetest.Server {
	t.Helper()
	srv := exchangetest.NewServer()
	t.Cleanup(srv.Close)
	srv.AddMailbox(ada)
	srv.AddMailbox(bea)
	return srv
}

// withFakeClock runs f in a bubble, with a server that is reached in memory.
func withFakeClock(t *testing.T, f func(t *testing.T, srv *exchangetest.Server)) {
	t.Helper()
	t.Parallel()
	srv := newExchange(t)
	inMemory(t, srv, func(t *testing.T) { f(t, srv) })
}

// inMemory runs f in a bubble, with the server on the bubble's clock, and lets
// what f leaves under way come to its end.
func inMemory(t *testing.T, srv *exchangetest.Server, f func(t *testing.T)) {
	t.Helper()
	srv.SetClock(time.Now)
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(10 * time.Minute)
		f(t)
	})
}

// memoryApp registers an application that is used within a bubble.
func memoryApp(srv *exchangetest.Server, opts *exchangetest.AppOptions) *xoauth2.App {
	app := srv.App(opts)
	app.HTTPClient = srv.MemoryHTTPClient()
	return app
}

// wantToken returns a token of ts.
func wantToken(t *testing.T, ts oauth2.TokenSource) *oauth2.Token {
	t.Helper()
	token, err := xoauth2.Token(t.Context(), ts)
	if err != nil {
		t.Fatalf("no token: %v", err)
	}
	if !token.Valid() {
		t.Fatalf("got a token that is not valid, until %v", token.Expiry)
	}
	return token
}

// wantRequests compares how many token requests there were of a grant.
func wantRequests(t *testing.T, srv *exchangetest.Server, want int, grants ...string) {
	t.Helper()
	if got := srv.TokenRequests(grants...); got != want {
		t.Errorf("got %d token requests of %q, want %d", got, grants, want)
	}
}

// wantTokenError returns the *TokenError in err.
func wantTokenError(t *testing.T, err error) *xoauth2.TokenError {
	t.Helper()
	refusal, ok := errors.AsType[*xoauth2.TokenError](err)
	if !ok {
		t.Fatalf("got %v (%T), want a *TokenError", err, err)
	}
	return refusal
}

// wantError checks an error's words, and that it begins with the package.
func wantError(t *testing.T, err error, words string) {
	t.Helper()
	if err == nil {
		t.Fatalf("got no error, want one with %q", words)
	}
	if text := err.Error(); !strings.HasPrefix(text, "xoauth2: ") || !strings.Contains(text, words) {
		t.Errorf("got %q, want xoauth2: … %q", text, words)
	}
}

func TestClientCredentialsShareOneCache(t *testing.T) {
	t.Parallel()
	srv := newExchange(t)
	app := srv.App(nil)
	first := wantToken(t, app.ClientCredentials())
	if info := xoauth2.InspectToken(first.AccessToken); !info.AppOnly || info.AppID != app.ClientID || !slices.Contains(info.Roles, "IMAP.AccessAsApp") {
		t.Errorf("got %+v, want an application's own token", info)
	}
	if again := wantToken(t, app.ClientCredentials()); again.AccessToken != first.AccessToken {
		t.Error("got another token at the second call")
	}
	if token, err := app.ClientCredentials().Token(); err != nil || token.AccessToken != first.AccessToken {
		t.Errorf("without a context: got another token, or %v", err)
	}
	wantRequests(t, srv, 1)
	if got, want := srv.LastTokenRequest().Get("scope"), "https://outlook.office365.com/.default"; got != want {
		t.Errorf("got scope %q, want %q", got, want)
	}
}

func TestThousandCallersMakeOneRequest(t *testing.T) {
	withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
		srv.DelayTokens(time.Second)
		source := memoryApp(srv, nil).ClientCredentials()
		var callers sync.WaitGroup
		for range 1000 {
			callers.Go(func() {
				if token, err := source.TokenContext(t.Context()); err != nil || !token.Valid() {
					t.Errorf("no token: %v", err)
				}
			})
		}
		callers.Wait()
		wantRequests(t, srv, 1)
	})
}

// TestCallerLeaves ends the context of the caller for whom the request is made,
// and looks at what becomes of the other.
func TestCallerLeaves(t *testing.T) {
	withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
		srv.DelayTokens(10 * time.Second)
		source := memoryApp(srv, nil).ClientCredentials()
		begin := time.Now()
		var callers sync.WaitGroup
		callers.Go(func() {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errLunch)
			defer cancel()
			if _, err := source.TokenContext(ctx); !errors.Is(err, errLunch) {
				t.Errorf("the caller that leaves: got %v, want %v", err, errLunch)
			}
			if took := time.Since(begin); took != time.Second {
				t.Errorf("it leaves after %v, want 1s", took)
			}
		})
		synctest.Wait()
		wantToken(t, source)
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("the other gets its token after %v, want 10s", took)
		}
		callers.Wait()
		wantRequests(t, srv, 1)
	})
}

func TestRenewAhead(t *testing.T) {
	withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
		source := memoryApp(srv, nil).ClientCredentials()
		first := wantToken(t, source)
		time.Sleep(54 * time.Minute)
		wantToken(t, source)
		wantRequests(t, srv, 1)

		time.Sleep(3 * time.Minute) // the renewal is due
		srv.DelayTokens(150 * time.Millisecond)
		begin := time.Now()
		for range 3 {
			if token := wantToken(t, source); token.AccessToken != first.AccessToken {
				t.Error("got a new token, want the old one while it serves")
			}
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("callers wait %v, want none to", took)
		}
		time.Sleep(time.Second)
		if token := wantToken(t, source); token.AccessToken == first.AccessToken {
			t.Error("got the old token after its renewal")
		}
		wantRequests(t, srv, 2)

		srv.Heal()
		time.Sleep(3 * time.Hour) // a laptop that slept
		wantToken(t, source)
		wantRequests(t, srv, 3)
	})
}

// TestRenewalFails renews a token that still serves while the endpoint is out of
// order: nobody is told before the token's end.
func TestRenewalFails(t *testing.T) {
	withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
		source := memoryApp(srv, nil).ClientCredentials()
		first := wantToken(t, source)
		outage := srv.MakeTokensUnavailable(0)
		time.Sleep(56 * time.Minute)
		for range 3 {
			if token := wantToken(t, source); token.AccessToken != first.AccessToken {
				t.Error("got another token during an outage")
			}
			time.Sleep(time.Minute)
		}
		if got := outage.Count(); got < 2 || got > 4 {
			t.Errorf("got %d renewals in three minutes, want one in each", got)
		}
		outage.Clear()
		time.Sleep(time.Minute)
		wantToken(t, source)
		time.Sleep(time.Second)
		if token := wantToken(t, source); token.AccessToken == first.AccessToken {
			t.Error("got the old token after the outage")
		}
	})
}

// plainSource is a foreign source: it takes no context.
type plainSource func() (*oauth2.Token, error)

func (f plainSource) Token() (*oauth2.Token, error) { return f() }

// contextSource is a foreign source that takes one.
type contextSource func(ctx context.Context) (*oauth2.Token, error)

func (f contextSource) Token() (*oauth2.Token, error) { return f(context.Background()) }

func (f contextSource) TokenContext(ctx context.Context) (*oauth2.Token, error) { return f(ctx) }

func TestTokenOfForeignSources(t *testing.T) {
	t.Parallel()
	good := &oauth2.Token{AccessToken: canaryToken}
	tests := []struct {
		name   string
		source oauth2.TokenSource
		want   string // words of the error; empty: none
	}{
		{"none", nil, "no token source"},
		{"plain", plainSource(func() (*oauth2.Token, error) { return good, nil }), ""},
		{"plain, fails", plainSource(func() (*oauth2.Token, error) { return nil, errLunch }), errLunch.Error()},
		{"plain, nothing", plainSource(func() (*oauth2.Token, error) { return nil, nil }), "returned no token"},
		{"with a context", contextSource(func(context.Context) (*oauth2.Token, error) { return good, nil }), ""},
		{"with a context, nothing", contextSource(func(context.Context) (*oauth2.Token, error) { return nil, nil }), "returned no token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			token, err := xoauth2.Token(t.Context(), tt.source)
			if tt.want == "" && (err != nil || token != good) {
				t.Errorf("got %v, want the source's token", err)
			}
			if tt.want != "" && (err == nil || token != nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestTokenLeavesForeignSource stops waiting for a source that takes no context.
func TestTokenLeavesForeignSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		source := plainSource(func() (*oauth2.Token, error) { <-release; return nil, errLunch })
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errLunch)
		defer cancel()
		_, err := xoauth2.Token(ctx, source)
		wantError(t, err, "waiting for a token")
		if !errors.Is(err, errLunch) {
			t.Errorf("got %v, want the context's cause", err)
		}
		close(release)
	})
}

// TestWithoutContext bounds the waiting of callers who cannot do it themselves.
func TestWithoutContext(t *testing.T) {
	withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
		srv.StallTokens()
		begin := time.Now()
		_, err := memoryApp(srv, nil).ClientCredentials().Token()
		if took := time.Since(begin); err == nil || took > time.Minute {
			t.Errorf("got %v after %v, want an error within a minute", err, took)
		}
	})
}

// TestOwnHTTPClient uses nothing of the caller's client but its transport.
func TestOwnHTTPClient(t *testing.T) {
	t.Parallel()
	srv := newExchange(t)
	app := srv.App(nil)
	asked := false
	app.HTTPClient = &http.Client{
		Transport:     srv.HTTPClient().Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { asked = true; return nil },
	}
	srv.RedirectTokens()
	_, err := app.ClientCredentials().TokenContext(t.Context())
	if refusal := wantTokenError(t, err); refusal.StatusCode != http.StatusTemporaryRedirect {
		t.Errorf("got status %d, want the redirect's", refusal.StatusCode)
	}
	if asked {
		t.Error("the caller's redirect policy is asked")
	}
	wantRequests(t, srv, 1)
}
