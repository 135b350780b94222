package xoauth2

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/oauth2"
)

// Protocol is a mail protocol that logs in with XOAUTH2.
type Protocol uint8

// The mail protocols of this package.
const (
	IMAP Protocol = iota + 1 // RFC 9051, RFC 3501
	POP3                     // RFC 1939
	SMTP                     // RFC 5321, message submission of RFC 6409
)

// String returns the protocol's name in capitals.
func (p Protocol) String() string {
	switch p {
	case IMAP:
		return "IMAP"
	case POP3:
		return "POP3"
	case SMTP:
		return "SMTP"
	}
	return fmt.Sprintf("Protocol(%d)", uint8(p))
}

// allProtocols is what an empty list of protocols means.
func allProtocols() []Protocol { return []Protocol{IMAP, POP3, SMTP} }

// Service is one mail protocol of a provider: where it is served and which
// permissions log in to it.
type Service struct {
	Addr         string // host:port
	StartTLS     bool   // TLS after STARTTLS; otherwise from the first byte
	Scope        string // what a signed-in user grants
	AppScope     string // what client credentials ask for; empty: the provider has no application permissions
	ConsentScope string // what the admin-consent URL names
	SASLIR       bool   // IMAP: known to take an initial response, so its capabilities need not be asked for first
}

// Provider is a mail provider, or one national cloud of it. "{tenant}" in its
// URLs stands for an Entra tenant. The presets cover Microsoft's clouds, Gmail
// and Yahoo; a copy with changed fields describes any other server.
type Provider struct {
	Name string

	AuthURL    string // authorization endpoint (RFC 6749, section 3.1)
	TokenURL   string // token endpoint (RFC 6749, section 3.2)
	DeviceURL  string // device authorization endpoint (RFC 8628, section 3.1); empty: no device flow for mail
	ConsentURL string // Entra's admin-consent page; empty: the provider has none

	IMAP, POP3, SMTP Service

	LongAuthLine bool // SMTP server takes a response over 512 octets inline
}

// Service returns the provider's service for proto, and a zero Service for an
// unknown protocol.
func (p Provider) Service(proto Protocol) Service {
	switch proto {
	case IMAP:
		return p.IMAP
	case POP3:
		return p.POP3
	case SMTP:
		return p.SMTP
	}
	return Service{}
}

// Scopes returns the delegated scopes of the protocols, of all three if none
// is named, followed by those of OpenID Connect that bring the user's name
// (openid, profile, email) and the refresh token. The latter is offline_access
// (OpenID Connect Core 1.0, section 11), except at Google, which takes
// access_type=offline instead, and at Yahoo, which always gives one.
func (p Provider) Scopes(protocols ...Protocol) []string {
	scopes := append(p.mailScopes(protocols), "openid", "profile", "email")
	if p.Name == nameGmail || p.Name == nameYahoo {
		return scopes
	}
	return append(scopes, "offline_access")
}

// mailScopes returns the delegated scopes of protocols, each once.
func (p Provider) mailScopes(protocols []Protocol) []string {
	return p.collect(protocols, func(s Service) string { return s.Scope })
}

// within returns what is left of scope, a token request's, where a sign-in
// granted less. That is scope itself if granted is empty, and also if the
// permissions granted are those of other protocols: only the user can help then.
// A provider may name permissions in its own way, or pass over all that it does
// not know: then it is granted without extra.
func (p Provider) within(granted, scope string, extra []string) string {
	given, mail := strings.Fields(granted), p.mailScopes(nil)
	isMail := func(s string) bool { return slices.Contains(mail, s) }
	left := slices.DeleteFunc(strings.Fields(scope), func(s string) bool { return !slices.Contains(given, s) })
	switch {
	case slices.ContainsFunc(left, isMail):
		return strings.Join(left, " ")
	case len(given) == 0, slices.ContainsFunc(given, isMail):
		return scope
	}
	given = slices.DeleteFunc(given, func(s string) bool { return slices.Contains(extra, s) })
	return cmp.Or(strings.Join(given, " "), scope)
}

