package authority

import (
	"maps"
	"net/http"
	"slices"
)

// refusal is what Entra says under one AADSTS number. Words in braces are
// filled in.
type refusal struct {
	status    int // zero: 400
	code, sub string
	text      string
}

// Numbers returns the AADSTS numbers that a Server can refuse with.
func Numbers() []int { return slices.Sorted(maps.Keys(aadsts)) }

const unauthorized = http.StatusUnauthorized

// aadsts holds the refusals of "Microsoft Entra authentication and
// authorization error codes", with their OAuth 2.0 codes.
var aadsts = map[int]refusal{
	// Consent.
	65001: {0, "invalid_grant", "consent_required", "The user or administrator has not consented to use the application with ID '{app}' named '{name}'. Send an interactive authorization request for this user and resource."},
	65004: {0, "access_denied", "", "User declined to consent to access the app."},
	90094: {0, "access_denied", "", "An administrator of {tenant} has to grant the permissions that the application '{app}' asks for."},
	90095: {0, "access_denied", "", "Admin consent is required for the permissions requested by this application. An admin consent request may be sent to the admin."},
	65006: {0, "invalid_request", "", "The application '{app}' requests permissions that its registration for this directory does not include."},

	// Scopes and resources.
	70011:   {0, "invalid_scope", "", "The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid."},
	28000:   {0, "invalid_scope", "", "Provided value for the input parameter scope is not valid because it contains more than one resource. Scope {scope} is not valid."},
	28002:   {0, "invalid_scope", "", "Provided value for the input parameter scope '{scope}' is not valid when requesting an access token. Please specify a valid scope."},
	28003:   {0, "invalid_scope", "", "Provided value for the input parameter scope can't be empty when requesting an access token using the provided authorization code. Please specify a valid scope."},
	700022:  {0, "invalid_scope", "", "The provided value for the input parameter scope is not valid because it contains more than one resource. Scope {scope} is not valid."},
	1002012: {0, "invalid_scope", "", "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."},
	500011:  {0, "invalid_resource", "", "The resource principal named {resource} was not found in the tenant named {tenant}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant."},
	650052:  {0, "invalid_resource", "", "The app is trying to access a service '{resource}' that your organization '{tenant}' lacks a service principal for. Contact your IT admin to review the configuration of your service subscriptions."},
	650056:  {0, "invalid_request", "", "Misconfigured application. The client has not listed any permissions for '{name}' in the requested permissions in its application registration, or the admin has not consented in the tenant."},
	650057:  {0, "invalid_resource", "", "Invalid resource. The client has requested access to a resource which is not listed in the requested permissions in the client's application registration. Client app ID: {app}({name}). Resource value from request: {resource}."},

	// Authorities.
	9001023: {0, "invalid_request", "", "The grant type is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint."},
	50194:   {0, "invalid_request", "", "Application '{app}'({name}) is not configured as a multi-tenant application. Usage of the /common endpoint is not supported for such apps. Use a tenant-specific endpoint or configure the application to be multi-tenant."},
	9002331: {0, "invalid_request", "", "Application '{app}'({name}) is configured for use by Microsoft Account users only. Please use the /consumers endpoint to serve this request."},
	9002332: {0, "invalid_request", "", "Application '{app}'({name}) is configured for use by Azure Active Directory users only. Please do not use the /consumers endpoint to serve this request."},
	700016:  {0, "unauthorized_client", "", "Application with identifier '{app}' was not found in the directory '{tenant}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."},
	90002:   {0, "invalid_request", "", "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."},
	90038:   {0, "invalid_request", "", "Tenant '{tenant}' request is being redirected to the National Cloud 'MicrosoftOnline.US'."},
	900382:  {0, "invalid_request", "", "Confidential Client is not supported in Cross Cloud request."},
	900432:  {0, "invalid_request", "", "Confidential Client is not supported in Cross Cloud request."},

	// Client authentication.
	7000215: {unauthorized, "invalid_client", "", "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{app}'."},
	7000222: {unauthorized, "invalid_client", "", "The provided client secret keys for app '{app}' are expired. Create new keys for your app, or consider using certificate credentials for added security."},
	7000218: {unauthorized, "invalid_client", "", "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."},
	700025:  {unauthorized, "invalid_client", "", "Client is public so neither 'client_assertion' nor 'client_secret' should be presented."},
	700021:  {unauthorized, "invalid_client", "", "Client assertion application identifier doesn't match 'client_id' parameter. Review the documentation on certificate credentials."},
	700023:  {unauthorized, "invalid_client", "", "Client assertion audience claim does not match Realm issuer. Review the documentation on certificate credentials."},
	700024:  {unauthorized, "invalid_client", "", "Client assertion is not within its valid time range. Current time: {now}, assertion valid from {from}, expiry time of assertion {until}. Review the documentation on certificate credentials."},
	700027:  {unauthorized, "invalid_client", "", "Client assertion contains an invalid signature. [Reason - {reason}, Thumbprint of key used by client: '{thumbprint}'. Please visit the portal to see the configured keys of app '{app}'.]"},
	50012:   {unauthorized, "invalid_client", "", "Client assertion failed authentication: its signature does not match any certificate that is registered for app '{app}'."},
	50027:   {unauthorized, "invalid_client", "", "JWT token is invalid or malformed."},
	70021:   {0, "invalid_client", "", "No matching federated identity record found for presented assertion. Assertion Issuer: '{issuer}'. Assertion Subject: '{subject}'. Assertion Audience: '{audience}'."},
	700211:  {0, "invalid_client", "", "No matching federated identity record found for presented assertion issuer '{issuer}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion."},
	700212:  {0, "invalid_client", "", "No matching federated identity record found for presented assertion audience '{audience}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion."},
	700213:  {0, "invalid_client", "", "No matching federated identity record found for presented assertion subject '{subject}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion."},

	// Redirects.
	50011:  {0, "invalid_request", "", "The redirect URI '{redirect}' specified in the request does not match the redirect URIs configured for the application '{app}'. Make sure the redirect URI sent in the request matches one added to your application."},
	900971: {0, "invalid_request", "", "No reply address provided."},
	500112: {0, "invalid_grant", "", "The reply address '{redirect}' does not match the reply address provided when requesting the authorization code."},
	500113: {0, "invalid_request", "", "No reply address is registered for the application."},

	// Accounts.
	50020:  {0, "invalid_grant", "", "User account '{user}' from this identity provider does not exist in tenant '{tenant}' and cannot access the application '{app}'({name}) in that tenant. The account needs to be added as an external user in the tenant first. Sign out and sign in again with a different account."},
	500208: {0, "invalid_grant", "", "The domain is not a valid login domain for the account type."},
	16000:  {0, "interaction_required", "", "Either multiple user identities are available for the current request or selected account is not supported for the scenario."},
	50034:  {0, "invalid_grant", "", "The user account '{user}' does not exist in the {tenant} directory. To sign into this application, the account must be added to the directory."},
	51004:  {0, "invalid_grant", "", "The user account '{user}' does not exist in the {tenant} directory. To sign into this application, the account must be added to the directory."},
	50053:  {0, "invalid_grant", "", "The account is locked, you've tried to sign in too many times with an incorrect user ID or password."},
	50055:  {0, "invalid_grant", "user_password_expired", "The password is expired."},
	50057:  {0, "invalid_grant", "", "The user account is disabled."},
	50058:  {0, "login_required", "", "A silent sign-in request was sent but no user is signed in."},

	// Policies.
	50074:  {0, "interaction_required", "basic_action", "Strong Authentication is required."},
	50076:  {0, "interaction_required", "basic_action", "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access '{resource}'."},
	50078:  {0, "interaction_required", "basic_action", "Presented multi-factor authentication has expired due to policies configured by your administrator, you must refresh your multi-factor authentication to access '{resource}'."},
	50079:  {0, "interaction_required", "basic_action", "Due to a configuration change made by your administrator, or because you moved to a new location, you must enroll in multi-factor authentication to access '{resource}'."},
	53000:  {0, "interaction_required", "message_only", "Device is not in required device state: unknown. Conditional Access policy requires a compliant device, and the device is not compliant. The user must enroll their device with an approved MDM provider like Intune."},
	53003:  {0, "invalid_grant", "message_only", "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance."},
	530032: {0, "invalid_grant", "message_only", "Request blocked by a security policy of the tenant."},
	530034: {0, "invalid_grant", "message_only", "A delegated administrator was blocked from accessing the tenant due to account risk in their home tenant."},
	50097:  {0, "interaction_required", "", "Device authentication is required."},
	50158:  {0, "interaction_required", "basic_action", "External security challenge was not satisfied. User will be redirected to another page or authentication provider to satisfy additional authentication challenges."},

	// Grants that have ended.
	50132:   {0, "interaction_required", "", "The session is not valid due to password expiration or recent password change."},
	50133:   {0, "invalid_grant", "", "The session is not valid due to password expiration or recent password change."},
	50173:   {0, "invalid_grant", "bad_token", "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password."},
	70008:   {0, "invalid_grant", "", "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource."},
	70043:   {0, "invalid_grant", "bad_token", "The refresh token has expired or is invalid due to sign-in frequency checks by Conditional Access."},
	700082:  {0, "invalid_grant", "", "The refresh token has expired due to inactivity. The token was inactive for 90.00:00:00."},
	700084:  {0, "invalid_grant", "", "The refresh token was issued to a single page app (SPA), and therefore has a fixed, limited lifetime of 1.00:00:00, which cannot be extended. It is now expired and a new sign in request must be sent by the SPA to the sign in page."},
	54005:   {0, "invalid_grant", "", "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token."},
	70000:   {0, "invalid_grant", "", "Provided grant is invalid or malformed."},
	501481:  {0, "invalid_grant", "", "The Code_Verifier does not match the code_challenge supplied in the authorization request."},
	9002313: {0, "invalid_request", "", "Invalid request. Request is malformed or invalid."},

	// Requests.
	900144: {0, "invalid_request", "", "The request body must contain the following parameter: '{parameter}'."},
	900561: {0, "invalid_request", "", "The endpoint only accepts POST, OPTIONS requests. Received a {method} request."},
	50196:  {0, "invalid_grant", "", "The server terminated an operation because it encountered a client request loop. Please contact your app vendor."},
	70003:  {0, "unsupported_grant_type", "", "The app requested an unsupported grant type '{grant}'."},
	700020: {0, "interaction_required", "", "The response_type or response_mode of the request is not supported."},
	501491: {0, "invalid_request", "", "The code_challenge of the request is not valid: S256 and 43 characters are expected."},

	// Device codes.
	70016: {0, "authorization_pending", "", "OAuth 2.0 device flow error. Authorization is pending. Continue polling."},
	70018: {0, "bad_verification_code", "", "Invalid verification code. The user declined, or the device code is not known."},
	70019: {0, "expired_token", "", "Verification code expired. Have the user retry the sign-in."},

	// Outages.
	90055: {http.StatusTooManyRequests, "temporarily_unavailable", "", "The tenant '{tenant}' sends too many requests."},
	90033: {http.StatusServiceUnavailable, "temporarily_unavailable", "", "A transient error has occurred. Please try again."},
}
