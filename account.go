package xoauth2

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cli/browser"
	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2/internal/account"
	"github.com/xoauth2/go-xoauth2/internal/entra"
	"github.com/xoauth2/go-xoauth2/internal/signin"
	"github.com/xoauth2/go-xoauth2/internal/tokencache"
)

// Account is a user who signed in. It is a [TokenSource] of tokens for all
// protocols of its [App], and renews them silently, also after a restart if the
// App has a lasting Store. A new refresh token is stored before the access
// token that came with it is handed out. It is safe for concurrent use, also by
// several processes that share a store.
//
// When only the user can help, its errors wrap [ErrSignInRequired]; outages
// and throttling never do.
type Account struct {
	app      *App
	all      cacheSource // of tokens for all protocols of the App
	username string
	renewer  account.Renewer

	mu     sync.Mutex
	narrow map[string]*tokencache.Source // by scope, guarded by mu
}

var (
	_ cachedSource = (*Account)(nil)
	_ cachedSource = cacheSource{}
)

// Username returns the user name of the account that signed in, which may be
// another one than was hinted at: preferred_username of the id_token, else
// email, else upn, else sub.
func (acc *Account) Username() string { return acc.username }

// Token returns a token for all protocols of the App; see [TokenSource].
func (acc *Account) Token() (*oauth2.Token, error) { return acc.all.Token() }

// TokenContext returns a token for all protocols of the App; see [TokenSource].
func (acc *Account) TokenContext(ctx context.Context) (*oauth2.Token, error) {
	return acc.all.TokenContext(ctx)
}

func (acc *Account) cached() *oauth2.Token     { return acc.all.cached() }
func (acc *Account) refused(token string) bool { return acc.all.refused(token) }

// For returns the source of tokens for protocols only, from the same sign-in.
// No protocols means those of the App. Its calls share one cache.
func (acc *Account) For(protocols ...Protocol) TokenSource {
	scope := acc.app.scope(protocols)
	if len(protocols) == 0 || scope == acc.app.init().scope {
		return acc.all
	}
	acc.mu.Lock()
	defer acc.mu.Unlock()
	source, ok := acc.narrow[scope]
	if !ok {
		source = acc.newSource(scope)
		if acc.narrow == nil {
			acc.narrow = make(map[string]*tokencache.Source)
		}
		acc.narrow[scope] = source
	}
	return cacheSource{source}
}

// SignOut forgets the account, here and in the store. Tokens that were
// handed out stay valid until they expire.
func (acc *Account) SignOut(ctx context.Context) error {
	accounts := &acc.app.init().accounts
	if there, ok := accounts.Get(acc.username); ok && there.renewer.Key == acc.renewer.Key {
		accounts.Delete(acc.username)
	}
	err := acc.renewer.Delete(ctx)
	acc.forget()
	return prefixed(err)
}

// forget empties the caches.
func (acc *Account) forget() {
	acc.all.cache.Forget()
	acc.mu.Lock()
	defer acc.mu.Unlock()
	for _, source := range acc.narrow {
		source.Forget()
	}
}

func (acc *Account) newSource(scope string) *tokencache.Source {
	return acc.app.newCache(func(ctx context.Context, refused string) (*oauth2.Token, error) {
		token, err := acc.renewer.Token(ctx, scope, refused)
		return token, signInError(err)
	})
}

// signInError puts ErrSignInRequired before the errors that mean it (OpenID
// Connect Core 1.0, section 3.1.2.6; Microsoft's "Handling errors and
// exceptions in MSAL").
func signInError(err error) error {
	var refusal *TokenError
	switch {
	case errors.Is(err, account.ErrGone):
		return fmt.Errorf("%w: %w", ErrSignInRequired, err)
	case !errors.As(err, &refusal):
		return prefixed(err)
	case refusal.temporary:
		return err
	}
	switch refusal.Code {
	case "invalid_grant", "interaction_required", "login_required", "consent_required":
		return fmt.Errorf("%w: %w", ErrSignInRequired, err)
	}
	return err
}

// scope returns what a token request for protocols, in whatever order, asks for.
func (a *App) scope(protocols []Protocol) string {
	return strings.Join(a.Provider.orExchange().Scopes(slices.Sorted(slices.Values(protocols))...), " ")
}

func (a *App) newAccount(key, username string) *Account {
	acc := &Account{app: a, username: username, renewer: account.Renewer{Store: a.init().store, Key: key, Refresh: a.refresh}}
	acc.all = cacheSource{acc.newSource(a.init().scope)}
	return acc
}

func (a *App) refresh(ctx context.Context, refreshToken, scope, granted string) (*oauth2.Token, error) {
	client, err := a.client()
	if err != nil {
		return nil, err
	}
	token, err := client.Refresh(ctx, refreshToken, scope, a.Provider.orExchange().within(granted, scope, a.ExtraScopes))
	return token, a.refusal(err, "")
}

