package signin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/oauth2"

	"github.com/xoauth2/go-xoauth2/internal/entra"
	"github.com/xoauth2/go-xoauth2/internal/loopback"
)

// Client is an application as its endpoints see it.
type Client struct {
	Wire     *entra.Client
	Endpoint oauth2.Endpoint
	ClientID string
	TenantID string // what id_tokens must name; empty: any

	// AskConsent has every sign-in prompt for consent, without which
	// offline_access is to be ignored (OpenID Connect Core 1.0, section 11).
	// Entra does not demand it.
	AskConsent bool

	// Strict is set once the provider refused a renewal for a scope that the
	// sign-in did not grant, and granted it without.
	Strict *atomic.Bool

	// Authenticate adds the client's authentication to a form for audience.
	Authenticate func(ctx context.Context, form url.Values, audience string) error
}

// Result is what a sign-in brought.
type Result struct {
	Token *oauth2.Token
	ID    *entra.IDToken // nil: the provider sent none
}

// Request sends form to the token endpoint; see [entra.Client.Token].
func (c *Client) Request(ctx context.Context, form url.Values) (*oauth2.Token, error) {
	if err := c.prepare(ctx, form); err != nil {
		return nil, err
	}
	return c.Wire.Token(ctx, c.Endpoint.TokenURL, form)
}

func (c *Client) prepare(ctx context.Context, form url.Values) error {
	form.Set("client_id", c.ClientID)
	return c.Authenticate(ctx, form, c.Endpoint.TokenURL)
}

// AuthCodeURL returns the URL of the sign-in page (RFC 6749 section 4.1.1, RFC
// 7636). Options override what it sets by itself.
func (c *Client) AuthCodeURL(redirectURL, state, verifier string, scopes []string, opts ...oauth2.AuthCodeOption) (string, error) {
	switch {
	case c.Endpoint.AuthURL == "":
		return "", errors.New("the provider has no authorization endpoint: set Provider.AuthURL")
	case redirectURL == "":
		return "", errors.New("the redirect URL is missing: set App.RedirectURL to one that is registered for the application")
	case state == "":
		return "", errors.New("the state is empty: make a new random one for every sign-in and keep it in the user's session")
	case len(verifier) < 43 || len(verifier) > 128:
		return "", errors.New("the PKCE verifier must have 43 to 128 characters (RFC 7636, section 4.1): use oauth2.GenerateVerifier for every sign-in")
	}
	config := oauth2.Config{ClientID: c.ClientID, Endpoint: c.Endpoint, RedirectURL: redirectURL, Scopes: scopes}
	own := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("nonce", Nonce(verifier))}
	page := config.AuthCodeURL(state, append(own, opts...)...)
	if !c.AskConsent {
		return page, nil
	}
	return withConsent(page)
}

// withConsent adds consent to what the sign-in page prompts for.
func withConsent(page string) (string, error) {
	u, err := url.Parse(page)
	if err != nil {
		return "", err
	}
	query := u.Query()
	prompt := strings.Fields(query.Get("prompt"))
	if slices.Contains(prompt, "none") || slices.Contains(prompt, "consent") {
		return page, nil
	}
	query.Set("prompt", strings.Join(append(prompt, "consent"), " "))
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// Redeem exchanges an authorization code (RFC 6749, section 4.1.3) and checks
// the id_token.
func (c *Client) Redeem(ctx context.Context, code, verifier, redirectURL, scope string) (*Result, error) {
	if code == "" {
		return nil, errors.New("the authorization code is empty: pass the code parameter of the redirect, after its state was compared")
	}
	token, err := c.Request(ctx, url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"code_verifier": {verifier},
		"redirect_uri":  {redirectURL},
		"scope":         {scope},
	})
	if err != nil {
		return nil, err
	}
	return c.result(token, Nonce(verifier))
}

func (c *Client) result(token *oauth2.Token, nonce string) (*Result, error) {
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return &Result{Token: token}, nil
	}
	id, err := entra.ReadIDToken(raw)
	if err != nil {
		return nil, err
	}
	want := Expected{ClientID: c.ClientID, Nonce: nonce, TenantID: c.TenantID, URLs: []string{c.Endpoint.AuthURL, c.Endpoint.TokenURL}}
	return &Result{Token: token, ID: id}, want.Check(id)
}

