package authority

import (
	"maps"
	"net/http"
	"strings"
	"time"
)

// Grant types (RFC 6749, RFC 8628 section 3.4).
const (
	clientCredentials = "client_credentials"
	authorizationCode = "authorization_code"
	refreshGrant      = "refresh_token"
	deviceGrant       = "urn:ietf:params:oauth:grant-type:device_code"
)

// grant is what a token request has earned.
type grant struct {
	app    *App
	user   *User // nil: the application itself
	scopes scopes
	nonce  string
	family *family // of the refresh token that goes with it; nil: none
	keep   string  // the refresh token that stays in use; empty: a new one
}

// token is the token endpoint.
func (s *Server) token(c *call) {
	c.form = c.r.PostForm
	s.record(c.form)
	if scripted(&s.Hooks.Token, c.w, c.r) {
		return
	}
	earned, err := c.redeem()
	if err != nil {
		c.refuse(err)
		return
	}
	c.reply(http.StatusOK, c.issue(earned))
}

// redeem checks the request and returns what it has earned.
func (c *call) redeem() (*grant, *Error) {
	if c.r.Method != http.MethodPost {
		return nil, c.fail(900561)
	}
	if err := c.basicAuth(); err != nil {
		return nil, err
	}
	if err := c.locate(); err != nil {
		return nil, err
	}
	if err := c.findApp(); err != nil {
		return nil, err
	}
	if number, ok := c.Hooks.RefuseToken.Next(); ok {
		return nil, c.fail(number)
	}
	if err := c.authenticate(); err != nil {
		return nil, err
	}
	return c.byGrantType()
}

func (c *call) byGrantType() (*grant, *Error) {
	switch grantType := c.form.Get("grant_type"); {
	case grantType == "":
		return nil, c.fail(900144, "{parameter}", "grant_type")
	case grantType == authorizationCode:
		return c.redeemCode()
	case grantType == refreshGrant:
		return c.redeemRefresh()
	case grantType == clientCredentials && c.shape == Entra:
		return c.redeemClientCredentials()
	case grantType == deviceGrant && c.shape == Entra:
		return c.redeemDevice()
	}
	return nil, c.fail(70003)
}

func (c *call) redeemClientCredentials() (*grant, *Error) {
	switch {
	case c.tenantID == "" && strings.EqualFold(c.tenant, organizations):
		return nil, c.fail(50194)
	case c.tenantID == "", c.tenantID == Personal:
		return nil, c.fail(9001023)
	case c.app.Public:
		return nil, c.fail(7000218)
	case strings.TrimSpace(c.form.Get("scope")) == "":
		return nil, c.fail(900144)
	}
	wanted := parseScopes(c.form.Get("scope"))
	if len(wanted.named) != 1 || len(wanted.openID) > 0 || wanted.named[0].name != defaultScope {
		return nil, c.fail(1002012)
	}
	if err := wanted.check(c); err != nil {
		return nil, err
	}
	return &grant{app: c.app, scopes: wanted}, nil
}

// issue makes the tokens of a grant, and the reply that holds them.
func (c *call) issue(g *grant) map[string]any {
	claims := c.claims(g)
	accessToken := c.sign(claims)
	reply := map[string]any{
		"token_type":     "Bearer",
		"access_token":   accessToken,
		"expires_in":     claims.Expiry - claims.IssuedAt,
		"ext_expires_in": claims.Expiry - claims.IssuedAt,
	}
	if c.shape != Entra {
		delete(reply, "ext_expires_in")
	}
	if g.user != nil {
		maps.Copy(reply, c.delegated(g))
	}
	for rewrite := range c.Hooks.Reply.Due() {
		rewrite(reply)
	}
	c.keepSecrets(reply)
	return reply
}

// delegated returns what a reply holds beyond the access token when a user has
// signed in.
func (c *call) delegated(g *grant) map[string]any {
	reply := map[string]any{"scope": g.scopes.String()}
	if g.family != nil {
		if token := c.nextRefreshToken(g); token != "" {
			reply["refresh_token"] = token
		}
	}
	if g.scopes.has("openid") {
		reply["id_token"] = c.idToken(g)
	}
	return reply
}

// nextRefreshToken returns the refresh token of a reply; empty: the client is
// to keep the one that it has.
func (c *call) nextRefreshToken(g *grant) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g.keep != "" && (c.rotation == RotateNever || c.shape != Entra) {
		return ""
	}
	token := "1.Ab" + randomText() + randomText()
	c.refresh[token] = &refreshToken{family: g.family}
	return token
}

func (c *call) keepSecrets(reply map[string]any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		if token, ok := reply[name].(string); ok {
			c.keepSecret(token)
		}
	}
}

// UserToken issues an access token for mail to a user, as after a sign-in, and
// returns it with its end.
func (s *Server) UserToken(as Shape, username string) (token string, expiry time.Time) {
	c := &call{Server: s, shape: as}
	claims := c.claims(&grant{user: s.AddUser(username), app: s.tester(), scopes: mailScopes(as)})
	token = c.sign(claims)
	c.keepSecrets(map[string]any{"access_token": token})
	return token, time.Unix(claims.Expiry, 0)
}

// Scopes of mail at Google and Yahoo.
const (
	GoogleScope = "https://mail.google.com/"
	YahooScope  = "mail-w"
)

func mailScopes(as Shape) scopes {
	const resource = "https://outlook.office.com/"
	switch as {
	case Google:
		return parseScopes(GoogleScope)
	case Yahoo:
		return parseScopes(YahooScope)
	}
	return parseScopes(resource + "IMAP.AccessAsUser.All " + resource + "POP.AccessAsUser.All " + resource + "SMTP.Send")
}

// tester is the application that tokens are issued to without a sign-in.
func (s *Server) tester() *App {
	return &App{ID: uuid("tester"), ObjectID: uuid("tester's service principal"), Name: "exchangetest", Public: true}
}
