package diagnosis

import (
	"slices"
	"strings"
	"time"
)

// Condition is something about a failure that is so or not. The table names
// conditions; what they mean is here.
type Condition func(*Facts) bool

func all(conditions ...Condition) Condition {
	return func(f *Facts) bool {
		return !slices.ContainsFunc(conditions, func(c Condition) bool { return !c(f) })
	}
}

func either(a, b Condition) Condition {
	return func(f *Facts) bool { return a(f) || b(f) }
}

func not(c Condition) Condition { return func(f *Facts) bool { return !c(f) } }

// applies reports whether a cause is possible.
func (c Cause) applies(f *Facts) bool { return c.If == nil || c.If(f) }

// proven reports whether the claims prove a cause.
func (c Cause) proven(f *Facts) bool { return c.Certain != nil && c.applies(f) && c.Certain(f) }

func onPOP3(f *Facts) bool { return f.Protocol == "POP3" }
func onSMTP(f *Facts) bool { return f.Protocol == "SMTP" }

// What kind of token was refused.

// readable: the token's claims are known.
func readable(f *Facts) bool {
	t := f.Token
	return !t.Opaque && (t.Audience != "" || t.AppID != "" || t.Username != "" || len(t.Scopes) > 0 || len(t.Roles) > 0)
}

// opaque: a token without claims, as those of personal accounts.
func opaque(f *Facts) bool { return f.Token.Opaque && f.Token.Length > 0 }

// unknownToken: nothing is known of it, as after a later command.
func unknownToken(f *Facts) bool { return !readable(f) && !opaque(f) }

// appOnly: the token was issued to an application.
func appOnly(f *Facts) bool {
	t := f.Token
	return readable(f) && (t.AppOnly || len(t.Roles) > 0 && len(t.Scopes) == 0 && t.Username == "")
}

// delegated: the token was issued for a user who signed in.
func delegated(f *Facts) bool {
	return readable(f) && !appOnly(f) && (len(f.Token.Scopes) > 0 || f.Token.Username != "")
}

// What server refused it.

// atExchange: the server is Exchange Online, by its address, its greeting or
// its words.
func atExchange(f *Facts) bool {
	return f.Provider.Cloud != "" || exchangeHost(ServerName(f.Greeting)) || exchangeHost(f.Greeting) ||
		Trace(f.Reply.Text) != "" || saysExchange(f)
}

// provenExchange: as atExchange, but if the address is one of somebody else's,
// words do not prove it: other servers use them too, and a proxy may pass them
// on while it takes tokens of its own.
func provenExchange(f *Facts) bool {
	return f.Provider.Cloud != "" || exchangeHost(ServerName(f.Greeting)) || exchangeHost(f.Greeting) ||
		Trace(f.Reply.Text) != "" || f.Addr == "" && saysExchange(f)
}

// atProvenExchange narrows a condition to where the server is certainly
// Exchange.
func atProvenExchange(c Condition) Condition { return all(provenExchange, c) }

var saysExchange = said("authenticate failed", "authentication unsuccessful",
	"unknown user name or bad password", "authenticated but not connected")

func exchangeHost(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{
		".outlook.com", ".office365.com", ".exchangelabs.com", ".office365.us", ".outlook.cn", ".apps.mil",
	}, func(suffix string) bool { return strings.HasSuffix(name, suffix) })
}

// loginCommandFailed: Exchange's words for a refused LOGIN command, which sends
// a password. Other servers write them in other letters.
func loginCommandFailed(f *Facts) bool { return strings.HasPrefix(f.Reply.Text, "LOGIN failed") }

// What the token is for. Audiences come first: Graph has permissions of the
// same names, and its tokens are refused whatever they list.

func forExchange(f *Facts) bool { return readable(f) && f.Token.resource() == resourceExchange }
func forGraph(f *Facts) bool    { return atExchange(f) && f.Token.resource() == resourceGraph }
func forConsent(f *Facts) bool  { return atExchange(f) && f.Token.resource() == resourceConsent }
func forOther(f *Facts) bool    { return atExchange(f) && f.Token.resource() == resourceOther }

// forNobodyKnows: the claims do not say what the token is for, or not in a way
// that proves anything.
func forNobodyKnows(f *Facts) bool { return !readable(f) || f.Token.resource() == resourceUnknown }

// inOtherCloud: the token is Exchange's in one cloud, the server in another.
func inOtherCloud(f *Facts) bool {
	cloud := f.Token.cloud()
	return forExchange(f) && cloud != "" && f.Provider.Cloud != "" && cloud != f.Provider.Cloud
}

// fits: the token is Exchange's, in the server's cloud as far as is known, so
// that what it permits counts.
func fits(f *Facts) bool { return forExchange(f) && !inOtherCloud(f) }

// What the token permits.

// lacksScope: a user's token for Exchange lists scopes, and the protocol's is
// not among them.
func lacksScope(f *Facts) bool {
	p, known := permissions[f.Protocol]
	return known && delegated(f) && fits(f) && counted(f.Token.Scopes) && !carries(f.Token.Scopes, p.delegated)
}

