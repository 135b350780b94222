package xoauth2_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xoauth2/go-xoauth2"
	"github.com/xoauth2/go-xoauth2/exchangetest"
)

// restart returns the App as a new process has it.
func restart(app *xoauth2.App) *xoauth2.App {
	return &xoauth2.App{
		Provider: app.Provider, Tenant: app.Tenant, ClientID: app.ClientID, Credential: app.Credential, RedirectURL: app.RedirectURL,
		Protocols: app.Protocols, ExtraScopes: app.ExtraScopes, Store: app.Store, HTTPClient: app.HTTPClient,
	}
}

// wantAccounts compares the accounts in the store.
func wantAccounts(t *testing.T, app *xoauth2.App, want ...string) {
	t.Helper()
	got, err := app.Accounts(t.Context())
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got accounts %q, %v, want %q", got, err, want)
	}
}

// wantAccount finds an account.
func wantAccount(t *testing.T, app *xoauth2.App, username string) *xoauth2.Account {
	t.Helper()
	account, err := app.Account(t.Context(), username)
	if err != nil {
		t.Fatalf("no account of %s: %v", username, err)
	}
	return account
}

// wantNoAccount expects that somebody has to sign in.
func wantNoAccount(t *testing.T, app *xoauth2.App, username string) {
	t.Helper()
	_, err := app.Account(t.Context(), username)
	wantError(t, err, "sign-in required")
	if !errors.Is(err, xoauth2.ErrSignInRequired) {
		t.Errorf("got %v, want ErrSignInRequired", err)
	}
}

// TestAccountAfterRestart finds the account of every spelling of its name, in
// memory and in a new process, and asks the endpoint nothing.
func TestAccountAfterRestart(t *testing.T) {
	t.Parallel()
	srv := newExchange(t)
	app := publicApp(srv)
	app.Store = xoauth2.FileStore(filepath.Join(t.TempDir(), "accounts"))
	wantAccounts(t, app)
	wantNoAccount(t, app, ada)
	signedIn := signInByBrowser(t, srv, app, ada)
	signInByBrowser(t, srv, app, bea)
	token := wantToken(t, signedIn)
	requests := srv.TokenRequests()
	for _, process := range []*xoauth2.App{app, restart(app)} {
		var first *xoauth2.Account
		for _, name := range []string{ada, "Ada@Contoso.COM", strings.ToUpper(ada), ada} {
			account := wantAccount(t, process, name)
			if first == nil {
				first = account
			}
			if account != first || account.Username() != ada {
				t.Errorf("%q: got another Account, of %q", name, account.Username())
			}
			if got := wantToken(t, account); got.AccessToken != token.AccessToken {
				t.Errorf("%q: got another token", name)
			}
		}
		wantNoAccount(t, process, "nobody@contoso.com")
		wantNoAccount(t, process, "")
		wantAccounts(t, process, ada, bea)
	}
	wantRequests(t, srv, requests)
}

// TestAccountOfManyApps keeps several applications apart in one store.
func TestAccountOfManyApps(t *testing.T) {
	t.Parallel()
	srv := newExchange(t)
	store := xoauth2.MemoryStore()
	one, two := publicApp(srv), publicApp(srv)
	one.Store, two.Store = store, store
	signInByBrowser(t, srv, one, ada)
	wantNoAccount(t, two, ada)
	signInByBrowser(t, srv, two, ada)
	signInByBrowser(t, srv, two, bea)
	wantAccounts(t, one, ada)
	wantAccounts(t, two, ada, bea)
	if err := wantAccount(t, two, ada).SignOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantAccounts(t, two, bea)
	wantToken(t, wantAccount(t, restart(one), ada))
	if keys, err := store.Keys(t.Context()); len(keys) != 2 || err != nil {
		t.Errorf("the store holds %q, %v, want two records", keys, err)
	}
}

// TestAccountsManyNames looks up every account of a store in a new process.
func TestAccountsManyNames(t *testing.T) {
	t.Parallel()
	srv := newExchange(t)
	app := srv.App(&exchangetest.AppOptions{RedirectURL: callbackURL})
	store := &countingStore{TokenStore: xoauth2.MemoryStore()}
	app.Store = store
	names := make([]string, 100)
	for i := range names {
		names[i] = strings.Repeat("x", i+1) + "@contoso.com"
		signInOnTheWeb(t, srv, app, names[i])
	}
	process := restart(app)
	store.loads = 0
	var callers sync.WaitGroup
	for _, name := range names {
		callers.Go(func() {
			if account, err := process.Account(t.Context(), name); err != nil || account.Username() != name {
				t.Errorf("%s: got %v", name, err)
			}
		})
	}
	callers.Wait()
	for _, name := range names {
		wantAccount(t, process, strings.ToUpper(name))
	}
	if store.loads > len(names)*len(names) {
		t.Errorf("%d records were read to find %d accounts", store.loads, len(names))
	}
	before := store.loads
	wantAccount(t, restart(app), names[0])
	if got := store.loads - before; got != len(names) {
		t.Errorf("%d records were read to find one account, want %d", got, len(names))
	}
}

