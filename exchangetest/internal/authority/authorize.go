package authority

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// signIn is a request to the authorization endpoint (RFC 6749, section 4.1.1;
// OpenID Connect Core 1.0, section 3.1.2.1).
type signIn struct {
	redirect *url.URL
	scopes   scopes
}

// authorize is the authorization endpoint: a page on which to sign in, unless
// an answer is prepared.
func (s *Server) authorize(c *call) {
	if scripted(&s.Hooks.Authorize, c.w, c.r) {
		return
	}
	request, err := c.readSignIn()
	if err != nil {
		c.showError(err)
		return
	}
	if err := c.checkSignIn(request); err != nil {
		c.redirectError(request, err)
		return
	}
	if number, ok := s.Hooks.RefuseAuthorize.Next(); ok {
		c.refuseSignIn(request, c.fail(number))
		return
	}
	if reply, ok := c.interact(); ok {
		c.finishSignIn(request, reply)
		return
	}
	if c.form.Get("prompt") == "none" {
		c.redirectError(request, c.fail(50058))
		return
	}
	c.showSignIn(request)
}

// readSignIn finds out where the answer may go. Until then, errors stay on a
// page.
func (c *call) readSignIn() (*signIn, *Error) {
	if err := c.locate(); err != nil {
		return nil, err
	}
	if err := c.findApp(); err != nil {
		return nil, err
	}
	sent := c.form.Get("redirect_uri")
	switch {
	case sent == "":
		return nil, c.fail(900971)
	case len(c.app.RedirectURLs) == 0:
		return nil, c.fail(500113)
	case !slices.ContainsFunc(c.app.RedirectURLs, func(registered string) bool { return sameRedirect(registered, sent) }):
		return nil, c.fail(50011)
	}
	redirect, err := url.Parse(sent)
	if err != nil {
		return nil, c.fail(50011)
	}
	return &signIn{redirect: redirect, scopes: parseScopes(c.form.Get("scope"))}, nil
}

// sameRedirect compares a redirect URL with a registered one: byte by byte,
// but for the port of a loopback URL ("Redirect URI restrictions and
// limitations"; RFC 8252, section 7.3).
func sameRedirect(registered, sent string) bool {
	if registered == sent {
		return true
	}
	want, err := url.Parse(registered)
	if err != nil {
		return false
	}
	got, err := url.Parse(sent)
	if err != nil || got.User != nil {
		return false
	}
	loopback := want.Scheme == "http" && (want.Hostname() == "localhost" || want.Hostname() == "127.0.0.1")
	return loopback && got.Scheme == want.Scheme && got.Hostname() == want.Hostname() && got.Fragment == "" &&
		strings.TrimSuffix(got.Path, "/") == strings.TrimSuffix(want.Path, "/") && got.RawQuery == want.RawQuery
}

// checkSignIn checks what the application hears of.
func (c *call) checkSignIn(request *signIn) *Error {
	challenge := c.form.Get("code_challenge")
	switch {
	case c.form.Get("response_type") != "code":
		return c.fail(700020)
	case !slices.Contains([]string{"", "query", "fragment", "form_post"}, c.form.Get("response_mode")):
		return c.fail(700020)
	case c.form.Get("scope") == "":
		return c.fail(900144)
	case challenge != "" && (c.form.Get("code_challenge_method") != "S256" || len(challenge) != 43):
		return c.fail(501491)
	case c.shape != Entra:
		return nil
	}
	return request.scopes.check(c)
}

