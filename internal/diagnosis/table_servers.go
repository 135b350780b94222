package diagnosis

import "slices"

// serverRows are what other mail servers say, and the codes of the standards:
// RFC 9051 section 7.1 and RFC 5530 (IMAP), RFC 2449 and RFC 3206 (POP3), RFC
// 3463 and RFC 4954 (SMTP).
var serverRows = []Row{
	{
		ID:    "S1",
		Says:  "[ALERT] Please log in via your web browser; 534 5.7.14; Web login required",
		Means: "Google wants the user to confirm the login",
		Do:    "sign in once in a browser, then again here",
		Class: SignIn,
		When: []Match{
			{Code: []string{"5.7.14", "WEBALERT"}},
			{Login: true, Code: []string{"ALERT", "AUTH"}, Text: []string{"web browser", "web login required"}},
			{Login: true, Status: []string{"534"}, Text: []string{"web browser"}},
		},
		Reference: refGmail,
	},
	{
		ID:    "S2",
		With:  "S1",
		Says:  "Your account is not enabled for IMAP use; not enabled for POP",
		Means: "IMAP or POP is off for the account",
		Do:    "switch it on in the account's mail settings; a Workspace administrator can forbid it",
		When: []Match{
			{Text: []string{"not enabled for imap", "not enabled for pop", "imap access is disabled", "pop access is disabled",
				"imap is disabled", "pop is disabled", "yet to enable imap", "does not have access rights to this service"}},
		},
		Reference: refGmail,
	},
	{
		ID:    "S3",
		With:  "S1",
		Says:  "Application-specific password required; 534 5.7.9",
		Means: "a password was sent, not a token",
		Do:    "log in with XOAUTH2",
		When: []Match{
			{Code: []string{"5.7.9"}},
			{Text: []string{"application-specific password required"}},
		},
		Reference: refGmail,
	},
	{
		ID:    "S13",
		With:  "S5",
		Says:  "452 4.5.3 Too many recipients",
		Means: "the message has more recipients than the server takes at once",
		Do:    "send it to the rest in another transaction",
		Class: Temporary,
		When: []Match{
			{Code: []string{"4.5.3"}},
			{Status: []string{"452"}, Text: []string{"too many recipients"}},
		},
		Reference: "RFC 5321, section 4.5.3.1.10",
	},
	{
		ID:    "S4",
		With:  "S5",
		Says:  "Too many simultaneous connections; [LIMIT]; [LOGIN-DELAY]; [THROTTLED]; exceeded command or bandwidth limits",
		Means: "too many connections or logins, or too much traffic",
		Do:    "close some, and wait",
		Class: Throttled,
		When: []Match{
			{Status: []string{"NO", "BYE"}, Text: []string{"command or bandwidth limits"}},
			{Code: []string{"LIMIT", "LOGIN-DELAY", "THROTTLED", "4.7.28", "5.4.5"}},
			{Status: []string{"4xx"}, Text: []string{"too many", "number of concurrent"}},
			{Code: []string{"ALERT"}, Text: []string{"too many"}},
		},
		Reference: "RFC 9051, section 7.1; RFC 2449, section 8.1.1",
	},
	{
		ID:    "S5",
		Says:  "[UNAVAILABLE]; [SYS/TEMP]; [IN-USE]; 421; 454 4.7.0 Temporary authentication failure",
		Means: "the server cannot just now",
		Do:    "try again later",
		Class: Temporary,
		When: []Match{
			{Code: []string{"UNAVAILABLE", "INUSE", "SERVERBUG", "SYS/TEMP", "IN-USE"}},
			{Status: []string{"NO", "BAD", "-ERR"}, Text: []string{"server unavailable", "connection is closed"}},
			{Status: []string{"4xx"}},
			{Status: []string{"BYE"}},
		},
		Reference: "RFC 5530, section 3; RFC 3206; RFC 5321, section 4.2.1",
	},
	{
		ID:    "S6",
		Says:  "[PRIVACYREQUIRED]; 530 5.7.0 Must issue a STARTTLS command first; 538 5.7.11",
		Means: "the server takes no login without TLS",
		Do:    "use the provider's port and StartTLS setting",
		When: []Match{
			{Code: []string{"PRIVACYREQUIRED", "5.7.11"}},
			{Text: []string{"must issue a starttls", "until ssl/tls is enabled"}},
			{Status: []string{"538"}},
		},
		Reference: "RFC 5530, section 3; RFC 4954, section 6",
	},
	{
		ID:    "S7",
		With:  "S9",
		Says:  "[AUTHORIZATIONFAILED]",
		Means: "the token is good, but not for this user's mailbox",
		Do:    "log in as the user who signed in",
		Class: Identity,
		When: []Match{
			{Code: []string{"AUTHORIZATIONFAILED"}},
		},
		Reference: "RFC 5530, section 3",
	},
	{
		ID:    "S10",
		With:  "S6",
		Says:  "500 / 502 command not recognized; Unsupported authentication mechanism",
		Means: "this server or port does not know XOAUTH2",
		Do:    "check host and port, and that STARTTLS came first",
		When: []Match{
			{Login: true, Status: []string{"500", "502"}},
			{Text: []string{"unsupported authentication mechanism", "unknown authentication mechanism", "invalid authentication mechanism", "mechanism not supported", "authentication mechanism is too weak"}},
		},
		Reference: "RFC 4954, section 4",
	},
	{
		ID:    "S8",
		With:  "S9",
		Says:  "error document with status 401, invalid_token; [EXPIRED]",
		Means: "the token has ended or was revoked; some servers say so of every refusal",
		Do:    "take a new token; then check scope and user name",
		Class: SignIn,
		When: []Match{
			{Code: []string{"EXPIRED"}},
			{Login: true, Document: []string{"401", "invalid_token"}},
		},
		Causes: slices.Concat(tokenCauses, []Cause{
			foreignUser, serverSettings,
			{
				Problem:   `The token has ended, was revoked, or is not one of this server's`,
				Remedy:    `Take a new token, and sign in again if that does not help`,
				Reference: "RFC 7628, section 3.2.2",
			},
			googleScopeMissing, wrongUser,
		}),
	},
	{
		ID:    "S12",
		Says:  "BAD Command Argument Error; 501 5.5.4 Invalid arguments; 501 5.5.2 Cannot Decode response; Invalid SASL argument",
		Means: "the login was damaged on its way: base64 with line breaks, cut, or of something else",
		Do:    "let this package build the payload; see that the token has no quotes or line breaks around it",
		When: []Match{
			{Login: true, Text: []string{"command argument error", "command error", "error in imap command", "invalid sasl argument", "invalid base64", "cannot decode", "base64-decode", "base64 decode"}},
			{Login: true, Status: []string{"501"}},
		},
		Reference: refGoogle,
	},
	{
		ID:    "S9",
		Says:  "error document with status 400, insufficient_scope; 535 5.7.8; [AUTHENTICATIONFAILED]",
		Means: "scope missing (Gmail: https://mail.google.com/), token ended, or another user's",
		Do:    "sign in again with the mail scope, as the user of the login",
		When: []Match{
			{Login: true, Document: []string{"400", "403", "insufficient_scope", "invalid_request"}},
			{Code: []string{"AUTHENTICATIONFAILED", "AUTH", "5.7.8"}}, // of logins only
			{Status: []string{"535", "534"}},
			{Login: true, Status: []string{"NO", "-ERR"}, Text: []string{"auth", "credential", "login", "password", "token", "sasl"}},
			{Login: true, Status: []string{"550", "554"}, Code: []string{"5.7.1"}, Text: []string{"auth"}},
		},
		Causes: slices.Concat(tokenCauses, []Cause{lockedForNow, foreignUser, googleScopeMissing, serverSettings, scopeMissing, tokenEnded, wrongUser}),
	},
	{
		ID:    "S11",
		With:  "S5",
		Says:  "[CONTACTADMIN]; [SYS/PERM]",
		Means: "the server's administrator has to act",
		Do:    "ask the administrator, with the server's words",
		Class: Configuration,
		When: []Match{
			{Code: []string{"CONTACTADMIN", "SYS/PERM"}},
		},
		Reference: "RFC 5530, section 3; RFC 3206",
	},
}

