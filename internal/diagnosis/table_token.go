package diagnosis

import "slices"

// tokenCauses are what the claims of a refused token can prove, whatever the
// server's words. The resource comes before the permissions, and those before
// the user, since Exchange looks at them in that order.
var tokenCauses = []Cause{
	{
		If: all(forGraph, not(appOnly)), Certain: atProvenExchange(forGraph),
		Problem:   `The token is for Microsoft Graph (audience {aud}). Mail servers take tokens for Exchange only; Graph's permissions have the same names, but count for nothing here`,
		Remedy:    `Ask for {scope} instead of Graph's scope. One sign-in may consent to both, but every token is for one of them`,
		Commands:  []string{"{consent}"},
		Reference: refOAuth,
	},
	{
		If: all(forGraph, appOnly), Certain: atProvenExchange(forGraph),
		Problem:   `The token is for Microsoft Graph (audience {aud}). Mail servers take tokens for Exchange only`,
		Remedy:    `Ask for the scope {appscope}, and grant {need} of "Office 365 Exchange Online" to the application, not a permission of Graph`,
		Commands:  []string{"{consent}"},
		Reference: refOAuth,
	},
	{
		If: forConsent, Certain: atProvenExchange(forConsent),
		Problem:   `The token is for {aud}, which belongs into the admin-consent page only; mail servers refuse it`,
		Remedy:    `Ask for the token with the scope {appscope}`,
		Reference: refOAuth,
	},
	{
		If: inOtherCloud, Certain: atProvenExchange(inOtherCloud),
		Problem:   `The token is for {aud}, in {tokencloud}, but the server is in {servercloud}`,
		Remedy:    `Use the Provider of the cloud in which the mailbox is, both for the token and for the connection`,
		Reference: refClouds,
	},
	{
		If: forOther, Certain: atProvenExchange(forOther),
		Problem:   `The token is for {aud}, which is not Exchange: perhaps an id_token, or a token for an API of the application's own`,
		Remedy:    `Log in with the access token that was issued for the scope {scope}, or {appscope} for an application`,
		Reference: refOAuth,
	},
	{
		If: lacksScope, Certain: atProvenExchange(lacksScope),
		Problem:   `The token grants {scopes}, but not {need}`,
		Remedy:    `Add the delegated permission {need} to the app registration, and let the user sign in again for {scope}`,
		Commands:  []string{"{consent}"},
		Reference: refOAuth,
	},
	{
		If: all(lacksRole, needsRole), Certain: atProvenExchange(needsRole),
		Problem:   `The application's token carries the role {roles}, but not {need}`,
		Remedy:    `Add the application permission {need} of "Office 365 Exchange Online" to the app registration, and have an administrator consent`,
		Commands:  []string{"{consent}"},
		Reference: refOAuth,
	},
	{
		If:        all(lacksRole, not(needsRole), not(onSMTP)),
		Problem:   `The application's token carries no role: unless the permission is granted in Exchange itself, {need} was never granted, or granted to another application`,
		Remedy:    `Add the application permission {need} of "Office 365 Exchange Online" to the app registration, and have an administrator consent`,
		Commands:  []string{"{consent}"},
		Reference: refOAuth,
	},
	{
		If:        all(lacksRole, onSMTP),
		Problem:   `The application's token does not carry the role {need}. That is right only if RBAC for Applications grants it in Exchange; otherwise it was never granted, or never consented to`,
		Remedy:    `Add the application permission {need} of "Office 365 Exchange Online" and have an administrator consent; or see whether RBAC lets the application send as {mailbox}`,
		Commands:  []string{"{consent}", "Test-ServicePrincipalAuthorization -Identity {oid} -Resource {mailbox}"},
		Reference: refRBAC,
	},
	{
		If: all(otherUser, provesOtherUser), Certain: provesOtherUser, Class: Identity,
		Problem:   `The login names {mailbox}, but the token is {user}'s. SMTP wants the user who signed in, also for sending from a shared mailbox or an alias`,
		Remedy:    `Log in as {user}, and put {mailbox} into MAIL FROM and From; {user} needs the Send As permission for it`,
		Commands:  []string{"Add-RecipientPermission -Identity {mailbox} -Trustee {user} -AccessRights SendAs -Confirm:$false"},
		Reference: refOAuth,
	},
	{
		If: all(otherUser, not(provesOtherUser), atExchange), Class: Identity,
		Problem:   `The login names {mailbox}, but the token is {user}'s: either the wrong user signed in, or {user} has no FullAccess to {mailbox}`,
		Remedy:    `Sign in as the owner of {mailbox}; or, if it is a shared mailbox, give {user} FullAccess to it`,
		Commands:  []string{"Add-MailboxPermission -Identity {mailbox} -User {user} -AccessRights FullAccess"},
		Reference: refOAuth,
	},
	{
		If: expired, Certain: provesExpired, Class: SignIn,
		Problem:   `The token ended at {expiry}`,
		Remedy:    `Take a token from the TokenSource for every connection instead of keeping one, and check this machine's clock`,
		Reference: refTokens,
	},
}

// when narrows causes to where a condition holds.
func when(condition Condition, causes []Cause) []Cause {
	narrowed := slices.Clone(causes)
	for i, c := range narrowed {
		narrowed[i].If = all(condition, c.applies)
	}
	return narrowed
}