// interact returns what the user answers: in the page's form, or prepared by
// Server.Answer. It reports false if nobody has answered yet.
func (c *call) interact() (answer, bool) {
	if c.r.Method == http.MethodPost && c.r.PostForm.Has("action") {
		return answer{
			username: strings.TrimSpace(c.r.PostForm.Get("username")),
			declined: c.r.PostForm.Get("action") == "cancel",
		}, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	prepared, ok := c.takeAnswer()
	if ok && !prepared.declined {
		c.addUser(prepared.username)
	}
	return prepared, ok
}

// finishSignIn sends the application its code, or why it gets none.
func (c *call) finishSignIn(request *signIn, reply answer) {
	if reply.declined {
		err := c.fail(65004)
		err.Sub = "cancel"
		c.redirectError(request, err)
		return
	}
	user := c.user(reply.username)
	if user == nil {
		c.showError(c.fail(50034, "{user}", reply.username))
		return
	}
	if err := c.checkAccount(user); err != nil {
		c.showError(err)
		return
	}
	offline := c.offline(request, user)
	c.grantConsent(user, request.scopes)
	value := c.newCode(code{
		app:       c.app,
		user:      user,
		redirect:  c.form.Get("redirect_uri"),
		challenge: c.form.Get("code_challenge"),
		nonce:     c.form.Get("nonce"),
		scopes:    request.scopes,
		offline:   offline,
		expiry:    c.Now().Add(codeLifetime),
	})
	c.redirect(request, url.Values{"code": {value}, "iss": {c.issuer(user.TenantID)}})
}

// offline reports whether the sign-in brings a refresh token. Google gives one
// with access_type=offline, and only the first time unless it has to ask for
// consent again.
func (c *call) offline(request *signIn, user *User) bool {
	switch c.shape {
	case Entra:
		return request.scopes.has("offline_access")
	case Google:
		known := len(request.scopes.named) > 0 && c.granted(user)(request.scopes.named[0])
		return c.form.Get("access_type") == "offline" && (!known || c.form.Get("prompt") == "consent")
	}
	return true
}

// checkAccount checks that the authority serves the user's kind of account.
func (c *call) checkAccount(user *User) *Error {
	if c.shape != Entra {
		return nil
	}
	onlyWork := c.tenantID == Contoso || strings.EqualFold(c.tenant, organizations) || c.app.SingleTenant
	onlyPersonal := c.tenantID == Personal || strings.EqualFold(c.tenant, consumers)
	if user.personal() && onlyWork || !user.personal() && onlyPersonal {
		return c.fail(50020, "{user}", user.Name)
	}
	return nil
}

// refuseSignIn tells a refusal to whom Entra tells it: what is wrong with the
// application's registration or the directory stays on the page.
func (c *call) refuseSignIn(request *signIn, err *Error) {
	switch err.Number {
	case 50011, 500113, 900971, 700016, 90002, 50020, 50034, 50194, 9002331, 9002332:
		c.showError(err)
		return
	}
	c.redirectError(request, err)
}

// redirectError sends the application an error (RFC 6749, section 4.1.2.1).
func (c *call) redirectError(request *signIn, err *Error) {
	parameters := url.Values{
		"error":             {err.Code},
		"error_description": {c.describe(err)},
		"iss":               {c.issuer(c.tenantOrContoso())},
	}
	if err.Sub != "" {
		parameters.Set("error_subcode", err.Sub)
	}
	c.redirect(request, parameters)
}

func (c *call) tenantOrContoso() string {
	if c.tenantID == "" {
		return Contoso
	}
	return c.tenantID
}

// redirect sends the browser back to the application, the way that it asked
// for ("OAuth 2.0 Multiple Response Type Encoding Practices", "OAuth 2.0 Form
// Post Response Mode").
func (c *call) redirect(request *signIn, parameters url.Values) {
	if state := c.form.Get("state"); state != "" {
		parameters.Set("state", state)
	}
	to := *request.redirect
	switch c.form.Get("response_mode") {
	case "form_post":
		c.showFormPost(to.String(), parameters)
		return
	case "fragment":
		to.Fragment = parameters.Encode()
	default:
		query := to.Query()
		for name, values := range parameters {
			query[name] = values
		}
		to.RawQuery = query.Encode()
	}
	http.Redirect(c.w, c.r, to.String(), http.StatusFound)
}
