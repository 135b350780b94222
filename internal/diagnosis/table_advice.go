package diagnosis

import "slices"

// This file has the causes that no claim can prove. Each says to which kind of
// token it applies.

// resourceAdvice: nothing is known of the token.
var resourceAdvice = []Cause{
	{
		If:        all(forNobodyKnows, not(readable), atExchange),
		Problem:   `The token is perhaps for another resource, most often Microsoft Graph, or does not carry {need}`,
		Remedy:    `Ask for {scope}, or for {appscope} as an application; InspectToken shows the audience of a token that has one`,
		Commands:  []string{"{consent}"},
		Reference: refOAuth,
	},
}

// appAdvice: the application's token is in order; what Exchange needs beside
// it. The refusal is the same whichever of it is missing, and so is the remedy.
var appAdvice = []Cause{
	{
		If:      all(appOnly, not(onSMTP), not(forGraph), not(forConsent)),
		Problem: `Exchange does not let the application into {mailbox}: its service principal is not registered there, or under a wrong id (that of the app registration, where Exchange needs the Enterprise Application's), or it has no FullAccess permission`,
		Remedy:  `Register the ids that the token names, and give FullAccess to the service principal; if Get-ServicePrincipal shows another ObjectId, remove that entry first. It takes up to half an hour`,
		Commands: []string{
			"Get-ServicePrincipal | Where-Object AppId -eq {appid} | Format-List DisplayName,AppId,ObjectId",
			"New-ServicePrincipal -AppId {appid} -ObjectId {oid}",
			"Add-MailboxPermission -Identity {mailbox} -User {oid} -AccessRights FullAccess",
			"Get-MailboxPermission -Identity {mailbox} | Format-Table User,AccessRights",
		},
		Reference: refOAuth,
	},
	{
		If:      all(appOnly, onSMTP, not(forGraph), not(forConsent)),
		Problem: `Exchange does not let the application send from {mailbox}: its service principal is not registered there, or under a wrong id (that of the app registration, where Exchange needs the Enterprise Application's), or it has no FullAccess and Send As permission`,
		Remedy:  `Register the ids that the token names, and give FullAccess and Send As to the service principal; if Get-ServicePrincipal shows another ObjectId, remove that entry first. It takes up to half an hour`,
		Commands: []string{
			"Get-ServicePrincipal | Where-Object AppId -eq {appid} | Format-List DisplayName,AppId,ObjectId",
			"New-ServicePrincipal -AppId {appid} -ObjectId {oid}",
			"Add-MailboxPermission -Identity {mailbox} -User {oid} -AccessRights FullAccess",
			"Add-RecipientPermission -Identity {mailbox} -Trustee {oid} -AccessRights SendAs -Confirm:$false",
		},
		Reference: refOAuth,
	},
}

// servicePrincipalAdvice: as appAdvice, where the kind of token is not known.
var servicePrincipalAdvice = []Cause{
	{
		If:      unknownToken,
		Problem: `If it is an application that logs in: Exchange does not know its service principal, or by the id of the app registration instead of the Enterprise Application's, or the mailbox was not opened to it`,
		Remedy:  `Register the service principal with the Enterprise Application's object id, and give it FullAccess`,
		Commands: []string{
			"New-ServicePrincipal -AppId {appid} -ObjectId {oid}",
			"Add-MailboxPermission -Identity {mailbox} -User {oid} -AccessRights FullAccess",
		},
		Reference: refOAuth,
	},
}

var tooLongForPOP3 = Cause{
	If:        longForPOP3,
	Problem:   `The token of {payload} bytes is too long for this POP3 server, which hangs up on more than about 4,096 characters`,
	Remedy:    `Use IMAP; or make the token shorter, with fewer permissions and groups in it`,
	Reference: refOAuth,
}

var oldName = Cause{
	If: combinedName, Class: Identity,
	Problem:   `The user name {mailbox} names a user and a mailbox, as password logins did; with a token it must be one address`,
	Remedy:    `Log in as the mailbox alone (IMAP, POP3), or as the user who signed in (SMTP)`,
	Reference: refOAuth,
}

var noAddress = Cause{
	If: all(not(combinedName), bareName), Class: Identity,
	Problem:   `The user name {mailbox} is not an address`,
	Remedy:    `Log in under the whole user principal name or mailbox address, with its domain`,
	Reference: refOAuth,
}

// personalOff: the owner of a personal account has to allow programs first.
func personalOff(where Condition) Cause {
	return Cause{
		If:        all(opaque, personal, where),
		Problem:   `POP and IMAP are off for personal accounts until their owner switches them on`,
		Remedy:    `Switch "Let devices and apps use POP/IMAP" on in the settings of Outlook.com`,
		Reference: refPersonal,
	}
}

func perhapsEnded(where Condition) Cause {
	return Cause{
		If:        where,
		Problem:   `The token has perhaps ended, or was revoked`,
		Remedy:    `Take a token from the TokenSource for every connection; sign in again if that does not help`,
		Reference: refTokens,
	}
}

