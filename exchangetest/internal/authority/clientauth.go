package authority

import (
	"crypto"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// basicAuth moves credentials from the request's header into its form (RFC
// 6749, section 2.3.1).
func (c *call) basicAuth() *Error {
	user, password, ok := c.r.BasicAuth()
	if !ok {
		return nil
	}
	id, err := url.QueryUnescape(user)
	if err != nil {
		return c.fail(9002313)
	}
	secret, err := url.QueryUnescape(password)
	if err != nil {
		return c.fail(9002313)
	}
	c.form.Set("client_id", id)
	c.form.Set("client_secret", secret)
	return nil
}

// authenticate checks the application's credential.
func (c *call) authenticate() *Error {
	secret, assertion := c.form.Get("client_secret"), c.form.Get("client_assertion")
	switch {
	case c.app.Public && secret == "" && assertion == "":
		return nil
	case c.app.Public:
		return c.fail(700025)
	case assertion != "":
		return c.checkAssertion(assertion)
	case secret == "":
		return c.fail(7000218)
	case c.app.Secret == "" || subtle.ConstantTimeCompare([]byte(secret), []byte(c.app.Secret)) == 0:
		return c.fail(7000215)
	case c.Hooks.SecretExpired.Happens():
		return c.fail(7000222)
	}
	return nil
}

// checkAssertion checks a client assertion (RFC 7523, section 3).
func (c *call) checkAssertion(assertion string) *Error {
	if c.form.Get("client_assertion_type") != assertionType {
		return c.fail(900144, "{parameter}", "client_assertion_type")
	}
	token, err := jwt.ParseSigned(assertion, []jose.SignatureAlgorithm{jose.PS256, jose.ES256, jose.RS256})
	if err != nil {
		return c.fail(50027)
	}
	var claimed jwt.Claims
	if err := token.UnsafeClaimsWithoutVerification(&claimed); err != nil {
		return c.fail(50027)
	}
	if claimed.Issuer != c.app.ID && c.app.Federated != nil {
		return c.checkFederated(token, claimed)
	}
	if err := c.checkSignature(token); err != nil {
		return err
	}
	return c.checkClaims(claimed)
}

// checkSignature checks that the application's certificate signed, with an
// algorithm that Entra's "Microsoft identity platform application
// authentication certificate credentials" asks for.
func (c *call) checkSignature(token *jwt.JSONWebToken) *Error {
	header := token.Headers[0]
	thumbprint, _ := header.ExtraHeaders["x5t#S256"].(string)
	invalid := func(reason string) *Error {
		return c.fail(700027, "{reason}", reason, "{thumbprint}", hexThumbprint(thumbprint))
	}
	if c.app.Certificate == nil {
		return invalid("The key was not found.")
	}
	if sum := sha256.Sum256(c.app.Certificate.Raw); thumbprint != base64.RawURLEncoding.EncodeToString(sum[:]) {
		return invalid("The key was not found.")
	}
	if header.Algorithm != string(jose.PS256) && header.Algorithm != string(jose.ES256) {
		return invalid("The algorithm " + header.Algorithm + " is not supported.")
	}
	var verified jwt.Claims
	if err := token.Claims(crypto.PublicKey(c.app.Certificate.PublicKey), &verified); err != nil {
		return invalid("The provided signature value did not match the expected signature value.")
	}
	return nil
}

// hexThumbprint writes a thumbprint as Entra's portal does.
func hexThumbprint(encoded string) string {
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%X", raw)
}

// checkClaims checks what the assertion says: who, to whom, when, and that it
// was not said before.
func (c *call) checkClaims(claimed jwt.Claims) *Error {
	switch {
	case claimed.Issuer != c.app.ID || claimed.Subject != c.app.ID:
		return c.fail(700021)
	case !c.isAudience(claimed.Audience):
		return c.fail(700023)
	}
	if err := c.checkTimes(claimed); err != nil {
		return err
	}
	if claimed.ID == "" {
		return c.fail(50027)
	}
	return c.checkReplay(claimed)
}

// isAudience reports whether an assertion is meant for this endpoint.
func (c *call) isAudience(audience jwt.Audience) bool {
	at := c.base + "/" + c.tenant
	for _, name := range []string{at + "/oauth2/v2.0/token", at + "/v2.0", c.base + "/" + c.tenantID + "/v2.0"} {
		if audience.Contains(name) {
			return true
		}
	}
	return false
}

// leeway is how far a client's clock may be off.
const leeway = 5 * time.Minute

func (c *call) checkTimes(claimed jwt.Claims) *Error {
	now := c.Now()
	var from, until time.Time
	if claimed.NotBefore != nil {
		from = claimed.NotBefore.Time()
	}
	if claimed.Expiry != nil {
		until = claimed.Expiry.Time()
	}
	if now.Add(leeway).Before(from) || !now.Add(-leeway).Before(until) {
		const layout = "2006-01-02T15:04:05.0000000Z"
		return c.fail(700024, "{from}", from.UTC().Format(layout), "{until}", until.UTC().Format(layout))
	}
	return nil
}

// checkReplay refuses an assertion that was used before.
func (c *call) checkReplay(claimed jwt.Claims) *Error {
	if c.remember(claimed, c.Now()) {
		return nil
	}
	return c.fail(700027, "{reason}", "The assertion was used before: every request needs a new jti.", "{thumbprint}", "")
}

// remember keeps an assertion's id as long as it could be used, and reports
// whether it is new.
func (c *call) remember(claimed jwt.Claims, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.assertions, func(_ string, until time.Time) bool { return now.After(until) })
	if _, seen := c.assertions[claimed.ID]; seen {
		return false
	}
	c.assertions[claimed.ID] = claimed.Expiry.Time().Add(leeway)
	return true
}

// checkFederated checks the assertion of another issuer ("Workload identity
// federation").
func (c *call) checkFederated(token *jwt.JSONWebToken, claimed jwt.Claims) *Error {
	trusted := c.app.Federated
	audience := ""
	if len(claimed.Audience) > 0 {
		audience = claimed.Audience[0]
	}
	words := []string{"{issuer}", claimed.Issuer, "{subject}", claimed.Subject, "{audience}", audience}
	var verified jwt.Claims
	switch {
	case claimed.Issuer != trusted.Issuer:
		return c.fail(700211, words...)
	case claimed.Subject != trusted.Subject:
		return c.fail(700213, words...)
	case !claimed.Audience.Contains(federatedAudience):
		return c.fail(700212, words...)
	case token.Claims(trusted.Key, &verified) != nil:
		return c.fail(700027, "{reason}", "The provided signature value did not match the expected signature value.", "{thumbprint}", "")
	}
	return c.checkTimes(claimed)
}

const federatedAudience = "api://AzureADTokenExchange"

// SignWorkload returns a token of a cluster whose key is the server's own.
func (s *Server) SignWorkload(as *Federated) string {
	now := s.Now()
	token := s.signer.sign(map[string]any{
		"iss": as.Issuer,
		"sub": as.Subject,
		"aud": []string{federatedAudience},
		"iat": now.Unix(),
		"nbf": now.Unix(),
		"exp": now.Add(time.Hour).Unix(),
		"jti": randomText(),
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keepSecret(token)
	return token
}
