package xoauth2_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// memoryAccount signs Ada in to a desktop program within a bubble, and returns
// its account. The web application's flow is the one that needs no socket.
func memoryAccount(t *testing.T, srv *exchangetest.Server, store xoauth2.TokenStore) (*xoauth2.App, *xoauth2.Account) {
	t.Helper()
	app := memoryApp(srv, &exchangetest.AppOptions{RedirectURL: callbackURL})
	app.Store = store
	return app, memorySignIn(t, srv, app, ada)
}

func memorySignIn(t *testing.T, srv *exchangetest.Server, app *xoauth2.App, username string) *xoauth2.Account {
	t.Helper()
	srv.SignIn(username)
	account, err := app.DeviceLogin(t.Context(), showNothing)
	if err != nil {
		t.Fatalf("no sign-in: %v", err)
	}
	return account
}

// spyStore tells what becomes of a store's records, and fails on demand.
type spyStore struct {
	xoauth2.TokenStore

	mu      sync.Mutex
	failing error         // of writing
	delay   time.Duration // of writing
	writes  int
}

func (s *spyStore) set(failing error, delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing, s.delay = failing, delay
}

func (s *spyStore) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

func (s *spyStore) Update(ctx context.Context, key string, change func([]byte) ([]byte, error)) error {
	return s.TokenStore.Update(ctx, key, func(old []byte) ([]byte, error) {
		value, err := change(old)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		failing, delay := s.failing, s.delay
		s.writes++
		s.mu.Unlock()
		time.Sleep(delay)
		return value, failing
	})
}

func TestSilentRenewal(t *testing.T) {
	withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
		_, account := memoryAccount(t, srv, nil)
		first := wantToken(t, account)
		wantRequests(t, srv, 0, grantRefresh)
		for renewals := 1; renewals <= 30; renewals++ { // Strict rotation would end the sign-in at the second, if a spent token was sent.
			time.Sleep(2 * time.Hour)
			token := wantToken(t, account)
			if token.AccessToken == first.AccessToken {
				t.Fatal("got the old token after two hours")
			}
			wantRequests(t, srv, renewals, grantRefresh)
		}
		form := srv.LastTokenRequest()
		if got, want := form.Get("scope"), "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/POP.AccessAsUser.All https://outlook.office.com/SMTP.Send openid profile email offline_access"; got != want {
			t.Errorf("renewed with scope %q, want %q", got, want)
		}
		wantToken(t, account.For(xoauth2.SMTP))
		if got := srv.LastTokenRequest().Get("scope"); !strings.HasPrefix(got, "https://outlook.office.com/SMTP.Send openid") {
			t.Errorf("a narrow token is asked for with scope %q", got)
		}
	})
}

// TestStoredBeforeHandedOut has a store that takes its time.
func TestStoredBeforeHandedOut(t *testing.T) {
	withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
		store := &spyStore{TokenStore: xoauth2.MemoryStore()}
		_, account := memoryAccount(t, srv, store)
		time.Sleep(2 * time.Hour)
		store.set(nil, 3*time.Second)
		before, begin := store.count(), time.Now()
		wantToken(t, account)
		if took := time.Since(begin); took != 3*time.Second || store.count() != before+1 {
			t.Errorf("the token is handed out after %v and %d writes, want 3s and one", took, store.count()-before)
		}
	})
}

// TestStoreFails keeps in memory what could not be stored, and stores it later.
func TestStoreFails(t *testing.T) {
	withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
		store := &spyStore{TokenStore: xoauth2.MemoryStore()}
		app, account := memoryAccount(t, srv, store)
		time.Sleep(2 * time.Hour)
		full := errors.New("no space left on device")
		store.set(full, 0)
		for range 3 {
			_, err := account.TokenContext(t.Context())
			wantError(t, err, "could not be stored")
			if !errors.Is(err, full) || errors.Is(err, xoauth2.ErrSignInRequired) {
				t.Errorf("got %v, want the store's error and no sign-in", err)
			}
			time.Sleep(time.Minute)
		}
		wantRequests(t, srv, 1, grantRefresh)
		store.set(nil, 0)
		wantToken(t, account)
		wantRequests(t, srv, 1, grantRefresh) // the one that could not be stored

		restarted := memoryRestart(srv, app)
		again, err := restarted.Account(t.Context(), ada)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		wantToken(t, again)
		wantRequests(t, srv, 2, grantRefresh)
	})
}

