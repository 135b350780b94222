package diagnosis

// oauthRows are OAuth's own codes, as Google, Yahoo and others give them, and
// Entra under a number that the table does not have.
var oauthRows = []Row{
	{
		ID: "O1", Says: "invalid_grant: Token has been expired or revoked",
		Means: "the refresh token has ended or was revoked, or a code came late or twice",
		Do:    "sign in again; publish a Google application that is in testing, whose tokens end after 7 days",
		When:  []Match{{Error: []string{"invalid_grant"}}},
		Causes: []Cause{
			{
				If:        said("expired or revoked"),
				Problem:   `The refresh token has ended or was revoked: by the user, by a new password, after six months without use, or after seven days if the application's publishing status at Google is "Testing"`,
				Remedy:    `Let the user sign in again; set the publishing status to "In production"`,
				Reference: refGoogle2,
			},
			{
				If:        said("malformed auth code", "authorization code", "code was already redeemed", "code verifier"),
				Problem:   `The authorization code is damaged, late, or was redeemed before`,
				Remedy:    `Begin a new sign-in; decode the code once from the redirect's query, and redeem it once`,
				Reference: "RFC 6749, section 5.2",
			},
			{
				If:        said("account has been deleted"),
				Problem:   `The account has been deleted`,
				Remedy:    `Have the account restored, or sign in with another`,
				Reference: refGoogle2,
			},
			{
				If:        said("invalid_rapt", "rapt_required", "reauth"),
				Problem:   `The organization's session policy at Google wants the user to sign in again from time to time`,
				Remedy:    `Let the user sign in again; an administrator can trust the application, which exempts it`,
				Reference: refGoogle2,
			},
			{
				If:        said("short-lived token", "reasonable timeframe", "invalid jwt"),
				Problem:   `The assertion is outside its time, or not signed with the service account's key: usually this machine's clock is wrong`,
				Remedy:    `Set the clock, and keep it set (NTP); then check that the key is still that of the service account`,
				Reference: "RFC 7523, section 3",
			},
			{
				If:        unknownNumber,
				Problem:   `Entra refuses the grant for the reason that its words name (AADSTS{number}, which is not in this table)`,
				Remedy:    `Read the words, and look the number up at https://login.microsoftonline.com/error?code={number}; then let the user sign in again`,
				Reference: refEntra,
			},
			{
				If:        not(unknownNumber),
				Problem:   `The grant has ended: the refresh token expired or was revoked, or the code was late or used before`,
				Remedy:    `Let the user sign in again`,
				Reference: "RFC 6749, section 5.2",
			},
		},
	},
	{
		ID: "O2", Says: "invalid_client; deleted_client; disabled_client",
		Means: "client id or secret is wrong, or the client is gone",
		Do:    "compare both with the provider's console", Reference: "RFC 6749, section 5.2",
		When: []Match{{Error: []string{"invalid_client", "invalid_client_id", "deleted_client", "disabled_client"}}},
	},
	{
		ID: "O3", With: "O2", Says: "unauthorized_client; unsupported_grant_type; restricted_client",
		Means: "the application may not use this grant, or the refresh token is another application's",
		Do:    "allow the grant where the application is registered; sign in again with this client id",
		Causes: []Cause{
			{
				If:        said("unauthorized to retrieve access tokens using this method"),
				Problem:   `The service account has no domain-wide delegation for the scopes that were asked for`,
				Remedy:    `Let an administrator of Google Workspace add its client id with the scope https://mail.google.com/ under "Domain-wide delegation"`,
				Reference: refGoogle2,
			},
			{
				If:        not(said("unauthorized to retrieve access tokens using this method")),
				Problem:   `The application may not use this grant, or the refresh token is another application's`,
				Remedy:    `Allow the grant where the application is registered; sign in again with this client id`,
				Reference: "RFC 6749, section 5.2",
			},
		},
		When: []Match{{Error: []string{"unauthorized_client", "unsupported_grant_type", "restricted_client", "unsupported_response_type"}}},
	},
	{
		ID: "O4", Says: "invalid_scope; invalid_target; invalid_resource",
		Means: "a scope is misspelt, unknown, or not allowed to the application",
		Do:    "ask for the provider's mail scope (Provider.Scopes)", Reference: "RFC 6749, section 5.2",
		When: []Match{{Error: []string{"invalid_scope", "invalid_target", "invalid_resource"}}},
	},
	{
		ID: "O5", With: "O4", Says: "redirect_uri_mismatch",
		Means: "the redirect URI is not registered for the application",
		Do:    "register exactly the one that was sent",
		When: []Match{
			{Error: []string{"redirect_uri_mismatch", "invalid_redirect_uri"}},
			{Error: []string{"invalid_request"}, Text: []string{"redirect_uri", "redirect uri"}},
		},
		Causes: []Cause{{
			Problem:   `The redirect URI {redirect} is not registered for the application`,
			Remedy:    `Register it, letter by letter`,
			Reference: "RFC 6749, section 3.1.2.4",
		}},
	},
	{
		ID: "O6", Says: "access_denied; authorization_declined; admin_policy_enforced; org_internal",
		Means: "the user declined, or a policy does not let this user use the application",
		Do:    "sign in again and accept; or have the administrator allow the application", Reference: "RFC 6749, section 4.1.2.1",
		When: []Match{{Error: []string{"access_denied", "authorization_declined", "admin_policy_enforced", "org_internal"}}},
	},
	{
		ID: "O7", With: "O1", Says: "interaction_required; login_required; consent_required",
		Means: "only the user can go on",
		Do:    "let the user sign in again", Reference: "OpenID Connect Core 1.0, section 3.1.2.6",
		When: []Match{{Error: []string{"interaction_required", "login_required", "consent_required", "account_selection_required"}}},
	},
	{
		ID: "O8", Says: "authorization_pending; slow_down; expired_token",
		Means: "the device code waits for the user, or has expired",
		Do:    "go on polling, more slowly; or begin again", Reference: "RFC 8628, section 3.5",
		When: []Match{{Error: []string{"authorization_pending", "slow_down", "expired_token", "code_expired", "bad_verification_code"}}},
	},
	{
		ID: "O9", With: "O8", Says: "temporarily_unavailable; server_error",
		Means: "an outage", Do: "try again later", Reference: "RFC 6749, section 4.1.2.1",
		When: []Match{{Error: []string{"temporarily_unavailable", "server_error"}}},
	},
	{
		ID: "O10", With: "O4", Says: "invalid_request",
		Means: "the request lacks a parameter, or has one too many",
		Do:    "read the endpoint's words; compare with its documentation",
		When:  []Match{{Error: []string{"invalid_request"}}},
		Causes: []Cause{
			{
				If:        unknownNumber,
				Problem:   `Entra does not take the request for the reason that its words name (AADSTS{number}, which is not in this table)`,
				Remedy:    `Read the words, and look the number up at https://login.microsoftonline.com/error?code={number}`,
				Reference: refEntra,
			},
			{
				If:        not(unknownNumber),
				Problem:   `The request lacks a parameter, or has one too many`,
				Remedy:    `Read the endpoint's words; compare with its documentation`,
				Reference: "RFC 6749, section 5.2",
			},
		},
	},
	{
		ID: "O11", Says: "HTTP 200, 403, 404, 407 or a redirect, with a page instead of a token",
		Means: "the answer is not the endpoint's: a proxy, a sign-in page of the network, or a wrong URL",
		Do:    "let the proxy pass the endpoint's host; check the Provider's URLs", Reference: "RFC 9110, section 15",
		When: []Match{{HTTP: []int{200, 301, 302, 303, 307, 308, 401, 403, 404, 405, 407, 511}}},
	},
}
