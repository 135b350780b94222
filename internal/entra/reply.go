package entra

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"golang.org/x/oauth2"
)

const (
	maxLifetime = 365 * 24 * time.Hour

	// RFC 8628 section 3.2: to be used if the endpoint names no interval.
	defaultInterval = 5 * time.Second
	maxInterval     = 5 * time.Minute
)

// reply is what an endpoint answered to one request. It never leaves the package.
type reply struct {
	endpoint, host string
	status         int
	phrase         string // of the status line
	header         http.Header
	body           []byte
	sent, received time.Time
	secrets        redactor
}

// token reads a successful reply of a token endpoint (RFC 6749 section 5.1). Of
// a malformed one it returns the refresh token along with the error, if there is
// one.
func (r *reply) token() (*oauth2.Token, error) {
	o, err := r.success()
	if err != nil {
		return nil, err
	}
	lifetime, expiry := r.lifetime(o)
	token := &oauth2.Token{
		AccessToken:  o.required("access_token"),
		TokenType:    bearer(o),
		RefreshToken: o.text("refresh_token"),
		Expiry:       expiry,
		ExpiresIn:    int64(lifetime / time.Second),
	}
	extra := extras(o)
	switch {
	case o.err == nil:
		return token.WithExtra(extra), nil
	case token.RefreshToken != "":
		token = &oauth2.Token{RefreshToken: token.RefreshToken}
	default:
		token = nil
	}
	return token, fmt.Errorf("the token reply of %s is malformed: %w", r.host, o.err)
}

// deviceAuth reads a successful reply of a device-authorization endpoint
// (RFC 8628 section 3.2).
func (r *reply) deviceAuth() (*oauth2.DeviceAuthResponse, error) {
	o, err := r.success()
	if err != nil {
		return nil, err
	}
	// Google still uses the name of an early draft.
	page := "verification_uri"
	if !o.has(page) && o.has("verification_url") {
		page = "verification_url"
	}
	interval := defaultInterval
	if o.has("interval") {
		interval = max(o.seconds("interval", maxInterval), time.Second)
	}
	_, expiry := r.lifetime(o)
	auth := &oauth2.DeviceAuthResponse{
		DeviceCode:              o.required("device_code"),
		UserCode:                shown(o, "user_code"),
		VerificationURI:         webPage(o, page),
		VerificationURIComplete: webPage(o, "verification_uri_complete"),
		Expiry:                  expiry,
		Interval:                int64(math.Ceil(interval.Seconds())),
	}
	if auth.VerificationURI == "" {
		o.fail("%q is missing", page)
	}
	if o.err != nil {
		return nil, fmt.Errorf("the device authorization reply of %s is malformed: %w", r.host, o.err)
	}
	return auth, nil
}

// success returns the object of a reply that is not a refusal.
func (r *reply) success() (*object, error) {
	if r.status/100 == 3 {
		return nil, r.redirect()
	}
	ok := r.status/100 == 2
	o := parseObject(r.body)
	switch {
	case o != nil && (!ok || o.has("error")):
		return nil, r.refusal(o)
	case o != nil:
		return o, nil
	case !ok || r.isHTML():
		return nil, r.page()
	default:
		return nil, fmt.Errorf("the reply of %s (HTTP %d, %q, %d bytes) is not a JSON object",
			r.host, r.status, r.contentType(), len(r.body))
	}
}

func (r *reply) contentType() string {
	kind, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
	return r.secrets.tidy(kind, 64)
}

func (r *reply) isHTML() bool {
	kind := strings.ToLower(r.contentType())
	return kind == "text/html" || kind == "application/xhtml+xml" ||
		bytes.HasPrefix(bytes.TrimSpace(r.body), []byte("<"))
}

// lifetime returns "expires_in" and the moment it ends. Both are zero if the
// endpoint names none.
func (r *reply) lifetime(o *object) (time.Duration, time.Time) {
	if !o.has("expires_in") {
		return 0, time.Time{}
	}
	lifetime := o.seconds("expires_in", maxLifetime)
	// The clock on the wall: it goes on while a machine sleeps, and it is all
	// that is left of a time once it has been stored.
	return lifetime, r.sent.Round(0).Add(lifetime)
}

// bearer checks the type of the token. RFC 6749 requires it, but x/oauth2 has
// always taken a missing one for Bearer, and no mail server takes another.
func bearer(o *object) string {
	if kind := o.text("token_type"); kind != "" && !strings.EqualFold(kind, "Bearer") {
		o.fail("%q is not %q", "token_type", "Bearer")
	}
	return "Bearer"
}

// extras returns what [oauth2.Token.Extra] answers.
func extras(o *object) map[string]any {
	extra := make(map[string]any)
	for _, name := range []string{"id_token", "scope"} {
		if s := o.text(name); s != "" {
			extra[name] = s
		}
	}
	// An extension of Entra and Google, too unimportant to refuse a token for.
	const refreshLifetime = "refresh_token_expires_in"
	if x, ok := parseNumber(o.members[refreshLifetime]); ok {
		extra[refreshLifetime] = x
	}
	return extra
}

// shown returns the string called name, which somebody will print on a terminal.
func shown(o *object, name string) string {
	s := o.required(name)
	if strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) {
		o.fail("%q holds a character that cannot be printed", name)
	}
	return s
}

// webPage returns the URL called name, empty if there is none. A user is about
// to open it in a browser.
func webPage(o *object, name string) string {
	if !o.has(name) {
		return ""
	}
	s := shown(o, name)
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" {
		o.fail("%q is not the URL of a web page", name)
	}
	return s
}
