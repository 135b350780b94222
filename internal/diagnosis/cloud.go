package diagnosis

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Cloud is one of Microsoft's clouds.
type Cloud string

// The clouds, as texts name them. GCC High and DoD share one, since which
// resource DoD's tokens name is not documented well enough to tell them apart.
const (
	Worldwide  Cloud = "the worldwide cloud"
	Government Cloud = "the US Government's cloud"
	China      Cloud = "the cloud of 21Vianet in China"
)

// Resource is what a token is for, by its audience.
type Resource uint8

// The resources that matter.
const (
	resourceUnknown  Resource = iota // no claim, or one that proves nothing
	resourceExchange                 // Exchange Online
	resourceConsent                  // ps.outlook.com: for the consent page only
	resourceGraph
	resourceOther // certainly not a mail server
)

// Application ids of resources (Microsoft, "Verify first-party Microsoft
// applications in sign-in reports").
const (
	exchangeID = "00000002-0000-0ff1-ce00-000000000000"
	graphID    = "00000003-0000-0000-c000-000000000000"
	officeIDs  = "-0000-0ff1-ce00-000000000000" // Office's own; what takes tokens for which is not documented
)

// audiences are hosts that audiences name. Those of Exchange and Graph are from
// "Microsoft 365 endpoints" and "National cloud deployments".
var audiences = map[string]struct {
	resource Resource
	cloud    Cloud
}{
	"outlook.office365.com":           {resourceExchange, Worldwide},
	"outlook.office.com":              {resourceExchange, Worldwide},
	"mail.office365.com":              {resourceExchange, Worldwide},
	"outlook.com":                     {resourceExchange, Worldwide},
	"outlook.office365.us":            {resourceExchange, Government},
	"outlook-dod.office365.us":        {resourceExchange, Government},
	"webmail.apps.mil":                {resourceExchange, Government},
	"partner.outlook.cn":              {resourceExchange, China},
	"ps.outlook.com":                  {resourceConsent, ""},
	"graph.microsoft.com":             {resourceGraph, Worldwide},
	"graph.microsoft.us":              {resourceGraph, Government},
	"dod-graph.microsoft.us":          {resourceGraph, Government},
	"microsoftgraph.chinacloudapi.cn": {resourceGraph, China},
	"graph.windows.net":               {resourceOther, ""},
	"management.azure.com":            {resourceOther, ""},
	"management.core.windows.net":     {resourceOther, ""},
	"vault.azure.net":                 {resourceOther, ""},
	"storage.azure.com":               {resourceOther, ""},
	"manage.office.com":               {resourceOther, ""},
}

// resource says what the token is for.
func (t Token) resource() Resource {
	switch aud := strings.ToLower(t.Audience); {
	case aud == "":
		return resourceUnknown
	case aud == exchangeID, strings.HasPrefix(aud, exchangeID+"/"):
		return resourceExchange
	case aud == graphID, strings.HasPrefix(aud, graphID+"/"):
		return resourceGraph
	case strings.HasSuffix(aud, officeIDs):
		return resourceUnknown
	case isGUID(aud), strings.HasPrefix(aud, "api://"):
		return resourceOther // an id_token, or an API of the application's own
	}
	return audiences[audienceHost(t.Audience)].resource
}

// cloud says which cloud issued the token, if its audience tells.
func (t Token) cloud() Cloud { return audiences[audienceHost(t.Audience)].cloud }

// CloudOf returns the cloud of Exchange Online that a mail server belongs to,
// by its host name, or nothing.
func CloudOf(host string) Cloud {
	host = strings.ToLower(host)
	for _, server := range []struct {
		domain string
		cloud  Cloud
	}{
		{"office365.com", Worldwide}, {"outlook.com", Worldwide}, {"outlook.office.com", Worldwide},
		{"office365.us", Government}, {"webmail.apps.mil", Government},
		{"partner.outlook.cn", China},
	} {
		if strings.HasSuffix("."+host, "."+server.domain) {
			return server.cloud
		}
	}
	return ""
}

// worldwideServer is how Exchange's servers of the worldwide cloud are called;
// those of the others have other words for the region.
var worldwideServer = regexp.MustCompile(`(?i)^[a-z0-9]+\.[a-z]{3}prd\d\d\.prod\.outlook\.com\b`)

// cloudOfServer returns the cloud of a server that is reached by an unknown
// address, such as a proxy's, if the name with which it greets tells.
func cloudOfServer(name string) Cloud {
	if worldwideServer.MatchString(name) {
		return Worldwide
	}
	return ""
}

// audienceHost returns the host of an audience that is a URL or a host name.
func audienceHost(audience string) string {
	if !strings.Contains(audience, "://") {
		audience = "https://" + audience
	}
	u, err := url.Parse(audience)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// isGUID reports whether s has the form of a GUID.
func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i] | 0x20
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (s[i] == '-') || !dash && !isDigit(s[i]) && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// permission is what Exchange wants a token to carry for a protocol ("Authenticate
// an IMAP, POP or SMTP connection using OAuth").
type permission struct{ delegated, app string }

var permissions = map[string]permission{
	"IMAP": {"IMAP.AccessAsUser.All", "IMAP.AccessAsApp"},
	"POP3": {"POP.AccessAsUser.All", "POP.AccessAsApp"},
	"SMTP": {"SMTP.Send", "SMTP.SendAsApp"},
}

// carries reports whether a list of permissions holds one, by its name or as
// the end of a URL.
func carries(list []string, name string) bool {
	return slices.ContainsFunc(list, func(s string) bool {
		return strings.EqualFold(s[strings.LastIndexByte(s, '/')+1:], name)
	})
}

// ConsentPage returns the page on which an administrator of the tenant grants
// everything that the app registration lists ("Grant tenant-wide admin consent
// to an application"). endpoint is any of the authority's: with "{tenant}" in
// it, or with a tenant. It returns nothing if one of them is missing or
// unusable, or the authority is not Entra's.
func ConsentPage(endpoint, tenant, clientID string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" || u.Host == "" || clientID == "" || !strings.Contains(u.Path, "/v2.0/") {
		return ""
	}
	switch strings.ToLower(tenant) {
	case "", "common", "consumers":
		tenant = "organizations"
	}
	if strings.ContainsFunc(tenant, notInTenant) {
		return ""
	}
	return "https://" + u.Host + "/" + tenant + "/adminconsent?client_id=" + url.QueryEscape(clientID)
}

// notInTenant reports whether r is in no directory id and no domain name.
func notInTenant(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '.'
}
