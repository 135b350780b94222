package authority

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// configuration is OpenID Connect's discovery document.
func (s *Server) configuration(c *call) {
	if err := c.locate(); err != nil {
		c.refuse(err)
		return
	}
	issuer := "{tenantid}"
	if c.tenantID != "" {
		issuer = c.tenantID
	}
	at := s.base + "/" + c.tenant
	c.reply(http.StatusOK, map[string]any{
		"issuer":                                         c.issuer(issuer),
		"authorization_endpoint":                         at + "/oauth2/v2.0/authorize",
		"token_endpoint":                                 at + "/oauth2/v2.0/token",
		"device_authorization_endpoint":                  at + "/oauth2/v2.0/devicecode",
		"introspection_endpoint":                         at + "/oauth2/v2.0/introspect",
		"jwks_uri":                                       at + "/discovery/v2.0/keys",
		"response_types_supported":                       []string{"code"},
		"response_modes_supported":                       []string{"query", "fragment", "form_post"},
		"subject_types_supported":                        []string{"pairwise"},
		"id_token_signing_alg_values_supported":          []string{"RS256"},
		"scopes_supported":                               openIDScopes,
		"token_endpoint_auth_methods_supported":          []string{"client_secret_post", "client_secret_basic", "private_key_jwt"},
		"code_challenge_methods_supported":               []string{"S256"},
		"authorization_response_iss_parameter_supported": true,
	})
}

// keys is the document of the keys that sign tokens (RFC 7517, section 5).
func (s *Server) keys(c *call) {
	c.reply(http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{
		Key: &s.signer.key.PublicKey, KeyID: s.signer.id, Algorithm: string(jose.RS256), Use: "sig",
	}}})
}

// introspect says what an access token is (RFC 7662). Entra has no such
// endpoint; Dovecot and others can be pointed at it. The token comes as a
// parameter or as the request's own credential.
func (s *Server) introspect(c *call) {
	token := c.form.Get("token")
	if token == "" {
		_, token, _ = strings.Cut(c.r.Header.Get("Authorization"), " ")
	}
	claims, err := s.Verify(token)
	if err != nil {
		c.reply(http.StatusOK, map[string]any{"active": false})
		return
	}
	scope := claims.Scopes
	if claims.AppOnly() {
		scope = strings.Join(claims.Roles, " ")
	}
	c.reply(http.StatusOK, map[string]any{
		"active":    true,
		"client_id": claims.AppID,
		"username":  claims.UPN,
		"scope":     scope,
		"aud":       claims.Audience,
		"iss":       claims.Issuer,
		"sub":       claims.Subject,
		"iat":       claims.IssuedAt,
		"exp":       claims.Expiry,
	})
}

// adminConsent is the page on which an administrator grants an application its
// permissions ("Admin consent on the Microsoft identity platform").
func (s *Server) adminConsent(c *call) {
	request, err := c.readSignIn()
	if err != nil {
		c.showError(err)
		return
	}
	reply, ok := c.interact()
	switch {
	case !ok:
		c.show(http.StatusOK, "consent", struct {
			App, Tenant string
			Permissions []string
		}{c.app.Name, c.tenant, strings.Fields(request.scopes.String())})
	case reply.declined:
		c.redirect(request, url.Values{"admin_consent": {"False"}, "error": {"access_denied"}, "error_description": {c.describe(c.fail(65004))}})
	default:
		c.redirect(request, url.Values{"admin_consent": {"True"}, "tenant": {Contoso}, "scope": {request.scopes.String()}})
	}
}