// memoryRestart returns the App as a new process has it.
func memoryRestart(srv *exchangetest.Server, app *xoauth2.App) *xoauth2.App {
	return &xoauth2.App{
		Provider: app.Provider, Tenant: app.Tenant, ClientID: app.ClientID, Credential: app.Credential,
		RedirectURL: app.RedirectURL, Protocols: app.Protocols, Store: app.Store, HTTPClient: srv.MemoryHTTPClient(),
	}
}

// TestSignInCannotBeStored leaves nothing half done.
func TestSignInCannotBeStored(t *testing.T) {
	withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
		app := memoryApp(srv, &exchangetest.AppOptions{Public: true})
		store := &spyStore{TokenStore: xoauth2.MemoryStore(), failing: errLunch}
		app.Store = store
		srv.SignIn(ada)
		_, err := app.DeviceLogin(t.Context(), showNothing)
		wantError(t, err, errLunch.Error())
		if _, err := app.Account(t.Context(), ada); !errors.Is(err, xoauth2.ErrSignInRequired) {
			t.Errorf("got %v, want ErrSignInRequired", err)
		}
		store.set(nil, 0)
		account := memorySignIn(t, srv, app, ada)

		// A second sign-in that fails leaves the first one as it is.
		store.set(errLunch, 0)
		srv.SignIn(ada)
		if _, err := app.DeviceLogin(t.Context(), showNothing); !errors.Is(err, errLunch) {
			t.Errorf("got %v, want the store's error", err)
		}
		store.set(nil, 0)
		time.Sleep(2 * time.Hour)
		wantToken(t, account)
	})
}

// TestUnsavedSurvivesFailedSignIn has a renewal and a sign-in that cannot be
// stored, one after the other.
func TestUnsavedSurvivesFailedSignIn(t *testing.T) {
	withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
		store := &spyStore{TokenStore: xoauth2.MemoryStore()}
		app, account := memoryAccount(t, srv, store)
		time.Sleep(2 * time.Hour)
		store.set(errLunch, 0)
		if _, err := account.TokenContext(t.Context()); !errors.Is(err, errLunch) {
			t.Errorf("got %v, want the store's error", err)
		}
		srv.SignIn(ada)
		if _, err := app.DeviceLogin(t.Context(), showNothing); !errors.Is(err, errLunch) {
			t.Errorf("got %v, want the store's error", err)
		}
		store.set(nil, 0)
		time.Sleep(2 * time.Hour)
		wantToken(t, account)
	})
}

