package diagnosis

import "slices"

// exchangeRows are what Exchange Online's servers say.
var exchangeRows = []Row{
	{
		ID:    "M4",
		Says:  "535 5.7.139 … SmtpClientAuthentication is disabled for the Tenant / Mailbox",
		Means: "SMTP AUTH is switched off, which applies to OAuth too",
		Do:    "switch it on for the mailbox, or for the organization",
		When:  []Match{{Text: []string{"smtpclientauthentication is disabled", "aka.ms/smtp_auth_disabled"}}},
		Causes: []Cause{
			{
				If:        all(said("for the mailbox"), not(personal)),
				Problem:   `SMTP AUTH is switched off for {mailbox}; that applies to OAuth too`,
				Remedy:    `Switch it on for the mailbox; it takes up to an hour`,
				Commands:  []string{"Set-CASMailbox -Identity {mailbox} -SmtpClientAuthenticationDisabled $false"},
				Reference: refSMTPAuth,
			},
			{
				If:      all(not(said("for the mailbox")), not(personal)),
				Problem: `SMTP AUTH is switched off for the whole organization; that applies to OAuth too`,
				Remedy:  `Switch it on for the one mailbox, which outranks the organization's setting, or for all`,
				Commands: []string{
					"Set-CASMailbox -Identity {mailbox} -SmtpClientAuthenticationDisabled $false",
					"Set-TransportConfig -SmtpClientAuthenticationDisabled $false",
				},
				Reference: refSMTPAuth,
			},
			{
				If:        personal,
				Problem:   `SMTP AUTH is switched off for this personal account`,
				Remedy:    `Switch "Let devices and apps use POP/IMAP" on in the settings of Outlook.com, and send one message on the web if the account is new`,
				Reference: refPersonal,
			},
		},
	},
	{
		ID:        "M6",
		Says:      "550 5.7.30 Basic authentication is not supported; BasicAuthBlocked; basic authentication is disabled; NO LOGIN failed.",
		Means:     "a password was sent, not a token",
		Do:        "log in with XOAUTH2",
		Reference: refBasic,
		When: []Match{
			{Code: []string{"5.7.30"}},
			{Text: []string{"basic authentication is not supported", "basicauthblocked", "basic authentication is disabled", "basic authentication is blocked"}},
			{Protocol: "IMAP", Status: []string{"NO"}, If: loginCommandFailed},
		},
	},
	{
		ID:    "M5",
		Says:  "535 5.7.139 …, with other words",
		Means: "security defaults or Conditional Access block the login, or the account is blocked",
		Do:    "read the words after the code; see the user's sign-in log in Entra",
		When: []Match{
			{Protocol: "SMTP", Code: []string{"5.7.139"}},
			{Protocol: "SMTP", Text: []string{"5.7.139 authentication unsuccessful"}}, // told again after MAIL FROM, under 5.7.57
		},
		Causes: slices.Concat(when(said("credentials were incorrect"), tokenCauses), []Cause{
			{
				If:        said("security defaults"),
				Problem:   `The organization's security defaults block this login`,
				Remedy:    `Replace security defaults by Conditional Access policies that let this login pass, or switch them off`,
				Reference: refSMTPAuth,
			},
			{
				If:        said("did not meet the criteria", "conditional access", "organization configuration", "authentication policy"),
				Problem:   `A policy of the organization blocks this login: Conditional Access, security defaults or an authentication policy`,
				Remedy:    `Look for the login in the sign-in log of Entra: it names the policy. Let the policy pass this application, or this mailbox's address`,
				Reference: refSMTPAuth,
			},
			{
				If:        said("locked", "blocked", "disabled"),
				Problem:   `The account is locked, blocked or disabled`,
				Remedy:    `Unlock it in Entra, and look into the sign-in log for the reason`,
				Reference: refEntra,
			},
			{
				If:        said("credentials were incorrect", "user name or password"),
				Problem:   `Exchange refuses the token for {mailbox}: it was issued to another user, or without {need}`,
				Remedy:    `Log in as the user who signed in, with a token for {scope}`,
				Reference: refOAuth,
			},
			{
				Problem:   `A policy blocks the login: security defaults, Conditional Access, or a blocked account`,
				Remedy:    `Read the server's words after the code, and look for the login in the sign-in log of Entra`,
				Reference: refSMTPAuth,
			},
		}),
	},
	{
		ID:    "M2",
		Says:  "BAD User is authenticated but not connected.",
		Means: "the login is fine, the mailbox does not open: switched off, no FullAccess, or another user's",
		Do:    "Set-CASMailbox, Add-MailboxPermission, or the right user name",
		When: []Match{
			{Text: []string{"authenticated but not connected"}},
		},
		Causes: mailboxCauses,
	},
	{
		ID:    "M10",
		Says:  "Request is throttled. Suggested Backoff Time: N milliseconds; Server Unavailable. 15",
		Means: "too many requests",
		Do:    "wait as long as it says",
		Class: Throttled, // by the phrase: Exchange gives it no code
		When: []Match{
			{Text: []string{"request is throttled", "suggested backoff time", "server unavailable. 15"}},
		},
		Reference: refLimits,
	},
	{
		ID:    "M11",
		Says:  "* BYE Session invalidated - AccessTokenExpired",
		Means: "the token ended during the session",
		Do:    "connect again with a new token",
		Class: Temporary, // by the phrase: the session is over, and the next one may begin
		When: []Match{
			{Text: []string{"accesstokenexpired"}},
		},
		Reference: refOAuth,
	},
	{
		ID:    "M9",
		Says:  "432 4.3.2 … Concurrent connections limit exceeded / sender thread limit exceeded; 421 4.4.2 Message submission rate … exceeded",
		Means: "more than three connections of the mailbox at once, or more than 30 messages in a minute",
		Do:    "send over fewer connections, more slowly",
		Class: Throttled,
		When: []Match{
			{Status: []string{"432"}},
			{Status: []string{"4xx"}, Text: []string{"concurrent connections limit exceeded", "thread limit exceeded", "message submission rate"}},
		},
		Causes: []Cause{
			{
				If:        said("message submission rate", "message limit"),
				Problem:   `More than 30 messages of the mailbox in a minute`,
				Remedy:    `Send more slowly`,
				Reference: refLimits,
			},
			{
				If:        not(said("message submission rate", "message limit")),
				Problem:   `More than three connections of the mailbox at once`,
				Remedy:    `Send over fewer connections, later`,
				Reference: refSending,
			},
		},
	},
	{
		ID:    "M7",
		Says:  "554 5.2.252 SendAsDenied; a not allowed to send as b; 550 5.7.60",
		Means: "the From address is not the signed-in mailbox's, and Send As is not granted",
		Do:    "Add-RecipientPermission b -Trustee a -AccessRights SendAs, or change From",
		Class: Identity,
		When: []Match{
			{Code: []string{"5.2.252", "5.7.60"}},
			{Status: []string{"5xx"}, Text: []string{"sendasdenied", "not have permissions to send as this sender"}},
		},
		Causes: []Cause{{
			Problem:   `{sender} may not send as {from}`,
			Remedy:    `Give {sender} the Send As permission for {from}, which takes up to an hour, or send with {sender} as From`,
			Commands:  []string{"Add-RecipientPermission -Identity {from} -Trustee {sender} -AccessRights SendAs -Confirm:$false"},
			Reference: refSendAs,
		}},
	},
	{
		ID:    "M8",
		Says:  "430 4.2.0 STOREDRV; mailbox logon failure; … LogonFailed",
		Means: "the application may not open or send from the mailbox; permanent, despite the 4",
		Do:    "Add-MailboxPermission and Add-RecipientPermission for the service principal",
		Class: Configuration, // against the code, as facts from users show: it lasts until the permission is there
		When: []Match{
			{Status: []string{"4xx"}, Text: []string{"mailbox logon failure", "mapiexceptionlogonfailed"}},
		},
		Causes: []Cause{{
			Problem: `The application's service principal has no FullAccess or Send As permission for {mailbox}. Trying again does not help, whatever the code says`,
			Remedy:  `Give it both; if they are there, see whether the service principal was registered with the Enterprise Application's object id`,
			Commands: []string{
				"Add-MailboxPermission -Identity {mailbox} -User {oid} -AccessRights FullAccess",
				"Add-RecipientPermission -Identity {mailbox} -Trustee {oid} -AccessRights SendAs -Confirm:$false",
				"Get-ServicePrincipal | Where-Object AppId -eq {appid} | Format-List DisplayName,AppId,ObjectId",
			},
			Reference: refOAuth,
		}},
	},
	{
		ID:    "M18",
		Says:  "554 5.2.0 … SubmissionQuotaExceeded",
		Means: "the day's recipients are used up",
		Do:    "wait some hours",
		Class: Throttled, // by the phrase: 5.2.0 says nothing, and the quota comes back
		When: []Match{
			{Text: []string{"submissionquotaexceeded"}},
			{Code: []string{"5.1.90", "5.7.232", "5.7.233"}},
		},
		Reference: refLimits,
	},
	{
		ID:    "M21",
		Says:  "550 5.7.705 tenant has exceeded threshold; 550 5.7.708 traffic not accepted from this IP; 550 5.1.8 bad outbound sender",
		Means: "Microsoft blocks sending from this tenant, account or address: spam was seen, or the tenant is new or on trial",
		Do:    "see the restricted entities in the Defender portal; then ask Microsoft's support to lift the block",
		When: []Match{
			{Code: []string{"5.7.501", "5.7.502", "5.7.503", "5.7.705", "5.7.708", "5.7.750"}},
			{Code: []string{"5.1.8"}, Text: []string{"bad outbound sender"}},
		},
		Reference: refNDR,
	},
	{
		ID:    "M22",
		Says:  "550 5.2.1 Mailbox cannot be accessed",
		Means: "the mailbox is disabled or blocked, or has no licence",
		Do:    "see its state and its licence in the admin center, and that its owner can open it on the web",
		When: []Match{
			{Protocol: "SMTP", Text: []string{"mailbox cannot be accessed"}},
		},
		Reference: refNDR,
	},
	{
		ID:        "M20",
		Says:      "501 5.5.124 Invalid XOAUTH2 auth data",
		Means:     "High Volume Email does not take the user name: it wants the whole address of an HVE account, which must be the token's",
		Do:        "log in as the HVE account, with its address as the user name",
		When:      []Match{{Protocol: "SMTP", Code: []string{"5.5.124"}}},
		Reference: refHVE,
	},
	{
		ID:    "M23",
		Says:  "BAD Command received in Invalid state.",
		Means: "the session is not where the command needs it: nobody is logged in, or no folder is selected",
		Do:    "check the reply to the login before going on; select a folder before fetching",
		When: []Match{
			{Protocol: "IMAP", Text: []string{"command received in invalid state"}},
		},
		Reference: "RFC 9051, section 3",
	},
	{
		ID:        "M19",
		Says:      "501 5.5.127 … Token will expire soon",
		Means:     "High Volume Email wants tokens that last ten minutes yet",
		Do:        "renew the token earlier",
		Class:     SignIn,
		When:      []Match{{Code: []string{"5.5.127"}}},
		Reference: refHVE,
	},
	{
		ID:    "M15",
		Says:  "530 / 550 5.7.57 Client not authenticated to send mail; 550 5.7.64 TenantAttribution; Relay Access Denied",
		Means: "AUTH was left out, or its refusal was taken for success; or the server is the MX, which takes no AUTH",
		Do:    "check AUTH's own reply (some libraries report a refused XOAUTH2 login as a success), and the host: smtp.office365.com:587",
		When: []Match{
			{Code: []string{"5.7.57", "5.7.64"}},
			{Status: []string{"530"}, Text: []string{"client not authenticated", "client was not authenticated", "authentication required"}},
		},
		Reference: refOAuth,
	},
	{
		ID:    "M12",
		Says:  "-ERR Protocol error. Connection is closed. 10",
		Means: "Exchange's POP3 server wants AUTH in two lines, and no payload over about 4,096 characters",
		Do:    "wait for the + before the payload; shorten the token (fewer permissions), or use IMAP",
		When: []Match{
			{Text: []string{"protocol error. connection is closed"}},
			{Protocol: "POP3", Login: true, Text: []string{"protocol error", "command is not valid in this state"}},
		},
		Causes: slices.Concat([]Cause{tooLongForPOP3}, []Cause{{
			If:        not(longForPOP3),
			Problem:   `The server did not get the login as it wants it: AUTH XOAUTH2 on a line of its own, then the payload`,
			Remedy:    `Send the payload when the server has answered "+", as DialPOP3 does`,
			Reference: refOAuth,
		}}),
	},
	{
		ID:    "M14",
		Says:  "504 5.7.4 Unrecognized authentication type",
		Means: "XOAUTH2 is not offered, or AUTH came before STARTTLS",
		Do:    "STARTTLS first; check host and port",
		When: []Match{
			{Status: []string{"504"}},
			{Code: []string{"5.7.4"}},
			{Text: []string{"unrecognized authentication type"}},
		},
		Reference: refOAuth,
	},
	{
		ID:    "M16",
		Says:  "501 5.5.4 Invalid domain name",
		Means: "the name after EHLO is not a host name",
		Do:    "set DialOptions.LocalName to the machine's full host name",
		When: []Match{
			{Status: []string{"501", "550"}, Text: []string{"invalid domain name", "helo/ehlo argument", "invalid ehlo", "invalid helo"}},
		},
		Reference: "RFC 5321, section 4.1.1.1",
	},
	{
		ID:    "M17",
		Says:  "500 5.5.2 Line too long; 555 5.5.2; Invalid base64 data in initial response",
		Means: "the server does not take a token in the AUTH line, or not one of this length",
		Do:    "send it after the 334, as DialSMTP does without Provider.LongAuthLine",
		When: []Match{
			{Status: []string{"5xx"}, Text: []string{"line too long", "line length", "sasl response limit exceeded", "base64 data in initial response"}},
			{Status: []string{"555"}},
			{Login: true, Status: []string{"500"}, Code: []string{"5.5.2", "5.5.6"}},
		},
		Reference: "RFC 4954, section 4",
	},
	{
		ID:     "M1",
		Says:   "NO AUTHENTICATE failed.",
		Means:  "token for Graph; no permission; service principal unknown; no FullAccess; wrong user; expired; IMAP off; wrong cloud",
		Do:     "Diagnose tells which: it reads the token's claims",
		When:   []Match{{Protocol: "IMAP", Text: []string{"authenticate failed"}}},
		Causes: slices.Concat(tokenCauses, loginAdvice),
	},
	{
		ID:     "M3",
		Says:   "535 5.7.3 Authentication unsuccessful",
		Means:  "no SMTP.Send or SMTP.SendAsApp; token for Graph; a shared mailbox or alias as user name; no service principal or Send As",
		Do:     "Diagnose tells which; keep the bracketed server name for support",
		When:   []Match{{Code: []string{"5.7.3"}}, {Protocol: "SMTP", Text: []string{"authentication unsuccessful"}}},
		Causes: slices.Concat(tokenCauses, loginAdvice),
	},
	{
		ID:     "M13",
		Says:   "-ERR Authentication failure: unknown user name or bad password.",
		Means:  "as for IMAP's NO AUTHENTICATE failed, with the permission for POP",
		Do:     "Diagnose tells which",
		When:   []Match{{Protocol: "POP3", Text: []string{"unknown user name or bad password"}}},
		Causes: slices.Concat(tokenCauses, loginAdvice),
	},
}
