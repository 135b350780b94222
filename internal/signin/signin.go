// Package signin holds the parts of a user's sign-in that need no mail
// provider: PKCE's companions, the reply to an authorization request, the check
// of the id_token, and the polling of the device flow.
package signin

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/xoauth2/go-xoauth2/internal/entra"
)

// leeway is how far our clock may be off when an id_token's expiry is judged.
const leeway = 15 * time.Minute

// Nonce returns the nonce that goes with a PKCE verifier: whoever redeems the
// code knows the verifier, and so need not keep the nonce.
func Nonce(verifier string) string {
	sum := sha256.Sum256([]byte("nonce of " + verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// State returns a new random state (RFC 6749, section 10.12).
func State() string { return rand.Text() }

// Code returns the authorization code of a redirect's parameters. A refusal by
// the authorization endpoint is an *entra.Refusal. An answer by another issuer
// than that of the endpoints, a refusal too, is an error (RFC 9207, section 2.4).
func Code(answer url.Values, endpoints ...string) (string, error) {
	if iss := answer.Get("iss"); iss != "" && !isIssuer(iss, endpoints) {
		return "", fmt.Errorf("the answer to the sign-in names the issuer %.256q, which is not the one that was asked", iss)
	}
	if refusal := entra.ParseAuthorizationError(answer); refusal != nil {
		return "", refusal
	}
	code := answer.Get("code")
	if code == "" {
		return "", errors.New("the answer to the sign-in holds no code")
	}
	return code, nil
}

// Expected is what an id_token must say (OpenID Connect Core 1.0, section
// 3.1.3.7).
type Expected struct {
	ClientID string
	Nonce    string   // empty: none was sent
	TenantID string   // empty: any
	URLs     []string // the endpoints, one of whose hosts is the issuer's
}

// Check reports whether the id_token is the one that was asked for.
func (e Expected) Check(t *entra.IDToken) error {
	switch {
	case !slices.Contains(t.Audience, e.ClientID):
		return fmt.Errorf("the id_token is for %.256q and not for this application", t.Audience)
	case e.Nonce != "" && t.Nonce != e.Nonce:
		return errors.New("the id_token's nonce is not the one that was sent: it may belong to another sign-in")
	case !isIssuer(t.Issuer, e.URLs):
		return fmt.Errorf("the id_token was issued by %.256q and not by the provider", t.Issuer)
	case e.TenantID != "" && !strings.EqualFold(t.TenantID, e.TenantID):
		return fmt.Errorf("the id_token is of the tenant %.256q, and %q was asked for", t.TenantID, e.TenantID)
	case time.Now().Add(-leeway).After(t.Expiry):
		return fmt.Errorf("the id_token expired at %v: is this computer's clock right?", t.Expiry)
	}
	return nil
}

// isIssuer reports whether an issuer is at the host of one of the endpoints,
// which is what can be known of it. Google leaves out the scheme (Google's
// "OpenID Connect").
func isIssuer(issuer string, endpoints []string) bool {
	if !strings.Contains(issuer, "://") {
		issuer = "https://" + issuer
	}
	i, err := url.Parse(issuer)
	if err != nil || i.Scheme != "https" || i.Hostname() == "" {
		return false
	}
	return slices.ContainsFunc(endpoints, func(endpoint string) bool {
		e, err := url.Parse(endpoint)
		return err == nil && strings.EqualFold(i.Hostname(), e.Hostname()) && cmp.Or(i.Port(), "443") == cmp.Or(e.Port(), "443")
	})
}