// TestWhoCanHelp tells the failures of a renewal that only the user can end from
// the others.
func TestWhoCanHelp(t *testing.T) {
	answer := func(status int, body string) func(*exchangetest.Server) {
		return func(srv *exchangetest.Server) { answerTokens(srv, status, "Content-Type: application/json\n", body) }
	}
	number := func(number int) func(*exchangetest.Server) {
		return func(srv *exchangetest.Server) { srv.FailToken(number) }
	}
	tests := []struct {
		name   string
		start  func(*exchangetest.Server)
		signIn bool
		code   string // of the *TokenError; empty: there is none
	}{
		{"invalid_grant", number(50173), true, "invalid_grant"},
		{"interaction_required", number(50076), true, "interaction_required"},
		{"login_required", answer(400, `{"error":"login_required"}`), true, "login_required"},
		{"consent_required", answer(400, `{"error":"consent_required"}`), true, "consent_required"},
		{"blocked by a policy", number(53003), true, "invalid_grant"},
		{"sessions revoked", func(srv *exchangetest.Server) { srv.RevokeSessions(ada) }, true, "invalid_grant"},
		{"all sessions revoked", func(srv *exchangetest.Server) { srv.RevokeSessions("") }, true, "invalid_grant"},
		{"consent withdrawn", (*exchangetest.Server).WithdrawConsents, true, "invalid_grant"},
		{"refresh token ended", func(srv *exchangetest.Server) { srv.ExpireRefreshTokens() }, true, "invalid_grant"},
		{"invalid_client", number(7000222), false, "invalid_client"},
		{"invalid_scope", number(70011), false, "invalid_scope"},
		{"unauthorized_client", number(700016), false, "unauthorized_client"},
		{"throttled", func(srv *exchangetest.Server) { srv.ThrottleTokens(time.Hour) }, false, "temporarily_unavailable"},
		{"throttled, in other words", answer(429, `{"error":"invalid_grant"}`), false, "invalid_grant"},
		{"outage", func(srv *exchangetest.Server) { srv.MakeTokensUnavailable(time.Hour) }, false, ""},
		{"outage, in other words", answer(503, `{"error":"invalid_grant"}`), false, "invalid_grant"},
		{"server_error", answer(400, `{"error":"server_error"}`), false, "server_error"},
		{"page", func(srv *exchangetest.Server) { srv.InterceptTokens() }, false, ""},
		{"redirect", func(srv *exchangetest.Server) { srv.RedirectTokens() }, false, ""},
		{"no answer", func(srv *exchangetest.Server) { srv.StallTokens() }, false, ""},
		{"hung up", func(srv *exchangetest.Server) { srv.DropTokenRequests() }, false, ""},
		{"cut", func(srv *exchangetest.Server) { srv.CutTokenReplies() }, false, ""},
		{"malformed", answer(200, `{"access_token":1}`), false, ""},
		{"too long", answer(200, `{"x":"`+strings.Repeat("x", 2<<20)+`"}`), false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
				_, account := memoryAccount(t, srv, nil)
				time.Sleep(2 * time.Hour)
				tt.start(srv)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				_, err := account.TokenContext(ctx)
				if err == nil {
					t.Fatal("got a token")
				}
				if got := errors.Is(err, xoauth2.ErrSignInRequired); got != tt.signIn {
					t.Errorf("got %v, want ErrSignInRequired: %v", err, tt.signIn)
				}
				if tt.code != "" && wantTokenError(t, err).Code != tt.code {
					t.Errorf("got %v, want %q", err, tt.code)
				}
				if _, narrow := account.For(xoauth2.IMAP).TokenContext(ctx); errors.Is(narrow, xoauth2.ErrSignInRequired) != tt.signIn {
					t.Errorf("a narrow token: got %v, want ErrSignInRequired: %v", narrow, tt.signIn)
				}
			})
		})
	}
}

// TestSignInAgain ends what a refusal began.
func TestSignInAgain(t *testing.T) {
	withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
		app, account := memoryAccount(t, srv, nil)
		narrow := account.For(xoauth2.IMAP)
		time.Sleep(2 * time.Hour)
		srv.RevokeSessions(ada)
		for _, ts := range []xoauth2.TokenSource{account, narrow} {
			if _, err := ts.TokenContext(t.Context()); !errors.Is(err, xoauth2.ErrSignInRequired) {
				t.Fatalf("got %v, want ErrSignInRequired", err)
			}
		}
		again := memorySignIn(t, srv, app, ada)
		if again != account {
			t.Error("got another Account of the same user")
		}
		wantToken(t, account)
		wantToken(t, narrow)
		time.Sleep(2 * time.Hour)
		wantToken(t, narrow)
	})
}

// TestNarrowTokensDoNotRace gets tokens of all kinds at once, while every
// refresh token is good for one use.
func TestNarrowTokensDoNotRace(t *testing.T) {
	withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
		_, account := memoryAccount(t, srv, nil)
		srv.DelayTokens(100 * time.Millisecond)
		protocols := []xoauth2.Protocol{xoauth2.IMAP, xoauth2.POP3, xoauth2.SMTP}
		for round := range 5 {
			var callers sync.WaitGroup
			for i := range 100 {
				callers.Go(func() {
					source := account.For(protocols[i%3])
					if i == 99 {
						source = account
					}
					if _, err := source.TokenContext(t.Context()); err != nil {
						t.Errorf("no token: %v", err)
					}
				})
			}
			callers.Wait()
			want := 3 + 4*round // the sign-in's own token serves in the first round
			wantRequests(t, srv, want, grantRefresh)
			time.Sleep(2 * time.Hour)
		}
	})
}