// Refresh asks for a token with a refresh token (RFC 6749, section 6). granted
// is what the sign-in granted of scope. A provider may pass over a scope at the
// sign-in (section 3.3) and must refuse it in a renewal; but Entra wants some
// that it never says to have granted, so the others have to refuse scope first.
func (c *Client) Refresh(ctx context.Context, refreshToken, scope, granted string) (*oauth2.Token, error) {
	if c.Strict.Load() {
		scope = granted
	}
	request := func(scope string) (*oauth2.Token, error) {
		return c.Request(ctx, url.Values{
			"grant_type":    {"refresh_token"},
			"refresh_token": {refreshToken},
			"scope":         {scope},
		})
	}
	token, err := request(scope)
	var refusal *entra.Refusal
	if granted == scope || !errors.As(err, &refusal) || refusal.Code != "invalid_scope" {
		return token, err
	}
	token, err = request(granted)
	if err == nil {
		c.Strict.Store(true)
	}
	return token, err
}

// Device runs the device flow (RFC 8628). show tells the user what to do.
func (c *Client) Device(ctx context.Context, scope string, show func(*oauth2.DeviceAuthResponse) error) (*Result, error) {
	form := url.Values{"scope": {scope}}
	if err := c.prepare(ctx, form); err != nil {
		return nil, err
	}
	codes, err := c.Wire.DeviceAuth(ctx, c.Endpoint.DeviceAuthURL, form)
	if err != nil {
		return nil, err
	}
	if err := show(codes); err != nil {
		return nil, err
	}
	token, err := Poll(ctx, codes, func(ctx context.Context) (*oauth2.Token, error) {
		return c.Request(ctx, url.Values{
			"grant_type":  {"urn:ietf:params:oauth:grant-type:device_code"},
			"device_code": {codes.DeviceCode},
		})
	})
	if err != nil {
		return nil, err
	}
	return c.result(token, "")
}

// Browser runs the authorization code flow with a browser and a redirect to
// this computer (RFC 8252). open opens the sign-in page; paste, if not nil, may
// bring the redirect's URL instead of the browser.
func (c *Client) Browser(ctx context.Context, consent []string, scope string, open func(string) error, paste io.Reader, opts ...oauth2.AuthCodeOption) (*Result, error) {
	listener, err := loopback.Listen()
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	state, verifier := State(), oauth2.GenerateVerifier()
	page, err := c.AuthCodeURL(listener.URL(), state, verifier, consent, opts...)
	if err != nil {
		return nil, err
	}
	answer, err := await(ctx, listener, state, func() error { return open(page) }, paste)
	if err != nil {
		return nil, err
	}
	code, err := Code(answer, c.Endpoint.AuthURL, c.Endpoint.TokenURL)
	if err != nil {
		return nil, err
	}
	return c.Redeem(ctx, code, verifier, listener.URL(), scope)
}

// await returns the first genuine answer, by the browser or pasted. The two
// goroutines may outlive the call: nothing interrupts a reader, and a browser
// that was not running yet is what opening a page may wait for.
func await(ctx context.Context, listener *loopback.Listener, state string, open func() error, paste io.Reader) (url.Values, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	opened := make(chan error, 1)
	go func() {
		err := open()
		if err != nil {
			err = fmt.Errorf("the browser could not be opened: %w", err)
		}
		if err != nil && paste == nil {
			cancel(err)
		}
		opened <- err
	}()
	pasted := make(chan url.Values, 1)
	if paste != nil {
		go func() {
			answer, err := readPasted(paste, listener.URL(), state)
			switch {
			case err == nil:
				pasted <- answer
				err = errPasted
			case errors.Is(err, io.EOF): // nobody will paste, which leaves the browser
				select {
				case err = <-opened:
				case <-ctx.Done():
				}
			}
			if err != nil {
				cancel(err)
			}
		}()
	}
	answer, err := listener.Wait(ctx, state)
	if errors.Is(err, errPasted) {
		return <-pasted, nil
	}
	return answer, err
}

// errPasted ends the wait for the browser.
var errPasted = errors.New("the redirect URL was pasted")

// maxPaste limits a pasted line.
const maxPaste = 64 << 10

// readPasted reads one line, the redirect's URL.
func readPasted(paste io.Reader, redirectURL, state string) (url.Values, error) {
	line, err := readLine(io.LimitReader(paste, maxPaste))
	if err != nil {
		return nil, fmt.Errorf("reading the pasted redirect URL: %w", err)
	}
	answer, err := loopback.ParseRedirect(line, redirectURL)
	if err != nil {
		return nil, err
	}
	if !loopback.IsAnswer(answer, state) {
		return nil, errors.New("the pasted redirect URL belongs to another sign-in: its state is not the one that was sent")
	}
	return answer, nil
}

// readLine reads up to a line break, byte by byte, so that what follows is left
// to whoever reads next.
func readLine(r io.Reader) (string, error) {
	var line strings.Builder
	for b := make([]byte, 1); ; {
		n, err := r.Read(b)
		if n == 1 && b[0] == '\n' || err == io.EOF && line.Len() > 0 {
			return line.String(), nil
		}
		if err != nil {
			return "", err
		}
		line.Write(b[:n])
	}
}