// countingStore counts what is read.
type countingStore struct {
	xoauth2.TokenStore
	mu    sync.Mutex
	loads int
}

func (s *countingStore) Load(ctx context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	s.loads++
	s.mu.Unlock()
	return s.TokenStore.Load(ctx, key)
}

// TestForInAnyOrder names the same protocols in another order, and twice.
func TestForInAnyOrder(t *testing.T) {
	t.Parallel()
	srv := newExchange(t)
	account := signInByBrowser(t, srv, publicApp(srv), ada)
	wantToken(t, account.For(xoauth2.IMAP, xoauth2.SMTP))
	requests := srv.TokenRequests()
	wantToken(t, account.For(xoauth2.SMTP, xoauth2.IMAP))
	wantToken(t, account.For(xoauth2.IMAP, xoauth2.SMTP, xoauth2.IMAP))
	wantToken(t, account.For(xoauth2.SMTP, xoauth2.POP3, xoauth2.IMAP))
	wantRequests(t, srv, requests)
}

func TestSignOut(t *testing.T) {
	t.Parallel()
	srv := newExchange(t)
	app := publicApp(srv)
	app.Store = xoauth2.FileStore(filepath.Join(t.TempDir(), "accounts"))
	account := signInByBrowser(t, srv, app, ada)
	signInByBrowser(t, srv, app, bea)
	narrow := account.For(xoauth2.IMAP)
	wantToken(t, account)
	wantToken(t, narrow)
	if err := account.SignOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	requests := srv.TokenRequests()
	for _, ts := range []xoauth2.TokenSource{account, narrow, account.For(xoauth2.SMTP)} {
		_, err := ts.TokenContext(t.Context())
		wantError(t, err, "signed out")
		if !errors.Is(err, xoauth2.ErrSignInRequired) {
			t.Errorf("got %v, want ErrSignInRequired", err)
		}
	}
	wantRequests(t, srv, requests)
	for _, process := range []*xoauth2.App{app, restart(app)} {
		wantNoAccount(t, process, ada)
		wantAccounts(t, process, bea)
	}
	if err := account.SignOut(t.Context()); err != nil {
		t.Errorf("a second time: %v", err)
	}
	again := signInByBrowser(t, srv, app, ada)
	wantToken(t, again)
	wantAccounts(t, app, ada, bea)
}