// loginAdvice are the possible causes of a refusal that its words leave open.
var loginAdvice = slices.Concat(
	[]Cause{oldName, noAddress, {
		If:        all(opaque, not(personal)),
		Problem:   `This is not an access token as work accounts have them, which are JWTs: perhaps a refresh token, a token cut short, a placeholder, or a personal account's`,
		Remedy:    `Pass the access_token of the token reply, whole; for a personal account use the Outlook provider`,
		Reference: refOAuth,
	}},
	resourceAdvice,
	appAdvice,
	servicePrincipalAdvice,
	[]Cause{
		personalOff(not(onSMTP)),
		{
			If:        not(readable),
			Problem:   `The user name {mailbox} is perhaps not the one that signed in: an alias, a shared mailbox, or another account in the browser`,
			Remedy:    `Log in under the name that the id_token gives (Account.Username)`,
			Reference: refOAuth,
		},
		personalOff(onSMTP),
		perhapsEnded(not(readable)),
		{
			If:        all(not(personal), not(onSMTP)),
			Problem:   `{protocol} is perhaps switched off for {mailbox}`,
			Remedy:    `Switch it on`,
			Commands:  []string{"Set-CASMailbox -Identity {mailbox} {switch}", "Get-CASMailbox -Identity {mailbox} | Format-List ImapEnabled,PopEnabled"},
			Reference: refPOPIMAP,
		},
		{
			If:      all(not(personal), onSMTP),
			Problem: `SMTP AUTH is perhaps switched off for {mailbox}, or security defaults block it`,
			Remedy:  `Switch it on for the mailbox, or for the organization`,
			Commands: []string{
				"Set-CASMailbox -Identity {mailbox} -SmtpClientAuthenticationDisabled $false",
				"Set-TransportConfig -SmtpClientAuthenticationDisabled $false",
			},
			Reference: refSMTPAuth,
		},
		{
			If:        all(delegated, not(onSMTP)),
			Problem:   `{mailbox} perhaps has no mailbox in Exchange Online: no licence, or one that is still on premises; or a policy of the organization (Conditional Access, client access rules) blocks {protocol}`,
			Remedy:    `Open the mailbox in Outlook on the web, see the user's licences, and look for the login in the sign-in log of Entra`,
			Commands:  []string{"Get-EXOMailbox -Identity {mailbox} | Format-List RecipientTypeDetails,AccountDisabled"},
			Reference: refPOPIMAP,
		},
		{
			If:        not(opaque),
			Problem:   `Permissions that were changed lately take effect after 15 to 30 minutes, and tokens issued before do not have them`,
			Remedy:    `Wait, then take a new token`,
			Reference: refOAuth,
		},
		perhapsEnded(endedSince),
	},
)

// mailboxCauses are the reasons why a mailbox does not open after the login.
var mailboxCauses = []Cause{
	oldName,
	{
		If:      appOnly,
		Problem: `The application has no FullAccess permission for {mailbox}, or its service principal is registered with a wrong object id`,
		Remedy:  `Give FullAccess to the service principal with the object id that the token names; it takes up to half an hour`,
		Commands: []string{
			"Add-MailboxPermission -Identity {mailbox} -User {oid} -AccessRights FullAccess",
			"New-ServicePrincipal -AppId {appid} -ObjectId {oid}",
		},
		Reference: refOAuth,
	},
	{
		If: otherUser, Class: Identity,
		Problem:   `The token is {user}'s, who may not open {mailbox}`,
		Remedy:    `Sign in as the owner of {mailbox}; or, if it is a shared mailbox, give {user} FullAccess to it`,
		Commands:  []string{"Add-MailboxPermission -Identity {mailbox} -User {user} -AccessRights FullAccess"},
		Reference: refOAuth,
	},
	{
		If:        personal,
		Problem:   `POP and IMAP are off for personal accounts until their owner switches them on`,
		Remedy:    `Switch "Let devices and apps use POP/IMAP" on in the settings of Outlook.com`,
		Reference: refPersonal,
	},
	{
		If:        all(not(readable), not(personal)),
		Problem:   `The account whose token it is may not open the mailbox: the user name is another's, or a shared mailbox's, or an application logs in, and there is no FullAccess permission`,
		Remedy:    `Log in under the name that signed in (Account.Username); for a shared mailbox or an application, give FullAccess to the user or to the service principal`,
		Commands:  []string{"Add-MailboxPermission -Identity {mailbox} -User '<user, or Enterprise Application object id>' -AccessRights FullAccess"},
		Reference: refOAuth,
	},
	{
		If:        not(personal),
		Problem:   `{protocol} is switched off for {mailbox}, or the mailbox has no licence`,
		Remedy:    `Switch it on`,
		Commands:  []string{"Set-CASMailbox -Identity {mailbox} {switch}", "Get-CASMailbox -Identity {mailbox} | Format-List ImapEnabled,PopEnabled"},
		Reference: refPOPIMAP,
	},
	{
		If:        all(not(readable), personal),
		Problem:   `The user name is not that of the account whose token it is`,
		Remedy:    `Log in under the name that the id_token gives (Account.Username)`,
		Reference: refOAuth,
	},
	{
		Problem:   `The service is disturbed, or refuses more connections for now; or the connection goes over IPv6, at which some of Microsoft's servers fail, those for personal accounts above all`,
		Remedy:    `Try again later with fewer connections at once, and over IPv4 (DialOptions.DialContext with "tcp4"); see Microsoft's service health page`,
		Reference: refClouds,
	},
}
