package authority

import (
	"crypto/sha256"
	"encoding/base64"
	"time"
)

// family is all refresh tokens of one sign-in.
type family struct {
	app     *App
	user    *User
	scopes  scopes // of the sign-in
	revoked bool   // guarded by Server.mu, as is refreshToken.used
}

type refreshToken struct {
	family *family
	used   bool
}

// code is an authorization code (RFC 6749, section 4.1.2).
type code struct {
	app       *App
	user      *User
	redirect  string
	challenge string // of PKCE S256 (RFC 7636); empty: none
	nonce     string
	scopes    scopes
	offline   bool // a refresh token is to be given
	expiry    time.Time
	used      bool // guarded by Server.mu
}

// newCode makes an authorization code of a sign-in.
func (s *Server) newCode(signedIn code) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	value := "1.AX" + randomText() + randomText()
	s.codes[value] = &signedIn
	s.keepSecret(value)
	return value
}

// takeCode returns a code, and whether this is its first use.
func (s *Server) takeCode(value string) (found *code, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found = s.codes[value]
	if found == nil {
		return nil, false
	}
	fresh = !found.used
	found.used = true
	return found, fresh
}

func (c *call) redeemCode() (*grant, *Error) {
	value := c.form.Get("code")
	if value == "" {
		return nil, c.fail(900144, "{parameter}", "code")
	}
	found, fresh := c.takeCode(value)
	switch {
	case found == nil || found.app != c.app:
		return nil, c.fail(70000)
	case !fresh:
		return nil, c.fail(54005)
	case !c.Now().Before(found.expiry):
		return nil, c.fail(70008)
	case c.form.Get("redirect_uri") != found.redirect:
		return nil, c.fail(500112)
	case !found.proves(c.form.Get("code_verifier")):
		return nil, c.fail(501481)
	}
	wanted, err := c.narrow(found.scopes, found.user)
	if err != nil {
		return nil, err
	}
	earned := &grant{app: c.app, user: found.user, scopes: wanted, nonce: found.nonce}
	if found.offline {
		earned.family = &family{app: c.app, user: found.user, scopes: found.scopes}
	}
	return earned, nil
}

// proves checks PKCE's verifier (RFC 7636, section 4.6).
func (c *code) proves(verifier string) bool {
	if c.challenge == "" {
		return verifier == ""
	}
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:]) == c.challenge
}

// narrow returns the scopes of a token request that follows a sign-in: those
// that it names, or else those of the sign-in, which must then name one
// resource.
func (c *call) narrow(consented scopes, user *User) (scopes, *Error) {
	wanted := parseScopes(c.form.Get("scope"))
	if len(wanted.named) == 0 {
		wanted.named = consented.named
	}
	// What was asked of OpenID Connect at the sign-in stays asked for.
	wanted.openID = consented.openID
	if c.shape != Entra {
		return wanted, nil
	}
	if err := wanted.checkOne(c); err != nil {
		return scopes{}, err
	}
	return c.consented(wanted, user)
}

// consented checks that a user granted what is wanted, and replaces .default
// by what that is.
func (c *call) consented(wanted scopes, user *User) (scopes, *Error) {
	granted := c.granted(user)
	for _, p := range wanted.named {
		if p.name == defaultScope {
			return scopes{openID: wanted.openID, named: c.defaults(p.resource, user)}, nil
		}
		if !granted(p) {
			return scopes{}, c.fail(65001)
		}
	}
	return wanted, nil
}

// granted returns a test for what a user granted the application. A
// permission is the same under all of its resource's names.
func (c *call) granted(user *User) func(permission) bool {
	return func(p permission) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.consents[consent{c.app.ID, user.ObjectID, resourceID(p.resource) + "/" + p.name}]
	}
}

// grantConsent records what a user grants the application.
func (c *call) grantConsent(user *User, wanted scopes) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range wanted.named {
		c.consents[consent{c.app.ID, user.ObjectID, resourceID(p.resource) + "/" + p.name}] = true
	}
}

// defaults returns what .default of a resource stands for: everything that
// the user granted.
func (c *call) defaults(resource string, user *User) []permission {
	var named []permission
	granted := c.granted(user)
	for _, name := range exchangeScopes {
		if p := (permission{resource, name}); granted(p) {
			named = append(named, p)
		}
	}
	return named
}

func (c *call) redeemRefresh() (*grant, *Error) {
	value := c.form.Get("refresh_token")
	if value == "" {
		return nil, c.fail(900144, "{parameter}", "refresh_token")
	}
	if c.form.Get("scope") == "" && c.shape == Entra {
		return nil, c.fail(900144)
	}
	if c.Hooks.RefreshExpired.Happens() {
		return nil, c.fail(700082)
	}
	signedIn := c.signIn(value)
	if signedIn == nil {
		return nil, c.fail(70000)
	}
	wanted, err := c.narrow(signedIn.scopes, signedIn.user)
	if err != nil {
		return nil, err
	}
	if !c.useRefreshToken(value) {
		return nil, c.fail(50173)
	}
	return &grant{app: c.app, user: signedIn.user, scopes: wanted, family: signedIn, keep: value}, nil
}

// signIn returns the sign-in that a refresh token of the application belongs
// to, or nil.
func (c *call) signIn(refreshToken string) *family {
	c.mu.Lock()
	defer c.mu.Unlock()
	token := c.refresh[refreshToken]
	if token == nil || token.family.app != c.app {
		return nil
	}
	return token.family
}

// useRefreshToken reports whether a refresh token is still good. One that was
// used before and replaced is in wrong hands, or its successor is: that ends
// the sign-in (RFC 9700, section 4.14.2).
func (c *call) useRefreshToken(value string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	token := c.refresh[value]
	if token.used && c.rotation == RotateStrict && c.shape == Entra {
		token.family.revoked = true
	}
	token.used = true
	return !token.family.revoked
}