// TestSignOutFails has a store that cannot delete.
func TestSignOutFails(t *testing.T) {
	t.Parallel()
	srv := newExchange(t)
	app := publicApp(srv)
	store := &spyStore{TokenStore: xoauth2.MemoryStore()}
	app.Store = store
	account := signInByBrowser(t, srv, app, ada)
	store.set(errLunch, 0)
	err := account.SignOut(t.Context())
	wantError(t, err, errLunch.Error())
	if !errors.Is(err, errLunch) {
		t.Errorf("got %v, want the store's error", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errLunch)
	store.set(nil, 0)
	if err := account.SignOut(ctx); !errors.Is(err, errLunch) {
		t.Errorf("with a context that has ended: got %v", err)
	}
}

// TestRecordRemoved has another process sign the user out.
func TestRecordRemoved(t *testing.T) {
	withFakeClock(t, func(t *testing.T, srv *exchangetest.Server) {
		app, account := memoryAccount(t, srv, xoauth2.MemoryStore())
		wantToken(t, account)
		other := memoryRestart(srv, app)
		if err := wantAccount(t, other, ada).SignOut(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantToken(t, account) // what is in memory lasts until it ends
		time.Sleep(2 * time.Hour)
		if _, err := account.TokenContext(t.Context()); !errors.Is(err, xoauth2.ErrSignInRequired) {
			t.Errorf("got %v, want ErrSignInRequired", err)
		}
		wantRequests(t, srv, 0, grantRefresh)

		memorySignIn(t, srv, other, ada) // which the first process finds
		time.Sleep(time.Minute)
		wantToken(t, account)
	})
}

// TestDamagedRecords has records that were cut, filled with garbage, and written
// by a later version of this package: each concerns its own account alone.
func TestDamagedRecords(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		damage func(record []byte) []byte
		want   string
	}{
		{"cut", func(record []byte) []byte { return record[:len(record)/2] }, "corrupt"},
		{"empty", func([]byte) []byte { return nil }, "corrupt"},
		{"garbage", func(record []byte) []byte { return bytes.Repeat([]byte{'x'}, len(record)) }, "corrupt"},
		{"one bit", func(record []byte) []byte { record[len(record)/2] ^= 1; return record }, "corrupt"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := newExchange(t)
			app := publicApp(srv)
			dir := filepath.Join(t.TempDir(), "accounts")
			app.Store = xoauth2.FileStore(dir)
			held := signInByBrowser(t, srv, app, ada)
			file := onlyRecord(t, dir)
			signInByBrowser(t, srv, app, bea)
			record, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			damaged := tt.damage(record)
			if err := os.WriteFile(file, damaged, 0o600); err != nil {
				t.Fatal(err)
			}

			process := restart(app)
			wantToken(t, wantAccount(t, process, bea))
			_, err = process.Account(t.Context(), ada)
			wantError(t, err, tt.want)
			if !strings.Contains(err.Error(), filepath.Base(file)) || errors.Is(err, xoauth2.ErrSignInRequired) {
				t.Errorf("got %v, want the name of the file and no sign-in", err)
			}
			if names, err := process.Accounts(t.Context()); err == nil || !slices.Equal(names, []string{bea}) {
				t.Errorf("got accounts %q, %v, want the readable one and an error", names, err)
			}
			if _, err := held.For(xoauth2.IMAP).TokenContext(t.Context()); err == nil || errors.Is(err, xoauth2.ErrSignInRequired) {
				t.Errorf("a renewal: got %v, want an error about the record", err)
			}
			srv.SignIn(ada)
			if _, err := process.BrowserLogin(t.Context(), &xoauth2.BrowserOptions{Open: srv.Browse}); err == nil {
				t.Error("a sign-in overwrites the damaged record")
			}
			if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, damaged) {
				t.Errorf("the damaged file is not as it was: %v", err)
			}
		})
	}
}

// onlyRecord returns the one file in a store's directory that is no lock.
func onlyRecord(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && info.Size() > 0 {
			found = append(found, filepath.Join(dir, entry.Name()))
		}
	}
	if len(found) != 1 {
		t.Fatalf("got the files %q, want one record", found)
	}
	return found[0]
}

// TestForeignRecords has records of the right store that no account has written.
func TestForeignRecords(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, record, want string }{
		{"later version", `{"version":2,"username":"` + ada + `","refresh_token":"` + canary + `"}`, "version 2; this program knows 1: update the program"},
		{"no version", `{"username":"` + ada + `"}`, "damaged"},
		{"no user name", `{"version":1}`, "damaged"},
		{"not JSON", canary, "damaged"},
		{"other types", `{"version":1,"username":["` + canary + `"]}`, "damaged"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := newExchange(t)
			app := publicApp(srv)
			app.Store = xoauth2.MemoryStore()
			putRecord(t, app.Store, app.ClientID+":tenant.object", []byte(tt.record))
			_, err := app.Account(t.Context(), ada)
			wantError(t, err, tt.want)
			assertSecret(t, err)
			if _, err := app.Accounts(t.Context()); err == nil {
				t.Error("Accounts does not mind")
			}
		})
	}
}

// TestNameMoves gives a user name to another account, as happens when somebody
// leaves and somebody of the same name comes.
func TestNameMoves(t *testing.T) {
	t.Parallel()
	srv := newExchange(t)
	app := publicApp(srv)
	app.Store = xoauth2.MemoryStore()
	old := signInByBrowser(t, srv, app, ada)
	oldToken := wantToken(t, old)
	for _, process := range []*xoauth2.App{app, restart(app)} {
		srv.RewriteIDTokens(func(claims map[string]any) {
			claims["oid"], claims["preferred_username"] = "aaaaaaaa-0000-4000-8000-000000000000", "Ada@contoso.com"
		})
		moved := signInByBrowser(t, srv, process, ada)
		srv.Heal()
		if moved == old {
			t.Fatal("got the old account")
		}
		newToken := wantToken(t, moved)
		if newToken.AccessToken == oldToken.AccessToken {
			t.Error("got the token of the old account")
		}
		for range 10 { // the store's order is random
			if got := wantToken(t, wantAccount(t, restart(app), ada)); got.AccessToken != newToken.AccessToken {
				t.Fatal("a new process finds the old account")
			}
		}
		if wantAccount(t, process, ada) != moved {
			t.Error("the process finds another account")
		}
		wantAccounts(t, process, "Ada@contoso.com")
	}
	wantToken(t, old) // who holds it may go on
	if err := old.SignOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantToken(t, wantAccount(t, app, ada))
}
