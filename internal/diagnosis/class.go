package diagnosis

import "strings"

// classify says what a program can do. The class comes from what the protocols
// define for programs: OAuth's "error" and "suberror", status and reply codes.
// An AADSTS number or a phrase alone never decides, but for the rows that say
// why (a test lists them). The token's claims decide between the classes of a
// refused login, where the reply's code cannot: an expired token and a wrong
// user get the same one.
func classify(f *Facts, row Row, causes []Cause) Class {
	switch {
	case f.SignInRequired:
		return SignIn
	case len(causes) == 0:
		return Unknown
	case causes[0].Class != Unknown:
		return causes[0].Class
	case row.Class != Unknown:
		return row.Class
	case f.OAuth != nil:
		return f.OAuth.class()
	case f.Local.Kind != "":
		return Configuration
	}
	return f.Reply.class()
}

// class returns what the reply's status alone says: SMTP's 4xx are transient
// (RFC 5321, section 4.2.1), and after BYE the client may come back (RFC 9051,
// section 7.1.5). A bare text says nothing.
func (r Reply) class() Class {
	switch {
	case wildcard("4xx", r.Status), r.Status == "BYE":
		return Temporary
	case r.Status == "":
		return Unknown
	}
	return Configuration
}

// class returns what RFC 6749 (sections 4.1.2.1 and 5.2), RFC 8628 (section
// 3.5), OpenID Connect Core (section 3.1.2.6), Entra and Google define. A
// failing or busy endpoint says nothing about the request, whatever code it
// gives.
func (o *OAuth) class() Class {
	switch {
	case o.Status == 429, o.Error == "slow_down", o.RetryAfter > 0 && o.Status/100 == 4:
		return Throttled
	case o.Status/100 == 5:
		return Temporary
	}
	if class, ok := errorClasses[strings.ToLower(o.Error)]; ok {
		return subClass(o.SubError, class)
	}
	switch o.Status {
	case 200, 401, 403, 404, 405, 407, 301, 302, 303, 307, 308:
		return Configuration
	}
	return Unknown
}

// subClass refines a class by Entra's "suberror": client_mismatch says that the
// token or code belongs to another application, consent_required that a user
// has to be asked (MSAL's documentation, "Handling Conditional Access claims
// and sub-errors").
func subClass(subError string, class Class) Class {
	switch strings.ToLower(subError) {
	case "client_mismatch":
		return Configuration
	case "consent_required", "bad_token", "token_expired", "basic_action", "additional_action",
		"message_only", "user_password_expired", "protection_policy_required":
		return SignIn
	}
	return class
}

// errorClasses holds the meaning of OAuth 2.0 "error" codes.
var errorClasses = map[string]Class{
	"temporarily_unavailable": Temporary,
	"server_error":            Temporary,
	"authorization_pending":   Temporary,

	"invalid_grant":              SignIn,
	"interaction_required":       SignIn,
	"login_required":             SignIn,
	"consent_required":           SignIn,
	"account_selection_required": SignIn,
	"access_denied":              SignIn,
	"authorization_declined":     SignIn,
	"expired_token":              SignIn,
	"code_expired":               SignIn,
	"bad_verification_code":      SignIn,

	"invalid_client":            Configuration,
	"unauthorized_client":       Configuration,
	"invalid_request":           Configuration,
	"invalid_scope":             Configuration,
	"invalid_resource":          Configuration,
	"invalid_target":            Configuration,
	"unsupported_grant_type":    Configuration,
	"unsupported_response_type": Configuration,
	"redirect_uri_mismatch":     Configuration,
	"invalid_redirect_uri":      Configuration,
	"invalid_client_id":         Configuration,
	"deleted_client":            Configuration,
	"disabled_client":           Configuration,
	"org_internal":              Configuration,
	"admin_policy_enforced":     Configuration,
	"restricted_client":         Configuration,
}
