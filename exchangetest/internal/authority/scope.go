package authority

import (
	"slices"
	"strings"
)

// The resources that a Server knows, by the names that scopes begin with.
const (
	exchange      = "00000002-0000-0ff1-ce00-000000000000"
	graph         = "00000003-0000-0000-c000-000000000000"
	graphResource = "https://graph.microsoft.com"
	defaultScope  = ".default"
)

// resourceID returns the application behind a resource's name; empty: there is
// none.
func resourceID(resource string) string {
	switch strings.ToLower(strings.TrimSuffix(resource, "/")) {
	case "https://outlook.office.com", "https://outlook.office365.com", "https://ps.outlook.com",
		"https://outlook.office365.us", "https://outlook-dod.office365.us", "https://partner.outlook.cn", exchange:
		return exchange
	case graphResource, graph:
		return graph
	}
	return ""
}

// openIDScopes belong to no resource.
var openIDScopes = []string{"openid", "profile", "email", "offline_access"}

// exchangeScopes are the permissions that a user can grant on Exchange.
var exchangeScopes = []string{
	"IMAP.AccessAsUser.All", "POP.AccessAsUser.All", "SMTP.Send", "EWS.AccessAsUser.All",
	"Mail.Read", "Mail.ReadWrite", "Mail.Send", "Calendars.Read", "Contacts.Read", "User.Read",
}

// scopes is a scope parameter, taken apart.
type scopes struct {
	openID []string
	named  []permission
}

// permission is one scope of a resource.
type permission struct{ resource, name string }

func (p permission) String() string {
	if p.resource == graphResource && p.name != defaultScope {
		return p.name
	}
	return p.resource + "/" + p.name
}

func parseScopes(parameter string) scopes {
	var parsed scopes
	for _, word := range strings.Fields(parameter) {
		if slices.Contains(openIDScopes, word) {
			parsed.openID = append(parsed.openID, word)
			continue
		}
		parsed.named = append(parsed.named, parsePermission(word))
	}
	return parsed
}

func parsePermission(word string) permission {
	i := strings.LastIndexByte(word, '/')
	if i < 0 {
		return permission{graphResource, word}
	}
	// "https://host//.default" names a resource that ends in a slash.
	return permission{word[:i], word[i+1:]}
}

func (s scopes) has(openIDScope string) bool { return slices.Contains(s.openID, openIDScope) }

// resources returns the resources named, each once.
func (s scopes) resources() []string {
	var resources []string
	for _, p := range s.named {
		if !slices.Contains(resources, p.resource) {
			resources = append(resources, p.resource)
		}
	}
	return resources
}

// names returns the permissions' names, without their resources.
func (s scopes) names() []string {
	names := make([]string, len(s.named))
	for i, p := range s.named {
		names[i] = p.name
	}
	return names
}

// String returns the permissions in full.
func (s scopes) String() string {
	words := make([]string, 0, len(s.named)+len(s.openID))
	for _, p := range s.named {
		words = append(words, p.String())
	}
	return strings.Join(append(words, s.openID...), " ")
}

// check refuses what no request may ask for: unknown resources and
// permissions, and .default beside named ones.
func (s scopes) check(c *call) *Error {
	defaults := 0
	for _, p := range s.named {
		switch id := resourceID(p.resource); {
		case id == "":
			return c.fail(500011, "{resource}", p.resource)
		case p.name == defaultScope:
			defaults++
		case id == exchange && !slices.Contains(exchangeScopes, p.name), !properName(p.name):
			return c.fail(70011, "{scope}", p.String())
		}
	}
	if defaults > 0 && defaults < len(s.named) {
		return c.fail(70011, "{scope}", s.String())
	}
	return nil
}

// checkOne is check for a token request, which names one resource.
func (s scopes) checkOne(c *call) *Error {
	if err := s.check(c); err != nil {
		return err
	}
	switch n := len(s.resources()); {
	case n == 0:
		return c.fail(28003)
	case n > 1:
		return c.fail(28000, "{scope}", s.String())
	}
	return nil
}

// properName reports whether a permission's name is of the form of Graph's.
func properName(name string) bool {
	return name == defaultScope || strings.Contains(strings.Trim(name, "."), ".")
}
