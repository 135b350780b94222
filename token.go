package xoauth2

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2/internal/account"
	"github.com/xoauth2/go-xoauth2/internal/entra"
	"github.com/xoauth2/go-xoauth2/internal/signin"
	"github.com/xoauth2/go-xoauth2/internal/tokencache"
	"github.com/xoauth2/go-xoauth2/internal/wire"
)

// TokenSource is every source of tokens of this package: an oauth2.TokenSource
// whose tokens can also be had under a context. It is safe for concurrent use.
//
// A cached token costs neither a lock nor an allocation. From five minutes
// before its end a token is renewed in the background while it still serves.
// However many callers wait for a token, one request is made; it is repeated
// while the endpoint is throttling or out of order, and its errors are shared.
type TokenSource interface {
	oauth2.TokenSource

	// TokenContext returns a token that is valid for a while yet. ctx bounds
	// the waiting; a request that serves other callers too goes on. The token
	// is shared: do not change it. Refusals by the token endpoint are a
	// *TokenError.
	TokenContext(ctx context.Context) (*oauth2.Token, error)
}

// Token returns a token from ts within ctx, also if ts takes no context: then
// it stops waiting when ctx ends, and leaves ts to itself.
func Token(ctx context.Context, ts oauth2.TokenSource) (*oauth2.Token, error) {
	if ts == nil {
		return nil, errors.New("xoauth2: no token source")
	}
	if own, ok := ts.(cachedSource); ok {
		return own.TokenContext(ctx)
	}
	type result struct {
		token *oauth2.Token
		err   error
	}
	done := make(chan result, 1)
	go func() {
		r := result{err: errors.New("xoauth2: the token source ended its goroutine")}
		defer func() {
			if v := recover(); v != nil { // nobody else could: the goroutine is ours
				r = result{err: fmt.Errorf("xoauth2: panic of type %T in the token source", v)}
			}
			done <- r
		}()
		if withContext, ok := ts.(TokenSource); ok {
			r.token, r.err = withContext.TokenContext(ctx)
		} else {
			r.token, r.err = ts.Token()
		}
	}()
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("xoauth2: waiting for a token: %w", wire.Cause(ctx))
	case r := <-done:
		if r.err == nil && r.token == nil {
			return nil, errors.New("xoauth2: the token source returned no token")
		}
		return r.token, r.err
	}
}

// cachedSource is what the dialers know of this package's own sources.
type cachedSource interface {
	TokenSource
	cached() *oauth2.Token           // without waiting; nil if there is none
	refused(accessToken string) bool // a server refused it; true if a new one is worth asking for
}

// cacheSource makes a TokenSource of a cache.
type cacheSource struct{ cache *tokencache.Source }