// google: the server is Gmail's.
func google(f *Facts) bool {
	return f.Provider.Scope == googleScope ||
		said("gsmtp", "google", "gimap", "gpop", "username and password not accepted", "invalid credentials (failure)")(f)
}

const googleScope = "https://mail.google.com/"

var googleScopeMissing = Cause{
	If:        google,
	Problem:   `The token does not have the scope https://mail.google.com/, the only one with which Gmail's IMAP, POP3 and SMTP servers let a program in; gmail.send, gmail.readonly and the like are for its web API`,
	Remedy:    `Ask for https://mail.google.com/, sign in again, and tick its box on the consent page`,
	Reference: refGoogle,
}

var scopeMissing = Cause{
	If:        all(not(google), not(readable)),
	Problem:   `The token perhaps lacks the server's mail scope`,
	Remedy:    `Ask for the scope that the provider names for mail (Provider.Scopes), and sign in again`,
	Reference: "RFC 7628, section 3.2.2",
}

var tokenEnded = Cause{
	If:        not(expired),
	Problem:   `The token has perhaps ended, or was revoked`,
	Remedy:    `Take a token from the TokenSource for every connection; sign in again if that does not help`,
	Reference: refGoogle2,
}

var lockedForNow = Cause{
	If:        said("too many bad auth"),
	Problem:   `After too many refused logins the server refuses all of this user, or from this address, for a while`,
	Remedy:    `Stop for some hours; then look at the first refusal, whose words say more`,
	Reference: "RFC 4954, section 4",
}

// serverSettings: a server of one's own, and a token whose claims say nothing
// against it.
var serverSettings = Cause{
	If:        all(readable, ownServer, not(otherName), not(expired)),
	Problem:   `The server perhaps does not take tokens of this issuer for {aud}, finds no user {mailbox} by them, or cannot ask the authorization server about them`,
	Remedy:    `Read the server's own log, which names the reason; compare its OAuth settings (Dovecot: introspection_url, audience, username_attribute) with the token's claims`,
	Reference: "RFC 7628, section 3.2.2",
}

// ownServer: none whose settings are a provider's.
func ownServer(f *Facts) bool { return !atExchange(f) && !google(f) && f.Provider.Scope == "" }

var foreignUser = Cause{
	If: otherName, Class: Identity,
	Problem:   `The login names {mailbox}, but the token is {user}'s`,
	Remedy:    `Log in as {user}, or sign in as {mailbox}`,
	Reference: "RFC 7628, section 3.2.2",
}

var wrongUser = Cause{
	If:        all(not(otherUser), not(otherName)),
	Problem:   `The user name {mailbox} is perhaps not that of the account that signed in`,
	Remedy:    `Log in under the account's own address (Account.Username)`,
	Reference: refGoogle,
}