// lacksRole: an application's token for Exchange does not list the protocol's
// role.
func lacksRole(f *Facts) bool {
	p, known := permissions[f.Protocol]
	return known && appOnly(f) && fits(f) && !carries(f.Token.Roles, p.app)
}

// needsRole: a missing role is the reason. RBAC for Applications grants SMTP in
// Exchange and not in Entra, so an SMTP token without its role can be a good
// one, also if it lists the roles of other protocols; and a token without any
// role may be one of RBAC's. IMAP and POP3 have no role there: a token that
// lists some roles but not theirs was never granted it. (Exchange documentation,
// "Role Based Access Control for Applications", table of supported roles.)
func needsRole(f *Facts) bool { return !onSMTP(f) && counted(f.Token.Roles) }

// counted: there are permissions, and not so many that some were left out.
func counted(permissions []string) bool { return len(permissions) > 0 && len(permissions) < maxValues }

// Whom the token is for.

// otherUser: a user's token for Exchange names one user, the login another.
func otherUser(f *Facts) bool {
	return delegated(f) && !forGraph(f) && isAddress(f.Token.Username) && isAddress(f.Username) && !combinedName(f) &&
		!strings.EqualFold(f.Token.Username, f.Username)
}

// otherName: as otherUser, at servers whose users have names of any form.
func otherName(f *Facts) bool {
	return delegated(f) && !atExchange(f) && f.Token.Username != "" && f.Username != "" &&
		!strings.EqualFold(f.Token.Username, f.Username)
}

// provesOtherUser: the names can be compared, and the server goes by them. A
// shared mailbox is opened by IMAP and POP3 in its own name with the delegate's
// token, and a mailbox's address need not be its owner's user name; SMTP wants
// the name of the user who signed in.
func provesOtherUser(f *Facts) bool { return onSMTP(f) && fits(f) && provenExchange(f) }

// isAddress reports whether a user name is one that can be compared: not the
// name that a directory gives its guests, nor that of a local domain.
func isAddress(name string) bool {
	return strings.Count(name, "@") == 1 && !strings.Contains(name, "#")
}

// combinedName: a user and a mailbox in one name, "user\mailbox".
func combinedName(f *Facts) bool {
	_, domain, _ := strings.Cut(f.Username, "@")
	return strings.Contains(f.Username, `\`) || strings.Contains(domain, "/")
}

// bareName: not an address.
func bareName(f *Facts) bool { return f.Username != "" && !strings.Contains(f.Username, "@") }

// personal: the login names an address of Outlook.com's own domains, such as
// outlook.com, hotmail.co.uk and live.fr.
func personal(f *Facts) bool {
	_, domain, _ := strings.Cut(strings.ToLower(f.Username), "@")
	labels := strings.Split(domain, ".")
	if slices.ContainsFunc(labels[1:], func(label string) bool { return len(label) > 3 }) {
		return false
	}
	switch labels[0] {
	case "outlook", "hotmail", "live", "msn", "passport":
		return true
	}
	return false
}

// expired: the token had ended when it was refused. Of a refusal that nobody
// dated, a token that ended longer than a day ago says nothing: it is probably
// an old refusal, and the token was good then.
func expired(f *Facts) bool {
	end := f.Token.Expiry
	if end.IsZero() || f.At.Before(end) {
		return false
	}
	return !f.Undated || f.At.Sub(end) < 24*time.Hour
}

// provesExpired: it is known when the token was refused, and that was later
// than the five minutes for which servers bear with the clocks of others.
func provesExpired(f *Facts) bool {
	const leeway = 5 * time.Minute
	return expired(f) && !f.Undated && f.At.Sub(f.Token.Expiry) >= leeway
}

// endedSince: the token has ended, but perhaps after it was refused.
func endedSince(f *Facts) bool {
	return !f.Token.Expiry.IsZero() && !f.At.Before(f.Token.Expiry) && !expired(f)
}

// longForPOP3: the payload is longer than Exchange's POP3 server takes.
func longForPOP3(f *Facts) bool { return onPOP3(f) && f.payload() > 4096 }

// longForDovecot: the payload is longer than Dovecot takes, which hangs up.
func longForDovecot(f *Facts) bool { return f.Step == "AUTH" && f.payload() > 8192 }

// payload returns the length of the mechanism's message in base64.
func (f *Facts) payload() int {
	return (len("user=\x01auth=Bearer \x01\x01") + len(f.Username) + f.Token.Length + 2) / 3 * 4
}

// skewed: our clock and the token endpoint's differ by more than assertions
// and tokens bear.
func skewed(f *Facts) bool {
	const tolerance = 4 * 60
	return f.OAuth != nil && (f.OAuth.ClockSkew.Seconds() > tolerance || f.OAuth.ClockSkew.Seconds() < -tolerance)
}