// AuthCodeURL returns the URL of the sign-in page, to which a web application
// sends its user, who comes back to RedirectURL. The user consents to all
// protocols of the App and its ExtraScopes at once. state and verifier, from
// oauth2.GenerateVerifier, are new for every sign-in and kept in the user's
// session: state to compare, in constant time, with what comes back, verifier
// for [App.Exchange]. Options add parameters: login_hint, prompt,
// response_mode; they must not set nonce.
func (a *App) AuthCodeURL(state, verifier string, opts ...oauth2.AuthCodeOption) (string, error) {
	client, err := a.client()
	if err != nil {
		return "", err
	}
	page, err := client.AuthCodeURL(a.RedirectURL, state, verifier, a.consent(), a.quirks(opts)...)
	return page, prefixed(err)
}

// consent returns the scopes that the user is asked for at sign-in.
func (a *App) consent() []string {
	scopes := a.Provider.orExchange().Scopes(a.Protocols...)
	for _, scope := range a.ExtraScopes {
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}

// quirks adds what Google wants for a refresh token (Google's "Using OAuth 2.0
// for Web Server Applications").
func (a *App) quirks(opts []oauth2.AuthCodeOption) []oauth2.AuthCodeOption {
	if a.Provider.Name != nameGmail {
		return opts
	}
	return append([]oauth2.AuthCodeOption{oauth2.AccessTypeOffline}, opts...)
}

// Exchange redeems the code that came back to RedirectURL, checks the id_token
// against what was asked, and stores and returns the account. A refusal is a
// *[TokenError].
func (a *App) Exchange(ctx context.Context, code, verifier string) (*Account, error) {
	client, err := a.client()
	if err != nil {
		return nil, err
	}
	result, err := client.Redeem(ctx, code, verifier, a.RedirectURL, a.init().scope)
	return a.signedIn(ctx, result, a.refusal(err, a.RedirectURL))
}

// BrowserOptions are the options of a sign-in with a browser.
type BrowserOptions struct {
	LoginHint string // the user name to offer

	// Open shows the sign-in page, and is not waited for. Nil is the system
	// browser, by package github.com/cli/browser, whose variables Stdout and
	// Stderr are for what the browser writes.
	Open func(url string) error

	// Paste is where a pasted redirect URL is accepted from too. One line is
	// read, and the read is left behind if the browser is faster.
	Paste io.Reader
}

// BrowserLogin signs a user in with a browser on this computer (RFC 8252):
// authorization code with PKCE, redirected to http://localhost with a port of
// the moment; the application must have http://localhost registered for mobile
// and desktop applications. ctx bounds it. Nil opts are the
// zero options. A refusal, also one by the sign-in page, is a *[TokenError].
func (a *App) BrowserLogin(ctx context.Context, opts *BrowserOptions) (*Account, error) {
	client, err := a.client()
	if err != nil {
		return nil, err
	}
	var o BrowserOptions
	if opts != nil {
		o = *opts
	}
	if o.Open == nil {
		o.Open = browser.OpenURL
	}
	var params []oauth2.AuthCodeOption
	if o.LoginHint != "" {
		params = append(params, oauth2.SetAuthURLParam("login_hint", o.LoginHint))
	}
	result, err := client.Browser(ctx, a.consent(), a.init().scope, o.Open, o.Paste, a.quirks(params)...)
	return a.signedIn(ctx, result, a.refusal(err, "http://localhost"))
}

// DeviceLogin signs a user in on another device (RFC 8628): show tells the user
// where to go and which code to enter. ctx bounds it, as does the life of the
// code. Where it ends with an error of show, that is returned. A refusal is a
// *[TokenError].
//
// Conditional Access often blocks this flow; BrowserLogin is then the way.
func (a *App) DeviceLogin(ctx context.Context, show func(*oauth2.DeviceAuthResponse) error) (*Account, error) {
	client, err := a.client()
	if err != nil {
		return nil, err
	}
	if client.Endpoint.DeviceAuthURL == "" {
		return nil, fmt.Errorf("xoauth2: device login: %s has no device flow for its mail scope: use BrowserLogin", a.Provider.name())
	}
	if show == nil {
		return nil, errors.New("xoauth2: device login: no function to show the code with")
	}
	result, err := client.Device(ctx, a.init().scope, show)
	acc, err := a.signedIn(ctx, result, a.refusal(err, ""))
	if refusal := (*TokenError)(nil); errors.As(err, &refusal) && signin.NeedsBrowser(refusal.Code, refusal.AADSTS) {
		return nil, fmt.Errorf("xoauth2: device login is blocked, by Conditional Access perhaps: use BrowserLogin: %w", err)
	}
	return acc, err
}

// signedIn stores what a sign-in brought, unless err says that it brought
// nothing.
func (a *App) signedIn(ctx context.Context, result *signin.Result, err error) (*Account, error) {
	if err != nil {
		return nil, err
	}
	id, err := identity(result)
	if err != nil {
		return nil, err
	}
	if result.Token.RefreshToken == "" {
		return nil, errors.New("xoauth2: the sign-in brought no refresh token: is offline access among the application's permissions?")
	}
	granted, _ := result.Token.Extra("scope").(string)
	record := account.New(id.Username, granted)
	record.Put(a.init().scope, result.Token, time.Now())
	accounts := &a.init().accounts
	acc, ok := accounts.Get(id.Username)
	if key := a.accountKey(id); !ok || acc.renewer.Key != key {
		acc = a.newAccount(key, id.Username)
	}
	if err := acc.renewer.Save(ctx, record); err != nil {
		return nil, prefixed(err)
	}
	if there := accounts.Set(id.Username, acc); there.renewer.Key == acc.renewer.Key {
		acc = there
	} else { // the name went to another account
		accounts.Delete(id.Username)
		acc = accounts.Set(id.Username, acc)
	}
	acc.forget()
	return acc, nil
}

// identity returns who signed in. Providers that send no id_token may name the
// user in the access token; those whose id_token has no name have a subject.
func identity(result *signin.Result) (*entra.IDToken, error) {
	id := result.ID
	if id == nil {
		info := InspectToken(result.Token.AccessToken)
		id = &entra.IDToken{Subject: info.Username, TenantID: info.TenantID, ObjectID: info.ObjectID}
	}
	id.Username = cmp.Or(id.Username, id.Subject)
	if id.Username == "" {
		return nil, errors.New("xoauth2: the provider does not say who signed in: it sent no id_token; are openid and profile among the application's permissions?")
	}
	return id, nil
}

// accountKey names an account for good: its user name may change.
func (a *App) accountKey(id *entra.IDToken) string {
	if id.TenantID != "" && id.ObjectID != "" {
		return a.keyPrefix() + id.TenantID + "." + id.ObjectID
	}
	return a.keyPrefix() + id.Issuer + "." + id.Subject
}

// keyPrefix tells the accounts of several applications in one store apart.
func (a *App) keyPrefix() string { return a.ClientID + ":" }

// Account returns the account of username, in whatever case, that signed in
// earlier, from memory or from the store; then it asks nobody, and the first
// token tells whether the sign-in still holds. If there is none, the error
// wraps [ErrSignInRequired]. If a name went from one account to another, it is
// the one that signed in last. The look-up of a name that is not in memory reads
// all accounts of this application in the store, which are in memory then.
func (a *App) Account(ctx context.Context, username string) (*Account, error) {
	accounts := &a.state.accounts // which needs no init
	if acc, ok := accounts.Get(username); ok {
		return acc, nil
	}
	stored, err := a.stored(ctx)
	for _, s := range stored {
		accounts.Set(s.username, a.newAccount(s.key, s.username))
	}
	if acc, ok := accounts.Get(username); ok {
		return acc, nil
	}
	if err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%w: no account %.256q in the token store", ErrSignInRequired, username)
}

// Accounts returns the user names of all accounts that signed in and are in the
// store, sorted. If some cannot be read, it returns the others and an error.
func (a *App) Accounts(ctx context.Context) ([]string, error) {
	stored, err := a.stored(ctx)
	var names []string
	for _, s := range stored {
		names = append(names, s.username)
	}
	slices.Sort(names)
	return names, err
}

// storedAccount is what the store tells about an account before it is used.
type storedAccount struct {
	key, username string
	signedIn      time.Time
}

// stored returns the accounts of this application in the store, of each user
// name the one that signed in last. Records that vanish meanwhile are passed
// over, and one that cannot be read keeps none of the others back.
func (a *App) stored(ctx context.Context) (map[string]storedAccount, error) {
	keys, err := a.init().store.Keys(ctx)
	if err != nil {
		return nil, prefixed(err)
	}
	newest := make(map[string]storedAccount)
	for _, key := range keys {
		if !strings.HasPrefix(key, a.keyPrefix()) {
			continue
		}
		s, readErr := a.readStored(ctx, key)
		if readErr != nil && !errors.Is(readErr, ErrNotFound) {
			err = cmp.Or(err, prefixed(readErr))
		}
		name := strings.ToLower(s.username)
		if readErr == nil && !newest[name].signedIn.After(s.signedIn) {
			newest[name] = s
		}
	}
	return newest, err
}

func (a *App) readStored(ctx context.Context, key string) (storedAccount, error) {
	data, err := a.init().store.Load(ctx, key)
	if err != nil {
		return storedAccount{}, err
	}
	record, err := account.Decode(data)
	if err != nil {
		return storedAccount{}, fmt.Errorf("account %.256q: %w", key, err)
	}
	return storedAccount{key, record.Username(), record.SignedIn()}, nil
}