// collect returns what field finds in the services of protocols, each value
// once and in the order of protocols. No protocols means all.
func (p Provider) collect(protocols []Protocol, field func(Service) string) []string {
	if len(protocols) == 0 {
		protocols = allProtocols()
	}
	var values []string
	for _, proto := range protocols {
		v := field(p.Service(proto))
		if v != "" && !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values
}

// Endpoint returns the provider's OAuth 2.0 endpoints for tenant: a directory
// id, a domain name, or common, organizations or consumers (Microsoft identity
// platform documentation, "Endpoints"). An empty tenant means consumers for
// Outlook and common otherwise. Client authentication goes into the request's
// body, since x/oauth2 would otherwise find that out by doubling the first
// request that fails.
func (p Provider) Endpoint(tenant string) oauth2.Endpoint {
	if tenant == "" {
		tenant = p.defaultTenant()
	}
	return oauth2.Endpoint{
		AuthURL:       inTenant(p.AuthURL, tenant),
		TokenURL:      inTenant(p.TokenURL, tenant),
		DeviceAuthURL: inTenant(p.DeviceURL, tenant),
		AuthStyle:     oauth2.AuthStyleInParams,
	}
}

func (p Provider) defaultTenant() string {
	if p.Name == nameOutlook {
		return "consumers"
	}
	return "common"
}

// inTenant replaces "{tenant}" in a URL.
func inTenant(rawURL, tenant string) string {
	return strings.ReplaceAll(rawURL, "{tenant}", url.PathEscape(tenant))
}

// hasTenants reports whether the provider's endpoints are divided by tenant,
// as Entra's are.
func (p Provider) hasTenants() bool {
	return strings.Contains(p.TokenURL, "{tenant}")
}

// isMultiTenant reports whether tenant is one of Entra's placeholders for
// many tenants.
func isMultiTenant(tenant string) bool {
	switch strings.ToLower(tenant) {
	case "common", "organizations", "consumers":
		return true
	}
	return false
}

// AdminConsentURL returns the page on which an administrator of tenant grants
// the application clientID the permissions registered for it (Microsoft
// identity platform documentation, "Admin consent"). tenant is a directory id,
// a domain name, or "organizations" to let the administrator's sign-in decide.
// The page returns to redirectURL, which must be registered, with state.
//
// No protocols means all three. Exchange wants another scope here than in token
// requests: ps.outlook.com for IMAP and POP3, outlook.office365.com for SMTP
// (Exchange documentation, "Authenticate an IMAP, POP or SMTP connection using
// OAuth"). That one URL may name both is not documented: if it is refused, use
// one for IMAP and POP3, and one for SMTP. It fails for a provider without such
// a page and for missing or unsuitable arguments.
func (p Provider) AdminConsentURL(tenant, clientID, redirectURL, state string, protocols ...Protocol) (string, error) {
	switch {
	case p.ConsentURL == "":
		return "", fmt.Errorf("xoauth2: admin consent: %s has no admin-consent page", p.name())
	case tenant == "":
		return "", errors.New(`xoauth2: admin consent: no tenant: use the directory id, a domain of the directory, or "organizations"`)
	case isMultiTenant(tenant) && !strings.EqualFold(tenant, "organizations"):
		return "", fmt.Errorf("xoauth2: admin consent: tenant %q has no administrator: use the directory id, a domain of the directory, or \"organizations\"", tenant)
	case clientID == "":
		return "", errors.New("xoauth2: admin consent: no client id: use the Application (client) ID of the app registration")
	case redirectURL == "":
		return "", errors.New("xoauth2: admin consent: no redirect URL: use one that is registered for the application")
	}
	for _, proto := range protocols {
		if p.Service(proto).ConsentScope == "" {
			return "", fmt.Errorf("xoauth2: admin consent: %s has no consent scope for %v", p.name(), proto)
		}
	}
	scopes := p.collect(protocols, func(s Service) string { return s.ConsentScope })
	q := url.Values{
		"client_id":    {clientID},
		"redirect_uri": {redirectURL},
		"scope":        {strings.Join(scopes, " ")},
		"state":        {state},
	}
	return inTenant(p.ConsentURL, tenant) + "?" + q.Encode(), nil
}

var guid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func isGUID(s string) bool { return guid.MatchString(s) }

func (p Provider) name() string {
	if p.Name == "" {
		return "the provider"
	}
	return p.Name
}

// orExchange returns p, or Exchange if p is zero.
func (p Provider) orExchange() Provider {
	if p == (Provider{}) {
		return Exchange
	}
	return p
}

// Names by which the presets with peculiarities are known; a copy keeps its
// name, and with it the peculiarity.
const (
	nameOutlook = "Outlook.com"
	nameGmail   = "Gmail"
	nameYahoo   = "Yahoo"
)

// The presets. Sources: hosts and ports from "POP, IMAP, and SMTP settings for
// Outlook.com" and "Microsoft 365 endpoints" (worldwide, GCC High, DoD, China);
// scopes from "Authenticate an IMAP, POP or SMTP connection using OAuth";
// authorities from "Microsoft Entra authentication and national clouds".
var (
	// Exchange is Exchange Online worldwide and GCC. It takes long AUTH lines,
	// and its IMAP server takes an initial response, though its greeting does
	// not say so.
	Exchange = microsoft(cloud{
		name:      "Exchange Online",
		authority: "login.microsoftonline.com",
		mail:      "outlook.office365.com",
		smtp:      "smtp.office365.com",
		delegated: "outlook.office.com",
		app:       "outlook.office365.com",
		consent:   "ps.outlook.com",
	})

	// Outlook is Outlook.com: personal accounts (outlook.com, hotmail.com,
	// live.com), whose owners must switch POP and IMAP on. They have no
	// application permissions. There is no port 465.
	Outlook = microsoft(cloud{
		name:      nameOutlook,
		authority: "login.microsoftonline.com",
		mail:      "outlook.office365.com",
		smtp:      "smtp-mail.outlook.com",
		delegated: "outlook.office.com",
	})

	// ExchangeGCCHigh is Exchange Online of the US Government's GCC High. The
	// SMTP host is the one of Microsoft 365's endpoint list; some guides name
	// the alias outlook.office365.us. Its consent scope is not documented.
	ExchangeGCCHigh = microsoft(cloud{
		name:      "Exchange Online GCC High",
		authority: "login.microsoftonline.us",
		mail:      "outlook.office365.us",
		smtp:      "smtp.office365.us",
		delegated: "outlook.office365.us",
		app:       "outlook.office365.us",
		consent:   "outlook.office365.us",
	})

	// ExchangeDoD is Exchange Online of the US Department of Defense. Its
	// scopes are not documented; they follow the rule of the other clouds.
	ExchangeDoD = microsoft(cloud{
		name:      "Exchange Online DoD",
		authority: "login.microsoftonline.us",
		mail:      "outlook-dod.office365.us",
		smtp:      "outlook-dod.office365.us",
		delegated: "outlook-dod.office365.us",
		app:       "outlook-dod.office365.us",
		consent:   "outlook-dod.office365.us",
	})

	// ExchangeChina is Exchange Online operated by 21Vianet. Its hosts are
	// documented; its scopes follow the rule of the other clouds.
	ExchangeChina = microsoft(cloud{
		name:      "Exchange Online China",
		authority: "login.partner.microsoftonline.cn",
		mail:      "partner.outlook.cn",
		smtp:      "smtp.partner.outlook.cn",
		delegated: "partner.outlook.cn",
		app:       "partner.outlook.cn",
		consent:   "partner.outlook.cn",
	})

	// Gmail is Gmail and Google Workspace (Google's "OAuth 2.0 Mechanism" and
	// "Using OAuth 2.0 for Web Server Applications"). Port 465 with TLS from
	// the first byte serves SMTP as well. Google has no device flow for the
	// mail scope ("OAuth 2.0 for TV and Limited-Input Device Applications").
	Gmail = Provider{
		Name:     nameGmail,
		AuthURL:  "https://accounts.google.com/o/oauth2/v2/auth",
		TokenURL: "https://oauth2.googleapis.com/token",
		IMAP:     Service{Addr: "imap.gmail.com:993", Scope: googleScope, SASLIR: true},
		POP3:     Service{Addr: "pop.gmail.com:995", Scope: googleScope},
		SMTP:     Service{Addr: "smtp.gmail.com:587", StartTLS: true, Scope: googleScope},
	}

	// Yahoo is Yahoo Mail (Yahoo's "OAuth 2.0 Guide"; Yahoo gives mail scopes
	// to approved applications only).
	Yahoo = Provider{
		Name:     nameYahoo,
		AuthURL:  "https://api.login.yahoo.com/oauth2/request_auth",
		TokenURL: "https://api.login.yahoo.com/oauth2/get_token",
		IMAP:     Service{Addr: "imap.mail.yahoo.com:993", Scope: yahooScope},
		POP3:     Service{Addr: "pop.mail.yahoo.com:995", Scope: yahooScope},
		SMTP:     Service{Addr: "smtp.mail.yahoo.com:465", Scope: yahooScope},
	}
)

const (
	googleScope = "https://mail.google.com/"
	yahooScope  = "mail-w"
)

// cloud is what tells one of Microsoft's clouds from another: hosts without
// ports, and the hosts of the resources that scopes name.
type cloud struct {
	name, authority, mail, smtp, delegated, app, consent string
}

// microsoft builds the preset of one of Microsoft's clouds.
func microsoft(c cloud) Provider {
	base := "https://" + c.authority + "/{tenant}"
	p := Provider{
		Name:      c.name,
		AuthURL:   base + "/oauth2/v2.0/authorize",
		TokenURL:  base + "/oauth2/v2.0/token",
		DeviceURL: base + "/oauth2/v2.0/devicecode",
		IMAP:      Service{Addr: c.mail + ":993", Scope: "https://" + c.delegated + "/IMAP.AccessAsUser.All", SASLIR: true},
		POP3:      Service{Addr: c.mail + ":995", Scope: "https://" + c.delegated + "/POP.AccessAsUser.All"},
		SMTP:      Service{Addr: c.smtp + ":587", StartTLS: true, Scope: "https://" + c.delegated + "/SMTP.Send"},

		LongAuthLine: true,
	}
	if c.app == "" {
		return p
	}
	p.ConsentURL = base + "/v2.0/adminconsent"
	for _, s := range []*Service{&p.IMAP, &p.POP3, &p.SMTP} {
		s.AppScope = "https://" + c.app + "/.default"
		s.ConsentScope = "https://" + c.consent + "/.default"
	}
	// SMTP's consent names the resource itself: "Use client credentials grant
	// flow to authenticate SMTP, IMAP, and POP connections".
	p.SMTP.ConsentScope = p.SMTP.AppScope
	return p
}