// Token waits no longer than a minute: who calls it has no other way to say so.
func (s cacheSource) Token() (*oauth2.Token, error) {
	if token := s.cache.Cached(); token != nil {
		return token, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return s.TokenContext(ctx)
}

func (s cacheSource) TokenContext(ctx context.Context) (*oauth2.Token, error) {
	token, err := s.cache.Token(ctx)
	return token, prefixed(err)
}
func (s cacheSource) cached() *oauth2.Token     { return s.cache.Cached() }
func (s cacheSource) refused(token string) bool { return s.cache.Refused(token) }

// pendingToken is a token that is fetched while the connection is made.
type pendingToken struct {
	done  chan struct{} // nil: the token was cached
	token *oauth2.Token // after done
}

func (p *pendingToken) wait() {
	if p.done != nil {
		<-p.done
	}
}

// fetchToken begins to fetch a token from ts. A failure ends ctx by cancel.
func fetchToken(ctx context.Context, ts oauth2.TokenSource, cancel context.CancelCauseFunc) *pendingToken {
	if own, ok := ts.(cachedSource); ok {
		if token := own.cached(); token != nil {
			return &pendingToken{token: token}
		}
	}
	p := &pendingToken{done: make(chan struct{})}
	go func() {
		defer close(p.done)
		var err error
		if p.token, err = Token(ctx, ts); err != nil {
			cancel(tokenFailure{err})
		}
	}()
	return p
}

// tokenFailure is the cause of a context that ended since there is no token.
type tokenFailure struct{ error }

func (e tokenFailure) Unwrap() error { return e.error }

// App is one app registration. Use it by pointer, and do not change it after
// its first use; its methods are safe for concurrent use.
type App struct {
	Provider    Provider     // zero: Exchange
	Tenant      string       // directory id or domain; empty: any account that signs in
	ClientID    string       // Application (client) ID
	Credential  Credential   // nil: public client
	RedirectURL string       // web applications
	Protocols   []Protocol   // none: all three
	ExtraScopes []string     // consented at sign-in with a browser, e.g. User.Read; never in a mail token request
	Store       TokenStore   // nil: memory
	HTTPClient  *http.Client // nil: one of the package, with the proxies of the environment

	state appState
}

// appState is what an App makes at its first use.
type appState struct {
	once     sync.Once
	client   *entra.Client
	store    TokenStore
	scope    string      // of the App's own protocols; one string for all accounts
	strict   atomic.Bool // see signin.Client.Strict
	appOnly  *tokencache.Source
	accounts account.Index[*Account]
}

func (a *App) init() *appState {
	a.state.once.Do(func() {
		a.state.client = entra.NewClient(a.HTTPClient)
		a.state.store = a.Store
		if a.Store == nil {
			a.state.store = MemoryStore()
		}
		a.state.scope = a.scope(a.Protocols)
		a.state.appOnly = a.newCache(a.fetchAppOnly)
	})
	return &a.state
}

func (a *App) newCache(fetch func(ctx context.Context, refused string) (*oauth2.Token, error)) *tokencache.Source {
	return tokencache.New(tokencache.Config{Fetch: fetch, Temporary: isTemporary})
}

// isTemporary reports whether a token request may succeed if it is repeated.
func isTemporary(err error) (retryAfter time.Duration, ok bool) {
	var refusal *TokenError
	if errors.As(err, &refusal) {
		return refusal.RetryAfter, refusal.temporary
	}
	return 0, signin.IsNetworkError(err)
}

// ClientCredentials returns the source of tokens for the application itself,
// which lets a daemon into every mailbox that an administrator opened to it
// (RFC 6749, section 4.4). Its calls share one cache. What is
// missing or unsuitable in a is reported by the source.
func (a *App) ClientCredentials() TokenSource {
	return cacheSource{a.init().appOnly}
}

func (a *App) fetchAppOnly(ctx context.Context, _ string) (*oauth2.Token, error) {
	p := a.Provider.orExchange()
	scopes := p.collect(a.Protocols, func(s Service) string { return s.AppScope })
	if err := a.checkAppOnly(p, scopes); err != nil {
		return nil, fmt.Errorf("xoauth2: client credentials: %w", err)
	}
	client, err := a.client()
	if err != nil {
		return nil, err
	}
	token, err := client.Request(ctx, url.Values{
		"grant_type": {"client_credentials"},
		"scope":      {strings.Join(scopes, " ")},
	})
	return token, a.refusal(err, "")
}

func (a *App) checkAppOnly(p Provider, scopes []string) error {
	named := func(scope string) bool { return !strings.HasSuffix(scope, "/.default") }
	switch {
	case len(scopes) == 0:
		return fmt.Errorf("%s has no application permissions: sign a user in", p.name())
	case a.Credential == nil:
		return errors.New("App.Credential is missing: use ClientSecret, ClientCertificate or ClientAssertion")
	case p.hasTenants() && a.Tenant == "":
		return errors.New("App.Tenant is missing: use the Directory (tenant) ID or a domain of the directory")
	case p.hasTenants() && isMultiTenant(a.Tenant):
		return fmt.Errorf("App.Tenant is %q, which names no directory: use the Directory (tenant) ID or a domain of the directory", a.Tenant)
	case p.hasTenants() && slices.ContainsFunc(scopes, named):
		return fmt.Errorf("the scopes %q are named ones, which need a user: use the resource's /.default", scopes)
	}
	return nil
}

// client returns the application as its endpoints see it, or what is wrong
// with it.
func (a *App) client() (*signin.Client, error) {
	p := a.Provider.orExchange()
	switch {
	case a.ClientID == "":
		return nil, errors.New("xoauth2: App.ClientID is missing: use the Application (client) ID of the app registration")
	case strings.TrimSpace(a.ClientID) != a.ClientID:
		return nil, errors.New("xoauth2: App.ClientID has white space around it")
	case strings.ContainsAny(a.Tenant, "/?#\\ \t\r\n"):
		return nil, errors.New("xoauth2: App.Tenant is neither a directory id nor a domain: it holds white space or a slash")
	case p.TokenURL == "":
		return nil, fmt.Errorf("xoauth2: %s has no token endpoint: set Provider.TokenURL", p.name())
	}
	c := &signin.Client{Wire: a.init().client, Endpoint: p.Endpoint(a.Tenant), ClientID: a.ClientID, Authenticate: a.authenticate, AskConsent: !p.hasTenants(), Strict: &a.state.strict}
	if isGUID(a.Tenant) {
		c.TenantID = a.Tenant
	}
	return c, nil
}

func (a *App) authenticate(ctx context.Context, form url.Values, audience string) error {
	if a.Credential == nil {
		return nil
	}
	err := a.Credential.authenticate(ctx, form, audience)
	if err == nil && a.Provider.orExchange().hasTenants() && isGUID(form.Get("client_secret")) {
		return errors.New("xoauth2: the client secret is a GUID, which is the secret's ID: use its Value, which the portal shows once, when the secret is made")
	}
	return err
}

// refusal returns a *TokenError for an endpoint's refusal of a request, which
// may have named a redirect URL, and other errors with this package's name
// before them.
func (a *App) refusal(err error, redirectURL string) error {
	var r *entra.Refusal
	if !errors.As(err, &r) {
		return prefixed(err)
	}
	e := &TokenError{
		Code: r.Code, SubError: r.SubError, Description: r.Description, AADSTS: r.AADSTS,
		TraceID: r.TraceID, CorrelationID: r.CorrelationID,
		StatusCode: r.StatusCode, RetryAfter: r.RetryAfter, ClockSkew: r.ClockSkew,
		Endpoint: r.Endpoint, Tenant: a.Tenant, ClientID: a.ClientID, RedirectURL: redirectURL,
		temporary: r.Temporary(),
	}
	if r.Retrieve != nil {
		e.Err = r.Retrieve
	} else {
		e.Endpoint = a.Provider.orExchange().Endpoint(a.Tenant).AuthURL // the answer came through the browser
	}
	if a.Credential != nil {
		e.Thumbprint = a.Credential.thumbprint()
	}
	return e
}

func prefixed(err error) error {
	if err == nil || strings.HasPrefix(err.Error(), "xoauth2: ") {
		return err
	}
	return fmt.Errorf("xoauth2: %w", err)
}

// Credential proves a confidential client's identity to the token endpoint:
// a [ClientSecret], [ClientCertificate] or [ClientAssertion].
type Credential interface {
	// authenticate adds the proof to form, which is for audience.
	authenticate(ctx context.Context, form url.Values, audience string) error
	// thumbprint names the certificate, if there is one.
	thumbprint() string
}

// credential holds what it hides in a closure.
type credential struct {
	add         func(ctx context.Context, form url.Values, audience string) error
	certificate string
}

func (c credential) authenticate(ctx context.Context, form url.Values, audience string) error {
	return c.add(ctx, form, audience)
}

func (c credential) thumbprint() string { return c.certificate }

// ClientSecret returns a Credential that sends secret (RFC 6749, section
// 2.3.1): the value of a client secret, not its id. A secret that is empty, has
// white space around it or, with Entra, is a GUID is reported before it is sent.
func ClientSecret(secret string) Credential {
	return credential{add: func(_ context.Context, form url.Values, _ string) error {
		switch {
		case secret == "":
			return errors.New("xoauth2: the client secret is empty")
		case strings.TrimSpace(secret) != secret:
			return errors.New("xoauth2: the client secret has white space around it: was it read from a file and not trimmed?")
		}
		form.Set("client_secret", secret)
		return nil
	}}
}

// ClientCertificate returns a Credential that signs assertions with key (RFC
// 7523; Microsoft's "Certificate credentials"): PS256 for RSA, ES256 for P-256.
// The key may live in hardware. chain starts with the key's certificate, which
// is registered for the application; if issuers follow, they are sent along,
// for applications that trust a subject name.
func ClientCertificate(key crypto.Signer, chain ...*x509.Certificate) Credential {
	c := credential{add: func(_ context.Context, form url.Values, audience string) error {
		assertion, err := entra.Assertion(key, chain, form.Get("client_id"), audience)
		if err != nil {
			return fmt.Errorf("xoauth2: client certificate: %w", err)
		}
		setAssertion(form, assertion)
		return nil
	}}
	if len(chain) > 0 && chain[0] != nil {
		sum := sha256.Sum256(chain[0].Raw)
		c.certificate = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return c
}

// ClientAssertion returns a Credential that sends what assertion returns: the
// token of a workload identity (Microsoft's "Workload identity federation"). It
// is called for every token request, under the request's context.
func ClientAssertion(assertion func(ctx context.Context) (string, error)) Credential {
	return credential{add: func(ctx context.Context, form url.Values, _ string) error {
		if assertion == nil {
			return errors.New("xoauth2: client assertion: no function to get one")
		}
		value, err := assertion(ctx)
		if err != nil {
			return fmt.Errorf("xoauth2: client assertion: %w", err)
		}
		if value = strings.TrimSpace(value); value == "" {
			return errors.New("xoauth2: client assertion: it is empty")
		}
		setAssertion(form, value)
		return nil
	}}
}

func setAssertion(form url.Values, assertion string) {
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", assertion)
}

// LoadCertificate reads a private key and its certificates, the key's own
// first, from PEM or PKCS #12. password is for PKCS #12; encrypted PEM is
// refused with the command that decrypts it.
func LoadCertificate(data []byte, password string) (crypto.Signer, []*x509.Certificate, error) {
	key, chain, err := entra.LoadCertificate(data, password)
	if err != nil {
		return nil, nil, fmt.Errorf("xoauth2: certificate: %w", err)
	}
	return key, chain, nil
}
